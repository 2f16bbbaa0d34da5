"""`radarid plot` (placeholder until its author writes it)."""

from __future__ import annotations


def plot() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
