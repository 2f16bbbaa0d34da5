"""`radarid ingest` (placeholder until its author writes it)."""

from __future__ import annotations


def ingest() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
