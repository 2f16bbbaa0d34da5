"""Times of pictures: from tables beside them and from their names, by the calendar or Unix."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from capture.camera.reader import open_camera, write_video
from capture.camera.times import read_times, times_in_names, write_times
from capture.errors import CameraError

NOON_S = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()


def pictures(n: int) -> list[np.ndarray]:
    return [np.full((16, 16, 3), 20 * k, np.uint8) for k in range(n)]


def put_pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"P5\n4 3\n255\n" + bytes(12))
    return folder


@pytest.mark.parametrize("name", ["clip.avi.csv", "clip.camera.csv"])
def test_the_table_beside_a_video_is_its_clock(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / "clip.avi", pictures(4), fps=5.0)
    write_times(tmp_path / name, NOON_S + np.array([0.25, 0.5, 1.5, 1.75]))
    camera = open_camera(tmp_path / "clip.avi")
    assert camera.info.started_at_s == NOON_S + 0.25
    assert [time_s for time_s, _ in camera] == [0.0, 0.25, 1.25, 1.5]
    given = open_camera(tmp_path / "clip.avi", fps=10.0)
    assert given.info.started_at_s is None
    assert [time_s for time_s, _ in given] == [0.0, 0.1, 0.2, 0.3]


def test_a_camera_s_own_clock_says_nothing_about_the_wall(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", pictures(2), fps=5.0)
    (tmp_path / "clip.avi.csv").write_text("image,time_s\n0,7.5\n1,8.0\n")
    camera = open_camera(tmp_path / "clip.avi")
    assert camera.info.started_at_s is None
    assert [time_s for time_s, _ in camera] == [0.0, 0.5]


@pytest.mark.parametrize(("n_times", "told"), [(2, "more pictures than times"), (5, "5 times")])
def test_a_table_of_another_length_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, n_times: int, told: str
) -> None:
    write_video(tmp_path / "clip.avi", pictures(3), fps=5.0)
    write_times(tmp_path / "clip.avi.csv", np.arange(n_times))
    caplog.set_level(logging.WARNING)
    assert len(list(open_camera(tmp_path / "clip.avi"))) == min(3, n_times)
    assert told in caplog.text


@pytest.mark.parametrize("stems", [
    ["20261121_120000_500", "20261121_120001_000", "20261121_120003"],
    ["cam1 2026-11-21T12-00-00.500", "cam1 2026-11-21T12:00:01.0", "cam1 2026-11-21 12.00.03"],
    [f"{NOON_S + k:.0f}.5" for k in (0,)] + [f"{NOON_S + k:.0f}" for k in (1, 3)],
    [f"x{round((NOON_S + k) * 1e3)}" for k in (0.5, 1, 3)],
    [f"{round((NOON_S + k) * 1e6)}" for k in (0.5, 1, 3)],
    [f"{int(NOON_S)}500000000", f"{int(NOON_S) + 1}000000000", f"{int(NOON_S) + 3}000000000"],
])
def test_names_tell_times(stems: list[str]) -> None:
    times = times_in_names(stems)
    assert times is not None
    assert times.started_at_s == pytest.approx(NOON_S + 0.5, abs=1e-6)
    np.testing.assert_allclose(times.time_s, [0.0, 0.5, 2.5], atol=1e-6)


@pytest.mark.parametrize("stems", [
    ["img1", "img2"], ["20261121_0001", "20261121_0002"], ["20261399_250000", "20261399_250001"],
    ["20261121_120000", "last"], ["20261121_120001", "20261121_120000"],
])
def test_other_names_do_not(stems: list[str]) -> None:
    assert times_in_names(stems) is None


def test_folders_take_times_from_their_table_then_their_names(tmp_path: Path) -> None:
    put_pictures(tmp_path, "20261121_120000.pgm", "20261121_120002.pgm")
    by_name = open_camera(tmp_path)
    assert by_name.info.started_at_s == NOON_S
    assert [time_s for time_s, _ in by_name] == [0.0, 2.0]
    (tmp_path / "times.csv").write_text(
        "file,unix_s\n20261121_120000.pgm,100.5\n20261121_120002.pgm,101\n"
    )
    by_table = open_camera(tmp_path)
    assert by_table.info.started_at_s == 100.5
    assert [time_s for time_s, _ in by_table] == [0.0, 0.5]


@pytest.mark.parametrize(("text", "message"), [
    ("frame,when\n0,1\n", "not a table.*columns frame, when.*unix_s or time_s"),
    ("unix_s\n", "not a table.*0 rows"),
    ("unix_s\n1\nsoon\n", ":3: not a time in seconds; got 'soon'"),
    ("unix_s\n1\nnan\n", ":3: not a time in seconds"),
    ("time_s\n1\n3\n2.5\n", "picture 2 does not increase; got 2.5.* s after 3.0"),
])
def test_wrong_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CameraError, match=message):
        read_times(tmp_path / "t.csv")


@pytest.mark.parametrize(("text", "message"), [
    ("unix_s\n1\n", "not as many times as pictures; got 1; expected 2"),
    ("file,unix_s\na.pgm,1\nc.pgm,2\n", "does not list the pictures.*got b.pgm"),
    ("file,unix_s\nb.pgm,1\na.pgm,2\n", "does not list the pictures.*another order"),
])
def test_a_table_of_other_pictures_is_refused(tmp_path: Path, text: str, message: str) -> None:
    put_pictures(tmp_path, "a.pgm", "b.pgm")
    (tmp_path / "times.csv").write_text(text)
    with pytest.raises(CameraError, match=message):
        open_camera(tmp_path)
