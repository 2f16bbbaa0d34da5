"""How long the stages of live identification take."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("receive", "signal", "cut", "embed", "decide", "frame", "decision")
"""From a frame's last packet to its hand-over; its transforms; cutting a clip; the network; who;
from the last packet until the frame is done with; the same, of frames that complete a clip."""


class Timings:
    """Milliseconds of each stage, of the last frames.

    Parameters
    ----------
    n_kept : of each stage
    """

    def __init__(self, n_kept: int = 300) -> None:
        self.of = {stage: deque[float](maxlen=n_kept) for stage in STAGES}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        begin_ns = time.perf_counter_ns()
        yield
        self.note(name, (time.perf_counter_ns() - begin_ns) / 1e6)

    def note(self, name: str, elapsed_ms: float) -> None:
        """Note a duration of a stage."""
        self.of[name].append(elapsed_ms)

    def since(self, name: str, host_ns: int) -> float:
        """Note, and return, the time gone by since nanoseconds of 1970; 0 where unknown."""
        if not host_ns:
            return 0.0
        elapsed_ms = (time.time_ns() - host_ns) / 1e6
        self.note(name, elapsed_ms)
        return elapsed_ms

    def medians_ms(self) -> dict[str, float]:
        """Median of each stage that was measured."""
        return {name: statistics.median(times) for name, times in self.of.items() if times}
