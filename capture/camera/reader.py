"""Camera pictures with their times: video files, image folders, live cameras. A door to OpenCV.

Times are seconds counted from the first picture. Where they are known by the clock on the wall,
`CameraInfo.started_at_s` says when that picture was taken.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from capture.camera.times import CameraTimes, folder_times, read_times, times_beside
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
    name : file or folder name, "camera 0", or URL without its password
    fps : pictures per second (nominal); 0 when a live camera does not tell
    width, height : of the first picture, pixels
    n_images : number of pictures, or None when unknown (a live camera)
    started_at_s : when the first picture was taken, seconds since 1970 (UTC); None when unknown
    """

    name: str
    fps: float
    width: int
    height: int
    n_images: int | None
    started_at_s: float | None = None


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
    source : path, number of a camera of this machine, or URL (rtsp://, http://, ...)
        Pictures of a folder are taken in natural order of their names (img2 before img10).
        Live cameras: see `capture.camera.live`.
    fps : float > 0, pictures per second, optional
        Times of the pictures are k / fps. Without it a table of times beside the video or in the
        folder counts (see `capture.camera.times`), or else a video's own time stamps, or the times
        in the names of a folder's pictures, or 10 pictures per second; for a live camera the times
        of arrival.

    Raises
    ------
    CameraError
        Nothing there, not readable, or no picture in it. Also while iterating: a picture of a
        folder that cannot be read, a video whose own times do not increase, or a live camera that
        is gone.
    """
    if fps is not None and not fps > 0:
        raise CameraError("'fps' must be positive", where=source, got=fps)
    if isinstance(source, int) or "://" in str(source):
        from capture.camera.live import open_live  # which needs this module

        return open_live(source if isinstance(source, int) else str(source), fps)
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, fps)
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


def _open_folder(folder: Path, fps: float | None) -> Camera:
    files = image_files(folder)
    if not files:
        raise CameraError(
            "no picture in the folder", where=folder, expected=f"files {', '.join(IMAGE_SUFFIXES)}"
        )
    times = None if fps else folder_times(folder, files)
    if times is None:
        time_s, started_at_s = np.arange(len(files)) / (fps or DEFAULT_FOLDER_FPS), None
    else:
        time_s, started_at_s = times.time_s, times.started_at_s

    def images() -> TimedImages:
        for second, path in zip(time_s.tolist(), files, strict=True):
            yield second, read_image(path)

    height, width = read_image(files[0]).shape[:2]
    rate = (len(files) - 1) / time_s[-1] if len(files) > 1 else fps or DEFAULT_FOLDER_FPS
    info = CameraInfo(folder.name, float(rate), width, height, len(files), started_at_s)
    return Camera(info, images)


def _open_video(path: Path, fps: float | None) -> Camera:
    capture = _start(path)
    readable, image = capture.read()
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    nominal_fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if not readable:
        raise CameraError("no picture in the video", where=path)
    table = None if fps else times_beside(path)
    times = read_times(table) if table else None

    def images() -> TimedImages:
        capture = _start(path)
        try:
            pictures = _video_images(capture, path, fps if times is None else 1.0, announced)
            yield from pictures if times is None else _at_times(pictures, times, path)
        finally:
            capture.release()

    height, width = image.shape[:2]
    n_images = announced if announced > 0 else None
    started_at_s = times.started_at_s if times else None
    return Camera(
        CameraInfo(path.name, fps or nominal_fps, width, height, n_images, started_at_s), images
    )


def _at_times(pictures: TimedImages, times: CameraTimes, path: Path) -> TimedImages:
    """Give pictures the times of a table, in order; what one of them has too many is left out."""
    n_images = 0
    for _, image in pictures:
        if n_images == len(times.time_s):
            log.warning("%s: has more pictures than times (%d), the others are left out", path,
                        n_images)  # fmt: skip
            return
        yield float(times.time_s[n_images]), image
        n_images += 1
    if n_images < len(times.time_s):
        log.warning("%s: %d pictures, but %d times", path, n_images, len(times.time_s))


def _start(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_ANY)
    if not capture.isOpened():
        raise CameraError(
            "cannot be opened as a video", where=path,
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
