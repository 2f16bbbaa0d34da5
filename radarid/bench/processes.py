"""Measurements in fresh processes: start-up, memory, and the latency of a live stream."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radarid.bench import lineup
from radarid.bench.contenders import Contender
from radarid.errors import RadaridError

_LOOK_S = 1e-3
_MEGABYTE = 1e6


class BenchProcessError(RadaridError):
    """A measuring process failed."""


@dataclass
class Watched:
    """What a measuring process said, and when, and how much memory it took.

    Attributes
    ----------
    at_s : seconds from the start of the process to each of its events
    facts : what came with the last event
    resting_mb, peak_mb : anonymous memory when it was ready, and the most from then on; None
        where /proc does not tell
    """

    at_s: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    resting_mb: float | None = None
    peak_mb: float | None = None

    @property
    def growth_mb(self) -> float | None:
        """Memory that the measured part took."""
        if self.peak_mb is None or self.resting_mb is None:
            return None
        return self.peak_mb - self.resting_mb


def watch(*arguments: str, cache: Path | None = None) -> Watched:
    """Run `radarid.bench.child` and watch it.

    Parameters
    ----------
    arguments : mode and what belongs to it
    cache : folder of compiled kernels; None for the usual one

    Raises
    ------
    BenchProcessError
        The process failed.
    """
    more = {} if cache is None else {"NUMBA_CACHE_DIR": str(cache)}
    start_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "radarid.bench.child", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | more,
    )  # fmt: skip
    watched = Watched()

    def listen() -> None:
        for line in process.stdout or ():
            watched.facts = json.loads(line)
            watched.at_s[watched.facts.pop("event")] = time.perf_counter() - start_s

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    while listener.is_alive():
        _look(process.pid, watched)
        listener.join(_LOOK_S)
    _, errors = process.communicate()
    if process.returncode != 0:
        raise BenchProcessError(
            "a measuring process failed", where=" ".join(arguments), got=errors.strip()[-2000:]
        )
    return watched


def _look(pid: int, watched: Watched) -> None:
    if "ready" not in watched.at_s or "done" in watched.at_s:
        return
    now_mb = anonymous_mb(pid)
    if now_mb is None:
        return
    if watched.resting_mb is None:
        watched.resting_mb = now_mb
    watched.peak_mb = max(now_mb, watched.peak_mb or 0.0)


def anonymous_mb(pid: int) -> float | None:
    """Anonymous resident memory of a process, mapped files left out; None where unknown."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # no /proc here, or the process has just ended
        return None
    for line in status.splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024 / _MEGABYTE
    return None


def start_up(path: Path, folder: Path, n_times: int) -> dict[str, Any]:
    """Process start to first image on one thread, with no compiled kernels and with all of them.

    Parameters
    ----------
    path : a short capture
    folder : for kernels, which are compiled there and nowhere else
    n_times : fresh processes; each cold one has a folder of its own
    """
    cold = [
        watch("image", lineup.ONE, str(path), cache=folder / f"kernels{k}") for k in range(n_times)
    ]
    cached = [
        watch("image", lineup.ONE, str(path), cache=folder / f"kernels{k}") for k in range(n_times)
    ]
    return {
        name: {
            "imports_s": statistics.median(one.at_s["ready"] for one in runs),
            "first_image_s": statistics.median(one.at_s["done"] for one in runs),
            "cpu_s": statistics.median(one.facts["cpu_s"] for one in runs),
            "all_s": [one.at_s["done"] for one in runs],
        }
        for name, runs in (("cold", cold), ("cached", cached))
    }


def memory(
    short: Path, long: Path, warm_up: Path, stream_s: float, field_: Sequence[Contender]
) -> dict[str, Any]:
    """Peak anonymous memory of one image, short and long, and of a stream of any length.

    Parameters
    ----------
    short, long, warm_up : captures
    stream_s : length of the stream that is made in memory
    field_ : whom to measure; imports, kernels and a first image do not count
    """
    rows = {}
    for one in field_:
        growth = [
            watch("image", one.name, str(path), str(warm_up)).growth_mb for path in (short, long)
        ]
        rows[one.name] = {
            "short_mb": growth[0],
            "long_mb": growth[1],
            "more_mb": None if None in growth else growth[1] - growth[0],  # type: ignore[operator]
        }
    brief, endless = (watch("stream", str(s)).growth_mb for s in (2.0, stream_s))
    more_mb = None if brief is None or endless is None else endless - brief
    return {
        "contenders": rows,
        "stream": {"seconds": stream_s, "short_mb": brief, "long_mb": endless, "more_mb": more_mb},
    }


def live(n_frames: int) -> dict[str, float]:
    """Time from a frame to its new slices, at the radar's pace on one thread; and CPU load."""
    facts = watch("live", str(n_frames)).facts
    latency_ms = 1e3 * np.array(facts["latency_s"])
    return {
        "n_frames": n_frames,
        "p50_ms": float(np.quantile(latency_ms, 0.5)),
        "p99_ms": float(np.quantile(latency_ms, 0.99)),
        "max_ms": float(latency_ms.max()),
        "load": facts["load"],
    }
