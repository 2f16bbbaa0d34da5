"""What the raw side hands on: frames with their validity, gaps, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from capture.config import RadarConfig


@dataclass(frozen=True, slots=True)
class AdcFrame:
    """One frame as the hardware delivered it: raw words, and which chirps really came.

    Attributes
    ----------
    config : waveform and raw format
    layout : name of the word order inside a chirp (see `capture.layouts`)
    index : frame number since the start of the recording
    time_s : start of the frame since the start of the recording, seconds of the radar's clock
    words : int16 array, shape (n_chirps, words_per_chirp); words of invalid chirps mean nothing;
        with HSI headers a view with the headers between its rows
    valid : bool array, shape (n_chirps,); False where any sample of the chirp was lost
    """

    config: RadarConfig
    layout: str
    index: int
    time_s: float
    words: np.ndarray
    valid: np.ndarray

    @property
    def is_complete(self) -> bool:
        """Whether every chirp was received."""
        return bool(self.valid.all())


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of the byte stream that was never received.

    Attributes
    ----------
    start_byte, n_bytes : position in the payload stream and length
    reason : what is known about the cause
    """

    start_byte: int
    n_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """Where frames come from, and what is known about their losses.

    Attributes
    ----------
    name : what to call the recording (file stem, usually)
    config : waveform and raw format
    layout : word order inside a chirp
    n_frames : whole frames, or None for a stream without end
    paths : the files, in stream order
    sha256 : of all bytes, or None when not a file
    gaps : what was lost
    trailing_bytes : bytes after the last whole frame
    evidence : why the layout is believed to be what it is
    """

    name: str
    config: RadarConfig
    layout: str
    n_frames: int | None
    paths: tuple[Path, ...] = ()
    sha256: str | None = None
    gaps: tuple[Gap, ...] = ()
    trailing_bytes: int = 0
    evidence: dict[str, str] = field(default_factory=dict)


class FrameSource(Protocol):
    """Anything that yields frames in order: a file, the simulator, a live stream."""

    @property
    def info(self) -> RecordingInfo:
        """What is known before the first frame."""
        ...

    def __iter__(self) -> Iterator[AdcFrame]:
        """Yield frames in the order of their index; missing frames are left out."""
        ...
