"""ONNX files written here byte by byte: everything in them is seen, nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radarid.errors import AuditError
from radarid.learn.students import build_student
from radarid.live.audit import audit
from radarid.live.onnx_tensors import OnnxTensor, read_onnx


def varint(value: int) -> bytes:
    rest = value >> 7
    return bytes([value & 0x7F | 0x80]) + varint(rest) if rest else bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, shape: tuple[int, ...], *more: bytes, raw: bytes | None = None) -> bytes:
    """TensorProto with float32 zeros (dims 1, data_type 2, name 8, raw_data 9)."""
    data = bytes(4 * int(np.prod(shape))) if raw is None else raw
    dims = b"".join(field(1, length) for length in shape)
    return dims + field(2, 1) + field(8, name) + field(9, data) + b"".join(more)


def model(*tensors: bytes, nodes: tuple[bytes, ...] = (), more: bytes = b"") -> bytes:
    """ModelProto (ir_version 1, graph 7) with one input (11) and one output (12)."""
    graph = b"".join(field(1, node) for node in nodes)
    graph += b"".join(field(5, each) for each in tensors)
    graph += field(11, field(1, "clips")) + field(12, field(1, "logits"))
    return field(1, 8) + field(7, graph) + more


def constant(value: bytes) -> bytes:
    """NodeProto: op_type 4, attribute 5 (name 1, t 5)."""
    return field(4, "Constant") + field(5, field(1, "value") + field(5, value))


@pytest.fixture(scope="module")
def own() -> list[bytes]:
    """Weights of a student of 7 people, as an exporter writes them: folded, renamed, turned."""
    shapes = {name: tuple(value.shape)
              for name, value in build_student("mobilenet_v2", "single", 7).state_dict().items()
              if value.ndim > 1}  # fmt: skip
    return [tensor(f"onnx::{k}", shape[::-1]) for k, shape in enumerate(shapes.values())]


def write(folder: Path, data: bytes) -> Path:
    path = folder / "student.onnx"
    path.write_bytes(data)
    return path


def test_tensors_are_listed_wherever_they_are(tmp_path: Path) -> None:
    packed = field(1, varint(3) + varint(200)) + field(8, "packed") + field(9, bytes(2400))
    inner = field(5, tensor("in a branch", (2,)))
    branch = field(4, "If") + field(5, field(1, "then") + field(6, inner))
    function = field(25, field(7, constant(tensor("in a function", (4,)))))
    contents = read_onnx(write(tmp_path, model(
        tensor("w", (2, 3)), packed, nodes=(constant(tensor("c", (5,))), branch), more=function,
    )))  # fmt: skip
    assert set(contents.tensors) == {
        OnnxTensor("w", (2, 3)), OnnxTensor("packed", (3, 200)), OnnxTensor("c", (5,)),
        OnnxTensor("in a branch", (2,)), OnnxTensor("in a function", (4,)),
    }  # fmt: skip
    assert (contents.inputs, contents.outputs) == (["clips"], ["logits"])


def test_a_student_is_clean(own: list[bytes], tmp_path: Path) -> None:
    small = tensor("bias", (1280,)), tensor("colours", (256, 3))
    [report] = audit(write(tmp_path, model(*own, *small)))
    assert report.is_clean
    assert report.n_examined == len(own) + 2


def test_what_no_student_has_is_named(own: list[bytes], tmp_path: Path) -> None:
    [report] = audit(write(tmp_path, model(
        *own, tensor("last_linear", (512, 1792)), tensor("long", (5000,)),
        tensor("again", (7, 1280)), tensor("far", (2,), field(14, 1)),
        nodes=(constant(tensor("faces", (180, 512))),
               field(4, "Run") + field(7, "com.example"),
               field(4, "Loop") + field(5, field(7, bytes(2000)))),
        more=field(14, field(1, "face") + field(2, "x" * 70_000)),
    )))  # fmt: skip
    found = {finding.place.split(" (")[0]: finding.what for finding in report.findings}
    assert set(found) == {"last_linear", "long", "again", "far", "faces", "graph", "metadata face"}
    assert "(512, 1792)" in found["last_linear"]
    whats = [finding.what for finding in report.findings]
    assert "operators of another kind: com.example" in whats
    assert "an attribute of 2000 bytes" in whats


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    hidden = model(tensor("w", (2,), raw=bytes(10_000)))
    with pytest.raises(AuditError, match="tensor w holds more than its shape tells"):
        audit(write(tmp_path, hidden))
    for data in (b"", b"hello", field(1, 8), model() + model()):
        with pytest.raises(AuditError, match="not an ONNX file"):
            audit(write(tmp_path, data))
    deep = b""
    for _ in range(30):
        deep = field(1, field(4, "If") + field(5, field(1, "g") + field(6, deep)))
    with pytest.raises(AuditError, match="without end"):
        audit(write(tmp_path, field(7, deep)))


def test_mutated_files_do_not_trip_the_reader(tmp_path: Path) -> None:
    raw, n_read = model(tensor("w", (2, 3)), nodes=(constant(tensor("c", (5,))),)), 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        data = bytearray(raw)
        for place in rng.integers(0, len(data), 2):
            data[place] = rng.integers(256)
        try:
            n_read += bool(read_onnx(write(tmp_path, bytes(data))).inputs)
        except AuditError:
            continue
    assert 0 < n_read < 900
