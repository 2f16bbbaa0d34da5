"""Exported students in bfloat16: near float32 as 8 bits let them be, or refused with a reason."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bfloat16_here import needs_bfloat16
from tiny_student import clips_of, tiny_student
from torch import Tensor, nn

from radarid.cli.student import open_student
from radarid.errors import RunError
from radarid.learn.student_file import TrainedStudent
from radarid.live.onnx_graph import to_onnx
from radarid.live.onnx_session import to_int8
from radarid.live.onnx_student import load_onnx, pack


@pytest.fixture(scope="module")
def graph() -> bytes:
    return to_onnx(tiny_student())


@pytest.fixture
def path(graph: bytes, tmp_path: Path) -> Path:
    return write(tmp_path, graph, tiny_student())


def write(folder: Path, graph: bytes, student: TrainedStudent, precision: str = "float32") -> Path:
    path = folder / "s.onnx"
    path.write_bytes(pack(graph, student, precision, "f" * 16))
    return path


def rounded(student: TrainedStudent) -> TrainedStudent:
    """The student with weights and layers' inputs rounded to 8 significant bits, sums not."""
    def round_off(values: Tensor) -> Tensor:
        return values.to(torch.bfloat16).to(torch.float32)

    def enter(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (round_off(inputs[0]),)

    twin = copy.deepcopy(student)
    for layer in (twin.model.backbone[0], twin.model.classifier):
        with torch.no_grad():
            layer.weight.copy_(round_off(layer.weight))
        layer.register_forward_pre_hook(enter)
    return twin


@needs_bfloat16
@pytest.mark.parametrize(("channels", "image_size", "fold"), [
    ("repeat", 32, False), ("repeat", 256, False), ("repeat", 50, True), ("colormap", 32, False),
    ("stack", 40, True), ("single", 64, True),
])  # fmt: skip
def test_it_is_as_far_from_float32_as_8_bits_are(
    channels: str, image_size: int, fold: bool, tmp_path: Path
) -> None:
    student = tiny_student(image_size=image_size, channels=channels, fold=fold)
    found = load_onnx(write(tmp_path, to_onnx(student), student), 1, bfloat16=True)
    clips = clips_of(student, 40)
    outputs = zip(found.embed(clips), student.embed(clips), rounded(student).embed(clips),
                  strict=True)  # fmt: skip
    for some, exact, twin in outputs:
        # Every factor is off by up to 2**-8 of itself. OpenVINO joins the picture's scale, mean and
        # colours with the weights before it rounds, the twin after: other errors, as large.
        assert 0 < np.abs(some - exact).max() < 3 * np.abs(twin - exact).max()
    np.testing.assert_array_equal(found.templates, student.templates)


@needs_bfloat16
def test_where_nothing_is_joined_it_is_the_rounded_student(tmp_path: Path) -> None:
    student = tiny_student(image_size=32)
    found = load_onnx(write(tmp_path, to_onnx(student), student), 1, bfloat16=True)
    clips = clips_of(student, 40)
    expected, exact = rounded(student).embed(clips)[0], student.embed(clips)[0]
    assert np.abs(expected - exact).max() > 1e-4
    np.testing.assert_allclose(found.embed(clips)[0], expected, atol=1e-5)


@needs_bfloat16
def test_a_clip_gives_the_same_bits_again_and_in_any_company(path: Path) -> None:
    student = open_student(None, path, bfloat16=True)
    clips = clips_of(tiny_student(), 5)
    for together, again, last in zip(
        student.embed(clips), student.embed(clips), student.embed(clips[-1:]), strict=True
    ):
        np.testing.assert_array_equal(together, again)
        np.testing.assert_array_equal(together[-1:], last)


@needs_bfloat16
def test_it_is_another_student_of_the_same_people(path: Path) -> None:
    plain, found = load_onnx(path, 1), load_onnx(path, 1, bfloat16=True)
    assert (found.precision, plain.precision) == ("bfloat16", "float32")
    assert found.fingerprint != plain.fingerprint
    assert found.fingerprint == load_onnx(path, 2, bfloat16=True).fingerprint
    assert len(found.fingerprint) == 16
    for name in ("name", "input", "subjects", "radar", "dsp", "calibration", "facts"):
        assert getattr(found, name) == getattr(plain, name), name


@needs_bfloat16
def test_what_does_not_fit_is_refused(graph: bytes, path: Path, tmp_path: Path) -> None:
    session = load_onnx(path, 1, bfloat16=True).session
    with pytest.raises(RunError, match="not a model that can be run"):
        session.run(["nothing"], clips=np.zeros((1, 48, 48), np.float32))
    with pytest.raises(RunError, match="not a model that can be run"):
        session.run(["logits"], clips=np.zeros((1, 47, 48), np.float32))
    other = write(tmp_path, graph, tiny_student(image_size=64))
    with pytest.raises(RunError, match="not a model that can be run"):
        load_onnx(other, 1, bfloat16=True)


@needs_bfloat16
def test_running_sums_in_bfloat16_are_refused(tmp_path: Path) -> None:
    import onnx

    model = onnx.load_from_string(to_onnx(tiny_student()))
    [first, *_] = [node for node in model.graph.node if node.op_type == "CumSum"]
    source, target = first.input[0], first.output[0]
    first.input[0], first.output[0] = "as_float", "sums_as_float"
    at = list(model.graph.node).index(first)
    to = onnx.TensorProto
    model.graph.node.insert(
        at, onnx.helper.make_node("Cast", [source], ["as_float"], to=to.FLOAT))  # fmt: skip
    model.graph.node.insert(
        at + 2, onnx.helper.make_node("Cast", ["sums_as_float"], [target], to=to.INT64))
    path = write(tmp_path, model.SerializeToString(), tiny_student())
    load_onnx(path, 1)
    with pytest.raises(RunError, match=r"earlier radarid.*radarid export RUN --onnx"):
        load_onnx(path, 1, bfloat16=True)


@needs_bfloat16
def test_a_processor_without_the_instructions_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(RunError, match=r"no bfloat16 instructions.*got FP32, INT8.*leave out"):
        load_onnx(path, 1, bfloat16=True)


def test_without_openvino_it_says_how_to_get_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "radarid.live.openvino_session", raising=False)
    with pytest.raises(RunError, match="pip install openvino"):
        load_onnx(path, 1, bfloat16=True)
    assert load_onnx(path, 1).precision == "float32"


def test_other_students_are_refused(graph: bytes, tmp_path: Path) -> None:
    small = write(tmp_path, to_int8(graph), tiny_student(), "int8")
    with pytest.raises(RunError, match="bfloat16 is for float32 weights.*got int8 weights"):
        open_student(None, small, bfloat16=True)
    with pytest.raises(RunError, match=r"only an exported student.*radarid export runs/x --onnx"):
        open_student(Path("runs/x"), None, bfloat16=True)


def test_openvino_is_loaded_for_bfloat16_only_and_calls_nobody(path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from radarid.live.onnx_student import load_onnx
calls = []
sys.addaudithook(lambda event, _: event.startswith(("socket.", "urllib.")) and calls.append(event))
load_onnx(Path({str(path)!r}), 1)
assert "openvino" not in sys.modules
try:
    load_onnx(Path({str(path)!r}), 1, bfloat16=True)
except Exception as failure:
    assert "bfloat16" in str(failure), failure
print(calls)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
