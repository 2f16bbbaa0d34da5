"""Face embeddings in training: their norms, and the head that is fitted to them once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from toy_store import ToyTeacher, make_store

from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.errors import TrainError
from radarid.learn.config import FaceUse, TrainConfig
from radarid.learn.export import copy_weights
from radarid.learn.face_bank import FaceBank, build_bank
from radarid.learn.run_folder import RunFolder
from radarid.learn.stepper import Stepper
from radarid.learn.teacher import Teacher, new_network
from radarid.learn.teacher_head import TeacherHead
from radarid.learn.trainer import Trainer, train
from radarid.learn.training_data import load_training_data

SMALL = (
    "model.input.size=32", "optim.n_epochs=2", "optim.batch_size=8", "optim.lr=1e-3",
    "faces.n_augmentations=1", "average.floor=0.0", "head.n_iterations=20",
)  # fmt: skip


class MeasuringTeacher(ToyTeacher):
    """A toy teacher that says how long its embeddings were: 1 + the mean of the red channel."""

    fingerprint = "measuring"

    def measure(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.embed(crops), (1 + crops[..., 0].mean(axis=(1, 2))).astype(np.float32)


def small(*changes: str) -> TrainConfig:
    return configs.load(TrainConfig, "train", None, [*SMALL, *changes])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "gait.h5", n_walks=5, n_clips=2)


def test_facenet_tells_the_length_before_it_normalises(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = new_network()
    save_file(dict(network.state_dict()), tmp_path / "fresh.safetensors")
    teacher = Teacher(tmp_path / "fresh.safetensors")
    crops = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3)).astype(np.uint8)
    embeddings, norms = teacher.measure(crops)
    assert np.array_equal(embeddings, teacher.embed(crops))
    # The same network step by step, without its last normalisation.
    values = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 128
    network.eval()
    with torch.inference_mode():
        for name, layer in network.named_children():
            if name == "last_linear":
                values = values.flatten(1)
            if name != "logits":
                values = layer(values)
    assert norms == pytest.approx(np.linalg.norm(values.numpy(), axis=1), rel=1e-4)
    assert embeddings * norms[:, None] == pytest.approx(values.numpy(), rel=1e-3, abs=1e-5)


def test_norms_are_kept_beside_embeddings_and_drawn_with_them(tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (4, 160, 160, 3)).astype(np.uint8)
    params = FaceUse(n_augmentations=2, jitter=0.5)
    first = build_bank(crops, MeasuringTeacher(), params, 0, tmp_path)
    again = build_bank(crops, MeasuringTeacher(), params, 0, tmp_path)
    assert first.norms is not None
    assert again.norms is not None
    assert torch.equal(first.norms, again.norms)
    assert first.norms[:, 0].numpy() == pytest.approx(1 + crops[..., 0].mean(axis=(1, 2)))
    assert first.norms.shape == (4, 3)
    assert first.norms.unique().numel() == 12
    places = {float(first.norms[k, j]): (k, j) for k in range(4) for j in range(3)}
    faces = np.arange(60) % 4
    embeddings, norms = first.draw(faces, np.random.default_rng(1))
    assert norms is not None
    met = set()
    for face, embedding, norm in zip(faces, embeddings, norms, strict=True):
        k, j = places[float(norm)]
        met.add(j)
        assert k == face
        assert torch.equal(embedding, first.embeddings[k, j])
    assert met == {0, 1, 2}
    files = list(tmp_path.glob("face-embeddings-*.safetensors"))
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o077 == 0


def test_a_teacher_that_does_not_tell_has_no_norms(tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3)).astype(np.uint8)
    bank = build_bank(crops, ToyTeacher(), FaceUse(n_augmentations=0), 0, tmp_path)
    assert bank.norms is None
    assert bank.draw(np.array([0, 1]), np.random.default_rng(0))[1] is None
    assert FaceBank(bank.embeddings).norms is None


def test_quality_weights_without_norms_are_refused_before_training(
    store: Path, tmp_path: Path
) -> None:
    with GaitStore.open(store) as opened:
        with pytest.raises(TrainError, match=r"does not tell them.*mkd\.quality=false"):
            load_training_data(opened, small('recipe="mkd"'), ToyTeacher(), tmp_path)
        plain = small('recipe="mkd"', "mkd.quality=false")
        assert load_training_data(opened, plain, ToyTeacher(), tmp_path).faces is not None
        config = small('recipe="mkd"')
        data = load_training_data(opened, config, MeasuringTeacher(), tmp_path)
    assert set(Trainer(data, config).run_epoch(0)["losses"]) >= {"mkd_feature", "mkd_logit"}


def test_labelled_faces_are_those_of_the_people(store: Path, tmp_path: Path) -> None:
    with GaitStore.open(store) as opened:
        data = load_training_data(opened, small(), ToyTeacher(), tmp_path)
        faces = opened.faces()
    assert data.faces is not None
    found = data.faces.labelled(("p0", "p2"))
    owners = {name: set(faces.recording[faces.subject == name].tolist()) for name in ("p0", "p2")}
    assert found.labels.tolist() == [0] * 6 + [1] * 6  # 3 training walks, 2 faces each
    for label, recording in zip(found.labels.tolist(), found.recordings.tolist(), strict=True):
        assert recording in owners[("p0", "p2")[label]]
    own = data.faces.table.subject == "p2"
    assert torch.equal(found.embeddings[6:], data.faces.bank.embeddings[torch.from_numpy(own)])


def test_a_head_is_fitted_once_and_survives_a_stop(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small('recipe="kd"')
    train(store, tmp_path / "whole", config, teacher=ToyTeacher())
    take, n_steps = Stepper.step, 0

    def stop(self: Stepper, *arguments: object) -> object:
        nonlocal n_steps
        n_steps += 1
        if n_steps == 5:  # in the second epoch of three steps
            raise KeyboardInterrupt
        return take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Stepper, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "stopped", config, teacher=ToyTeacher())
    monkeypatch.undo()
    monkeypatch.delattr(TeacherHead, "fit")  # nobody fits it again
    train(store, tmp_path / "stopped", None, teacher=ToyTeacher())
    files = [(tmp_path / run / "student.safetensors").read_bytes() for run in ("whole", "stopped")]
    assert files[0] == files[1]
    facts = [json.loads((tmp_path / run / "student.json").read_text())["facts"]["head"]
             for run in ("whole", "stopped")]  # fmt: skip
    assert facts[0] == facts[1]
    assert facts[0]["head_accuracy"] == 1.0  # faces of blocks of colour: easy


def test_the_scale_of_float16_gradients_is_resumed(store: Path, tmp_path: Path) -> None:
    config = small('recipe="baseline"', 'runtime.amp="float16"')
    with GaitStore.open(store) as opened:
        data = load_training_data(opened, config, None, tmp_path)
    trainer = Trainer(data, config)
    scaler = trainer.stepper.precision.scaler
    scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**37})
    trainer.best, trainer.best_epoch = copy_weights(trainer.student), 0
    trainer.save(RunFolder(tmp_path))
    other = Trainer(data, config)
    assert other.stepper.precision.scaler.state_dict()["scale"] != 2.0**37
    other.resume(RunFolder(tmp_path))
    assert other.stepper.precision.scaler.state_dict()["scale"] == 2.0**37
