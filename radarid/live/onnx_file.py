"""The file around a graph: what the student is, as texts at its end, and a seal over all of it.

A protobuf message stays one when fields are appended, so neither writing the texts nor checking
the seal takes an ONNX library, and any tool that reads ONNX reads the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from radarid.errors import RunError

_SEAL = "radarid.sha256"
_METADATA_FIELD, _KEY_FIELD, _VALUE_FIELD = 14, 1, 2


def seal(model: bytes, texts: Mapping[str, str]) -> bytes:
    """Append texts to the bytes of an ONNX model, and a SHA-256 of everything before it."""
    body = model + b"".join(_entry(key, value) for key, value in texts.items())
    return body + _seal_of(body)


def check_seal(data: bytes, where: Path) -> None:
    """Refuse bytes that `seal` did not make, or that have changed since.

    Raises
    ------
    RunError
        Another file, or damaged.
    """
    length = len(_seal_of(b""))
    body, found = data[:-length], data[-length:]
    if found == _seal_of(body):
        return
    if _seal_of(b"")[: -2 * hashlib.sha256().digest_size] in found:
        what = "damaged: it has changed since it was exported"
    else:
        what = "not a student that radarid exported, or only the beginning of one"
    raise RunError(what, where=where, remedy="export it (again): radarid export RUN --onnx FILE")


def cannot_run(where: Path, failure: Exception) -> RunError:
    """What a runtime says of a graph, or of what it is given, as an error of radarid's."""
    return RunError(
        "not a model that can be run, or damaged", where=where,
        got=" ".join(str(failure).split())[:200], remedy="export it again: radarid export",
    )


def _seal_of(body: bytes) -> bytes:
    return _entry(_SEAL, hashlib.sha256(body).hexdigest())


def _entry(key: str, value: str) -> bytes:
    """A StringStringEntryProto as a further element of ModelProto.metadata_props."""
    return _field(_METADATA_FIELD, _field(_KEY_FIELD, key.encode())
                  + _field(_VALUE_FIELD, value.encode()))  # fmt: skip


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
