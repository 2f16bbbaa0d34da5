"""What is this .bin, and why: format, layout, frames, losses and health of a recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from capture.config import RadarConfig
from capture.errors import CaptureError, LayoutError
from capture.file.hsi import HsiHeader, read_header
from capture.file.packets import PacketStream, has_packet_headers
from capture.file.recording import open_recording
from capture.file.stream import ByteStream, PayloadStream, in_order
from capture.inspect.blind import Hypothesis, judge_words, open_readings, rank_layouts
from capture.inspect.health import (
    antenna_health,
    find_test_pattern,
    foreign_file,
    scan_words,
    sign_extended,
)
from capture.inspect.layout import refuse_offset_binary
from capture.inspect.size import explain_size
from capture.inspect.structure import MAX_WORDS, Structure, one_antenna
from capture.layouts import LAYOUTS, decode

SPLIT_BYTES = 1_073_741_760
"""Where TI's recorders cut a recording: floor(2^30 / 1456) payloads."""


@dataclass(slots=True)
class Inspection:
    """What is known about a recording; unknown things are None.

    Attributes
    ----------
    files : in stream order
    n_bytes : payload, without packet headers
    framing : 'plain', 'packet-headers' or 'hsi'
    layout : name of the word order, None while several fit
    hypotheses : all word orders with their scores, best first; at -1 and below one is ruled out
    n_frames, frame_bytes : whole frames, and bytes from one to the next
    repetition_bytes : after which the echoes repeat: one chirp, or a loop of unlike chirps
    n_rx, n_samples : antennas and samples of a chirp
    missing_bytes : lost packets, stretches of zeros, and what the sidecar lists as lost
    trailing_bytes : after the last whole frame
    saturation : share of words at the ADC's full scale
    adc_bits, bits_used : width of the words, bits that the largest amplitude takes
    dc : [I, Q] offset of each antenna, ADC counts; without a configuration of each row of
        samples that shows in a repetition
    dead_rx : places, among these antennas or rows, of those that hear nothing
    test_pattern : what was found instead of samples
    evidence : what the rest is founded on, for people
    warnings : what deserves attention though it refuses nothing
    refused : why the recording cannot be read as it is
    """

    files: tuple[Path, ...]
    n_bytes: int = 0
    framing: str = "plain"
    layout: str | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    n_frames: int | None = None
    frame_bytes: int | None = None
    repetition_bytes: int | None = None
    n_rx: int | None = None
    n_samples: int | None = None
    missing_bytes: int = 0
    trailing_bytes: int | None = None
    saturation: float = 0.0
    adc_bits: int = 16
    bits_used: int = 0
    dc: list[list[float]] = field(default_factory=list)
    dead_rx: list[int] = field(default_factory=list)
    test_pattern: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    refused: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `radarid inspect --json` prints them."""
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        plain["files"] = [str(path) for path in self.files]
        plain["hypotheses"] = [dataclasses.asdict(item) for item in self.hypotheses]
        return plain


def inspect_recording(
    paths: Path | str | Sequence[Path | str], config: RadarConfig | None = None
) -> Inspection:
    """Tell what a recording is, as far as its bytes and, if given, a configuration say.

    Parameters
    ----------
    paths : a file, or all parts of one recording
    config : waveform and raw format; everything is checked against it

    Returns
    -------
    Inspection, whatever the files hold; `refused` names what cannot be read, is no recording, or
    fits more than one reading, and what would settle it
    """
    given = [paths] if isinstance(paths, (str, Path)) else paths
    found = Inspection(tuple(Path(path) for path in given))
    try:
        found.files = files = in_order(paths)
        stream = ByteStream(files)
        _refuse_foreign(stream, files[0])
        payload = _payload(stream, found)
        words = _look(payload, found)
        refuse_offset_binary(words, files[0])
        if config is None:
            _judge_alone(words, found)
        else:
            _judge_with(config, payload, words, found)
    except CaptureError as failure:
        found.refused = str(failure)
    return found


def _refuse_foreign(stream: ByteStream, where: Path) -> None:
    if len(stream) < 2:
        raise LayoutError("the file is empty", where=where, got=f"{len(stream)} bytes")
    head = stream.read(0, min(len(stream), 1 << 16))
    places = np.linspace(0, max(len(stream) - (1 << 14), 0), 8).astype(np.int64) // 2 * 2
    words = [stream.words(int(at), min(1 << 13, (len(stream) - int(at)) // 2)) for at in places]
    name = foreign_file(head, np.concatenate(words))
    if name is not None:
        raise LayoutError(
            "not a recording of radar samples", where=where, got=name,
            remedy="pass the .bin file that the DCA1000's recorder wrote",
        )  # fmt: skip


def _payload(stream: ByteStream, found: Inspection) -> PayloadStream:
    """What the radar sent, without packet headers."""
    payload: PayloadStream = stream
    if has_packet_headers(stream.words(0, min(len(stream) // 2, 16384))):
        found.framing = "packet-headers"
        packets = PacketStream(stream)
        found.evidence["packets"] = (
            f"14-byte headers (mmWave Studio before 2.1): {packets.n_packets} packets, "
            f"{packets.n_damaged} headers damaged, {packets.n_repeated} bytes repeated"
        )
        payload = packets
    found.n_bytes = len(payload)
    if found.files[-1].stat().st_size == SPLIT_BYTES:
        found.warnings.append("the last part is as long as a part can be: another one may follow")
    return payload


def _look(payload: PayloadStream, found: Inspection) -> np.ndarray:
    """Losses and levels of all words; the first words, signed and without HSI headers."""
    facts = scan_words(payload)
    found.saturation, found.adc_bits = round(facts.saturation, 6), facts.n_bits
    found.bits_used = facts.bits_used
    lost = [(gap.start_byte, gap.start_byte + gap.n_bytes) for gap in payload.gaps]
    if _is_regular(facts.zero_runs):
        found.warnings.append("zeros at regular places: an antenna that hears nothing, not losses")
    else:
        lost += [(start, start + n_bytes) for start, n_bytes in facts.zero_runs]
    _note_losses(lost, facts.saturation, found)
    words = payload.words(0, min(len(payload) // 2, MAX_WORDS))
    header = read_header(words[:32])
    if header is not None:
        words = _without_headers(words, header, found)
    return sign_extended(words, facts.n_bits)


def _is_regular(runs: tuple[tuple[int, int], ...]) -> bool:
    """Whether stretches of zeros are equally long and equally far apart, as antennas' are."""
    starts, lengths = np.array(runs, np.int64).reshape(-1, 2).T
    if len(starts) < 8:
        return False
    distances = np.diff(starts)
    same = (distances == np.median(distances)) & (lengths[1:] == np.median(lengths))
    return bool(same.mean() > 0.8)


