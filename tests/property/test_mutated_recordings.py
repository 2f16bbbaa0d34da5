"""Damaged, cut and foreign .bin files by the thousand: explained or exact, never wrongly valid."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from naive import packet_file as naive

from capture.config import RadarConfig, Subframe
from capture.errors import CaptureError
from capture.file.framing import stored_words
from capture.file.recording import open_recording

PLAIN = RadarConfig(n_samples=16, n_loops=5, rx_mask=0b0111, frame_period_s=10e-3)
HSI = dataclasses.replace(PLAIN, hsi_header=True)
OTHERS = (
    dataclasses.replace(PLAIN, n_lanes=4),
    dataclasses.replace(PLAIN, adc_format="real", adc_bits=12),
    dataclasses.replace(
        PLAIN,
        subframe=Subframe(index=0, n_subframes=2, lead_bytes=0, tail_bytes=500, lead_s=0.0),
    ),
)
N_FRAMES, STRIDE = 12, HSI.stored_chirp_bytes
WORDS = np.random.default_rng(11).integers(-400, 400, (N_FRAMES, 5, 96)).astype(np.int16)
CHIRPS = {chirp.tobytes() for chirp in WORDS.reshape(-1, 96)}
PAYLOAD = {
    config: b"".join(stored_words(words, config).tobytes() for words in WORDS)
    for config in (PLAIN, HSI)
}
KINDS = ("flip", "cut", "insert", "zero", "end")


@pytest.fixture(autouse=True)
def no_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which field would explain the size is asked for elsewhere, and takes most of the time."""
    monkeypatch.setattr("capture.file.recording.explain_size", lambda *_: "")


def read_all(path: Path, config: RadarConfig) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Words and validity of every frame; None when the file is refused."""
    try:
        frames = [(frame.words, frame.valid) for frame in open_recording(path, config)]
    except CaptureError:
        return None
    shape = (config.n_chirps, config.words_per_chirp)
    assert all(w.shape == shape and v.shape == shape[:1] for w, v in frames)
    return frames


def mutate(raw: bytes, rng: np.random.Generator) -> bytes:
    """One to four changes of bytes, lengths and order."""
    data = bytearray(raw)
    for kind in rng.choice(KINDS, rng.integers(1, 5), p=[0.4, 0.2, 0.2, 0.1, 0.1]):
        place, amount = int(rng.integers(len(data) + 1)), int(rng.integers(1, 4000))
        if kind == "flip" and place < len(data):
            data[place] ^= amount % 255 + 1
        elif kind == "cut":
            del data[place : place + amount]
        elif kind == "insert":
            data[place:place] = rng.bytes(amount)
        elif kind == "zero":
            data[place : place + amount] = bytes(len(data[place : place + amount]))
        elif kind == "end":
            del data[place:]
    return bytes(data)


@pytest.mark.parametrize("packets", [False, True])
@pytest.mark.parametrize("config", [PLAIN, HSI, *OTHERS])
@pytest.mark.parametrize("actual", [PLAIN, HSI])
def test_no_file_crashes_the_reader(
    tmp_path: Path, actual: RadarConfig, config: RadarConfig, packets: bool
) -> None:
    raw = b"".join(naive.records_of(PAYLOAD[actual])) if packets else PAYLOAD[actual]
    path = tmp_path / "walk.bin"
    for seed in range(60):
        path.write_bytes(mutate(raw, np.random.default_rng(seed)))
        read_all(path, config)


def disturb(records: list[bytearray], kind: str, rng: np.random.Generator) -> None:
    """Damage a header, or put records out of order; payloads stay as they were sent."""
    k = int(rng.integers(len(records) - 1))
    if kind == "flip":
        records[k][rng.integers(14)] ^= int(rng.integers(1, 256))
    elif kind == "zero":
        records[k][:14] = bytes(14)
    elif kind == "swap":
        records[k], records[k + 1] = records[k + 1], records[k]
    elif kind == "drop" and len(records) > 3:
        del records[k]
    elif kind == "repeat":
        records.insert(k + 1, records[k][:])


@pytest.mark.parametrize("kind", ["flip", "zero", "swap", "drop", "repeat", "all"])
def test_packets_are_never_taken_for_another_place(tmp_path: Path, kind: str) -> None:
    path, n_read = tmp_path / "walk.bin", 0
    kinds = ["flip", "zero", "swap", "drop", "repeat"] if kind == "all" else [kind]
    for seed in range(200):
        rng = np.random.default_rng(seed)
        records = [bytearray(record) for record in naive.records_of(PAYLOAD[PLAIN] * 3)]
        for _ in range(rng.integers(1, 16)):
            disturb(records, str(rng.choice(kinds)), rng)
        path.write_bytes(b"".join(records))
        frames = read_all(path, PLAIN)
        n_read += frames is not None
        for index, (words, valid) in enumerate(frames or []):
            truth = WORDS[index % N_FRAMES]
            np.testing.assert_array_equal(words[valid], truth[valid], err_msg=f"seed {seed}")
    assert n_read > 20


@pytest.mark.parametrize("inserted", [False, True])
def test_slipped_bytes_are_not_valid_where_headers_tell(tmp_path: Path, inserted: bool) -> None:
    """Bytes left out of, or put into, a file with HSI headers: what lies before them is right,
    and a chirp behind them is valid only if it is whole."""
    path, payload = tmp_path / "walk.bin", PAYLOAD[HSI]
    for seed in range(300):
        rng = np.random.default_rng(seed)
        place, n_bytes = int(rng.integers(len(payload))), int(rng.integers(1, 600))
        behind = rng.bytes(n_bytes) + payload[place:] if inserted else payload[place + n_bytes :]
        path.write_bytes(payload[:place] + behind)
        for index, (words, valid) in enumerate(read_all(path, HSI) or []):
            begins = (5 * index + np.arange(5)) * STRIDE
            before = valid & (begins + STRIDE <= place)
            np.testing.assert_array_equal(words[before], WORDS[index, before])
            assert valid[begins + STRIDE <= place].all()
            for chirp in words[valid & (begins > place)]:
                assert chirp.tobytes() in CHIRPS, f"seed {seed}"
