"""Everything that lies in an HDF5 file, whether its readers count it or not; for audits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from radarid.data.store_schema import check_attributes, data_sets
from radarid.data.tables import FaceContent
from radarid.errors import StoreError

_AT_ONCE = 64
_ATTRIBUTES = {
    "schema_version", "radar", "radar_fingerprint", "dsp", "dsp_fingerprint", "velocity_mps",
    "time_s", "clip_s", "faces", "versions", "history", "n_clips", "n_faces", "n_recordings",
}  # fmt: skip
_OF_DATA = {"level_db", "DIMENSION_LABELS"}


@dataclass(frozen=True)
class StoredItem:
    """A data set or attribute.

    Attributes
    ----------
    name : path in the file; of an attribute with @
    dtype : as h5py tells it
    shape : of all rows, counted or not
    is_expected : whether a store without faces has it, with rows of this type and shape
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    is_expected: bool


def store_items(path: Path) -> list[StoredItem]:
    """List the data sets and attributes of a gait store.

    Raises
    ------
    StoreError
        Not a gait store, or damaged.
    """
    from radarid.data.store import GaitStore

    with GaitStore.open(path) as store:
        dsp = store.dsp
    expected = {
        f"{group}/{name}": column
        for group, columns in data_sets(dsp, FaceContent("none")).items()
        for name, column in columns.items()
    }
    items: list[StoredItem] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            dtype, row = expected.get(name, (None, ()))
            is_expected = item.dtype == dtype and item.shape[1:] == tuple(row)
            items.append(StoredItem(name, str(item.dtype), item.shape, is_expected))
        for key, value in item.attrs.items():
            items.append(_attribute(f"{name}@{key}", value, key in _OF_DATA))

    try:
        with h5py.File(path) as file:
            check_attributes(file)
            items += [
                _attribute(f"@{key}", value, key in _ATTRIBUTES)
                for key, value in file.attrs.items()
            ]
            file.visititems(visit)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as failure:
        raise StoreError(f"damaged: {str(failure)[:200]!r}", where=path) from None
    return items


def _attribute(name: str, value: Any, is_expected: bool) -> StoredItem:
    array = np.asarray(value)
    return StoredItem(name, str(array.dtype), array.shape, is_expected)


def stored_bytes(path: Path) -> Iterator[tuple[str, bytes]]:
    """Unpacked content of every data set of numbers, some rows at a time, with its name."""
    with h5py.File(path) as file:
        found: list[h5py.Dataset] = []
        file.visititems(
            lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None
        )
        for data in found:
            if data.ndim and data.dtype.kind in "iufb":
                for start in range(0, len(data), _AT_ONCE):
                    rows = np.ascontiguousarray(data[start : start + _AT_ONCE])
                    yield data.name.lstrip("/"), rows.tobytes()
