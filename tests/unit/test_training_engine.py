"""Workers, mixed precision, clipping, early stopping, TensorBoard: what they change, what not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_store import ToyTeacher, make_store

from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.learn.config import TrainConfig
from radarid.learn.guard import StepFacts
from radarid.learn.loader import EpochBatches
from radarid.learn.losses.base import LossInputs
from radarid.learn.recipes.base import Recipe, Step, Term
from radarid.learn.runtime import Precision, number_format
from radarid.learn.stopping import EarlyStop, StoppingParams
from radarid.learn.trainer import EpochSums, Trainer, train
from radarid.learn.training_data import TrainingData, load_training_data

SMALL = (
    "model.input.size=32", "optim.n_epochs=2", "optim.batch_size=8", "optim.lr=1e-3",
    "identitykd.begin=1", "faces.n_augmentations=1", "augment.time_shift=0.3",
    "augment.mirror=0.5", "average.floor=0.0",
)  # fmt: skip


def small(*changes: str) -> TrainConfig:
    return configs.load(TrainConfig, "train", None, [*SMALL, *changes])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "gait.h5", n_walks=5, n_clips=2)


@pytest.fixture(scope="module")
def data(store: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    with GaitStore.open(store) as opened:
        return load_training_data(opened, small(), ToyTeacher(), tmp_path_factory.mktemp("cache"))


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_workers_change_nothing(store: Path, tmp_path: Path) -> None:
    students = []
    for n in (0, 2):
        changes = (f"runtime.workers={n}", "optim.n_epochs=1", 'model.student="mobilenet_v2"')
        config = small(*changes)  # a student with dropout
        train(store, tmp_path / f"w{n}", config, teacher=ToyTeacher(), cache=tmp_path)
        students.append((tmp_path / f"w{n}" / "student.safetensors").read_bytes())
    assert students[0] == students[1]


def test_a_batch_depends_on_its_number_alone(data: TrainingData) -> None:
    drawn = EpochBatches.draw(data, small(), True, 3)
    late = drawn[2]
    again = [loaded.batch for loaded in EpochBatches.draw(data, small(), True, 3).load()][2]
    assert torch.equal(late.images, again.images)
    assert late.faces is not None
    assert again.faces is not None
    assert torch.equal(late.faces, again.faces)
    assert late.clean is not None
    assert torch.equal(late.clean, late.images)  # nothing is degraded
    assert late.face_norms is None
    other = EpochBatches.draw(data, small(), True, 4)
    assert not np.array_equal(np.concatenate(drawn.members), np.concatenate(other.members))


def test_a_mirrored_walk_changes_direction(data: TrainingData) -> None:
    assert (data.train.directions == 0).all()  # toy people walk away
    mirrored = next(EpochBatches.draw(data, small("augment.mirror=1.0"), False, 0).load())
    assert mirrored.batch.directions is not None
    assert (mirrored.batch.directions == 1).all()
    plain = next(EpochBatches.draw(data, small("augment.mirror=0.0"), False, 0).load()).batch
    assert plain.directions is not None
    assert (plain.directions == 0).all()
    assert plain.clean is None


def test_folded_clips_have_no_direction(store: Path, tmp_path: Path) -> None:
    config = small("model.input.fold=true", 'recipe="baseline"')
    with GaitStore.open(store) as opened:
        folded = load_training_data(opened, config, None, tmp_path)
    assert (folded.train.directions == -1).all()


def first_step(trainer: Trainer) -> tuple[Step, StepFacts]:
    loaded = next(EpochBatches.draw(trainer.data, trainer.config, False, 0).load())
    trainer.recipe.train()
    return trainer.stepper.step(loaded.batch, trainer.tracker.state(0))


# -- precision ----------------------------------------------------------------------------------
def test_number_formats() -> None:
    assert number_format("auto", "cpu") is None
    assert number_format("off", "cuda") is None
    assert number_format("float16", "cpu") is torch.float16
    assert number_format("bfloat16", "cuda:1") is torch.bfloat16
    assert not Precision("bfloat16", "cpu").may_overflow  # it has the exponents of float32
    assert Precision("float16", "cpu").may_overflow


@pytest.mark.parametrize("amp", ["bfloat16", "float16"])
def test_losses_see_float32_whatever_the_networks_compute_in(
    data: TrainingData, amp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.dtype, bool]] = []
    inside: list[torch.dtype] = []
    trainer = Trainer(data, small(f'runtime.amp="{amp}"'))
    weigh = type(trainer.recipe).terms

    def terms(self: Recipe, inputs: LossInputs) -> list[Term]:
        for name in ("student.logits", "student.embedding", "fused.logits", "teacher.embedding"):
            seen.append((inputs.get(name).dtype, torch.is_autocast_enabled("cpu")))
        return weigh(self, inputs)

    monkeypatch.setattr(type(trainer.recipe), "terms", terms)
    trainer.student.classifier.register_forward_hook(
        lambda _, __, out: inside.append(out.dtype) if trainer.student.training else None
    )
    loss = first_step(trainer)[1].loss
    assert set(inside) == {getattr(torch, amp)}
    assert set(seen) == {(torch.float32, False)}
    assert all(weight.dtype == torch.float32 for weight in trainer.stepper.parameters)
    full = first_step(Trainer(data, small()))[1].loss
    assert loss == pytest.approx(full, rel=0.05)  # 8 bits of bfloat16: 0.4 % a product
    assert loss != full


def test_a_float16_gradient_that_overflows_is_skipped_until_the_scale_fits(
    data: TrainingData,
) -> None:
    trainer = Trainer(data, small('runtime.amp="float16"', 'recipe="baseline"'))
    precision, bias = trainer.stepper.precision, trainer.student.classifier.bias
    precision.dtype = None  # the networks stay in float32, which is faster here
    precision.scaler._init_scale = 2.0**40
    bias.register_hook(
        lambda gradient: gradient * (torch.inf if precision.scaler.get_scale() > 2.0**38 else 1)
    )
    before = bias.detach().clone()
    line = trainer.run_epoch(0)
    assert line["skipped_steps"] == 2  # at 2^40 and 2^39; the third step is taken
    assert precision.scaler.get_scale() == 2.0**38
    # One step of Adam moves every weight by the rate, 1e-3.
    assert (bias.detach() - before).abs().numpy() == pytest.approx(1e-3, rel=1e-2)


# -- clipping -----------------------------------------------------------------------------------
def test_the_gradient_is_shortened_to_the_norm(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: dict[float | None, list[tuple[float, float]]] = {}
    for limit in (None, 1e-2):
        found = lengths.setdefault(limit, [])
        trainer = Trainer(data, small(*([f"runtime.clip_norm={limit}"] if limit else [])))
        take = trainer.stepper.step

        def step(*given: Any, take: Any = take, trainer: Any = trainer, found: Any = found) -> Any:
            done = take(*given)
            squares = sum(float(p.grad.double().square().sum()) for p in
                          trainer.stepper.parameters if p.grad is not None)
            found.append((done[1].gradient_norm, math.sqrt(squares)))
            return done

        monkeypatch.setattr(trainer.stepper, "step", step)
        trainer.run_epoch(0)
    for told, left in lengths[None]:
        assert told == pytest.approx(left, rel=1e-5)
    for told, left in lengths[1e-2]:
        assert told > 1e-2
        assert left == pytest.approx(1e-2, rel=1e-3)
    assert lengths[None][0][0] == pytest.approx(lengths[1e-2][0][0], rel=1e-5)


def test_means_of_an_epoch_by_hand() -> None:
    sums = EpochSums()
    sums.add(StepFacts(4.0, {"a": 1.0}, 2.0), 6)
    sums.add(StepFacts(1.0, {"a": 3.0}, math.inf), 2)
    line = sums.line()
    assert line == {"loss": 26 / 8, "losses": {"a": 12 / 8}, "gradient_norm": 2.0,
                    "skipped_steps": 1}  # fmt: skip


# -- stopping early -----------------------------------------------------------------------------
def test_patience_counts_epochs_without_a_gain() -> None:
    stop = EarlyStop(StoppingParams(patience=2, min_gain=0.1))
    due = []
    for score in (0.5, 0.55, 0.65, 0.7, 0.7):
        stop.observe(score)
        due.append(stop.is_due)
    assert due == [False, False, False, False, True]  # 0.65 is a gain of 0.15, 0.7 of 0.05
    for _ in range(50):
        stop.observe(0.0)
    patient = EarlyStop(StoppingParams())
    for _ in range(50):
        patient.observe(0.0)
    assert not patient.is_due


def test_a_training_stops_early_and_stays_stopped(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # No score rises by more than 2, so the first epoch is the best for ever.
    config = small('recipe="baseline"', "optim.n_epochs=9", "stopping.patience=2",
                   "stopping.min_gain=2.0", "save_every=5")  # fmt: skip
    report = train(store, out, config)
    assert report.n_epochs == 3 == len(log_of(out))
    weights = (out / "student.safetensors").read_bytes()
    assert train(store, out, None).n_epochs == 3
    assert len(log_of(out)) == 3
    assert (out / "student.safetensors").read_bytes() == weights


# -- logs ---------------------------------------------------------------------------------------
def test_tensorboard_has_the_lines_of_the_log(store: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
    )
    out = tmp_path / "run"
    config = small('recipe="baseline"', "runtime.log_tensorboard=true")
    train(store, out, config)
    events = accumulator.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    lines = log_of(out)
    for name in ("loss", "lr", "val_macro_recall", "losses/cross_entropy"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        top, _, leaf = name.partition("/")
        values = [line[top][leaf] if leaf else line[top] for line in lines]
        assert [value for _, value in found] == pytest.approx(values)
        assert [step for step, _ in found] == [0, 1]


def test_the_log_names_time_and_gradient(data: TrainingData) -> None:
    line = Trainer(data, small()).run_epoch(0)
    assert 0 <= line["loading_share"] < 1
    assert line["gradient_norm"] > 0
    assert line["skipped_steps"] == 0


def test_a_step_reports_what_it_was_before_the_update(data: TrainingData) -> None:
    trainer = Trainer(data, small('recipe="baseline"'))
    step, facts = first_step(trainer)
    # Cross-entropy by hand, from the logits that the step returns.
    logits = step.logits.detach().double().numpy()
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -logs[np.arange(len(logs)), step.labels.numpy()].mean()
    assert facts.loss == pytest.approx(expected, rel=1e-5)
    assert facts.terms == {"cross_entropy": pytest.approx(expected, rel=1e-5)}
