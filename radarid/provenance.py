"""What made a file: versions, command, machine-independent facts that travel with the data."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

from radarid import __version__

_RECORDED = ("numpy", "scipy", "numba", "torch", "h5py", "opencv-python", "facenet-pytorch")


def versions() -> dict[str, str]:
    """Versions of radarid, Python and the libraries that results depend on (none is imported)."""
    found = {"radarid": __version__, "python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def history_entry(step: str) -> str:
    """One line of a processing history: time, version, step, and the command that ran."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return f"{now} radarid {__version__}: {step} [{command}]"


def sha256_of(paths: tuple[Path, ...] | list[Path]) -> str:
    """SHA-256 of the files' bytes, one after another, as hex."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
