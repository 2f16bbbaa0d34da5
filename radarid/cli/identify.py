"""`radarid identify` (placeholder until its author writes it)."""

from __future__ import annotations


def identify() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
