"""`radarid evaluate` (placeholder until its author writes it)."""

from __future__ import annotations


def evaluate() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
