"""The gallery on disk: HDF5 for everybody, with an index in front that is all that radarid reads.

The HDF5 library can be made to run for ever by a forged file, and a gallery may come from
anywhere. So the first bytes, which HDF5 calls the user block and leaves alone, hold a name, the
SHA-256 of all that follows, and as JSON the attributes and where in the file each column lies.
Every change writes a new file in the place of the old one: what was removed is in it no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.schema import fingerprint, from_mapping, to_mapping
from radarid.data.private_file import create_private
from radarid.dsp.params import DspParams
from radarid.errors import GalleryError, StoreError
from radarid.live.gallery import Background, Gallery, MatchParams, Templates, check_name
from radarid.provenance import versions

FORMAT = 1
_MAGIC = b"radarid gallery\n"
_HEAD = len(_MAGIC) + 64 + 1
_INDEX_BYTES = 4096  # more than the places of the columns need
_CONFIGS = {"radar": RadarConfig, "dsp": DspParams, "params": MatchParams}
_TABLES = {"templates": Templates, "background": Background}
_TEXTS = ("model", "source", "key_id")


def read_gallery(path: Path) -> Gallery:
    """Read a gallery.

    Raises
    ------
    GalleryError
        Missing, not a gallery, of another version, or damaged.
    """
    return _parse(_read(path), path)


def holds_more(path: Path) -> bool:
    """Whether a gallery's file has other bytes than the gallery that is read from it makes.

    Another version of the HDF5 library may arrange them otherwise, too.

    Raises
    ------
    GalleryError
        As `read_gallery`.
    """
    data = _read(path)
    gallery, made_by = _parse(data, path), _index(data).get("versions")
    if not isinstance(made_by, dict) or set(made_by) != set(versions()):
        return True
    is_short = all(isinstance(text, str) and len(text) < 40 for text in made_by.values())
    return not is_short or _to_bytes(gallery, made_by) != data


def is_gallery(path: Path) -> bool:
    """Whether a file says that it is a gallery."""
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def change_gallery(path: Path, change: Callable[[Gallery], Gallery]) -> Gallery:
    """Replace a gallery by what `change` makes of it; a failure leaves the old one.

    Raises
    ------
    GalleryError
        As `read_gallery`, or another process is changing it, or it cannot be written.
    """
    with _partial(path) as partial:
        gallery = change(read_gallery(path))
        _write(partial, gallery)
        os.replace(partial, path)
    return gallery


def create_gallery(path: Path, gallery: Gallery) -> None:
    """Write a new gallery that only its owner can read.

    Raises
    ------
    GalleryError
        It exists, or cannot be written.
    """
    with _partial(path) as partial:
        if path.exists():
            raise GalleryError("exists already", where=path)
        _write(partial, gallery)
        os.replace(partial, path)


@contextlib.contextmanager
def _partial(path: Path) -> Any:
    """Empty private file beside `path`, which also keeps other writers away; gone afterwards."""
    partial = path.with_name(path.name + ".partial")
    try:
        create_private(partial)
    except StoreError as failure:
        raise GalleryError(
            f"cannot be written: {partial.name} {failure.what}", where=path,
            remedy=f"wait for the other radarid; if there is none, delete {partial}"
            if partial.exists() else None,
        ) from None
    try:
        yield partial
    except OSError as failure:
        raise GalleryError(f"cannot be written: {failure.strerror}", where=path) from None
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, gallery: Gallery) -> None:
    data = _to_bytes(gallery, versions())
    with path.open("r+b") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _to_bytes(gallery: Gallery, made_by: dict[str, str]) -> bytes:
    """The whole file; the same bytes for the same gallery and libraries."""
    facts: dict[str, Any] = {"format": FORMAT, "versions": made_by}
    facts |= {name: getattr(gallery, name) for name in _TEXTS}
    for name in _CONFIGS:
        facts[name] = to_mapping(getattr(gallery, name))
        facts[f"{name}_fingerprint"] = fingerprint(getattr(gallery, name))
    n_needed = 2 * len(json.dumps(facts)) + _INDEX_BYTES
    content, columns = io.BytesIO(), {}
    with h5py.File(content, "w", userblock_size=1 << n_needed.bit_length()) as file:
        for name, value in facts.items():
            file.attrs[name] = value if isinstance(value, int | str) else json.dumps(value)
        for table, cls in _TABLES.items():
            for each in fields(cls):
                data = file.create_dataset(
                    f"{table}/{each.name}", data=_plain(getattr(getattr(gallery, table), each.name))
                )
                columns[f"{table}/{each.name}"] = {
                    "dtype": data.dtype.str, "shape": data.shape,
                    "offset": data.id.get_offset() or 0,
                }  # fmt: skip
        block = file.userblock_size
    index = json.dumps(facts | {"columns": columns}).encode()
    rest = index.ljust(block - _HEAD, b"\0") + content.getvalue()[block:]
    return _MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def _plain(column: np.ndarray) -> np.ndarray:
    """Little-endian numbers, or UTF-8 of fixed length."""
    if column.dtype.kind != "U":
        return column.astype(column.dtype.newbyteorder("<"))
    encoded = np.char.encode(column, "utf-8") if len(column) else np.empty(0, "S1")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


def _read(path: Path) -> bytes:
    """Bytes of a gallery whose checksum is right."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise GalleryError(
            f"cannot be read: {failure.strerror}", where=path,
            remedy="make one: radarid enroll NAME FILE...",
        ) from None
    if not data.startswith(_MAGIC):
        raise GalleryError("not a gallery", where=path, got=repr(data[: len(_MAGIC)]))
    told, found = data[len(_MAGIC) : _HEAD - 1], hashlib.sha256(data[_HEAD:]).hexdigest()
    if told != found.encode() or data[_HEAD - 1 : _HEAD] != b"\n":
        raise GalleryError(
            "damaged: its checksum does not fit", where=path, got=found,
            expected=told.decode("ascii", "replace"), remedy="take a copy of it, or enroll anew",
        )
    return data


