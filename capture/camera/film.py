"""A camera recorded beside the radar. Its troubles are told and never stop the radar."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from capture.camera.reader import Camera, open_camera, write_video
from capture.camera.times import write_times
from capture.errors import CameraError

log = logging.getLogger(__name__)

_USUAL_FPS = 30.0
_STOP_S = 10.0


class Film:
    """Record a camera to `OUT.avi`, and when each picture came to `OUT.camera.csv`.

    A context manager; the camera is opened on entering, and read in a thread of its own.

    Parameters
    ----------
    source : number, file or URL of the camera
    out : folder and name

    Attributes
    ----------
    path : of the video
    started_at_s : when the first picture came, seconds since 1970; None while there is none
    n_images : pictures so far
    """

    def __init__(self, source: str, out: Path) -> None:
        self.path = out.with_name(f"{out.name}.avi")
        self.started_at_s: float | None = None
        self._source: int | str = int(source) if source.isdecimal() else source
        self._times = out.with_name(f"{out.name}.camera.csv")
        self._unix_s: list[float] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def n_images(self) -> int:
        """Pictures so far."""
        return len(self._unix_s)

    def __enter__(self) -> Film:
        try:
            camera = open_camera(self._source)
        except CameraError as failure:
            log.warning("recording without a camera: %s", failure)
            return self
        self._thread = threading.Thread(
            target=self._record, args=(camera,), name="radarid-camera", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            if self._thread.is_alive():
                log.warning("%s: the camera does not stop; its video may be damaged", self.path)

    def _record(self, camera: Camera) -> None:
        try:
            write_video(self.path, self._images(camera), camera.info.fps or _USUAL_FPS)
        except CameraError as failure:
            log.warning("the camera's recording ended: %s", failure)
        if self._unix_s:
            write_times(self._times, self._unix_s)

    def _images(self, camera: Camera) -> Iterator[np.ndarray]:
        start_s = camera.info.started_at_s or time.time()
        for time_s, image in camera:
            if self._stopping.is_set():
                return
            self._unix_s.append(start_s + time_s)
            self.started_at_s = self._unix_s[0]
            yield image
