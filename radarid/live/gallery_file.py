"""The gallery on disk: HDF5 behind 512 bytes that vouch for the rest; whole or not there at all.

The first bytes (HDF5 calls them the user block, and readers skip it) hold a name and the SHA-256
of all that follows, which is checked before anything is parsed. Every change writes a new file in
the place of the old one, so that what was removed is in it no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
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
from radarid.data.store import create_private
from radarid.dsp.params import DspParams
from radarid.errors import GalleryError, StoreError
from radarid.live.gallery import Background, Gallery, MatchParams, Templates, check_name
from radarid.provenance import versions

FORMAT = 1
_MAGIC = b"radarid gallery\n"
_BLOCK = 512
_CONFIGS = {"radar": RadarConfig, "dsp": DspParams, "params": MatchParams}
_TABLES = {"templates": Templates, "background": Background}
_TEXTS = ("model", "source", "key_id")
_ATTRIBUTES = {
    "format", "versions", *_TEXTS, *_CONFIGS, *(f"{name}_fingerprint" for name in _CONFIGS)
}  # fmt: skip


def read_gallery(path: Path) -> Gallery:
    """Read a gallery.

    Raises
    ------
    GalleryError
        Missing, not a gallery, of another version, or damaged.
    """
    return _parse(_read(path), path)


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
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=_BLOCK) as file:
        file.attrs.update(
            format=FORMAT, model=gallery.model, source=gallery.source, key_id=gallery.key_id,
            versions=json.dumps(versions()),
        )  # fmt: skip
        for name in _CONFIGS:
            config = getattr(gallery, name)
            file.attrs[name] = json.dumps(to_mapping(config))
            file.attrs[f"{name}_fingerprint"] = fingerprint(config)
        for name in _TABLES:
            table = getattr(gallery, name)
            for each in fields(table):
                column = getattr(table, each.name)
                if column.dtype.kind == "U":
                    column = _to_bytes(column)
                file.create_dataset(f"{name}/{each.name}", data=column)
    data = content.getvalue()[_BLOCK:]
    head = _MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n"
    with path.open("r+b") as stream:
        stream.write(head.ljust(_BLOCK, b"\0") + data)
        stream.flush()
        os.fsync(stream.fileno())


def _to_bytes(column: np.ndarray) -> np.ndarray:
    """UTF-8 of fixed length, which needs no heap to get lost in."""
    encoded = np.char.encode(column, "utf-8") if len(column) else np.empty(0, "S1")
    length = max(1, encoded.dtype.itemsize)
    return encoded.astype(h5py.string_dtype("utf-8", length))


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
    told = data[len(_MAGIC) : _BLOCK].rstrip(b"\0").strip().decode("ascii", "replace")
    found = hashlib.sha256(data[_BLOCK:]).hexdigest()
    if told != found:
        raise GalleryError("damaged: its checksum does not fit", where=path, got=found,
                           expected=told, remedy="take a copy of it, or enroll anew")
    return data


def _parse(data: bytes, path: Path) -> Gallery:
    """Take a gallery out of bytes; whatever is odd in them is an error."""
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            if file.attrs["format"] != FORMAT:
                raise GalleryError("a gallery of another version", where=path,
                                   got=str(file.attrs["format"]), expected=FORMAT)
            if set(file) != set(_TABLES) or set(file.attrs) != _ATTRIBUTES:
                raise ValueError("it holds other things than a gallery does")
            parts: dict[str, Any] = {
                name: _config(file, name, cls) for name, cls in _CONFIGS.items()
            }
            parts |= {name: _table(file[name], cls, len(data)) for name, cls in _TABLES.items()}
            parts |= {name: str(file.attrs[name]) for name in _TEXTS}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError,
            ConfigError) as failure:
        raise GalleryError(f"damaged: {str(failure)[:200]!r}", where=path) from None
    gallery = Gallery(**parts)
    _check(gallery, path)
    return gallery


def _config(file: h5py.File, name: str, cls: type[Any]) -> Any:
    table = json.loads(file.attrs[name])
    if fingerprint(table) != file.attrs[f"{name}_fingerprint"]:
        raise ValueError(f"its {name} configuration was changed")
    return from_mapping(cls, table)


def _table(group: h5py.Group, cls: type[Any], most_bytes: int) -> Any:
    """Columns of a table; none may claim to be larger than the file, which packs nothing."""
    columns, names = {}, [each.name for each in fields(cls)]
    if sorted(group) != sorted(names):
        raise ValueError(f"{group.name} holds {sorted(group)}, not {sorted(names)}")
    for name in names:
        data = group[name]
        is_plain = data.chunks is None and not (data.attrs or data.external or data.is_virtual)
        if not is_plain or data.nbytes > most_bytes:
            raise ValueError(f"{data.name} is not plain")
        values = data[()]
        if name == "embedding":
            columns[name] = _expect(values, np.float32, 2)
        elif name in ("n_clips", "walk"):
            columns[name] = _expect(values, np.int64, 1)
        else:
            columns[name] = np.char.decode(_expect(values, np.bytes_, 1), "utf-8")
    if len({len(column) for column in columns.values()}) != 1:
        raise ValueError(f"{group.name} has columns of different length")
    return cls(**columns)


def _expect(values: np.ndarray, kind: type[np.generic], n_dims: int) -> np.ndarray:
    if not np.issubdtype(values.dtype, kind) or values.ndim != n_dims:
        raise ValueError(f"a column of {values.dtype}, {values.ndim} dimensions")
    return values


def _check(gallery: Gallery, path: Path) -> None:
    """Refuse what a gallery never is."""
    faults = []
    for name in _TABLES:
        embedding = getattr(gallery, name).embedding
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
