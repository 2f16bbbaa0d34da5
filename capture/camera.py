"""Camera pictures with their times: video files, image folders, live cameras. The door to OpenCV.

Times are seconds of the camera's own clock, counted from the first picture.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from capture.errors import CameraError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".pgm", ".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")
DEFAULT_FOLDER_FPS = 10.0
"""Rate assumed for a folder of pictures, which carries no times of its own."""

TimedImages = Iterator[tuple[float, np.ndarray]]


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """What is known about a camera stream before its pictures are read.

    Attributes
    ----------
    name : file or folder name, or "camera 0"
    fps : pictures per second (nominal); 0 when a live camera does not tell
    width, height : of the first picture, pixels
    n_images : number of pictures, or None when unknown (a live camera)
    """

    name: str
    fps: float
    width: int
    height: int
    n_images: int | None


@dataclass(frozen=True, slots=True)
class Camera:
    """A stream of pictures; iterating gives (time_s, image uint8 (height, width, 3) RGB).

    A file or folder may be iterated again and starts from its first picture each time.
    """

    info: CameraInfo
    images: Callable[[], TimedImages]

    def __iter__(self) -> TimedImages:
        return self.images()


def open_camera(source: Path | str | int, fps: float | None = None) -> Camera:
    """Open a video file, a folder of pictures, or a live camera.

    Parameters
    ----------
    source : path, or number of a camera of this machine
        Pictures of a folder are taken in natural order of their names (img2 before img10).
    fps : float > 0, pictures per second, optional
        Times of the pictures are k / fps. Without it a video's own time stamps count, a folder is
        read at 10 pictures per second, and a live camera by the clock of this machine.

    Raises
    ------
    CameraError
        Nothing there, not readable, or no picture in it. Also while iterating: a picture of a
        folder that cannot be read, or a video whose own times do not increase.
    """
    if fps is not None and not fps > 0:
        raise CameraError("'fps' must be positive", where=source, got=fps)
    if isinstance(source, int):
        return _open_live(source, fps)
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, fps or DEFAULT_FOLDER_FPS)
    if path.is_file():
        return _open_video(path, fps)
    raise CameraError("no such video file or image folder", where=path)


def read_image(path: Path) -> np.ndarray:
    """Read one picture; grey becomes RGB, 16 bits become 8.

    Returns
    -------
    uint8 array, shape (height, width, 3), RGB

    Raises
    ------
    CameraError
        Missing, or not a picture.
    """
    try:
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as failure:
        raise CameraError(f"cannot be read: {failure.strerror}", where=path) from None
    image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if content.size else None
    if image is None:
        raise CameraError("not a readable picture", where=path, got=f"{content.size} bytes")
    return np.asarray(image)


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a uint8 (h, w, 3) picture: area average when it shrinks, bilinear when it grows."""
    shrinks = height < image.shape[0] or width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method))


def image_files(folder: Path) -> list[Path]:
    """Pictures lying directly in a folder, in natural order of their names."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    return sorted(files, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorting key in which numbers inside a name count as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def write_video(path: Path, images: Iterable[np.ndarray], fps: float) -> int:
    """Write pictures as an MJPG .avi file (readable everywhere, no codec to install).

    Parameters
    ----------
    path : ends in .avi
    images : uint8 arrays, shape (height, width, 3) RGB, all of one size
    fps : float > 0, pictures per second

    Returns
    -------
    int : pictures written

    Raises
    ------
    CameraError
        No picture, pictures of different shapes, or a path that cannot be written.
    """
    writer: cv2.VideoWriter | None = None
    shape: tuple[int, ...] = ()
    n_images = 0
    try:
        for image in images:
            if writer is None:
                shape = image.shape
                writer = _open_writer(path, image, fps)
            if image.shape != shape or image.dtype != np.uint8:
                raise CameraError(
                    f"picture {n_images} differs from the first", where=path,
                    got=f"{image.dtype} {image.shape}", expected=f"uint8 {shape}",
                )
            writer.write(np.ascontiguousarray(image[..., ::-1]))
            n_images += 1
    finally:
        if writer is not None:
            writer.release()
    if n_images == 0:
        raise CameraError("no picture to write", where=path)
    return n_images


def _open_writer(path: Path, image: np.ndarray, fps: float) -> cv2.VideoWriter:
    if image.ndim != 3 or image.shape[2] != 3:
        raise CameraError("not an RGB picture", where=path, got=image.shape, expected="(h, w, 3)")
    height, width = image.shape[:2]
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, code, fps, (width, height))
    if not writer.isOpened():
        raise CameraError(
            "the video cannot be written", where=path,
            expected="a .avi file in an existing, writable folder",
        )
    return writer


def _open_folder(folder: Path, fps: float) -> Camera:
    files = image_files(folder)
    if not files:
        raise CameraError(
            "no picture in the folder", where=folder, expected=f"files {', '.join(IMAGE_SUFFIXES)}"
        )

    def images() -> TimedImages:
        for index, path in enumerate(files):
            yield index / fps, read_image(path)

    height, width = read_image(files[0]).shape[:2]
    return Camera(CameraInfo(folder.name, fps, width, height, len(files)), images)


def _open_video(path: Path, fps: float | None) -> Camera:
    capture = _start(path)
    readable, image = capture.read()
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    nominal_fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if not readable:
        raise CameraError("no picture in the video", where=path)

    def images() -> TimedImages:
        capture = _start(path)
        try:
            yield from _video_images(capture, path, fps, announced)
        finally:
            capture.release()

    height, width = image.shape[:2]
    n_images = announced if announced > 0 else None
    return Camera(CameraInfo(path.name, fps or nominal_fps, width, height, n_images), images)


def _start(source: Path | int) -> cv2.VideoCapture:
    if isinstance(source, int):
        capture = cv2.VideoCapture(source)
        name = f"camera {source}"
    else:
        capture = cv2.VideoCapture(str(source), cv2.CAP_ANY)
        name = str(source)
    if not capture.isOpened():
        raise CameraError(
            "cannot be opened as a video", where=name,
            remedy="check that it is complete, or give a folder of pictures",
        )
    return capture


def _video_images(
    capture: cv2.VideoCapture, path: Path, fps: float | None, announced: int
) -> TimedImages:
    first_s = last_s = 0.0
    index = 0
    while True:
        readable, image = capture.read()
        if not readable:
            break
        own_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        if index == 0:
            first_s = own_s
        elif fps is None and own_s <= last_s:
            raise CameraError(
                f"the time of picture {index} does not increase", where=path,
                got=f"{own_s:.3f} s after {last_s:.3f} s", remedy="give the rate (fps)",
            )
        last_s = own_s
        yield (index / fps if fps else own_s - first_s), cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        index += 1
    if index < announced:
        log.warning("%s: only %d of %d announced pictures could be read", path, index, announced)


def _open_live(number: int, fps: float | None) -> Camera:
    capture = _start(number)
    readable, image = capture.read()
    if not readable:
        capture.release()
        raise CameraError("the camera delivers no picture", where=f"camera {number}")

    def images() -> TimedImages:
        start_s = time.monotonic()
        index = 0
        try:
            while True:
                readable, image = capture.read()
                now_s = time.monotonic() - start_s
                if not readable:
                    raise CameraError("the camera stopped", where=f"camera {number}")
                yield (index / fps if fps else now_s), cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                index += 1
        finally:
            capture.release()

    height, width = image.shape[:2]
    rate = fps or capture.get(cv2.CAP_PROP_FPS)
    return Camera(CameraInfo(f"camera {number}", rate, width, height, None), images)
