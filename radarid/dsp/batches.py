"""Frames that are transformed together: given ones, or those of a file, which is read meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from capture.file.recording import FileRecording
from capture.types import AdcFrame
from radarid.dsp.moments import Moments
from radarid.dsp.range_fft import RangeStage


class Batch(Protocol):
    """Frames in their order."""

    @property
    def start_s(self) -> Sequence[float]:
        """When each begins, seconds since the start of the recording."""
        ...

    def transform(
        self, stage: RangeStage, first: int, profiles: np.ndarray, moments: Moments
    ) -> np.ndarray:
        """Range profiles of some frames, from number `first` of the batch on.

        Parameters
        ----------
        stage : for one thread at a time
        first : number of the frame
        profiles : complex64 array, shape (n_frames * n_slow, n_virtual, n_bins), filled
        moments : of blocks of them, filled in

        Returns
        -------
        bool array, shape (n_frames * n_slow,), whether every chirp of the instant was received
        """
        ...


@dataclass(frozen=True)
class GivenFrames:
    """Frames that are there; None for a lost one."""

    frames: Sequence[AdcFrame | None]
    start_s: Sequence[float]

    def transform(
        self, stage: RangeStage, first: int, profiles: np.ndarray, moments: Moments
    ) -> np.ndarray:
        """See `Batch.transform`."""
        valid = np.zeros(len(profiles), bool)
        n = stage.n_slow
        for k in range(len(profiles) // n):
            rows, frame = slice(k * n, (k + 1) * n), self.frames[first + k]
            if frame is None:
                profiles[rows] = 0
            else:
                valid[rows] = stage(frame, profiles[rows])[1]
        moments.measure(profiles, valid)
        return valid


@dataclass(frozen=True)
class RecordedFrames:
    """Frames of a file, of which the first has the number `first`."""

    recording: FileRecording
    first: int
    start_s: Sequence[float]

    def transform(
        self, stage: RangeStage, first: int, profiles: np.ndarray, moments: Moments
    ) -> np.ndarray:
        """See `Batch.transform`."""
        return stage.read(self.recording, self.first + first, profiles, moments)
