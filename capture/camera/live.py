"""Cameras that deliver now: of this machine, and over the network (RTSP, HTTP). Nothing hangs.

Pictures are stamped when they arrive; a network camera's own delay is not known.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import cv2
import numpy as np

from capture.camera.reader import Camera, CameraInfo, TimedImages
from capture.errors import CameraError, ConfigError
from capture.schema import config_class

log = logging.getLogger(__name__)
_REMEDY = "check its address, user and password, and that it is switched on and reachable"


@config_class
class LiveParams:
    """How long to wait for a camera.

    Attributes
    ----------
    timeout_s : for a connection, and for each picture, of a network camera
    n_reconnects : attempts, one after the other, when a network camera stops
    pause_s : before each of them
    """

    timeout_s: float = 5.0
    n_reconnects: int = 5
    pause_s: float = 1.0

    def __post_init__(self) -> None:
        if not (self.timeout_s > 0 and self.n_reconnects >= 0 and self.pause_s >= 0):
            raise ConfigError(
                "live camera parameters out of range", got=self,
                expected="timeout_s above 0; n_reconnects and pause_s not below 0",
            )


def open_live(
    source: int | str, fps: float | None = None, params: LiveParams | None = None
) -> Camera:
    """Open a camera of this machine by its number, or a network camera by its URL.

    Parameters
    ----------
    source : number, or rtsp://, rtsps://, http:// or https:// URL
    fps : times are k / fps; None for the times of arrival
    params : how long to wait

    Raises
    ------
    CameraError
        No camera there, or no picture from it. While iterating: it stopped, and none of the
        attempts to reconnect succeeded.

    Notes
    -----
    The picture that came on opening is the first of the stream, at time 0. A live camera can be
    iterated once.
    """
    stream = _Live(source, params or LiveParams())
    capture, image = stream.connect()
    started_at_s, started_s = time.time(), time.monotonic()

    def images() -> TimedImages:
        for index, (now_s, picture) in enumerate(stream.pictures(capture, image, started_s)):
            yield (index / fps if fps else now_s), picture

    height, width = image.shape[:2]
    rate = fps or max(0.0, capture.get(cv2.CAP_PROP_FPS))
    info = CameraInfo(stream.name, rate, width, height, None, started_at_s)
    return Camera(info, images)


def without_password(url: str) -> str:
    """Return a URL that may be shown and logged: without user name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class _Live:
    """One camera: how to connect to it, and how to go on when it stops."""

    def __init__(self, source: int | str, params: LiveParams) -> None:
        self.source, self.params = source, params
        self.name = f"camera {source}" if isinstance(source, int) else without_password(source)

    def connect(self) -> tuple[cv2.VideoCapture, np.ndarray]:
        """Open the camera; and its first picture, RGB."""
        if isinstance(self.source, int):
            capture = cv2.VideoCapture(self.source)
        else:
            limit_ms = max(1, round(self.params.timeout_s * 1e3))
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms,
                      cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms]
            capture = cv2.VideoCapture(self.source, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            capture.release()
            raise CameraError("the camera cannot be opened", where=self.name, remedy=_REMEDY)
        readable, image = capture.read()
        if not readable:
            capture.release()
            raise CameraError("the camera delivers no picture", where=self.name, remedy=_REMEDY)
        return capture, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def pictures(
        self, capture: cv2.VideoCapture, image: np.ndarray, started_s: float
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds since the start, picture) until the camera is gone for good."""
        yield 0.0, image
        try:
            while True:
                readable, bgr = capture.read()
                now_s = time.monotonic() - started_s
                if readable:
                    yield now_s, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                    continue
                capture.release()
                capture, image = self._reconnect()
                yield time.monotonic() - started_s, image
        finally:
            capture.release()

    def _reconnect(self) -> tuple[cv2.VideoCapture, np.ndarray]:
        n_attempts = 0 if isinstance(self.source, int) else self.params.n_reconnects
        for attempt in range(n_attempts):
            log.warning("%s stopped; attempt %d of %d to reconnect", self.name, attempt + 1,
                        n_attempts)  # fmt: skip
            time.sleep(self.params.pause_s)
            try:
                return self.connect()
            except CameraError as failure:
                log.warning("%s", failure)
        raise CameraError(
            "the camera stopped", where=self.name,
            got=f"no picture after {n_attempts} attempts to reconnect" if n_attempts else None,
            remedy=_REMEDY,
        )
