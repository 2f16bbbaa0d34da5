"""Pictures and times survive the way through files; what cannot be read is explained."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.camera.reader import image_files, open_camera, read_image, resize_image, write_video
from capture.errors import CameraError

RED, GREEN, BLUE = (200, 30, 30), (30, 180, 30), (30, 30, 220)


def plain(colour: tuple[int, int, int], height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def test_video_keeps_colours_order_and_times(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    assert write_video(path, [plain(RED), plain(GREEN), plain(BLUE)], fps=5.0) == 3
    camera = open_camera(path)
    info = camera.info
    assert (info.fps, info.width, info.height, info.n_images) == (5.0, 64, 48, 3)
    times, images = zip(*camera, strict=True)
    np.testing.assert_allclose(times, [0.0, 0.2, 0.4], atol=1e-3)  # k / 5 pictures per second
    for image, colour in zip(images, (RED, GREEN, BLUE), strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image.mean(axis=(0, 1)), colour, atol=6)  # JPEG rounding
    assert len(list(camera)) == 3  # a file starts again


def test_given_rate_overrules_the_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    write_video(path, [plain(RED)] * 4, fps=5.0)
    camera = open_camera(path, fps=2.0)
    assert [time_s for time_s, _ in camera] == [0.0, 0.5, 1.0, 1.5]
    assert camera.info.fps == 2.0


def test_folder_in_natural_order_at_ten_pictures_a_second(tmp_path: Path) -> None:
    for number, grey in ((10, 30), (9, 20), (1, 10)):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.full((8, 6), grey, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    camera = open_camera(tmp_path)
    assert [(t, int(image[0, 0, 0])) for t, image in camera] == [(0.0, 10), (0.1, 20), (0.2, 30)]
    assert (camera.info.n_images, camera.info.width, camera.info.height) == (3, 6, 8)
    assert [time_s for time_s, _ in open_camera(tmp_path, fps=4.0)] == [0.0, 0.25, 0.5]
    assert [path.name for path in image_files(tmp_path)] == ["img1.png", "img9.png", "img10.png"]


def test_grey_pgm_becomes_rgb_pixel_by_pixel(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "a.pgm").write_bytes(b"P5\n4 3\n255\n" + grey.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm"), np.stack([grey] * 3, axis=-1))


def test_colours_are_read_in_the_order_red_green_blue(tmp_path: Path) -> None:
    # PPM: red, green, blue pixel bytes in that order.
    (tmp_path / "a.ppm").write_bytes(b"P6\n2 1\n255\n" + bytes([1, 2, 3, 40, 50, 60]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), [[[1, 2, 3], [40, 50, 60]]])


def test_shrinking_averages_and_growing_interpolates() -> None:
    board = np.zeros((4, 4, 3), np.uint8)
    board[::2, ::2] = 200  # one pixel of each 2 x 2 block: mean 50
    np.testing.assert_array_equal(resize_image(board, 2, 2), np.full((2, 2, 3), 50))
    edge = np.zeros((1, 2, 3), np.uint8)
    edge[0, 1] = 100  # new centres at -0.25, 0.25, 0.75 and 1.25 of the old ones at 0 and 1
    np.testing.assert_array_equal(resize_image(edge, 1, 4)[0, :, 0], [0, 25, 75, 100])


@pytest.mark.parametrize("name", ["none.avi", "none"])
def test_missing_source(tmp_path: Path, name: str) -> None:
    with pytest.raises(CameraError, match=f"{name}: no such video file or image folder"):
        open_camera(tmp_path / name)


def test_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no picture in the folder.*expected files .pgm"):
        open_camera(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF not a video at all" * 40])
def test_file_that_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(content)
    with pytest.raises(CameraError, match="cannot be opened as a video.*remedy"):
        open_camera(path)


@pytest.mark.parametrize("content", [b"", b"GIF?"])
def test_damaged_picture_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(CameraError, match=r"a\.png: not a readable picture; got \d bytes"):
        open_camera(tmp_path)


def test_damage_later_in_a_folder_stops_the_stream(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), plain(RED))
    (tmp_path / "2.png").write_bytes(b"")
    images = iter(open_camera(tmp_path))
    next(images)
    with pytest.raises(CameraError, match=r"2\.png"):
        next(images)


def test_truncated_video_says_how_much_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clip.avi"
    rng = np.random.default_rng(1)
    write_video(path, list(rng.integers(0, 255, (20, 48, 64, 3), dtype=np.uint8)), fps=5.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    caplog.set_level(logging.WARNING)
    read = list(open_camera(path))
    assert 5 <= len(read) <= 11  # half of the bytes: about half of the pictures
    assert f"only {len(read)} of 20 announced pictures could be read" in caplog.text


def test_write_video_refuses(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no picture to write"):
        write_video(tmp_path / "a.avi", [], fps=5.0)
    with pytest.raises(CameraError, match=r"picture 1 differs.*\(10, 10, 3\).*\(48, 64, 3\)"):
        write_video(tmp_path / "a.avi", [plain(RED), plain(RED, 10, 10)], fps=5.0)
    with pytest.raises(CameraError, match="not an RGB picture"):
        write_video(tmp_path / "a.avi", [np.zeros((4, 4), np.uint8)], fps=5.0)
    with pytest.raises(CameraError, match="cannot be written.*existing, writable folder"):
        write_video(tmp_path / "nowhere" / "a.avi", [plain(RED)], fps=5.0)


def test_rate_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="'fps' must be positive.*got 0"):
        open_camera(tmp_path, fps=0)
