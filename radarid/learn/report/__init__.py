"""Reports of runs and comparisons, for people: pictures, and pages that need nothing else."""

from __future__ import annotations

from radarid.learn.report.confusion import draw_confusion

__all__ = ["draw_confusion"]
