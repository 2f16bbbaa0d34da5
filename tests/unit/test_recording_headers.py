"""Files with HSI headers, of subframes, and of recordings that broke off; parts that lack."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from capture.config import RadarConfig, Subframe
from capture.errors import ConfigError, LayoutError
from capture.file.framing import stored_words
from capture.file.recording import RecordingWriter, open_recording
from capture.file.sidecar import LiveFacts, Sidecar, write_sidecar
from capture.file.stream import group_split_files
from capture.layouts import encode
from capture.types import Gap

PLAIN = RadarConfig(n_samples=64, n_loops=6, frame_period_s=10e-3)
HSI = dataclasses.replace(PLAIN, hsi_header=True)
ALIGNED = dataclasses.replace(HSI, hsi_alignment_bytes=256)
assert (HSI.stored_chirp_bytes, ALIGNED.stored_chirp_bytes) == (1088, 1280)


def tones(n_frames: int, layout: str = "IIQQ") -> np.ndarray:
    """A tone in noise as words, shape (n_frames, n_chirps, words_per_chirp)."""
    rng = np.random.default_rng(5)
    tone = 500 * np.exp(2j * np.pi * 0.1 * np.arange(64)) + rng.normal(size=(n_frames, 6, 4, 64))
    return np.stack([encode(frame, layout, PLAIN) for frame in tone])


def write(path: Path, frames: np.ndarray, config: RadarConfig, order: str = "two lanes") -> Path:
    path.write_bytes(b"".join(stored_words(frame, config, order).tobytes() for frame in frames))
    return path


@pytest.mark.parametrize("actual", [HSI, ALIGNED])
@pytest.mark.parametrize("given", [HSI, ALIGNED])
def test_the_alignment_is_taken_from_the_file(
    tmp_path: Path, actual: RadarConfig, given: RadarConfig
) -> None:
    frames = tones(3)
    recording = open_recording(write(tmp_path / "walk.bin", frames, actual), given)
    assert recording.info.config == actual
    assert (len(recording), recording.info.trailing_bytes) == (3, 0)
    np.testing.assert_array_equal([frame.words for frame in recording], frames)
    assert all(frame.is_complete for frame in recording)


def test_headers_put_in_order_mean_samples_put_in_order(tmp_path: Path) -> None:
    # TI's recorder re-orders every word or none: the published multi-mode capture has both so.
    frames = tones(2, "IQIQ")
    path = write(tmp_path / "datacard_hdr_0ADC_0.bin", frames, HSI, "in order")
    info = open_recording(path, HSI).info
    assert info.layout == "IQIQ"
    assert info.evidence["layout"] == "IQIQ confirmed"
    swapped = dataclasses.replace(HSI, iq_order="QI")
    path = write(tmp_path / "swapped.bin", tones(2, "QIQI"), HSI, "in order")
    assert open_recording(path, swapped).info.layout == "QIQI"
    with pytest.raises(LayoutError, match="got QIQI.*expected IQIQ"):
        open_recording(path, HSI)


def test_a_file_and_a_configuration_that_disagree_about_headers(tmp_path: Path) -> None:
    with_headers = write(tmp_path / "a.bin", tones(2), HSI)
    with pytest.raises(LayoutError, match="every chirp has an HSI header.*hsi_header = true"):
        open_recording(with_headers, PLAIN)
    without = write(tmp_path / "b.bin", tones(2), PLAIN)
    with pytest.raises(LayoutError, match="no HSI headers, though.*hsi_header = false"):
        open_recording(without, HSI)
    other = dataclasses.replace(HSI, n_samples=128)
    with pytest.raises(LayoutError, match="words of one antenna's samples: header 128, config"):
        open_recording(with_headers, other)


def test_a_stream_of_user_data_is_refused_by_name(tmp_path: Path) -> None:
    stored = [stored_words(frame, HSI, "in order").reshape(6, -1).copy() for frame in tones(2)]
    for chirps in stored:
        chirps[:, 12] = 0x0500
    path = tmp_path / "datacard_hdr_0CC9_0.bin"
    path.write_bytes(b"".join(chirps.tobytes() for chirps in stored))
    with pytest.raises(LayoutError, match="content: header user data, configuration samples"):
        open_recording(path, HSI)


def test_damaged_headers_invalidate_their_chirps(tmp_path: Path) -> None:
    frames = tones(3)
    path = write(tmp_path / "walk.bin", frames, HSI)
    raw = bytearray(path.read_bytes())
    raw[0] ^= 1  # chirp 0 of frame 0
    raw[(6 + 4) * 1088 + 20] ^= 1  # chirp 4 of frame 1: header size, word 9, at place 10 of 2 lanes
    path.write_bytes(raw)
    valid = [frame.valid.tolist() for frame in open_recording(path, HSI)]
    assert valid == [[False] + [True] * 5, [True] * 4 + [False, True], [True] * 6]


def test_bytes_that_slipped_are_not_silently_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "walk.bin", tones(3), HSI)
    raw = path.read_bytes()
    slipped = raw[: 8 * 1088] + raw[8 * 1088 + 48 :]
    path.write_bytes(slipped)
    recording = open_recording(path, HSI)
    assert [frame.valid.tolist() for frame in recording] == [[True] * 6, [True, True] + [False] * 4]
    assert recording.info.trailing_bytes == 6 * 1088 - 48


def test_a_file_with_headers_may_be_cut_anywhere(tmp_path: Path) -> None:
    frames = tones(4)
    raw = write(tmp_path / "whole.bin", frames, HSI).read_bytes()
    paths = []
    for k, (a, b) in enumerate([(0, 7), (7, 7), (7, 1100), (1100, 9001), (9001, len(raw))]):
        paths.append(tmp_path / f"datacard_hdr_0ADC_{k}.bin")
        paths[-1].write_bytes(raw[a:b])
    assert group_split_files(paths[::-1]) == [tuple(paths)]
    recording = open_recording(paths[::-1], HSI)
    np.testing.assert_array_equal([frame.words for frame in recording], frames)


def test_a_subframe_is_cut_out_of_every_frame(tmp_path: Path) -> None:
    lead, tail = 4096, 1000
    subframe = Subframe(index=1, n_subframes=3, lead_bytes=lead, tail_bytes=tail, lead_s=1e-3)
    config = dataclasses.replace(PLAIN, subframe=subframe)
    frames = tones(5)
    path = tmp_path / "walk.bin"
    path.write_bytes(b"".join(bytes(lead) + f.tobytes() + b"\x7f" * tail for f in frames))
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=((0, lead), (2 * 11240 + lead + 1024, 2))))
    assert config.stored_frame_bytes == 11240
    recording = open_recording(path, config)
    np.testing.assert_array_equal([frame.words for frame in recording], frames)
    # The other subframe's loss is none of ours; two bytes of chirp 1 in frame 2 are.
    bad = [(f.index, np.flatnonzero(~f.valid).tolist()) for f in recording if not f.is_complete]
    assert bad == [(2, [1])]
    with pytest.raises(LayoutError, match="one subframe alone.*subframe 1 of 3"):
        RecordingWriter(tmp_path / "out.bin", config)


def test_the_writer_writes_headers(tmp_path: Path) -> None:
    frames = tones(3)
    path = tmp_path / "walk.bin"
    with RecordingWriter(path, HSI) as writer:
        for frame in frames:
            writer.write(frame)
    assert path.read_bytes() == write(tmp_path / "by_hand.bin", frames, HSI).read_bytes()
    source = open_recording(path, HSI)
    with RecordingWriter(tmp_path / "again.bin", HSI) as writer:
        writer.write(source.frame(0))
        writer.write(dataclasses.replace(source.frame(2), valid=np.arange(6) != 4))
    # Frame 1 (6528 to 13056) never came; chirp 4 of frame 2 lies at 13056 + 4 x 1088.
    assert writer.lost == ((6528, 6528), (17408, 1088))


def test_what_a_broken_off_recording_wrote_last_counts_as_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "walk_Raw_0.bin", tones(3), PLAIN)
    sidecar = tmp_path / "walk_Raw_0.json"
    # 6144 B a frame; known up to 100 B behind the start of chirp 2 of frame 1.
    n_known = 6144 + 2 * 1024 + 100
    write_sidecar(sidecar, Sidecar(lost=((0, 5),), live=LiveFacts(n_bytes=n_known)))
    with caplog.at_level(logging.WARNING):
        recording = open_recording(path, PLAIN)
    assert "broke off" in caplog.text
    assert [frame.valid.tolist() for frame in recording] == [
        [False] + [True] * 5, [True] * 2 + [False] * 4, [False] * 6,
    ]  # fmt: skip
    assert recording.info.gaps[1] == Gap(
        n_known, 18432 - n_known, "written as the recording broke off"
    )
    write_sidecar(sidecar, Sidecar(live=LiveFacts(complete=True, n_bytes=n_known)))
    assert all(frame.is_complete for frame in open_recording(path, PLAIN))
    # The note may be ahead of the file, in a crash; of a complete recording it may not.
    write_sidecar(sidecar, Sidecar(lost=((18000, 999),), live=LiveFacts(n_bytes=10**6)))
    assert [frame.is_complete for frame in open_recording(path, PLAIN)] == [True, True, False]
    write_sidecar(sidecar, Sidecar(lost=((18000, 999),), live=LiveFacts(complete=True)))
    with pytest.raises(ConfigError, match="outside the recording"):
        open_recording(path, PLAIN)


def test_parts_may_be_empty_but_not_missing(tmp_path: Path) -> None:
    frames = tones(2)
    paths = [tmp_path / f"walk_Raw_{k}.bin" for k in range(4)]
    raw = frames.tobytes()
    for path, piece in zip(paths, (b"", raw[:5000], b"", raw[5000:]), strict=True):
        path.write_bytes(piece)
    recording = open_recording(paths, PLAIN)
    np.testing.assert_array_equal([frame.words for frame in recording], frames)
    for missing in (0, 2):
        with pytest.raises(LayoutError, match="missing|without the parts before"):
            open_recording([path for k, path in enumerate(paths) if k != missing], PLAIN)


def test_a_file_that_shrinks_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "walk.bin", tones(2), PLAIN)
    recording = open_recording(path, PLAIN)
    path.write_bytes(path.read_bytes()[:7000])
    assert recording.frame(0).is_complete
    with pytest.raises(LayoutError, match=r"ends too early; got 856 bytes from byte 6144 on"):
        recording.frame(1)


def test_a_toggled_top_bit_is_refused_by_name(tmp_path: Path) -> None:
    # The recorder's MSBToggle makes offset binary of two's complement: zero becomes 0x8000.
    path = tmp_path / "walk.bin"
    path.write_bytes((tones(2) ^ np.int16(-(2**15))).tobytes())
    with pytest.raises(LayoutError, match="MSBToggle"):
        open_recording(path, PLAIN)
