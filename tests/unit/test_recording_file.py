"""Files as one byte stream, frames with their validity, and the writer."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from capture.config import RadarConfig
from capture.errors import ConfigError, LayoutError
from capture.file.recording import RecordingWriter, group_split_files, open_recording
from capture.file.sidecar import Sidecar, write_sidecar
from capture.layouts import encode
from capture.types import AdcFrame, Gap

RADAR = RadarConfig(n_samples=8, n_loops=4, rx_mask=0b0011, frame_period_s=10e-3)
N_WORDS = 2 * 8 * 2 * 4
assert RADAR.frame_bytes == 2 * N_WORDS == 256


def frames_of(n: int, seed: int = 0) -> np.ndarray:
    """Noise as int16 words, shape (n, n_chirps, words_per_chirp)."""
    rng = np.random.default_rng(seed)
    return rng.integers(-500, 500, (n, 4, 32)).astype(np.int16)


def cut(folder: Path, raw: bytes, *places: int, start: int = 0) -> list[Path]:
    paths = []
    for k, (a, b) in enumerate(zip((0, *places), (*places, len(raw)), strict=True), start):
        paths.append(folder / f"walk_Raw_{k}.bin")
        paths[-1].write_bytes(raw[a:b])
    return paths


def test_frames_of_one_file(tmp_path: Path) -> None:
    words = frames_of(5)
    path = tmp_path / "walk.bin"
    path.write_bytes(words.tobytes())
    recording = open_recording(path, RADAR)
    assert len(recording) == recording.info.n_frames == 5
    assert recording.info.name == "walk"
    assert recording.info.layout == "IIQQ"
    assert recording.info.evidence["size"] == "1280 bytes are 5 whole frames, none left over"
    assert recording.info.evidence["layout"].startswith("IIQQ unconfirmed")
    for k, frame in enumerate(recording):
        assert frame.index == k
        assert frame.time_s == pytest.approx(k * 0.010)
        assert frame.is_complete
        np.testing.assert_array_equal(frame.words, words[k])
    assert [frame.index for frame in recording.frames(1, 3)] == [1, 2]
    assert [frame.index for frame in recording.frames(3)] == [3, 4]
    with pytest.raises(IndexError, match="frame 5 of 5"):
        recording.frame(5)


@pytest.mark.parametrize("places", [(256,), (300,), (301, 302), (1, 2, 3), (255, 257, 700), (0,),
                                    (100, 100, 1279)])  # fmt: skip
def test_split_files_are_one_stream_wherever_they_are_cut(
    tmp_path: Path, places: tuple[int, ...]
) -> None:
    words = frames_of(5)
    paths = cut(tmp_path, words.tobytes(), *places)
    recording = open_recording(paths[::-1], RADAR)
    assert recording.info.paths == tuple(paths)
    np.testing.assert_array_equal([frame.words for frame in recording], words)
    assert all(frame.words.flags.aligned for frame in recording)


def test_parts_are_joined_in_numeric_order(tmp_path: Path) -> None:
    words = frames_of(6)
    paths = cut(tmp_path, words.tobytes(), *range(100, 1200, 100))
    assert sorted(paths)[2].name == "walk_Raw_10.bin"
    recording = open_recording(sorted(paths), RADAR)
    np.testing.assert_array_equal([frame.words for frame in recording], words)
    with pytest.raises(LayoutError, match=r"missing; got \[0, 2, 3\]"):
        open_recording([paths[0], paths[2], paths[3]], RADAR)
    with pytest.raises(LayoutError, match="end in different numbers"):
        open_recording([tmp_path / "a.bin", tmp_path / "b.bin"], RADAR)
    with pytest.raises(LayoutError, match="no file given"):
        open_recording([], RADAR)


def test_split_parts_are_grouped_and_other_files_stay_alone(tmp_path: Path) -> None:
    names = ["b.bin", "walk_Raw_10.bin", *(f"walk_Raw_{k}.bin" for k in range(10)), "walk_1.bin"]
    groups = group_split_files([tmp_path / name for name in names])
    assert [len(group) for group in groups] == [1, 11, 1]
    assert groups[1][-1].name == "walk_Raw_10.bin"


def test_lost_stretches_invalidate_every_chirp_that_they_touch(tmp_path: Path) -> None:
    path = tmp_path / "walk.bin"
    path.write_bytes(frames_of(4).tobytes())
    # A chirp has 64 B, a frame 256. (63, 2) touches chirps 0 and 1 of frame 0; (320, 64) is
    # exactly chirp 1 of frame 1; (767, 1) is the last byte of frame 2.
    lost = ((767, 1), (63, 2), (320, 64))
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=lost))
    recording = open_recording(path, RADAR)
    assert [frame.valid.tolist() for frame in recording] == [
        [False, False, True, True],
        [True, False, True, True],
        [True, True, True, False],
        [True, True, True, True],
    ]
    assert recording.info.gaps == tuple(
        Gap(start, n, "listed in the sidecar") for start, n in sorted(lost)
    )
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=((1000, 25),)))
    with pytest.raises(ConfigError, match=r"lost = \(1000, 25\); expected inside 0 to 1024 bytes"):
        open_recording(path, RADAR)


def test_a_gap_over_a_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "walk.bin"
    path.write_bytes(frames_of(3).tobytes())
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=((200, 400),)))
    counts = [int(frame.valid.sum()) for frame in open_recording(path, RADAR)]
    # Bytes 200 to 600: chirp 3 of frame 0 (192..256), all of frame 1, chirps 0 and 1 of frame 2.
    assert counts == [3, 0, 2]


def test_a_partial_last_frame_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "walk.bin"
    path.write_bytes(frames_of(3).tobytes()[:-100])
    with caplog.at_level(logging.WARNING):
        recording = open_recording(path, RADAR)
    assert (len(recording), recording.info.trailing_bytes) == (2, 156)
    assert "156 bytes after the last of 2 whole frames are left out" in caplog.text
    assert "156 bytes left over" in recording.info.evidence["size"]


def test_a_file_shorter_than_a_frame_names_what_would_fit(tmp_path: Path) -> None:
    path = tmp_path / "walk.bin"
    path.write_bytes(bytes(192))
    with pytest.raises(LayoutError) as caught:
        open_recording(path, RADAR)
    text = str(caught.value)
    assert "got 192 bytes; expected frame_bytes = 256" in text
    assert "n_loops = 3 (then 1 whole frame)" in text
    assert "n_samples = 6 (then 1 whole frame)" in text
    path.write_bytes(b"")
    with pytest.raises(LayoutError, match="got 0 bytes.*belongs to the file"):
        open_recording(path, RADAR)
    with pytest.raises(LayoutError, match="gone.bin: cannot be read: No such file"):
        open_recording(tmp_path / "gone.bin", RADAR)


def tone(layout: str, config: RadarConfig) -> bytes:
    phase = 2 * np.pi * 0.1 * np.arange(config.n_samples)
    samples = np.broadcast_to(500 * np.exp(1j * phase), (64, config.n_rx, config.n_samples))
    return encode(samples, layout, config).tobytes()


def test_a_clear_contradiction_is_refused_unless_the_layout_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = dataclasses.replace(RADAR, n_samples=64, n_loops=16)
    path = tmp_path / "walk.bin"
    path.write_bytes(tone("QQII", config))
    with pytest.raises(LayoutError, match='got QQII.*expected IIQQ; remedy set iq_order = "QI"'):
        open_recording(path, config)
    assert open_recording(path, config, "QQII").info.layout == "QQII"
    assert not caplog.records
    assert open_recording(path, config, "IIQQ").info.layout == "IIQQ"
    assert "read as IIQQ as demanded, though it looks like QQII" in caplog.text
    swapped = dataclasses.replace(config, iq_order="QI")
    info = open_recording(path, swapped).info
    assert info.layout == "QQII"
    assert info.evidence["layout"] == "QQII confirmed"
    with pytest.raises(LayoutError, match="unknown layout; got IQQI"):
        open_recording(path, config, "IQQI")


def test_chirps_that_were_lost_do_not_vote_on_the_layout(tmp_path: Path) -> None:
    config = dataclasses.replace(RADAR, n_samples=64, n_loops=16)
    path = tmp_path / "walk.bin"
    path.write_bytes(tone("QQII", config))
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=((0, path.stat().st_size),)))
    assert open_recording(path, config).info.evidence["layout"] == "there is no signal"


def frame_of(words: np.ndarray, index: int, valid: list[bool] | None = None) -> AdcFrame:
    mask = np.ones(4, np.bool_) if valid is None else np.array(valid)
    return AdcFrame(RADAR, "IIQQ", index, index * 10e-3, words, mask)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    words = frames_of(3)
    path = tmp_path / "walk.bin"
    with RecordingWriter(path, RADAR) as writer:
        writer.write(words[0])
        assert not path.exists()
        writer.write(frame_of(words[1], 1))
        writer.write(words[2].astype("<i2"))
    np.testing.assert_array_equal([f.words for f in open_recording(path, RADAR)], words)
    assert writer.lost == ()
    assert [p.name for p in tmp_path.iterdir()] == ["walk.bin"]


def test_lost_chirps_and_frames_travel_through_the_sidecar(tmp_path: Path) -> None:
    words = frames_of(4)
    path = tmp_path / "walk.bin"
    with RecordingWriter(path, RADAR) as writer:
        writer.write(frame_of(words[0], 0, [True, True, False, False]))
        writer.write(frame_of(words[2], 2))  # frame 1 never came
        writer.write(frame_of(words[3], 3, [True, False, True, True]))
    # Chirps 2 and 3 of frame 0 (128..256) join frame 1 (256..512); chirp 1 of frame 3 at 832.
    assert writer.lost == ((128, 384), (832, 64))
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=writer.lost))
    frames = list(open_recording(path, RADAR))
    assert [f.valid.tolist() for f in frames] == [
        [True, True, False, False], [False] * 4, [True] * 4, [True, False, True, True],
    ]  # fmt: skip
    assert not frames[0].words[2:].any()
    np.testing.assert_array_equal(frames[2].words, words[2])
    np.testing.assert_array_equal(frames[3].words[2:], words[3, 2:])


def test_a_failed_recording_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "walk.bin"
    path.write_bytes(b"before")

    def record() -> None:
        with RecordingWriter(path, RADAR) as writer:
            writer.write(frames_of(1)[0])
            raise RuntimeError("unplugged")

    with pytest.raises(RuntimeError, match="unplugged"):
        record()
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["walk.bin"]


def test_the_writer_refuses_other_frames(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "walk.bin", RADAR) as writer:
        with pytest.raises(LayoutError, match=r"got int16 \(4, 16\); expected int16 \(4, 32\)"):
            writer.write(frames_of(1)[0, :, :16])
        with pytest.raises(LayoutError, match="float64"):
            writer.write(frames_of(1)[0].astype(float))
        writer.write(frame_of(frames_of(1)[0], 0))
        with pytest.raises(LayoutError, match="got frame 0 in IIQQ; expected frame 1 or later"):
            writer.write(frame_of(frames_of(1)[0], 0))
        other = dataclasses.replace(frame_of(frames_of(1)[0], 1), layout="QQII")
        with pytest.raises(LayoutError, match="got frame 1 in QQII"):
            writer.write(other)
    with pytest.raises(LayoutError, match="does not belong"):
        RecordingWriter(tmp_path / "b.bin", RADAR, "four-lane")
    assert not list(tmp_path.glob("b.bin*"))