def _parse(data: bytes, path: Path) -> Gallery:
    """Take a gallery out of bytes; whatever is odd in them is an error."""
    try:
        facts = _index(data)
        if facts["format"] != FORMAT:
            raise GalleryError("a gallery of another version", where=path,
                               got=repr(facts["format"])[:80], expected=FORMAT)
        parts: dict[str, Any] = {name: _config(facts, name, cls) for name, cls in _CONFIGS.items()}
        parts |= {
            table: cls(**{
                each.name: _column(data, each.name, facts["columns"][f"{table}/{each.name}"])
                for each in fields(cls)
            })
            for table, cls in _TABLES.items()
        }  # fmt: skip
        parts |= {name: facts[name] for name in _TEXTS}
        gallery = Gallery(**parts)
    except (KeyError, ValueError, TypeError, RecursionError, ConfigError) as failure:
        raise GalleryError(f"damaged: {str(failure)[:200]!r}", where=path) from None
    _check(gallery, path)
    return gallery


def _index(data: bytes) -> dict[str, Any]:
    """What the user block says; its end is the first zero."""
    facts = json.loads(data[_HEAD : data.index(b"\0", _HEAD)])
    if not isinstance(facts, dict):
        raise ValueError("its index is no table")
    return facts


def _config(facts: dict[str, Any], name: str, cls: type[Any]) -> Any:
    if fingerprint(facts[name]) != facts[f"{name}_fingerprint"]:
        raise ValueError(f"its {name} configuration was changed")
    return from_mapping(cls, facts[name])


def _column(data: bytes, name: str, told: dict[str, Any]) -> np.ndarray:
    """A column, where and as the index tells; within the bytes, and of the right kind."""
    dtype, shape, offset = np.dtype(str(told["dtype"])), told["shape"], told["offset"]
    number = {"embedding": "<f4", "n_clips": "<i8", "walk": "<i8"}.get(name)
    if dtype.str != number and (number or dtype.kind != "S" or not dtype.itemsize):
        raise ValueError(f"a column {name} of {dtype.str}")
    if len(shape) != 1 + (name == "embedding") or not all(
        type(n) is int and 0 <= n <= len(data) for n in (*shape, offset)
    ):
        raise ValueError(f"a column {name} of shape {shape} at {offset}")
    n_bytes = math.prod(shape) * dtype.itemsize
    if offset + n_bytes > len(data):
        raise ValueError(f"a column {name} beyond the end")
    values = np.frombuffer(data[offset : offset + n_bytes], dtype).reshape(shape)
    return np.char.decode(values, "utf-8") if dtype.kind == "S" else values


def _check(gallery: Gallery, path: Path) -> None:
    """Refuse what a gallery never is."""
    faults = []
    for name, cls in _TABLES.items():
        table = getattr(gallery, name)
        embedding = table.embedding
        if len({len(getattr(table, each.name)) for each in fields(cls)}) != 1:
            faults.append(f"{name} of different length")
        with np.errstate(invalid="ignore"):
            length = np.linalg.norm(embedding.astype(np.float64), axis=1)
        if not (np.abs(length - 1) < 1e-3).all():  # false for NaN, too
            faults.append(f"{name} are not of length 1")
    if gallery.templates.embedding.shape[1] != gallery.background.embedding.shape[1]:
        faults.append("templates and background are of different length")
    if (gallery.templates.n_clips < 1).any():
        faults.append("a template of no clip")
    if gallery.source not in ("never seen", "trained on"):
        faults.append(f"source {gallery.source!r}")
    if faults:
        raise GalleryError(f"damaged: {'; '.join(faults)}", where=path)
    for name in gallery.subjects:
        check_name(name)
