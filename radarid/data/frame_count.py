"""What came of a stream of frames, and what never did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from capture.types import AdcFrame


class FrameCount:
    """Counts frames and losses of a stream on its way through.

    Attributes
    ----------
    n_frames : frames up to the last one that came, missing ones included
    n_chirps, n_lost_chirps : of these frames, and those of them that never came
    """

    def __init__(self) -> None:
        self.n_frames = self.n_chirps = self.n_lost_chirps = 0

    def through(self, frames: Iterable[AdcFrame]) -> Iterator[AdcFrame]:
        """Yield the frames; an index that is left out counts as a frame of lost chirps."""
        for frame in frames:
            n_missing = max(0, frame.index - self.n_frames)
            n_lost = len(frame.valid) - int(np.count_nonzero(frame.valid))
            self.n_lost_chirps += n_missing * len(frame.valid) + n_lost
            self.n_chirps += (n_missing + 1) * len(frame.valid)
            self.n_frames = frame.index + 1
            yield frame
