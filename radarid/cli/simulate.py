"""`radarid simulate` (placeholder until its author writes it)."""

from __future__ import annotations


def simulate() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
