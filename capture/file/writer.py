"""Frames to .bin files, as the simulator and the emulator need them."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import numpy as np

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.file.framing import stored_words
from capture.layouts import default_layout, word_order
from capture.types import AdcFrame


class RecordingWriter:
    """Write frames to a .bin file that appears, complete, when the writer is closed.

    Parameters
    ----------
    path : the file; until it is closed the bytes are in `<path>.part`
    config : waveform and raw format; HSI headers are written where it has them
    layout : word order of the frames; the configuration's by default

    Raises
    ------
    LayoutError
        A layout that this radar cannot have, or a configuration that is one subframe of several.

    Attributes
    ----------
    lost : (start byte, number of bytes) of the chirps that were not received, for the sidecar

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> radar = RadarConfig(n_samples=2, rx_mask=1, n_loops=1)
    >>> path = Path(tempfile.mkdtemp()) / "walk.bin"
    >>> with RecordingWriter(path, radar) as writer:
    ...     writer.write(np.array([[1, 2, 3, 4]], np.int16))
    >>> path.read_bytes().hex()
    '0100020003000400'
    """

    def __init__(self, path: Path, config: RadarConfig, layout: str | None = None) -> None:
        self.path, self.config = Path(path), config
        self.layout = layout or default_layout(config)
        word_order(self.layout, config)
        if config.subframe is not None:
            raise LayoutError(
                "one subframe alone makes no recording",
                where=path,
                got=f"subframe {config.subframe.index} of {config.subframe.n_subframes}",
            )
        self._part = self.path.with_name(self.path.name + ".part")
        self._file = self._part.open("wb")
        self._n_frames = 0
        self._lost: list[tuple[int, int]] = []

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        """Stretches of the stream that hold zeros because nothing was received."""
        return tuple(self._lost)

    def write(self, frame: AdcFrame | np.ndarray) -> None:
        """Append a frame.

        Parameters
        ----------
        frame : an `AdcFrame`, whose invalid chirps, and the frames missing before it, are
            written as zeros and listed in `lost`; or int16 words (n_chirps, words_per_chirp)

        Raises
        ------
        LayoutError
            Other layout, shape or type, or a frame that comes out of order.
        """
        if isinstance(frame, np.ndarray):
            self._append(frame)
            return
        if frame.layout != self.layout or frame.index < self._n_frames:
            raise LayoutError(
                "this frame does not continue the recording",
                where=self.path,
                got=f"frame {frame.index} in {frame.layout}",
                expected=f"frame {self._n_frames} or later in {self.layout}",
            )
        missing = frame.index - self._n_frames
        n_bytes, chirp_bytes = self.config.stored_frame_bytes, self.config.stored_chirp_bytes
        if missing:
            self._mark_lost(self._n_frames * n_bytes, missing * n_bytes)
        for _ in range(missing):
            self._append(np.zeros_like(frame.words))
        start = self._n_frames * n_bytes
        for chirp in np.flatnonzero(~frame.valid):
            self._mark_lost(start + int(chirp) * chirp_bytes, chirp_bytes)
        self._append(np.where(frame.valid[:, None], frame.words, np.int16(0)))

    def _append(self, words: np.ndarray) -> None:
        shape = (self.config.n_chirps, self.config.words_per_chirp)
        if words.shape != shape or words.dtype != np.int16:
            raise LayoutError(
                "these are not the words of one frame",
                where=self.path,
                got=f"{words.dtype} {words.shape}",
                expected=f"int16 {shape}",
            )
        self._file.write(np.ascontiguousarray(stored_words(words, self.config), "<i2").tobytes())
        self._n_frames += 1

    def _mark_lost(self, start: int, n_bytes: int) -> None:
        if self._lost and sum(self._lost[-1]) == start:
            start, n_bytes = self._lost[-1][0], self._lost.pop()[1] + n_bytes
        self._lost.append((start, n_bytes))

    def close(self) -> None:
        """Put the complete file in its place."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)

    def discard(self) -> None:
        """Throw away what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
