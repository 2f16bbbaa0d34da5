"""What tells a damaged gait store from a good one, and one error for all that HDF5 may say of it.

HDF5 verifies checksums of headers, attributes and packed rows. Its heaps of text have none, and it
walks them for ever if they lead nowhere: they are walked here before.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

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


_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
"""To a text on a heap, as it lies in a file (HDF5 file format specification: global heap ID)."""

_HEAP, _STEP = b"GCOL\1\0\0\0", 16
_HEAD_BYTES = 1 << 16  # attributes are written before anything else


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


def check_head(path: Path) -> None:
    """Raise `StoreError` for a heap that leads nowhere, where those of the attributes lie."""
    with path.open("rb") as stream:
        for found in re.finditer(_HEAP, stream.read(_HEAD_BYTES)):
            _check_heap(stream, found.start(), path)


def check_rows(file: h5py.File, dsp: DspParams, faces: FaceContent) -> None:
    """Raise `StoreError` when a data set is not of its type and shape, has too few rows, or text
    that is not there."""
    path = Path(file.filename)
    with path.open("rb") as stream:
        for group, columns in data_sets(dsp, faces).items():
            count = int(file.attrs[f"n_{group}"])
            for name, (dtype, shape) in columns.items():
                if name not in file[group]:  # whoever reads it will notice
                    continue
                data = file[f"{group}/{name}"]
                is_text = h5py.check_string_dtype(dtype)  # its dtype alone is that of any object
                if (
                    (data.dtype, data.shape[1:]) != (dtype, shape)
                    or h5py.check_string_dtype(data.dtype) != is_text
                    or not 0 <= count <= len(data)
                ):
                    raise damaged(
                        path, f"{group}/{name}: {data.shape} of {data.dtype}",
                        f"at least {count} rows {shape} of {dtype}",
                    )
                if is_text:
                    for address in _heaps(data, count, path):
                        _check_heap(stream, address, path)


def _heaps(data: h5py.Dataset, count: int, path: Path) -> set[int]:
    """Addresses of the heaps with the text of some rows, which is no longer than the file.

    HDF5 makes room for a text before it looks whether there is any.
    """
    n_most, n_rows, n_text = path.stat().st_size, data.chunks[0], 0
    addresses: set[int] = set()
    for start in range(0, count, n_rows):
        if data.id.get_chunk_info_by_coord((start,)).size != n_rows * _REFERENCE.itemsize:
            raise damaged(path, f"{data.name}: other than references to text")
        _, stored = data.id.read_direct_chunk((start,))
        references = np.frombuffer(stored, _REFERENCE)[: count - start]
        n_text += int(references["length"].sum(dtype=np.int64))
        if n_text > n_most:
            raise damaged(path, f"{data.name}: {n_text} bytes of text",
                          f"at most {n_most}, the length of the file")  # fmt: skip
        addresses.update(references["address"][references["length"] > 0].tolist())
    return addresses


def _check_heap(stream: BinaryIO, address: int, path: Path) -> None:
    """Walk over a heap of texts, whose steps must be forward and end inside."""
    stream.seek(address)
    head = stream.read(_STEP)
    n_bytes = int.from_bytes(head[8:], "little")
    if not head.startswith(_HEAP) or not _STEP <= n_bytes <= path.stat().st_size - address:
        raise damaged(path, f"no heap of text at byte {address}")
    heap, place = head + stream.read(n_bytes - _STEP), _STEP
    while place + _STEP <= n_bytes:
        number, size = struct.unpack_from("<H6xQ", heap, place)
        step = _STEP + -(-size // 8) * 8 if number else size  # 0 is what is free, to its end
        if not _STEP <= step <= n_bytes - place:
            raise damaged(path, f"a text of {size} bytes at byte {address + place}")
        place += step


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
