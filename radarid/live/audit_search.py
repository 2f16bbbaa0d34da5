"""The very numbers of known faces, searched for in a file's bytes and among its vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from radarid.data.store import GaitStore
from radarid.data.store_contents import stored_bytes
from radarid.errors import AuditError
from radarid.learn.openset import unit
from radarid.live.audit import Finding, Report
from radarid.live.gallery_file import is_gallery, read_gallery

_NEEDLE_BYTES = 32
_SAME = 0.99
_AT_ONCE = 256


@dataclass(frozen=True)
class Faces:
    """Known faces.

    Attributes
    ----------
    needles : pieces of the bytes of pictures and embeddings, each of `_NEEDLE_BYTES`
    vectors : float32 array, shape (n, d), embeddings of length 1; none of a store of pictures
    """

    needles: frozenset[bytes]
    vectors: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Faces:
        """Read the faces of a gait store, or of a cache of embeddings.

        Raises
        ------
        AuditError
            No faces there.
        StoreError
            A damaged store.
        """
        vectors, pictures = np.empty((0, 0), np.float32), np.empty((0, 0), np.uint8)
        if path.suffix == ".safetensors":
            try:
                found = load_file(path)["embeddings"]
            except (OSError, SafetensorError, KeyError) as failure:
                raise AuditError(f"no face embeddings: {failure}", where=path) from None
            vectors = found.reshape(-1, found.shape[-1])
        else:
            with GaitStore.open(path) as store:
                rows = np.arange(store.n_faces)
                if store.face_content.kind == "crops":
                    pictures = store.read_faces(rows).reshape(len(rows), -1)
                elif store.face_content.kind == "embeddings":
                    vectors = store.read_embeddings(rows)
                    vectors = vectors.reshape(-1, vectors.shape[-1])
        if not len(vectors) and not len(pictures):
            raise AuditError("there is no face to look for", where=path)
        pieces = [_middle(row) for table in (vectors, pictures) for row in table]
        halves = [_middle(row.astype(np.float16)) for row in vectors]
        needles = frozenset(  # but no flat pieces of pictures, which occur anywhere
            each for each in pieces + halves if len(each) == _NEEDLE_BYTES and len(set(each)) > 4
        )
        if not needles:
            raise AuditError("these faces cannot be told from other bytes", where=path)
        return cls(needles, unit(vectors).astype(np.float32) if len(vectors) else vectors)

    def look_into(self, report: Report) -> Report:
        """Add to a report what of these faces is in its file."""
        findings = []
        for place, data in _contents(report):
            if self._is_in(data):
                findings.append(Finding(place, "the very bytes of a known face"))
        for place, vectors in _vectors(report.path):
            if self._is_near(vectors):
                findings.append(Finding(place, "a known face's embedding"))
        return replace(report, findings=(*report.findings, *dict.fromkeys(findings)))

    def _is_in(self, data: bytes) -> bool:
        """Whether a needle is in it, at any byte; as fast for many as for one."""
        starts = np.unique([np.frombuffer(needle, "<u8", 1)[0] for needle in self.needles])
        for offset in range(min(8, len(data) - _NEEDLE_BYTES + 1)):
            words = np.frombuffer(data, "<u8", (len(data) - offset) // 8, offset)
            place = np.minimum(np.searchsorted(starts, words), len(starts) - 1)
            for hit in offset + 8 * np.flatnonzero(starts[place] == words):
                if data[hit : hit + _NEEDLE_BYTES] in self.needles:
                    return True
        return False

    def _is_near(self, vectors: np.ndarray) -> bool:
        if not self.vectors.size or vectors.shape[1] != self.vectors.shape[1]:
            return False
        rows = unit(vectors.astype(np.float32))
        return any(
            (self.vectors @ rows[start : start + _AT_ONCE].T > _SAME).any()
            for start in range(0, len(rows), _AT_ONCE)
        )


def _middle(row: np.ndarray) -> bytes:
    """Bytes from the middle of a row."""
    data = row.tobytes()
    start = len(data) // 2
    return data[start : start + _NEEDLE_BYTES]


def _contents(report: Report) -> Iterator[tuple[str, bytes]]:
    """Bytes of the file, and what they unpack to."""
    yield "file", report.path.read_bytes()
    if report.kind == "gait store":
        yield from stored_bytes(report.path)


def _vectors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Tensors of a file as rows of their last dimension."""
    if path.suffix == ".safetensors":
        for name, tensor in load_file(path).items():
            if tensor.ndim and tensor.dtype.kind == "f":
                yield name, tensor.reshape(-1, tensor.shape[-1])
        return
    if is_gallery(path):
        gallery = read_gallery(path)
        yield "templates", gallery.templates.embedding
        yield "background", gallery.background.embedding
