"""How often Python looks for garbage that reference counts do not free."""

from __future__ import annotations

import gc


def collect_less() -> None:
    """Look a tenth as often as Python does by itself; for a process of radarid's own.

    What libraries make while they are imported, and kernels while they are compiled, stays: to
    look through it again and again takes a sixth of the time to a first image.
    """
    gc.set_threshold(10_000, 20, 20)
