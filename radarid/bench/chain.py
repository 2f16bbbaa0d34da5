"""The whole chain: all contenders agree first, then run in rotated rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from radarid.bench import lineup, machine, timing
from radarid.bench.contenders import Contender
from radarid.bench.job import Job, differences_db
from radarid.bench.timing import Patience, Sample
from radarid.bench.workload import Workload, write_capture
from radarid.errors import RadaridError

_LIMIT_DB = 0.05
_WARM_UP_S = 2.0
_READ_BYTES = 1 << 20


class ContendersDisagreeError(RadaridError):
    """Contenders made different images of one capture, so there is nothing to time."""


def check_equality(
    images: dict[str, np.ndarray], reference: np.ndarray
) -> dict[str, dict[str, float]]:
    """Difference of every image from the reference within 45 dB of its peak.

    Raises
    ------
    ContendersDisagreeError
        One differs by more than 0.05 dB anywhere.
    """
    found = {name: differences_db(image, reference) for name, image in images.items()}
    wrong = {name: f"{db['max']:.3g} dB" for name, db in found.items() if db["max"] > _LIMIT_DB}
    if wrong:
        raise ContendersDisagreeError(
            "contenders make different images, so there is nothing to time",
            got=wrong,
            expected=f"at most {_LIMIT_DB} dB within 45 dB of the peak",
        )
    return found


def captures(folder: Path, workload: Workload, capture_s: float) -> tuple[Job, Job]:
    """A capture to time, and a short one to warm up with."""
    jobs = []
    for name, seconds in (("walk", capture_s), ("warm_up", min(_WARM_UP_S, capture_s))):
        path = folder / f"{name}.bin"
        write_capture(path, workload.radar, workload.n_frames(seconds))
        jobs.append(Job(path, workload))
    return jobs[0], jobs[1]


def compare(
    jobs: tuple[Job, Job],
    field: Sequence[Contender],
    n_rounds: int,
    peak_gflops: dict[int, float],
    patience: Patience,
) -> dict[str, Any]:
    """Equality of all, then time, rates and paired ratios of each.

    In the same rounds the vector peak says what a second thread is worth at that moment: other
    processes, or another virtual machine on the same core, can take it away.

    Right before each sample the whole file is read through, and the contender makes the image of
    a short capture: whoever came before, all find the file and themselves as near.

    Parameters
    ----------
    jobs : what is timed, and a shorter capture of the same workload to warm up with
    field : contenders that can run here
    n_rounds : of all contenders
    peak_gflops : measured vector peak by number of threads
    patience : for a quiet machine
    """
    job, short = jobs
    runs: dict[str, Callable[[], np.ndarray]] = {one.name: one.make(job) for one in field}
    warm_up: dict[str, Callable[[], object]] = {
        one.name: _after_reading(job.path, one.make(short)) for one in field
    }
    equality = check_equality({name: run() for name, run in runs.items()}, job.reference())
    probes = {f"peak, {n}": machine.fma_run(n)[0] for n in (1, 2)}
    samples = timing.rounds({**runs, **probes}, {**warm_up, **probes}, n_rounds, patience)
    half_of_two = timing.paired(samples["peak, 1"], samples["peak, 2"])
    return {
        "equality": equality,
        "second_core": {key: 2 * value for key, value in half_of_two.items()},
        "contenders": {
            one.name: rates(job, samples[one.name], one.n_threads, peak_gflops)
            | {"versions": one.versions}
            | {
                f"over_{base}": timing.paired(samples[one.name], samples[name])
                for base, name in (("radarid_2t", lineup.TWO), ("radarid_1t", lineup.ONE))
                if name in samples
            }
            for one in field
        },
    }


def _after_reading(path: Path, run: Callable[[], object]) -> Callable[[], object]:
    """A run right after the file has been read from beginning to end."""

    def both() -> object:
        room = bytearray(_READ_BYTES)
        with path.open("rb", buffering=0) as file:
            while file.readinto(room):
                pass
        return run()

    return both


def rates(
    job: Job, samples: Sequence[Sample], n_threads: int, peak_gflops: dict[int, float]
) -> dict[str, Any]:
    """What samples of the whole chain mean for the capture."""
    middle = timing.summary(samples)
    wall_s = middle["wall_s"]
    gflops = job.flop / wall_s / 1e9
    return {
        "n_threads": n_threads,
        "ms_per_radar_s": 1e3 * wall_s / job.capture_s,
        "cpu_ms_per_radar_s": 1e3 * middle["cpu_s"] / job.capture_s,
        "real_time_factor": job.capture_s / wall_s,
        "megabytes_per_s": job.n_frames * job.radar.frame_bytes / 1e6 / wall_s,
        "mffts_per_s": sum(job.n_ffts) / 1e6 / wall_s,
        "gflops": gflops,
        "share_of_peak": gflops / peak_gflops[n_threads],
        "utilisation": middle["utilisation"],
        "foreign": middle["foreign"],
        "n_disturbed": middle["n_disturbed"],
        "samples": [asdict(one) for one in samples],
    }
