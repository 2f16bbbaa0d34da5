"""Live frames on disk: bytes in their places, losses listed, and nothing that a crash spoils."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from capture.config import RadarConfig
from capture.dca1000.frame_buffer import RawFrame
from capture.errors import RecordError
from capture.file.parts import PART_BYTES
from capture.file.recording import open_recording
from capture.file.sidecar import Sidecar, read_sidecar
from capture.file.stream import group_split_files
from capture.formats.load import find_config, load_radar_config
from capture.udp.recorder import Recorder, record_stream

RADAR = RadarConfig(n_samples=4, rx_mask=1, n_loops=4, frame_period_s=10e-3)
FRAME = 64  # 4 chirps of 4 samples of 2 words of 2 bytes
START_NS = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20 UTC


def frame(index: int, lost: tuple[tuple[int, int], ...] = (), n_bytes: int = FRAME) -> RawFrame:
    data = np.random.default_rng(index).integers(1, 256, n_bytes, dtype=np.uint8)
    for start, stop in lost:
        data[start:stop] = 0
    return RawFrame(index, data, lost, START_NS + index * 10_000_000, 0)


def slowly(frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
    for one in frames:
        time.sleep(0.002)
        yield one


def sidecar_of(out: Path) -> Sidecar:
    return read_sidecar(out.with_name(f"{out.name}_Raw_0.json"))


def test_bytes_losses_and_missing_frames_over_three_files(tmp_path: Path) -> None:
    frames = [frame(0), frame(1, ((60, 64),)), frame(4, ((0, 3), (20, 21)))]
    with Recorder(tmp_path / "w", RADAR, Sidecar(subject="p1"), part_bytes=150) as recorder:
        record_stream(frames, recorder)
    expected = np.zeros(5 * FRAME, np.uint8)
    for one in frames:
        expected[one.index * FRAME :][:FRAME] = one.data
    files = [tmp_path / f"w_Raw_{k}.bin" for k in range(3)]
    assert [path.stat().st_size for path in files] == [150, 150, 20]
    assert b"".join(path.read_bytes() for path in files) == expected.tobytes()
    # Frame 1 ends at 128; frames 2 and 3 are missing; frame 4 begins at 256: one stretch.
    found = sidecar_of(tmp_path / "w")
    assert found.lost == ((124, 256 - 124 + 3), (276, 1))
    assert (recorder.n_frames, recorder.n_incomplete, recorder.n_missing) == (5, 2, 2)
    assert recorder.lost_bytes == 4 + 128 + 3 + 1
    assert found.live is not None
    assert (found.live.complete, found.live.n_bytes) == (True, 5 * FRAME)
    assert found.live.started_at == "2023-11-14T22:13:20.000000+00:00"
    assert found.subject == "p1"
    assert load_radar_config(find_config(files[0])) == RADAR
    assert group_split_files([*reversed(files), *tmp_path.glob("*.nothing")]) == [tuple(files)]
    again = open_recording(files, RADAR)
    assert [list(one.valid) for one in again] == [
        [True] * 4, [True] * 3 + [False], [False] * 4, [False] * 4, [False, False, True, True],
    ]  # fmt: skip


def test_the_seam_is_that_of_ti_and_lies_inside_a_chirp(tmp_path: Path) -> None:
    radar = RadarConfig()
    # 737 460 packets of 1456 bytes; another one would end beyond 2**30 = 1 073 741 824.
    assert PART_BYTES == 737_460 * 1456 == 1_073_741_760
    index, before = divmod(PART_BYTES, 942_080)
    assert (radar.stored_frame_bytes, before, PART_BYTES % 4096) == (942_080, 712_640, 4032)
    one = frame(index, n_bytes=942_080)
    with Recorder(tmp_path / "w", radar) as recorder:
        recorder.write(one)
    first, second = recorder.files
    assert (first.stat().st_size, second.stat().st_size) == (PART_BYTES, 942_080 - before)
    assert first.stat().st_blocks * 512 < 4 << 20  # what was skipped takes no room
    again = open_recording([second, first], radar)
    assert len(again) == index + 1
    assert again.frame(index).valid.all()
    assert again.frame(index).words.tobytes() == one.data.tobytes()
    assert not again.frame(index - 1).valid.any()


def test_a_stream_joined_late_begins_with_its_first_frame(tmp_path: Path) -> None:
    with Recorder(tmp_path / "w", RADAR, first_index=None) as recorder:
        record_stream([frame(700), frame(702)], recorder)
    assert (recorder.n_frames, recorder.n_missing) == (3, 1)
    assert recorder.files[0].read_bytes()[:FRAME] == frame(700).data.tobytes()
    live = sidecar_of(tmp_path / "w").live
    assert live is not None
    assert live.started_at == "2023-11-14T22:13:27.000000+00:00"


@pytest.mark.parametrize("indices", [(0, 1, 2, 3), (0, 1, 2), (0, 7), (9,)])
def test_a_limit_counts_frames_that_passed(tmp_path: Path, indices: tuple[int, ...]) -> None:
    with Recorder(tmp_path / "w", RADAR, n_frames=3, part_bytes=100) as recorder:
        record_stream(map(frame, indices), recorder)
    assert recorder.is_full
    assert sum(path.stat().st_size for path in recorder.files) == 3 * FRAME
    n_came = sum(index < 3 for index in indices)
    assert recorder.lost_bytes == (3 - n_came) * FRAME
    assert sum(n for _, n in sidecar_of(tmp_path / "w").lost) == (3 - n_came) * FRAME


def test_frames_out_of_order_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordError, match="too late.*frame 0; expected frame 2"),
        Recorder(tmp_path / "w", RADAR) as recorder,
    ):
        record_stream([frame(1), frame(0)], recorder)
    live = sidecar_of(tmp_path / "w").live
    assert live is not None
    assert (live.complete, live.n_bytes) == (False, 2 * FRAME)


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    out = tmp_path / "w"
    with Recorder(out, RADAR, part_bytes=50) as recorder:
        record_stream(map(frame, range(3)), recorder)
    other = tmp_path / "w2_Raw_0.bin"
    other.write_bytes(b"mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RecordError, match="w_Raw_0.bin, w_Raw_0.json, .*w_Raw_3.bin.*--force"):
        Recorder(out, RADAR)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with Recorder(out, RADAR, force=True) as recorder:
        recorder.write(frame(0))
    names = {"w_Raw_0.bin", "w_Raw_0.json", "w_Raw_0.toml", "w2_Raw_0.bin"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert other.read_bytes() == b"mine"


def test_nothing_recorded_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Recorder(tmp_path / "w", RADAR):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_from_the_start_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RecordError, match="No space left.*make room"), \
            Recorder(tmp_path / "w", RADAR):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such folder.*mkdir -p"):
        Recorder(tmp_path / "none" / "w", RADAR)
    with pytest.raises(RecordError, match="a folder, where a name in it is needed"):
        Recorder(tmp_path, RADAR)


def test_a_disk_that_fails_while_syncing_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path / "w", RADAR, interval_s=0.01) as recorder:
        recorder.write(frame(0))
        with monkeypatch.context() as patched:
            def fail(number: int) -> None:
                raise OSError(errno.EIO, "Input/output error")

            patched.setattr(os, "fsync", fail)
            with pytest.raises(RecordError, match="Input/output error"):
                record_stream(slowly(frame(index) for index in itertools.count(1)), recorder)
    written = recorder.files[0].read_bytes()
    assert written[:FRAME] == frame(0).data.tobytes()
    assert len(written) == recorder.n_frames * FRAME


def test_one_sidecar_follows_another_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path / "w", RADAR, interval_s=60) as recorder:
        recorder.write(frame(0))
        with monkeypatch.context() as patched:
            def fail(source: Path, target: Path) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            patched.setattr(Path, "replace", fail)
            with pytest.raises(RecordError, match="No space left.*1 frames.*make room"):
                recorder.close()
    live = sidecar_of(tmp_path / "w").live
    assert live is not None
    assert (live.complete, live.n_bytes) == (False, 0)  # as it was at the beginning


COMMON = f"""
import itertools, sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from unit.test_recorder import RADAR, frame, slowly
from capture.udp.recorder import Recorder, record_stream
out = Path(sys.argv[1])
"""


def test_sigkill_loses_only_what_came_after_the_last_note(tmp_path: Path) -> None:
    code = COMMON + """
