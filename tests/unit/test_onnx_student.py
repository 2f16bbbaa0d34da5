"""A student as an ONNX file: it sees the same picture, says the same, and stands alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_student import N_EMBEDDING, SUBJECTS, clips_of, tiny_student

from radarid.errors import RadaridError, RunError
from radarid.learn.students import to_input
from radarid.live.audit import audit
from radarid.live.onnx_file import check_seal, seal
from radarid.live.onnx_graph import ClipGraph, to_onnx
from radarid.live.onnx_session import to_int8
from radarid.live.onnx_student import OnnxStudent, load_onnx, pack


def write(folder: Path, data: bytes) -> Path:
    path = folder / "s.onnx"
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def graph() -> bytes:
    return to_onnx(tiny_student())


@pytest.fixture(scope="module")
def exported(graph: bytes, tmp_path_factory: pytest.TempPathFactory) -> OnnxStudent:
    folder = tmp_path_factory.mktemp("onnx")
    return load_onnx(write(folder, pack(graph, tiny_student(), "float32", "f" * 16)), 1)


@pytest.mark.parametrize("image_size", [32, 64, 50, 33, 20])
@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("channels", ["repeat", "stack"])
def test_the_network_sees_the_same_picture_bit_for_bit(
    image_size: int, fold: bool, channels: str
) -> None:
    student = tiny_student(image_size=image_size, fold=fold, channels=channels)
    clips = clips_of(student, 16)
    clips[0], clips[1] = 255, 0
    seen = ClipGraph(student).picture(torch.from_numpy(clips / np.float32(255)))
    expected = to_input(clips, student.input)
    assert seen.dtype == torch.float32
    assert torch.equal(seen, expected.float())
    if fold:  # or it would not show
        plain = to_input(clips, tiny_student(image_size=image_size, channels=channels).input)
        assert not torch.equal(plain, expected)


def test_ties_of_the_area_mean_go_to_the_even(tmp_path: Path) -> None:
    # 64 pixels to 32: each is the mean of 2 x 2. (1 + 0 + 1 + 0) / 4 = 0.5 -> 0, 1.5 -> 2.
    student = tiny_student(image_size=64)
    clip = np.zeros((1, 64, 64), np.uint8)
    clip[0, :2, 0], clip[0, 2:4, :2] = 1, [[1, 2], [1, 2]]
    clip[0, 4:6, :2] = [[1, 0], [2, 0]]  # 0.75 -> 1
    seen = ClipGraph(student).picture(torch.from_numpy(clip / np.float32(255)))[0]
    assert seen[:3, 0].tolist() == [0, 2, 1]


@pytest.mark.parametrize(("channels", "image_size", "fold"), [
    ("colormap", 32, False), ("stack", 40, True), ("single", 64, True),
])  # fmt: skip
def test_every_kind_of_input_goes_through_the_runtime(
    channels: str, image_size: int, fold: bool, tmp_path: Path
) -> None:
    student = tiny_student(image_size=image_size, channels=channels, fold=fold)
    other = load_onnx(write(tmp_path, pack(to_onnx(student), student, "float32", "x")), 1)
    clips = clips_of(student, 5)
    for own, found in zip(student.embed(clips), other.embed(clips), strict=True):
        np.testing.assert_allclose(found, own, atol=1e-5)
    assert np.ptp(student.embed(clips)[1]) > 0.01


def test_it_says_the_same_and_knows_the_same(exported: OnnxStudent) -> None:
    student = tiny_student()
    clips = clips_of(student, 7)
    (embeddings, logits), (own, expected) = exported.embed(clips), student.embed(clips)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(embeddings, own, atol=1e-5)
    assert (embeddings.dtype, logits.shape) == (np.float32, (7, len(SUBJECTS)))
    assert exported.identify(logits).best == student.identify(expected).best
    for name in ("name", "input", "subjects", "radar", "dsp", "calibration", "facts", "threshold"):
        assert getattr(exported, name) == getattr(student, name), name
    np.testing.assert_array_equal(exported.templates, student.templates)
    assert (exported.fingerprint, exported.precision) == ("f" * 16, "float32")


def test_templates_too_large_to_be_folded_are_kept(tmp_path: Path) -> None:
    student = tiny_student(subjects=tuple(f"p{k}" for k in range(4000)))
    path = write(tmp_path, pack(to_onnx(student), student, "float32", "x"))
    np.testing.assert_array_equal(load_onnx(path, 1).templates, student.templates)


def test_a_clip_gives_the_same_bits_in_any_company_and_type(exported: OnnxStudent) -> None:
    clips = clips_of(tiny_student(), 6)
    together = exported.embed(clips)
    alone = [exported.embed(clip[None]) for clip in clips]
    as_float = exported.embed(clips / np.float32(255))
    with_planes = exported.embed(np.stack([clips, 255 - clips], axis=1))
    for k in (0, 1):
        np.testing.assert_array_equal(together[k], np.concatenate([each[k] for each in alone]))
        np.testing.assert_array_equal(together[k], as_float[k])
        np.testing.assert_array_equal(together[k], with_planes[k])
    assert exported.embed(clips[:0])[0].shape == (0, N_EMBEDDING)


def test_clips_of_another_shape_are_refused(exported: OnnxStudent) -> None:
    with pytest.raises(RunError, match=r"got \(47, 48\).*expected \(48, 48\)"):
        exported.embed(np.zeros((2, 47, 48), np.uint8))


def test_nothing_of_the_machine_that_exports_is_inside(graph: bytes) -> None:
    for secret in (str(Path(__file__).parents[2]), str(Path.home()), "site-packages", ".py"):
        assert secret.encode() not in graph


def test_int8_weights_are_smaller_and_near(graph: bytes, tmp_path: Path) -> None:
    student = tiny_student()
    small = to_int8(graph)
    other = load_onnx(write(tmp_path, pack(small, student, "int8", "8" * 16)), 1)
    clips = clips_of(student, 8)
    own, found = student.embed(clips)[1], other.embed(clips)[1]
    # Weights are rounded to 1 / 255 of their span: some per cent of the logits' spread in all.
    assert 0 < np.abs(found - own).max() < 0.1 * np.ptp(own)
    assert (other.precision, other.fingerprint) == ("int8", "8" * 16)
    assert audit(tmp_path / "s.onnx")[0].is_clean
    assert b"ConvInteger" in small


def test_a_seal_holds_the_whole_file() -> None:
    data = seal(b"model", {"key": "value" * 100})
    check_seal(data, Path("x"))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(RunError):
            check_seal(bytes(changed), Path("x"))
    for other in (b"", data[:-1], data[1:], data + b"\0", data + data):
        with pytest.raises(RunError):
            check_seal(other, Path("x"))
    changed = b"M" + data[1:]
    with pytest.raises(RunError, match="has changed since it was exported"):
        check_seal(changed, Path("x"))


def test_other_files_are_refused(graph: bytes, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a student that radarid exported"):
        load_onnx(write(tmp_path, graph))
    with pytest.raises(RunError, match="cannot be read"):
        load_onnx(tmp_path / "none.onnx")
    with pytest.raises(RunError, match="not a student that radarid exported.*KeyError"):
        load_onnx(write(tmp_path, seal(graph, {})))
    with pytest.raises(RadaridError, match="not an ONNX file"):
        load_onnx(write(tmp_path, seal(b"hello", {})))
    packed = pack(graph, tiny_student(), "float16", "x")
    with pytest.raises(RunError, match="got float16"):
        load_onnx(write(tmp_path, packed))
    other = tiny_student(image_size=64)  # facts of another student than the graph's
    with pytest.raises(RunError, match="not a model that can be run"):
        load_onnx(write(tmp_path, pack(graph, other, "float32", "x")))


def test_numbers_in_other_files_are_refused(graph: bytes, tmp_path: Path) -> None:
    import onnx

    model = onnx.load_from_string(graph)
    weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    (tmp_path / "weights").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights")
    with pytest.raises(RunError, match="lie in another file"):
        load_onnx(write(tmp_path, pack(model.SerializeToString(), tiny_student(), "float32", "x")))
