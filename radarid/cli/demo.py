"""`radarid demo` (placeholder until its author writes it)."""

from __future__ import annotations


def demo() -> None:
    """Not written yet."""
    raise SystemExit("not written yet")
