"""What `identify --live --record` keeps: one recording for each unbroken stretch of the stream."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from capture.config import RadarConfig
from capture.dca1000.frame_buffer import RawFrame
from capture.errors import RecordError
from capture.file.sidecar import Sidecar
from capture.udp.recorder import Recorder
from radarid import __version__


class Pieces:
    """Recordings in a folder, named by when they began; a context manager.

    A restart of the radar, or a silence, ends a recording: the zeros of a night without packets
    would fill the disk.

    Parameters
    ----------
    folder : there already
    config : waveform and raw format

    Raises
    ------
    RecordError
        No such folder; when writing, the disk does not take it.
    """

    def __init__(self, folder: Path, config: RadarConfig) -> None:
        if not folder.is_dir():
            raise RecordError("no such folder", where=folder, remedy=f"mkdir -p {folder}")
        self._folder, self._config = folder, config
        self._recorder: Recorder | None = None
        self._segment = 0
        self._n_pieces = 0

    def write(self, frame: RawFrame) -> None:
        """Write a frame, into a new recording where a stretch begins."""
        if frame.segment != self._segment:
            self.cut()
        if self._recorder is None:
            self._segment = frame.segment
            self._n_pieces += 1
            began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            self._recorder = Recorder(
                self._folder / f"live-{began}-{self._n_pieces}", self._config,
                Sidecar(made_by=f"radarid {__version__}"), first_index=None,
            ).__enter__()  # fmt: skip
        self._recorder.write(frame)

    def cut(self) -> None:
        """End the recording; the next frame begins another."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()

    def __enter__(self) -> Pieces:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close(complete=kind is None)
