"""Long captures in parts, as sparse files: seams inside chirps, positions beyond 4 GiB."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from naive import packet_file as naive

from capture.config import RadarConfig
from capture.file.packets import PacketStream
from capture.file.recording import open_recording
from capture.file.stream import ByteStream

SEAM = 1_073_741_760
PAPER = RadarConfig()
N_PARTS = 12


def sparse_parts(folder: Path, stream: dict[int, bytes], n_bytes: int) -> list[Path]:
    """Files of `SEAM` bytes that are holes but for the pieces of a stream at some positions."""
    paths = []
    for part, start in enumerate(range(0, n_bytes, SEAM)):
        paths.append(folder / f"adc_data_Raw_{part}.bin")
        paths[-1].touch()
        os.truncate(paths[-1], min(SEAM, n_bytes - start))
        with paths[-1].open("r+b") as file:
            for position, piece in stream.items():
                begin, end = max(position, start), min(position + len(piece), start + SEAM)
                if begin < end:
                    file.seek(begin - start)
                    file.write(piece[begin - position : end - position])
    return paths


def test_the_recorders_own_seam() -> None:
    # Files are cut at floor(2^30 / 1456) 1456 bytes; with the paper's 942 080 B per frame that is
    # frame 1139, 712 640 B in: chirp 173, of which 4032 B of 4096 B lie before the cut.
    assert SEAM == 2**30 // 1456 * 1456
    assert divmod(SEAM, PAPER.frame_bytes) == (1139, 712_640)
    assert divmod(712_640, 4096) == (173, 4032)


def test_twelve_parts_of_a_gibibyte_are_one_stream(tmp_path: Path) -> None:
    # 11 seams, the last at 11.8 GB; _10 and _11 sort before _2 as text.
    rng = np.random.default_rng(8)
    seams = [k * SEAM // PAPER.frame_bytes for k in range(1, N_PARTS)]
    truth = {index: rng.integers(-500, 500, (230, 2048)).astype(np.int16) for index in seams}
    n_bytes = (N_PARTS - 1) * SEAM + 10 * PAPER.frame_bytes
    n_frames = n_bytes // PAPER.frame_bytes
    stream = {index * PAPER.frame_bytes: words.tobytes() for index, words in truth.items()}
    paths = sparse_parts(tmp_path, stream, n_bytes)
    assert len(paths) == N_PARTS
    assert sorted(paths)[2].name == "adc_data_Raw_10.bin"
    recording = open_recording(sorted(paths), PAPER)
    assert (len(recording), recording.info.trailing_bytes) == divmod(n_bytes, PAPER.frame_bytes)
    assert seams[4] * PAPER.frame_bytes > 2**32
    for index, words in truth.items():
        np.testing.assert_array_equal(recording.frame(index).words, words)
    assert not recording.frame(seams[0] + 1).words.any()
    assert not recording.frame(n_frames - 1).words.any()
    # Frame 5700 begins at 5.37e9 bytes: 5700 x 33 ms.
    assert recording.frame(5700).time_s == pytest.approx(188.1)


def test_byte_counts_of_48_bits(tmp_path: Path) -> None:
    # Packets 1 to 40, then a loss up to byte 8 GB: counts beyond 32 bits, sequence to match.
    rng = np.random.default_rng(9)
    n_before, jump = 40, 5_494_506  # packets; 5 494 506 x 1456 B = 8.0 GB
    payload = rng.integers(-500, 500, 80 * 728).astype("<i2").tobytes()
    raw = bytearray()
    for k in range(80):
        number = k if k < n_before else k + jump - n_before
        piece = payload[k * 1456 : (k + 1) * 1456]
        raw += naive.record(number + 1, number * 1456, piece)
    path = tmp_path / "adc_data_Raw_0.bin"
    path.write_bytes(raw)
    stream = PacketStream(ByteStream([path]))
    assert len(stream) == (jump + 40) * 1456 > 2**32
    (gap,) = stream.gaps
    assert (gap.start_byte, gap.n_bytes) == (40 * 1456, (jump - 40) * 1456)
    assert stream.words(jump * 1456, 40 * 728).tobytes() == payload[40 * 1456 :]
    recording = open_recording(path, PAPER, "IIQQ")
    assert len(recording) == (jump + 40) * 1456 // 942_080
    assert not recording.frame(5000).valid.any()
