"""Is the signal sound? Losses, clipping, offsets, silent antennas, test patterns, foreign files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.file.stream import PayloadStream

MIN_HOLE_BYTES = 1456
"""Shortest stretch of zeros that is taken for a lost packet (one payload)."""
_CHUNK_WORDS = 1 << 22
_PROBE_WORDS = MIN_HOLE_BYTES // 4
_MAGIC = {
    b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive",
    b"7z\xbc\xaf": "a 7-Zip archive", b"\xfd7zXZ": "an xz archive", b"\x7fELF": "a program",
    b"MZ\x90": "a Windows program", b"%PDF": "a PDF document", b"\x89HDF": "an HDF5 file",
    b"MATLAB 5.0": "a MATLAB file", b"\x93NUMPY": "a NumPy array", b"RIFF": "an AVI or WAV file",
    b"\xd4\xc3\xb2\xa1": "a packet capture (pcap)", b"SQLite": "a database",
    b"\x0a\x0d\x0d\x0a": "a packet capture (pcapng)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WordFacts:
    """What one pass over all words found.

    Attributes
    ----------
    zero_runs : (start, n_bytes) of stretches of zeros as long as a lost packet or longer
    low, high : smallest and largest word, as stored
    n_bits : bits of the ADC's words: 12 or 14 where they are not sign-extended, else 16
    saturation : share of words at either end of that range
    bits_used : bits that the largest amplitude takes
    """

    zero_runs: tuple[tuple[int, int], ...]
    low: int
    high: int
    n_bits: int
    saturation: float
    bits_used: int


def scan_words(stream: PayloadStream) -> WordFacts:
    """Read every word once, in bounded memory."""
    histogram = np.zeros(1 << 16, np.int64)
    runs: list[tuple[int, int]] = []
    n_words = len(stream) // 2
    for start in range(0, n_words, _CHUNK_WORDS):
        words = stream.words(2 * start, min(_CHUNK_WORDS, n_words - start))
        histogram += np.bincount(words.view(np.uint16), minlength=1 << 16)
        for begin, end in _zero_runs(words):
            begin, end = 2 * (start + begin), 2 * (start + end)
            if runs and sum(runs[-1]) == begin:
                begin = runs.pop()[0]
            runs.append((begin, end - begin))
    runs = [(start, n_bytes) for start, n_bytes in runs if n_bytes >= MIN_HOLE_BYTES]
    present = np.flatnonzero(np.roll(histogram, 1 << 15)) - (1 << 15)
    low, high = (int(present[0]), int(present[-1])) if len(present) else (0, 0)
    n_bits = next((n for n in (12, 14) if low >= 0 and (1 << (n - 1)) <= high < (1 << n)), 16)
    half = 1 << (n_bits - 1)
    values = np.where(present >= half, present - 2 * half, present)
    ends = histogram[[half - 1, half]].sum()
    largest = int(max(values.max(), -values.min() - 1)) if len(values) else 0
    return WordFacts(
        tuple(runs), low, high, n_bits, float(ends / max(n_words, 1)),
        largest.bit_length() + bool(present.any()),
    )  # fmt: skip


def _zero_runs(words: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) words of stretches of zeros of a chunk; short ones only at its ends."""
    n_probes = len(words) // _PROBE_WORDS
    probes = words[: n_probes * _PROBE_WORDS].reshape(n_probes, _PROBE_WORDS)
    # A hole covers a whole probe, and most chunks have none.
    if n_probes and probes.any(axis=1).all() and words[-1]:
        return []
    edges = np.diff((words == 0).astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    kept = (stops - starts >= _PROBE_WORDS) | (starts == 0) | (stops == len(words))
    return list(zip(starts[kept].tolist(), stops[kept].tolist(), strict=True))


def sign_extended(words: np.ndarray, n_bits: int) -> np.ndarray:
    """Words of `n_bits` as signed int16."""
    unused = 16 - n_bits
    return (words << unused) >> unused if unused else words


def antenna_health(samples: np.ndarray) -> tuple[list[list[float]], list[int]]:
    """Constant offset of every antenna, and the antennas that hear nothing.

    Parameters
    ----------
    samples : complex array, shape (n_chirps, n_rx, n_samples), received chirps

    Returns
    -------
    [mean of I, mean of Q] of each antenna; positions of antennas whose signal, less its mean, is
    constant or over 30 dB below the median antenna's
    """
    mean = samples.mean(axis=(0, 2))
    power = np.mean(np.abs(samples - mean[:, None]) ** 2, axis=(0, 2))
    dead = np.flatnonzero(power <= max(1e-3 * float(np.median(power)), 1e-9))
    if len(power) == 2 and not len(dead):
        dead = np.flatnonzero(power < 1e-3 * power.max())
    offsets = [[round(float(z.real), 2), round(float(z.imag), 2)] for z in mean]
    return offsets, [int(k) for k in dead]


def find_test_pattern(words: np.ndarray) -> str | None:
    """Name the counters that TI's LVDS test pattern sends instead of samples.

    Parameters
    ----------
    words : int16 array, from the start of a chirp on

    Returns
    -------
    What was found, None for anything else. In every layout a word and the eighth after it belong
    to the same antenna, so that they differ by a constant modulo 2^16 but for the ends of rows.
    """
    if len(words) < 64:
        return None
    step = words[8:].view(np.uint16) - words[:-8].view(np.uint16)
    values, counts = np.unique(step, return_counts=True)
    order = np.argsort(counts)[::-1][:4]
    if counts[order].sum() < 0.9 * len(step) or not values[order].any():
        return None
    often = [k for k in sorted(order) if counts[k] > 0.02 * len(step)]
    shown = ", ".join(str(int(values[k].astype(np.int16))) for k in often)
    return f"counters: words differ by {shown} from the eighth before (LVDS test pattern)"


def foreign_file(head: np.ndarray, words: np.ndarray) -> str | None:
    """Name a file that holds no radar samples.

    Parameters
    ----------
    head : uint8 array, the first bytes of the file
    words : int16 array, words from all over it

    Returns
    -------
    What it looks like; None for what may be samples
    """
    start = head[:16].tobytes()
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            return name
    if start[4:8] == b"ftyp":
        return "an MP4 video"
    text = np.isin(head, [9, 10, 13]) | ((head >= 32) & (head < 127))
    if len(head) >= 16 and text.mean() > 0.97:
        return "text"
    if len(words) and (words == words[0]).all():
        return f"the same word {int(words[0])} throughout"
    if len(words) >= 4096 and _is_random(words):
        return "uniformly random bytes, as compressed or encrypted files have"
    return None


def _is_random(words: np.ndarray) -> bool:
    counts = np.bincount(words.view(np.uint16) >> 8, minlength=256)
    expected = len(words) / 256
    return bool(np.sum((counts - expected) ** 2) / expected < 256 + 8 * np.sqrt(512))
