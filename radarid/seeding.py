"""Where randomness starts; see `capture.seeding`."""

from capture.seeding import rng

__all__ = ["rng"]
