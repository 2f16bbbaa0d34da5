"""Other waveforms: the gapped one, how time scales, and whether kernels are compiled again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from radarid.bench import chain, contenders, lineup, timing
from radarid.bench.job import Job
from radarid.bench.timing import Patience
from radarid.bench.workload import Workload, endless_frames, evenly_spaced, gapped, write_capture
from radarid.dsp.spectrogram import SpectrogramStream

SWEEPS: dict[str, tuple[int, ...]] = {
    "n_rx": (1, 2, 3, 4),
    "n_samples": (64, 128, 256, 512, 1024),
    "n_chirps": (16, 32, 64, 128, 256, 512),
    "n_bins": (16, 32, 64, 128),
    "window": (64, 128, 256, 512),
    "hop": (8, 16, 32, 64),
}
"""Arguments of `workload.evenly_spaced`, one at a time; the others stay at their defaults."""
_COMPILED = ("n_rx", "n_samples", "n_chirps")


def beside_gapped(
    reference: Job, folder: Path, n_rounds: int, patience: Patience
) -> dict[str, Any]:
    """The paper's frames with silence between them: time per transform beside the reference's.

    Raises
    ------
    ContendersDisagreeError
        The image is not that of the definition.
    """
    workload = gapped()
    path = folder / "gapped.bin"
    write_capture(path, workload.radar, workload.n_frames(reference.capture_s))
    jobs = {"gapped": Job(path, workload), "reference": reference}
    report: dict[str, Any] = {"workload": workload.name, "rows": {}}
    runs: dict[str, Callable[[], np.ndarray]] = {}
    for name in (lineup.ONE, lineup.TWO):
        make = lineup.by_name(name).make
        runs |= {f"{kind}: {name}": make(job) for kind, job in jobs.items()}
    report["equality"] = chain.check_equality(
        {name: run() for name, run in runs.items() if name.startswith("gapped")},
        jobs["gapped"].reference(),
    )
    samples = timing.rounds(dict(runs), dict(runs), n_rounds, patience)
    n_ffts = {kind: sum(job.n_ffts) for kind, job in jobs.items()}
    for name in (lineup.ONE, lineup.TWO):
        own, other = samples[f"gapped: {name}"], samples[f"reference: {name}"]
        ratio = timing.paired(own, other)
        per_fft = n_ffts["reference"] / n_ffts["gapped"]
        report["rows"][name] = {
            "ms_per_radar_s": 1e3 * timing.summary(own)["wall_s"] / jobs["gapped"].capture_s,
            "ns_per_fft": 1e9 * timing.summary(own)["wall_s"] / n_ffts["gapped"],
            "over_reference_per_fft": {key: value * per_fft for key, value in ratio.items()},
            "samples": [asdict(one) for one in own],
        }
    return report


def scaling(
    folder: Path, capture_s: float, n_rounds: int, patience: Patience
) -> list[dict[str, Any]]:
    """Every sweep: radarid on one and two threads, files opened before, beside SciPy on two."""
    points = []
    for key, values in SWEEPS.items():
        for value in values:
            workload = evenly_spaced(**{key: value})
            path = folder / "scaling.bin"
            write_capture(path, workload.radar, workload.n_frames(capture_s))
            points.append(
                {"key": key, "value": value} | _point(Job(path, workload), n_rounds, patience)
            )
    return points


def _point(job: Job, n_rounds: int, patience: Patience) -> dict[str, Any]:
    runs = {
        lineup.ONE: contenders.radarid(1, is_open=True)(job),
        lineup.TWO: contenders.radarid(2, is_open=True)(job),
        lineup.SCIPY_THREADS: contenders.scipy_careful(1, 2)(job),
    }
    images = {name: run() for name, run in runs.items()}
    equality = chain.check_equality(images, images[lineup.SCIPY_THREADS])
    samples = timing.rounds(dict(runs), dict(runs), n_rounds, patience)
    wall_s = {name: timing.summary(own)["wall_s"] for name, own in samples.items()}
    return {
        "ms_per_radar_s": {name: 1e3 * own / job.capture_s for name, own in wall_s.items()},
        "mffts_per_s": {name: sum(job.n_ffts) / own / 1e6 for name, own in wall_s.items()},
        "scipy_over_radarid": timing.paired(samples[lineup.SCIPY_THREADS], samples[lineup.TWO]),
        "max_db": max(db["max"] for db in equality.values()),
    }


def compilations() -> dict[str, Any]:
    """Kernels that are compiled anew for other usual sizes, after a first run with the default.

    A kernel that compiles for the first time, since only that size needs it, is no compilation
    anew; both are counted.
    """
    _few_frames(evenly_spaced())
    rows = []
    for key in _COMPILED:
        for value in SWEEPS[key]:
            before, start_s = signatures(), time.perf_counter()
            _few_frames(evenly_spaced(**{key: value}))
            first_s = time.perf_counter() - start_s
            after = signatures()
            more = {name: n - before.get(name, 0) for name, n in after.items()}
            rows.append({
                "key": key,
                "value": value,
                "first_s": first_s,
                "anew": sum(n for name, n in more.items() if n > 0 and before.get(name, 0)),
                "first": sum(n for name, n in more.items() if n > 0 and not before.get(name, 0)),
            })  # fmt: skip
    return {"anew": sum(row["anew"] for row in rows), "sizes": rows}


def signatures() -> dict[str, int]:
    """How many signatures of every kernel of the chain have been compiled or loaded so far."""
    modules = [name for name in sys.modules if name.startswith("radarid.dsp.kernels")]
    return {
        f"{module}.{name}": len(kernel.signatures)
        for module in modules
        for name, kernel in vars(sys.modules[module]).items()
        if hasattr(kernel, "signatures")
    }


def _few_frames(workload: Workload) -> None:
    stream = SpectrogramStream(workload.radar, workload.params)
    n_frames = 12 + -(-workload.params.window_chirps // workload.radar.n_chirps)
    stream.push(endless_frames(workload.radar, n_frames, n_kept=2))
    stream.flush()
