"""Files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from radarid.errors import StoreError


def create_private(path: Path) -> None:
    """Make an empty file for its owner only, before anything is in it.

    Raises
    ------
    StoreError
        It exists, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise StoreError(
            "exists already", where=path, remedy="open it, or choose another path"
        ) from None
    except OSError as failure:
        raise StoreError(f"cannot be made: {failure.strerror}", where=path) from None
