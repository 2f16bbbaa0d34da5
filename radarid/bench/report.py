"""One run of all measurements: a dictionary for JSON, and a table for people."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from capture.schema import fingerprint
from radarid.bench import chain, lineup, machine
from radarid.bench.timing import Patience
from radarid.bench.workload import Workload, evenly_spaced


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    capture_s : length of the reference capture
    n_rounds : of all contenders
    patience_s : how long to wait for a quiet machine, in all
    """

    capture_s: float = 4.0
    n_rounds: int = 7
    patience_s: float = 30.0

    @staticmethod
    def quick() -> Plan:
        """Enough to see that everything runs; no numbers to quote."""
        return Plan(capture_s=0.5, n_rounds=2, patience_s=0.0)


def run(plan: Plan) -> dict[str, Any]:
    """Measure everything; the longest part first says that contenders agree.

    Raises
    ------
    ContendersDisagreeError
        Two contenders make different images.
    """
    patience = Patience(plan.patience_s)
    workload = evenly_spaced()
    field, missing = lineup.installed()
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1, "blas"):
        folder = Path(name)
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
            "whole": chain.compare(jobs, field, plan.n_rounds, peak, patience),
        }
    return report


def describe(workload: Workload) -> dict[str, Any]:
    """A workload for the report."""
    return {
        "name": workload.name,
        "radar": workload.radar.fingerprint,
        "dsp": fingerprint(workload.params),
    }
