"""What tells a damaged gait store from a good one, and one error for all that HDF5 may say of it.

HDF5 verifies checksums of headers, attributes and packed rows. It does not of the text on its heap,
nor of the index of the rows; of these the rest is checked as far as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from capture.errors import ConfigError
from radarid.data.store_schema import Columns, data_sets
from radarid.data.tables import FaceContent
from radarid.dsp.params import DspParams
from radarid.errors import StoreError

_REMEDY = "take a copy of it, or ingest the recordings again, into a new --out"
_DAMAGE = (
    OSError, KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError,
    MemoryError, OverflowError, ConfigError,
)  # fmt: skip


@contextmanager
def no_damage(path: Path) -> Iterator[None]:
    """Turn whatever HDF5, or what it gives, leads to inside into `StoreError`."""
    try:
        yield
    except StoreError:
        raise
    except _DAMAGE as failure:
        text = str(failure).partition("\n")[0][:200]
        raise damaged(path, f"{type(failure).__name__}: {text}") from None


def damaged(path: Path | str, got: Any, expected: Any = None) -> StoreError:
    """The error that tells of damage."""
    return StoreError("damaged", where=path, got=got, expected=expected, remedy=_REMEDY)


def check_rows(file: h5py.File, dsp: DspParams, faces: FaceContent) -> None:
    """Raise `StoreError` when a data set is not of its type and shape, or has too few rows."""
    for group, columns in data_sets(dsp, faces).items():
        count = int(file.attrs[f"n_{group}"])
        for name, (dtype, shape) in columns.items():
            if name not in file[group]:  # whoever reads it will notice
                continue
            data = file[f"{group}/{name}"]
            if (data.dtype, data.shape[1:]) != (dtype, shape) or not 0 <= count <= len(data):
                raise damaged(
                    file.filename, f"{group}/{name}: {data.shape} of {data.dtype}",
                    f"at least {count} rows {shape} of {dtype}",
                )


def check_owners(path: Path, rows: Columns, recordings: Columns, names: Sequence[str]) -> None:
    """Raise `StoreError` when rows say otherwise than their recordings whose they are."""
    with no_damage(path):
        for name in names:
            told = recordings[name][rows["recording"]]
            differing = np.flatnonzero(rows[name] != told)
            if len(differing):
                first = int(differing[0])
                raise damaged(path, f"{name} {rows[name][first]!r} in row {first}",
                              f"its recording's, {str(told[first])!r}")  # fmt: skip
