"""One run of all measurements, as a dictionary for JSON, tables and the picture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from capture.schema import fingerprint
from radarid.bench import chain, goals, lineup, machine, processes, sizes, stages
from radarid.bench.job import Job
from radarid.bench.timing import Patience
from radarid.bench.workload import Workload, evenly_spaced, write_capture


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    capture_s : length of the reference capture
    n_rounds : of all contenders
    patience_s : how long to wait for a quiet machine, in all
    memory_s : length of the short capture, the long one, and the stream, whose memory is compared
    live_frames : frames at the radar's pace
    n_starts : fresh processes, cold and again with their kernels cached
    only_ours : whether only radarid's memory is measured
    with_scaling : whether all sweeps over sizes are run
    """

    capture_s: float = 4.0
    n_rounds: int = 7
    patience_s: float = 60.0
    memory_s: tuple[float, float, float] = (2.0, 10.0, 600.0)
    live_frames: int = 300
    n_starts: int = 3
    only_ours: bool = False
    with_scaling: bool = False

    @staticmethod
    def quick() -> Plan:
        """Enough to see that everything runs; no numbers to quote."""
        return Plan(
            capture_s=0.5, n_rounds=1, patience_s=0.0, memory_s=(0.5, 1.0, 2.0), live_frames=10,
            n_starts=1, only_ours=True,
        )  # fmt: skip


def run(plan: Plan, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything.

    Parameters
    ----------
    plan : how much
    tell : is called with what comes next

    Raises
    ------
    ContendersDisagreeError
        Contenders make different images; nothing is timed then.
    BenchProcessError
        A measuring process failed.
    """
    patience = Patience(plan.patience_s)
    workload = evenly_spaced()
    field, missing = lineup.installed()
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1, "blas"):
        folder = Path(name)
        tell("vector peak")
        peak = {n: machine.fma_peak_gflops(n) for n in (1, 2)}
        jobs = chain.captures(folder, workload, plan.capture_s)
        report: dict[str, Any] = {
            "environment": machine.environment(),
            "plan": asdict(plan),
            "workload": describe(workload),
            "capture_s": jobs[0].capture_s,
            "megabytes": jobs[0].path.stat().st_size / 1e6,
            "peak_gflops": {str(n): value for n, value in peak.items()},
            "skipped": missing,
        }
        tell(f"whole chain: {len(field)} contenders, {plan.n_rounds} rounds")
        report["whole"] = chain.compare(jobs, field, plan.n_rounds, peak, patience)
        tell("stages")
        report["stages"] = stages.measure(jobs[0], plan.n_rounds, peak, patience)
        tell("gapped configuration")
        report["gapped"] = sizes.beside_gapped(jobs[0], folder, plan.n_rounds, patience)
        tell("compilations")
        report["compilations"] = sizes.compilations()
        report |= _in_processes(plan, jobs[1], folder, tell)
        if plan.with_scaling:
            tell("scaling")
            n_rounds = max(1, plan.n_rounds // 2)
            report["scaling"] = sizes.scaling(folder, plan.capture_s / 2, n_rounds, patience)
    report["goals"] = goals.rows(report)
    return report


def _in_processes(
    plan: Plan, short: Job, folder: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    workload = short.workload
    paths = [folder / "memory0.bin", folder / "memory1.bin"]
    for path, seconds in zip(paths, plan.memory_s[:2], strict=True):
        write_capture(path, workload.radar, workload.n_frames(seconds))
    tell("start-up in fresh processes")
    start_up = processes.start_up(paths[0], folder, plan.n_starts)
    tell("memory in fresh processes")
    field = lineup.installed()[0][: 1 if plan.only_ours else None]
    memory = processes.memory(paths[0], paths[1], short.path, plan.memory_s[2], field)
    tell("live latency")
    return {"start_up": start_up, "memory": memory, "live": processes.live(plan.live_frames)}


def describe(workload: Workload) -> dict[str, Any]:
    """A workload for the report."""
    return {
        "name": workload.name,
        "radar": workload.radar.fingerprint,
        "dsp": fingerprint(workload.params),
    }
