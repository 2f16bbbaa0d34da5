"""Reports of runs and comparisons, for people: pictures, and pages that need nothing else."""

from __future__ import annotations

from radarid.learn.report.confusion import draw_confusion
from radarid.learn.report.write import write_report

__all__ = ["draw_confusion", "write_report"]
