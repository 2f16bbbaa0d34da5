"""The goals of the signal processing's speed, and what this run says about each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from radarid.bench import lineup

_FASTER = {
    lineup.OPENRADAR: (25.0, 45.0),
    lineup.SCIPY_WORKERS: (8.0, 11.0),
    lineup.SCIPY_THREADS: (4.0, 6.0),
    lineup.FFTW: (2.0, 3.0),
    lineup.MMWCORE: (9.0, 14.0),
    lineup.XWR: (7.0, 10.0),
    lineup.TORCH: (6.0, 10.0),
    lineup.ONE: (1.5, 1.8),
}
"""How many times as long each should take as radarid on two threads: at least, and the aim."""


@dataclass(frozen=True)
class Goal:
    """One row of the table of goals.

    Attributes
    ----------
    name, unit : for people
    at_least, aim : limits
    measure : the number in the report; None where it was not measured
    is_speed : whether more is better
    """

    name: str
    unit: str
    at_least: float
    aim: float
    measure: Callable[[dict[str, Any]], float | None]
    is_speed: bool = False

    def row(self, report: dict[str, Any]) -> dict[str, Any]:
        """The goal, what was measured, and which limit that reaches."""
        measured = self.measure(report)
        return {
            "goal": self.name,
            "unit": self.unit,
            "at_least": self.at_least,
            "aim": self.aim,
            "measured": measured,
            "met": self._verdict(measured),
        }

    def _verdict(self, measured: float | None) -> str:
        if measured is None:
            return "not measured"
        for limit, verdict in ((self.aim, "aim"), (self.at_least, "yes")):
            if measured >= limit if self.is_speed else measured <= limit:
                return verdict
        return "no"


def rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """All goals, in the order of the table."""
    return [goal.row(report) for goal in GOALS]


def _look_up(*keys: str) -> Callable[[dict[str, Any]], float | None]:
    """The number at a path of keys, None where the path ends early."""

    def measure(report: dict[str, Any]) -> float | None:
        found: Any = report
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                return None
            found = found[key]
        return None if found is None else float(found)

    return measure


def _faster_than(name: str) -> Callable[[dict[str, Any]], float | None]:
    return _look_up("whole", "contenders", name, "over_radarid_2t", "median")


def _worst_db(report: dict[str, Any]) -> float:
    """Of the engine's images, wherever they were compared with the definition."""
    tables = [report["whole"]["equality"], report.get("gapped", {}).get("equality", {})]
    return max(db["max"] for table in tables for name, db in table.items() if "radarid" in name)


GOALS = (
    *(
        Goal(
            "2 threads over 1" if name == lineup.ONE else f"faster than {name}",
            "x", *limits, _faster_than(name), is_speed=True,
        )
        for name, limits in _FASTER.items()
    ),
    Goal("memory, 2 s to 10 s of radar", "MB", 8.0, 4.0,
         _look_up("memory", "contenders", lineup.TWO, "more_mb")),
    Goal("memory, 2 s to 10 min", "MB", 8.0, 4.0, _look_up("memory", "stream", "more_mb")),
    Goal("process start to first image, kernels cached", "s", 1.0, 0.7,
         _look_up("start_up", "cached", "first_image_s")),
    Goal("process start to first image, cold", "s", 5.0, 2.0,
         _look_up("start_up", "cold", "first_image_s")),
    Goal("live: frame in, slices out, p99", "ms", 5.0, 2.0, _look_up("live", "p99_ms")),
    Goal("difference from complex128", "dB", 0.02, 0.001, _worst_db),
    Goal("gapped configuration, time per transform over the reference's", "x", 1.0, 1.0,
         _look_up("gapped", "rows", lineup.ONE, "over_reference_per_fft", "median")),
    Goal("kernels compiled anew for other usual sizes", "", 0.0, 0.0,
         _look_up("compilations", "anew")),
)  # fmt: skip
