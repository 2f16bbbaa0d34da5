"""A store of embeddings: no picture of anybody in it, and training goes on all the same."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from toy_store import RADAR, ToyTeacher, face_image, make_store
from typer.testing import CliRunner
from walk_files import DSP, recordings, write_walk

from capture.camera.faces import FaceCrop
from capture.camera.reader import write_video
from radarid import config
from radarid.cli import app
from radarid.data.ingest import IngestParams, ingest
from radarid.data.store import GaitStore
from radarid.data.tables import FaceContent, RecordingEntry
from radarid.dsp.params import DspParams
from radarid.errors import IngestError, StoreError, TrainError
from radarid.learn import face_storage
from radarid.learn.config import FaceUse, TrainConfig
from radarid.learn.face_bank import build_bank, embed_faces
from radarid.learn.face_storage import stored_bank, variation_recipe
from radarid.learn.teacher import Teacher
from radarid.learn.training_data import load_training_data

USE = FaceUse(n_augmentations=2)
EMBEDDINGS = IngestParams(faces="embeddings")


@dataclasses.dataclass(frozen=True)
class ToyEmbedder:
    """Embeds with the stand-in teacher; picklable."""

    teacher: str = "toy"

    @property
    def content(self) -> FaceContent:
        return FaceContent("embeddings", self.teacher, variation_recipe(USE) | {"seed": 0},
                           (1 + USE.n_augmentations, 512))

    def __call__(self, crops: np.ndarray, name: str) -> np.ndarray:
        return embed_faces(crops, ToyTeacher(), USE, 0, name)


def pictures_in(path: Path) -> list[str]:
    """Whatever in a store has room for a picture of 16 x 16 pixels, and no other business there."""
    known = {"clips/spectrogram", "clips/valid", "faces/embedding"}
    found: list[str] = []

    def visit(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or name in known:
            return
        if h5py.check_string_dtype(item.dtype):
            found.extend([name] * any(len(text) > 4000 for text in item.asstr()[:]))
        elif np.prod(item.shape[1:], dtype=int) >= 256:
            found.append(name)

    with h5py.File(path) as file:
        file.visititems(visit)
        found += [name for name in file.attrs if np.size(file.attrs[name]) > 4000]
    return found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for k, name in enumerate(("w1", "w2")):
        write_walk(folder, name, 2.0 + k, 1.0, k, camera=f"{name}.avi", camera_offset_s=0.0)
        images = [face_image(k, np.random.default_rng(k))] * 3
        write_video(folder / f"{name}.avi", images, fps=5.0)
    return folder


@pytest.fixture(autouse=True)
def every_picture_is_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    def crop_stream(camera: object, *_: object, **__: object) -> list[tuple[float, FaceCrop]]:
        return [(time_s, FaceCrop(image, 0.99, (1.0, 2.0, 81.0, 92.0), 50.0))
                for time_s, image in camera]  # type: ignore[attr-defined]

    monkeypatch.setattr("capture.camera.faces.crop_stream", crop_stream)


def test_nothing_of_a_picture_is_in_the_store_or_beside_it(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "gait.h5"
    in_parts: list[str] = []
    looked: list[Path] = []
    absorb = GaitStore.absorb

    def look_then_absorb(store: GaitStore, part: GaitStore) -> None:
        looked.append(part.path)
        in_parts.extend(pictures_in(part.path))
        absorb(store, part)

    monkeypatch.setattr(GaitStore, "absorb", look_then_absorb)
    ingest(recordings(raw, "w1", "w2"), out, DSP, EMBEDDINGS, embedder=ToyEmbedder())
    assert len(looked) == 2
    assert pictures_in(out) == in_parts == []
    assert [path.name for path in out.parent.iterdir()] == ["gait.h5"]
    with GaitStore.open(out) as store:
        assert store.n_faces == 6
        assert store.read_embeddings([5, 0]).shape == (2, 3, 512)
        assert store.face_content == ToyEmbedder().content
        with pytest.raises(StoreError, match="holds no face crops; got embeddings; remedy"):
            store.read_faces([0])
    ingest(recordings(raw, "w1"), tmp_path / "crops.h5", DSP)
    assert pictures_in(tmp_path / "crops.h5") == ["faces/crop"]  # the search finds what is there


def test_embeddings_are_those_of_the_crops_whatever_the_number_of_processes(
    raw: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gait.h5"
    ingest(recordings(raw, "w1", "w2"), out, DSP, EMBEDDINGS, embedder=ToyEmbedder())
    ingest(recordings(raw, "w1", "w2"), tmp_path / "crops.h5", DSP)
    with GaitStore.open(out) as store, GaitStore.open(tmp_path / "crops.h5") as crops:
        pictures = crops.read_faces(np.arange(6))
        stored = store.read_embeddings(np.arange(6))
    assert np.array_equal(stored[:, 0], ToyTeacher().embed(pictures))
    assert not np.array_equal(stored[:, 0], stored[:, 1])  # a variation
    assert not np.array_equal(stored[0, 1:], stored[1, 1:])  # another one for each face


def test_crops_and_embeddings_do_not_mix(raw: Path, tmp_path: Path) -> None:
    crops, embeddings, none = (tmp_path / f"{name}.h5" for name in ("a", "b", "c"))
    ingest(recordings(raw, "w1"), crops, DSP)
    ingest(recordings(raw, "w1"), embeddings, DSP, EMBEDDINGS, embedder=ToyEmbedder())
    ingest(recordings(raw, "w1"), none, DSP, IngestParams(faces="none"))
    more = recordings(raw, "w2")
    with pytest.raises(StoreError, match="got crops != embeddings.*remedy.*--faces crops"):
        ingest(more, crops, DSP, EMBEDDINGS, embedder=ToyEmbedder())
    with pytest.raises(StoreError, match="got embeddings != crops.*remedy.*--faces embeddings"):
        ingest(more, embeddings, DSP)
    with pytest.raises(StoreError, match="teacher: .?toy.? != .?other"):
        ingest(more, embeddings, DSP, EMBEDDINGS, embedder=ToyEmbedder("other"))
    with pytest.raises(StoreError, match="got none != crops"):
        ingest(more, none, DSP)
    for store in (crops, embeddings):
        report = ingest(more, store, DSP, IngestParams(faces="none"))
        assert [o.status for o in report.outcomes] == ["done"]
        with GaitStore.open(store) as opened:
            assert (opened.n_recordings, opened.n_faces) == (2, 3)


def test_embeddings_need_an_embedder(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="made by an embedder"):
        ingest(recordings(raw, "w1"), tmp_path / "a.h5", DSP, EMBEDDINGS)
    with pytest.raises(IngestError, match="made by an embedder"):
        ingest(recordings(raw, "w1"), tmp_path / "a.h5", DSP, embedder=ToyEmbedder())


def test_the_command_embeds_and_tells_what_became_of_it(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_storage.TeacherEmbedder, "find", ToyEmbedder)
    out = tmp_path / "gait.h5"
    settings = [f"--set={key}={getattr(DSP, key)}"
                for key in ("clip_s", "hop_s", "image_size", "window_chirps")]
    done = CliRunner().invoke(app, ["ingest", str(raw / "w1.bin"), "--faces", "embeddings", "-o",
                                    str(out), "-j", "1", "--json", *settings])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["done"][0]["n_faces"] == 3
    assert pictures_in(out) == []


# -- training -------------------------------------------------------------------------------


def embedded_twin(crops: Path, out: Path) -> Path:
    """The same store with embeddings in the place of its crops."""
    with (
        GaitStore.open(crops) as old,
        GaitStore.create(out, old.radar, old.dsp, ToyEmbedder().content) as new,
    ):
        clips, faces = old._columns("clips"), old._columns("faces")
        pictures = faces.pop("crop")
        faces["embedding"] = embed_faces(pictures, ToyTeacher(), USE, 0, "all")
        new._append(old._columns("recordings"), clips, faces)
    return out


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stores")
    crops = make_store(folder / "crops.h5", n_walks=5, n_clips=2)
    return crops, embedded_twin(crops, folder / "embeddings.h5")


def small(*changes: str) -> TrainConfig:
    settings = ["model.input.size=32", "optim.n_epochs=2", "optim.batch_size=8",
                'device="cpu"', "faces.n_augmentations=2", *changes]
    return config.load(TrainConfig, "train", "identitykd", settings)


def test_a_store_without_pictures_trains(stores: tuple[Path, Path], tmp_path: Path) -> None:
    from radarid.learn.trainer import train

    assert pictures_in(stores[1]) == []
    teacher = ToyTeacher()
    report = train(stores[1], tmp_path / "run", small(), teacher=teacher)
    assert report.n_train > 0
    assert teacher.n_calls == 0  # there was nothing to embed
    assert not list(tmp_path.glob("**/face-embeddings-*"))


def test_training_sees_the_same_faces_either_way(
    stores: tuple[Path, Path], tmp_path: Path
) -> None:
    banks = []
    for path in stores:
        with GaitStore.open(path) as store:
            data = load_training_data(store, small("faces.n_augmentations=0"), ToyTeacher(),
                                      tmp_path)
        assert data.faces is not None
        banks.append(data.faces.bank.embeddings)
    assert banks[0].shape == banks[1].shape
    assert torch.equal(*banks)


def test_embeddings_of_another_teacher_or_recipe_are_refused(
    stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ToyTeacher()
    other.fingerprint = "other"
    rows = np.arange(3)
    with GaitStore.open(stores[1]) as store:
        with pytest.raises(TrainError, match="another teacher; got toy; expected other; remedy"):
            stored_bank(store, rows, USE, other)
        for wrong in (FaceUse(n_augmentations=3), dataclasses.replace(USE, jitter=0.1)):
            with pytest.raises(TrainError, match="made of other variations"):
                stored_bank(store, rows, wrong, ToyTeacher())
        for fingerprint, fits in ((None, True), ("toy", True), ("other", False)):
            monkeypatch.setattr(face_storage, "_own_fingerprint", lambda told=fingerprint: told)
            if fits:
                assert stored_bank(store, rows, USE, None).embeddings.shape == (3, 3, 512)
            else:
                with pytest.raises(TrainError, match="another teacher"):
                    stored_bank(store, rows, USE, None)


def test_older_stores_are_refused_with_a_remedy(tmp_path: Path) -> None:
    path = make_store(tmp_path / "old.h5", n_people=1, n_walks=1)
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 1
    with pytest.raises(StoreError, match="schema version 1; expected 2; remedy ingest.*--out"):
        GaitStore.open(path)


def test_embeddings_of_a_wrong_shape_are_refused(tmp_path: Path) -> None:
    entry = RecordingEntry("w", "anna", "s", "t", "x:1", RADAR, "IIQQ", 1)
    face = (0.0, FaceCrop(np.zeros((160, 160, 3), np.uint8), 0.9, (0.0, 0.0, 1.0, 1.0), 1.0))
    content = ToyEmbedder().content
    with GaitStore.create(tmp_path / "a.h5", RADAR, DspParams(), content) as store:
        for wrong in (None, np.zeros((1, 3, 128), np.float32), np.zeros((2, 3, 512), np.float32)):
            with pytest.raises(StoreError, match=r"another size.*expected \(1, 3, 512\)"):
                store.add_recording(entry, [], [face], wrong)
        store.add_recording(entry, [], [face], np.zeros((1, 3, 512), np.float32))
        assert store.n_faces == 1


def test_the_bank_of_crops_is_unchanged_by_names(tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3)).astype(np.uint8)
    bank = build_bank(crops, ToyTeacher(), USE, 0, tmp_path).embeddings.numpy()
    named = [embed_faces(crops, ToyTeacher(), USE, 0, name) for name in ("a", "b")]
    assert np.array_equal(bank[:, 0], named[0][:, 0])
    assert not np.array_equal(named[0][:, 1], named[1][:, 1])
    assert np.array_equal(named[0], embed_faces(crops, ToyTeacher(), USE, 0, "a"))


def test_the_real_teacher_can_be_sent_to_another_process() -> None:
    try:
        teacher = Teacher()
    except TrainError:
        pytest.skip("needs the teacher's weights")
    embedder = pickle.loads(pickle.dumps(face_storage.TeacherEmbedder.find(USE)))
    crops = np.stack([face_image(k, np.random.default_rng(k)) for k in range(2)])
    found = embedder(crops, "walk")
    assert embedder.content.teacher == teacher.fingerprint
    assert found.shape == (2, *embedder.content.shape) == (2, 3, 512)
    assert np.allclose(found[:, 0], teacher.embed(crops), atol=1e-6)
    changed = dataclasses.replace(embedder, fingerprint="0" * 16)
    with pytest.raises(TrainError, match="changed during ingest"):
        changed(crops, "walk")