def _note_losses(lost: list[tuple[int, int]], saturation: float, found: Inspection) -> None:
    covered = end = 0
    for start, stop in sorted(lost):
        covered += max(0, stop - max(start, end))
        end = max(end, stop)
    found.missing_bytes = covered
    if covered:
        found.evidence["losses"] = (
            f"{covered} of {found.n_bytes} bytes are missing, in {len(lost)} stretches: packets "
            "that never came, or zeros as long as a packet"
        )
    if saturation > 1e-4:
        found.warnings.append(f"{saturation:.2%} of the words are at the ADC's full scale")


def _without_headers(words: np.ndarray, header: HsiHeader, found: Inspection) -> np.ndarray:
    found.framing = "hsi"
    if header.content != "samples" or header.n_chirps != 1 or header.n_bytes < 64:
        raise LayoutError(
            "HSI headers of another stream than plain samples", where=found.files[0],
            got=f"{header.content}, {header.n_chirps} chirps behind one header",
            remedy="record with lvdsStreamCfg -1 1 1 0",
        )  # fmt: skip
    found.repetition_bytes = header.n_bytes
    found.n_rx = header.rx_mask.bit_count()
    found.evidence["headers"] = (
        f"HSI headers, words {header.order}: every {header.n_bytes} bytes, rx_mask "
        f"{header.rx_mask:#x}, {header.n_antenna_words} words of each antenna"
    )
    return header.strip(words)


