"""A number that is not finite stops a training, and its batch is left to look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_store import ToyTeacher, make_store

from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.errors import TrainError
from radarid.learn.config import TrainConfig
from radarid.learn.loader import EpochBatches
from radarid.learn.run_folder import RunFolder
from radarid.learn.trainer import Trainer, run_epochs
from radarid.learn.training_data import TrainingData, load_training_data

SMALL = ("model.input.size=32", "optim.n_epochs=2", "optim.batch_size=8", "faces.n_augmentations=0")


def small(*changes: str) -> TrainConfig:
    return configs.load(TrainConfig, "train", None, [*SMALL, *changes])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("store")
    make_store(folder / "gait.h5", n_walks=5, n_clips=2)
    with GaitStore.open(folder / "gait.h5") as opened:
        return load_training_data(opened, small(), ToyTeacher(), folder)


def test_a_poisoned_batch_is_named_and_saved(data: TrainingData, tmp_path: Path) -> None:
    trainer = Trainer(data, small())
    weights = [weight.detach().clone() for weight in trainer.stepper.parameters]
    step, n_steps = trainer.stepper.step, 0

    def poisoned(batch, identity):  # type: ignore[no-untyped-def]
        nonlocal n_steps
        n_steps += 1
        if n_steps == 2:
            weights[:] = [weight.detach().clone() for weight in trainer.stepper.parameters]
            batch.faces[1, 5] = torch.nan
        return step(batch, identity)

    trainer.stepper.step = poisoned  # type: ignore[method-assign]
    with pytest.raises(TrainError, match="the loss is not finite any more") as caught:
        run_epochs(trainer, RunFolder(tmp_path))
    assert "epoch 0, step 1" in str(caught.value)
    assert "contrast_teacher nan" in str(caught.value)
    facts = json.loads((tmp_path / "not-finite-0.json").read_text())
    tensors = load_file(tmp_path / "not-finite-0.safetensors")
    expected = list(EpochBatches.draw(data, trainer.config, False, 0).load())[1]
    assert facts["clips"] == expected.rows.tolist() == tensors["rows"].tolist()
    assert facts["inputs_not_finite"] == ["faces"]
    assert (facts["epoch"], facts["step"]) == (0, 1)
    assert any(name.startswith("student.backbone") for name in facts["gradients_not_finite"])
    assert torch.equal(tensors["images"], expected.batch.images)
    assert torch.equal(tensors["labels"], expected.batch.labels)
    assert torch.isnan(tensors["faces"][1, 5])
    assert int(torch.isnan(tensors["faces"]).sum()) == 1
    assert (tmp_path / "not-finite-0.safetensors").stat().st_mode & 0o077 == 0
    for before, after in zip(weights, trainer.stepper.parameters, strict=True):
        assert torch.equal(before, after)  # the step was not taken
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_gradient_that_is_not_finite_stops_too(data: TrainingData, tmp_path: Path) -> None:
    trainer = Trainer(data, small('recipe="baseline"'))
    bias = trainer.student.classifier.bias
    bias.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(TrainError, match="the gradient is not finite any more"):
        run_epochs(trainer, RunFolder(tmp_path))
    facts = json.loads((tmp_path / "not-finite-0.json").read_text())
    assert facts["gradients_not_finite"] == ["student.classifier.bias"]
    assert facts["inputs_not_finite"] == []
    assert torch.isfinite(bias).all()
