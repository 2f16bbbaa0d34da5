"""The tensors inside an ONNX file, read without an ONNX library and without running anything.

Wire format: protobuf; field numbers of ModelProto, GraphProto, NodeProto, AttributeProto,
TensorProto and FunctionProto from onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from radarid.errors import AuditError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTION = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALISER, _GRAPH_SPARSE, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 15, 11, 12
_NODE_ATTRIBUTE, _NODE_DOMAIN, _FUNCTION_NODE = 5, 7, 7
_ATTRIBUTE_BLOBS, _ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = (4, 7, 8, 9), (5, 10), (6, 11)
_TENSOR_DIMS, _TENSOR_NAME, _TENSOR_LOCATION = 1, 8, 14
_DEEPEST = 20


@dataclass(frozen=True)
class OnnxTensor:
    """A constant: name, shape, and whether its values lie in another file."""

    name: str
    shape: tuple[int, ...]
    is_external: bool = False


@dataclass
class OnnxContents:
    """What an ONNX file is made of.

    Attributes
    ----------
    tensors : initialisers and constants, of subgraphs and functions too
    inputs, outputs : names
    domains : of operators other than ONNX's own
    metadata : texts that the file carries
    odd : whatever else could hide data
    """

    tensors: list[OnnxTensor] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def read_onnx(path: Path) -> OnnxContents:
    """List what is in an ONNX file.

    Raises
    ------
    AuditError
        Not an ONNX file, or damaged.
    """
    contents = OnnxContents()
    try:
        data = memoryview(path.read_bytes())
        graphs = 0
        for number, value in _fields(data):
            if number == _MODEL_GRAPH and isinstance(value, memoryview):
                graphs += 1
                _read_graph(value, contents, _DEEPEST)
            elif number == _MODEL_FUNCTION and isinstance(value, memoryview):
                for inner, node in _fields(value):
                    if inner == _FUNCTION_NODE and isinstance(node, memoryview):
                        _read_node(node, contents, _DEEPEST)
            elif number == _MODEL_METADATA and isinstance(value, memoryview):
                entry = dict(_fields(value))
                contents.metadata[_text(entry.get(1, b""))] = _text(entry.get(2, b""))
    except OSError as failure:
        raise AuditError(f"cannot be read: {failure.strerror}", where=path) from None
    except (ValueError, IndexError) as failure:
        raise AuditError(f"not an ONNX file, or damaged: {failure}", where=path) from None
    if graphs != 1:
        raise AuditError("not an ONNX file", where=path, got=f"{graphs} graphs", expected=1)
    return contents


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of a message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            n_bytes, place = _varint(data, place)
        elif kind in (_FIXED64, _FIXED32):
            n_bytes = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + n_bytes > len(data):
            raise ValueError("a field beyond the end")
        yield key >> 3, data[place : place + n_bytes]
        place += n_bytes


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than 64 bits")


def _bytes(value: int | memoryview | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text should be")
    return bytes(value)


def _text(value: int | memoryview | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _read_graph(graph: memoryview, contents: OnnxContents, depth: int) -> None:
    if not depth:
        raise ValueError("graphs in graphs without end")
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == _GRAPH_NODE:
            _read_node(value, contents, depth)
        elif number == _GRAPH_INITIALISER:
            contents.tensors.append(_read_tensor(value))
        elif number == _GRAPH_SPARSE:
            contents.odd.append("a sparse tensor")
        elif number in (_GRAPH_INPUT, _GRAPH_OUTPUT) and depth == _DEEPEST:
            names = contents.inputs if number == _GRAPH_INPUT else contents.outputs
            names.append(_text(dict(_fields(value)).get(1, b"")))


def _read_node(node: memoryview, contents: OnnxContents, depth: int) -> None:
    for number, value in _fields(node):
        if number == _NODE_DOMAIN and _text(value) not in ("", "ai.onnx"):
            contents.domains.add(_text(value))
        if number != _NODE_ATTRIBUTE or not isinstance(value, memoryview):
            continue
        n_floats = 0
        for inner, part in _fields(value):
            if inner in _ATTRIBUTE_TENSOR and isinstance(part, memoryview):
                contents.tensors.append(_read_tensor(part))
            elif inner in _ATTRIBUTE_GRAPH and isinstance(part, memoryview):
                _read_graph(part, contents, depth - 1)
            elif inner in _ATTRIBUTE_BLOBS:
                n_floats += len(part) if isinstance(part, memoryview) else 4
        if n_floats > 1024:
            contents.odd.append(f"an attribute of {n_floats} bytes")


def _read_tensor(tensor: memoryview) -> OnnxTensor:
    name, shape, is_external, n_bytes = "", [], False, len(tensor)
    for number, value in _fields(tensor):
        if number == _TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else list(_packed(value))
        elif number == _TENSOR_NAME:
            name = _text(value)
        elif number == _TENSOR_LOCATION:
            is_external = value == 1
    n_elements = 1
    for length in shape:
        n_elements *= length
    if n_bytes > 16 * n_elements + 4096:
        raise ValueError(f"tensor {name} holds more than its shape tells")
    return OnnxTensor(name, tuple(shape), is_external)


def _packed(data: memoryview) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value
