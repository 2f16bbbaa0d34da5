"""`radarid train` (placeholder until its author writes it)."""

from __future__ import annotations


def train() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
