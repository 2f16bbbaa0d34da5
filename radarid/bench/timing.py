"""Time measured fairly on a machine that is not ours alone: rounds, paired ratios, foreign load."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LEAST_S = 0.1  # shorter samples may find both threads on one core
_QUIET = 0.15  # of the machine's cores
_LOOK_S = 0.05
_STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one contender.

    Attributes
    ----------
    wall_s, cpu_s : of one run; CPU time of all threads of this process, user and system
    foreign : share of the machine that other processes kept busy; NaN where that is unknown
    """

    wall_s: float
    cpu_s: float
    foreign: float


def busy_s() -> float:
    """CPU time that the machine has spent so far, all cores; NaN where /proc is missing."""
    if not _STAT.is_file():
        return math.nan
    fields = [int(field) for field in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / float(os.sysconf("SC_CLK_TCK"))


def sample(run: Callable[[], object], n_times: int = 1) -> Sample:
    """Run it `n_times` and measure one run's share."""
    busy, cpu, wall = busy_s(), time.process_time(), time.perf_counter()
    for _ in range(n_times):
        run()
    wall, cpu, busy = time.perf_counter() - wall, time.process_time() - cpu, busy_s() - busy
    foreign = max(0.0, busy - cpu) / (wall * (os.cpu_count() or 1))
    return Sample(wall / n_times, cpu / n_times, foreign)


def best_of(run: Callable[[], object], n_times: int = 3) -> float:
    """Seconds of the fastest of some runs, after one that does not count."""
    run()
    return min(sample(run).wall_s for _ in range(n_times))


class Patience:
    """Waits for quiet before a sample, but not for ever in sum."""

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds

    def wait(self) -> None:
        """Return when others use less than 15 % of the machine, or when patience is at its end."""
        while self.left_s > 0:
            start_s = time.perf_counter()
            resting = sample(lambda: time.sleep(_LOOK_S))
            self.left_s -= time.perf_counter() - start_s
            if not resting.foreign > _QUIET:
                return


def rounds(
    runs: dict[str, Callable[[], object]],
    warm_up: dict[str, Callable[[], object]],
    n_rounds: int,
    patience: Patience,
) -> dict[str, list[Sample]]:
    """Samples of every contender in every round.

    The order rotates from round to round, and every second round runs backwards, so that nobody
    always comes after the one who has filled the caches with most.

    Parameters
    ----------
    runs : what is timed; repeated inside a sample that would take less than a tenth of a second
    warm_up : a shorter run of each, untimed, right before its sample
    n_rounds : of all contenders
    patience : for a quiet machine
    """
    names = list(runs)
    n_times = {name: max(1, math.ceil(_LEAST_S / sample(run).wall_s)) for name, run in runs.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for turn in range(n_rounds):
        first = turn % len(names)
        order = names[first:] + names[:first]
        for name in order[:: -1 if turn % 2 else 1]:
            patience.wait()
            warm_up[name]()
            samples[name].append(sample(runs[name], n_times[name]))
    return samples


def paired(samples: Sequence[Sample], base: Sequence[Sample]) -> dict[str, float]:
    """Ratios of wall time to the base's sample of the same round: median, min, max."""
    ratios = [a.wall_s / b.wall_s for a, b in zip(samples, base, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def summary(samples: Sequence[Sample]) -> dict[str, float]:
    """Medians of the samples, and how many of them others disturbed."""
    wall_s = statistics.median(one.wall_s for one in samples)
    cpu_s = statistics.median(one.cpu_s for one in samples)
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "utilisation": statistics.median(one.cpu_s / one.wall_s for one in samples),
        "foreign": statistics.median(one.foreign for one in samples),
        "n_disturbed": sum(one.foreign > _QUIET for one in samples),
        "n_samples": len(samples),
    }
