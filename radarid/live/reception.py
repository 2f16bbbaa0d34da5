"""How well a live stream is received, across sources that were opened one after the other."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from capture.udp.live import LiveSource
from radarid.live.snapshot import Health, State

_RATES_S = 1.0
_SILENT_S = 1.0
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class _Mark:
    """Counters at one moment."""

    time_s: float
    cpu_s: float
    n_packets: int
    n_frames: int


class Reception:
    """Counters of all sources so far, and rates of the last second or so."""

    def __init__(self) -> None:
        self._closed: Counter[str] = Counter()
        self._n_closed = 0
        self._mark = _Mark(time.monotonic(), time.process_time(), 0, 0)
        self._packets_hz = self._frames_hz = self._cpu_share = 0.0

    def close(self, source: LiveSource) -> None:
        """Add the counters of a source that is given up."""
        self._closed += _counts(source)
        self._n_closed += 1

    def health(self, source: LiveSource, *, is_starting: bool, n_recoveries: int) -> Health:
        """State of the reception now.

        Parameters
        ----------
        source : the present one
        is_starting : board and radar are being set up anew
        n_recoveries : how often that was done
        """
        counts = self._closed + _counts(source)
        self._measure(counts)
        silence_s = source.silence_s
        state: State = "receiving"
        if is_starting:
            state = "starting again"
        elif silence_s is None:
            state = "silent" if self._n_closed else "waiting"
        elif silence_s > _SILENT_S:
            state = "silent"
        tells_drops = source.stats().get("n_kernel_drops") is not None
        return Health(
            state=state,
            silence_s=silence_s or 0.0,
            packets_hz=self._packets_hz,
            frames_hz=self._frames_hz,
            n_packets=counts["n_received"],
            n_lost_packets=counts["n_lost"],
            n_kernel_drops=counts["n_kernel_drops"] if tells_drops else None,
            n_frames=counts["n_frames"],
            n_incomplete=counts["n_incomplete"],
            n_missing=counts["n_missing_frames"],
            n_dropped=counts["n_dropped_frames"],
            n_restarts=counts["n_restarts"],
            n_recoveries=n_recoveries + self._n_closed,
            cpu_share=self._cpu_share,
            memory_bytes=resident_bytes(),
        )

    def _measure(self, counts: Counter[str]) -> None:
        now = _Mark(
            time.monotonic(), time.process_time(), counts["n_received"], counts["n_frames"]
        )
        elapsed_s = now.time_s - self._mark.time_s
        if elapsed_s < _RATES_S:
            return
        self._packets_hz = (now.n_packets - self._mark.n_packets) / elapsed_s
        self._frames_hz = (now.n_frames - self._mark.n_frames) / elapsed_s
        self._cpu_share = (now.cpu_s - self._mark.cpu_s) / elapsed_s
        self._mark = now


def _counts(source: LiveSource) -> Counter[str]:
    return Counter({k: v for k, v in source.stats().items() if isinstance(v, int)})


def resident_bytes() -> int:
    """Memory of this process that is really there; 0 where the system does not tell."""
    if not _STATM.exists():
        return 0
    n_pages = int(_STATM.read_text(encoding="ascii").split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE")
