"""The machine that the numbers belong to: its name, its vector peak, what is installed on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from radarid.bench import timing
from radarid.provenance import versions

_ROUNDS, _TRIES = 30_000, 40
_SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
             "NUMBA_NUM_THREADS", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")  # fmt: skip


def fma_run(n_threads: int) -> tuple[Callable[[], object], float]:
    """Fused multiply-adds in registers on some threads, and how many operations a run is."""
    from radarid.dsp import kernels_peak

    pool = ThreadPoolExecutor(n_threads)
    n_values = kernels_peak.N_CHAINS * kernels_peak.LANES
    values = [np.ones(n_values, np.float32) for _ in range(n_threads)]

    def run() -> None:
        list(pool.map(lambda own: kernels_peak.multiply_add(_ROUNDS, own), values))

    return run, float(n_threads * _ROUNDS * kernels_peak.FLOP_PER_ROUND)


def fma_peak_gflops(n_threads: int) -> float:
    """The vector peak, best of some runs, 10^9 operations per second."""
    run, flop = fma_run(n_threads)
    return flop / timing.best_of(run, _TRIES) / 1e9


def environment() -> dict[str, Any]:
    """What the numbers depend on."""
    from radarid.dsp.kernels_vectors import LANES

    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "float32_lanes": LANES,
        "system": platform.platform(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions(),
        "loads_itself_into_numba": _numba_extensions(),
        "settings": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    return platform.processor() or platform.machine()


def _numba_extensions() -> list[str]:
    """Packages that Numba imports on its own, which costs every process that compiles."""
    points = metadata.entry_points(group="numba_extensions")
    return sorted({point.dist.name for point in points if point.dist is not None})
