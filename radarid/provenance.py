"""What made a file: versions, command, machine-independent facts that travel with the data."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

from radarid import __version__

_BLOCK_BYTES = 1 << 18  # read and hashed in cache
_RECORDED = ("numpy", "scipy", "numba", "torch", "h5py", "opencv-python", "facenet-pytorch")


def versions() -> dict[str, str]:
    """Versions of radarid, Python and the libraries that results depend on (none is imported)."""
    return dict(_versions())


@functools.cache
def _versions() -> dict[str, str]:
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
    block = memoryview(bytearray(_BLOCK_BYTES))
    for path in paths:
        with path.open("rb", buffering=0) as stream:
            while n_bytes := stream.readinto(block):
                digest.update(block[:n_bytes])
    return digest.hexdigest()