def _judge_alone(words: np.ndarray, found: Inspection) -> None:
    """Layout, chirps and frames from the words alone."""
    where = found.files[0]
    found.test_pattern = find_test_pattern(words)
    if found.test_pattern:
        raise LayoutError(
            "a test pattern instead of samples", where=where, got=found.test_pattern,
            remedy="switch the LVDS test pattern off and record again",
        )  # fmt: skip
    if not words.any():
        raise LayoutError("no signal: nothing but zeros where samples should be", where=where)
    found.hypotheses, structure = judge_words(words)
    names = open_readings(found.hypotheses)
    if len(names) > 1:
        raise LayoutError(
            f"{len(names)} readings fit: {' and '.join(names)}", where=where,
            got="; ".join(f"{h.name}: {h.evidence}" for h in found.hypotheses[: len(names)]),
            remedy=_what_decides(names),
        )  # fmt: skip
    found.layout = names[0]
    found.evidence["layout"] = f"{names[0]}: {found.hypotheses[0].evidence}; all others ruled out"
    _note_structure(structure, found)
    if structure.period_words and structure.row_words:
        row = one_antenna(names[0], structure.row_words // structure.words_per_sample)
        n_periods = len(words) // structure.period_words
        rows = words[: n_periods * structure.period_words].reshape(-1, row.words_per_chirp)
        samples = decode(rows, names[0], row)
        _note_antennas(samples.reshape(n_periods, -1, row.n_samples), found)


def _what_decides(names: list[str]) -> str:
    kinds = {LAYOUTS[name].n_lanes for name in names}
    if len(kinds) > 1 or len({bool(LAYOUTS[name].components) for name in names}) > 1:
        return "pass the radar's configuration (--radar): its lanes and ADC format decide"
    if {LAYOUTS[name].components for name in names} == {"IQ", "QI"}:
        return (
            "pass the radar's configuration (--radar): its iq_order (SampleSwap) decides; or "
            "record something near, which lies in the lower part of the range axis"
        )
    return "record something at another distance, or longer; the echoes here look alike in both"


def _note_structure(structure: Structure, found: Inspection) -> None:
    period, row = structure.period_words, structure.row_words
    if period is None or row is None or found.layout is None:
        found.evidence["chirps"] = "nothing repeats: the length of a chirp does not show"
        return
    n_samples = period // structure.words_per_sample
    four = LAYOUTS[found.layout].n_lanes == 4
    text = f"the echoes repeat every {period} words (correlation {structure.strength:.2f}): "
    text += f"{'' if four else 'antennas x '}samples x unlike chirps of a loop = {n_samples}"
    if row < period:
        text += f"; breaks show after every {row // structure.words_per_sample} samples at least"
    found.evidence["chirps"] = text
    found.n_rx = 4 if four else found.n_rx
    found.repetition_bytes = found.repetition_bytes or 2 * period
    if structure.frame_periods:
        found.frame_bytes = structure.frame_periods * found.repetition_bytes
        found.n_frames, found.trailing_bytes = divmod(found.n_bytes, found.frame_bytes)
        found.evidence["frames"] = (
            f"pauses after every {structure.frame_periods} repetitions stand out by "
            f"{structure.joint:.0f} standard deviations"
        )


def _note_antennas(samples: np.ndarray, found: Inspection) -> None:
    found.dc, found.dead_rx = antenna_health(samples)
    if found.dead_rx:
        found.warnings.append(f"antennas that hear nothing: {found.dead_rx} (counted in the file)")


def _judge_with(
    config: RadarConfig, payload: PayloadStream, words: np.ndarray, found: Inspection
) -> None:
    """Everything against the configuration."""
    found.frame_bytes, found.repetition_bytes = config.stored_frame_bytes, config.stored_chirp_bytes
    found.n_rx, found.n_samples = config.n_rx, config.n_samples
    found.n_frames, found.trailing_bytes = divmod(len(payload), config.stored_frame_bytes)
    found.test_pattern = find_test_pattern(words)
    if words.any():
        row = config.words_per_chirp // (config.n_stored_rx if config.n_lanes == 2 else 1)
        found.hypotheses = rank_layouts(words, config.words_per_chirp * len(config.chirps), row)
        names = open_readings(found.hypotheses)
        found.layout = names[0] if len(names) == 1 else None
    verdict = explain_size(len(payload), config, words)
    whole = not found.trailing_bytes and bool(found.n_frames)
    if verdict.contradicted and (verdict.changes or not whole):
        raise LayoutError(
            "the file does not fit the configuration", where=found.files[0],
            got=f"{len(payload)} bytes", expected=f"frames of {config.stored_frame_bytes} bytes",
            remedy=f"{verdict}; pass the configuration that the file was recorded with",
        )  # fmt: skip
    if verdict.contradicted or verdict.changes:
        found.warnings.append(str(verdict))
    if verdict.blocks_of and verdict.blocks_of != config.block_chirps:
        found.warnings.append(
            f"chirps lie together in blocks of {verdict.blocks_of}, antenna by antenna (adcbufCfg "
            "with a chirp threshold); set chirps_per_block, or antennas and chirps get mixed up"
        )
    recording = open_recording(found.files, config)
    found.layout = recording.info.layout
    found.evidence |= recording.info.evidence
    gaps = recording.info.gaps
    found.missing_bytes = max(found.missing_bytes, sum(gap.n_bytes for gap in gaps))
    places = np.unique(np.linspace(0, len(recording) - 1, 8).astype(int))
    frames = [recording.frame(int(k)) for k in places]
    chirps = np.concatenate([frame.words[frame.valid][:64] for frame in frames])
    if len(chirps):
        _note_antennas(decode(chirps, found.layout, recording.info.config), found)
