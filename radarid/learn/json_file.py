"""JSON files of a run: whole or not there at all; read without torch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from radarid.errors import RunError


def write_json(path: Path, value: Any) -> None:
    """Write JSON under a temporary name, then move it into place."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises
    ------
    RunError
        Missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise RunError(f"cannot be read: {failure.strerror}", where=path) from None
    except ValueError as failure:
        raise RunError(f"not JSON: {failure}", where=path) from None