frames = (frame(index, ((3, 5),) if index % 2 else ()) for index in itertools.count())
with Recorder(out, RADAR, part_bytes=1000, interval_s=0.2) as recorder:
    record_stream(slowly(frames), recorder)
"""
    out = tmp_path / "w"
    place = tmp_path / "w_Raw_0.json"
    with subprocess.Popen([sys.executable, "-c", code, str(out)]) as recording:
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s and recording.poll() is None:
            if place.exists() and sidecar_of(out).live.n_bytes > 20 * FRAME:  # type: ignore[union-attr]
                break
            time.sleep(0.01)
        time.sleep(0.1)
        recording.send_signal(signal.SIGKILL)
    found = sidecar_of(out).live
    assert found is not None
    assert not found.complete
    n_known = found.n_bytes // FRAME
    again = open_recording(list(tmp_path.glob("*.bin")), RADAR)
    assert len(again) > n_known > 20
    for one in again:
        known = one.index < n_known
        expected = [known and one.index % 2 == 0, known, known, known]
        assert list(one.valid) == expected
        if known:
            same = frame(one.index, ((3, 5),) if one.index % 2 else ())
            assert one.words.tobytes() == same.data.tobytes()


def test_a_full_disk_ends_a_recording_that_stays_good(tmp_path: Path) -> None:
    code = COMMON + """
import resource
from capture.errors import RecordError
resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 64 + 7, resource.RLIM_INFINITY))
try:
    with Recorder(out, RADAR, interval_s=60) as recorder:
        record_stream(map(frame, itertools.count()), recorder)
except RecordError as failure:
    print(failure)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")],
                          capture_output=True, text=True, check=True)
    assert "cannot be written: File too large" in done.stdout
    assert "100 frames written before; remedy files may not be this large" in done.stdout
    again = open_recording(tmp_path / "w_Raw_0.bin", RADAR)
    assert (len(again), again.info.trailing_bytes, again.info.gaps) == (100, 0, ())
    assert all(one.valid.all() for one in again)
    assert again.frame(99).words.tobytes() == frame(99).data.tobytes()
