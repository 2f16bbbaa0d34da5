"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from capture.schema import to_mapping
from radarid import __version__, seeding
from radarid.data.store import GaitStore
from radarid.errors import TrainError
from radarid.learn import openset
from radarid.learn.checkpoint import (
    load_state,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)
from radarid.learn.clip_augment import N_CHANCES, augment
from radarid.learn.config import TrainConfig, pick_device, use_all_cores
from radarid.learn.face_bank import Embedder
from radarid.learn.identity import FairAverage, IdentityTracker
from radarid.learn.metrics import closed_set, recall_per_identity
from radarid.learn.recipes import build_recipe
from radarid.learn.recipes.base import Batch, Step
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import TrainedStudent, run, save_student
from radarid.learn.training_data import Part, TrainingData, batches, load_training_data
from radarid.progress import log, track


@dataclass(frozen=True)
class TrainReport:
    """What a training came to.

    Parameters
    ----------
    run : its folder
    subjects : people in order of their labels
    selected : which weights were exported: "best", "final" or "average"
    candidates : validation scores of each of them
    n_train, n_val : clips
    threshold : between known and unknown
    seconds : of the epochs
    """

    run: Path
    subjects: tuple[str, ...]
    selected: str
    candidates: dict[str, dict[str, float]]
    n_train: int
    n_val: int
    threshold: float
    seconds: float


def train(
    store_path: Path,
    out: Path,
    config: TrainConfig | None,
    *,
    teacher: Embedder | None = None,
    cache: Path | None = None,
) -> TrainReport:
    """Train a student on a store, or resume a training that was stopped.

    Parameters
    ----------
    store_path : gait store
    out : run folder; new, or with `config` None that of the training to resume
    config : None resumes with the configuration that the run was begun with
    teacher : embeds faces; None loads FaceNet if the recipe needs it
    cache : folder of the face embeddings; beside the run if None

    Returns
    -------
    TrainReport

    Raises
    ------
    TrainError
        Nothing to train with, a loss that is not finite, or a run that is there already.
    RunError, StoreError
        The run to resume is missing or damaged, or the store is not the one it was begun with.

    Notes
    -----
    The same store, configuration and seed give the same weights on one machine's CPU, and a
    training that was stopped and resumed gives those of one that was not: each epoch draws its
    chance from the seed and its own number.
    """
    folder = RunFolder(out)
    with GaitStore.open(store_path) as store:
        if config is None:
            config = folder.read_config()
            folder.check_store(store)
        else:
            folder.begin(store, config)
        use_all_cores()
        data = load_training_data(store, config, teacher, cache or out.parent)
        folder.write_split(store, data.split)
        trainer = Trainer(data, config)
        trainer.resume(folder)
        remaining = range(trainer.epoch, config.optim.n_epochs)
        for epoch in track(remaining, f"training {out.name}"):
            line = trainer.run_epoch(epoch)
            folder.log_epoch(line)  # first: a line without a saved state is dropped on resuming
            if trainer.epoch % config.save_every == 0 or trainer.epoch == config.optim.n_epochs:
                trainer.save(folder)
            _say(line, config.optim.n_epochs)
        return trainer.export(folder, store)


def _say(line: dict[str, Any], n_epochs: int) -> None:
    """Log about ten epochs of a training."""
    if (line["epoch"] + 1) % max(1, n_epochs // 10) == 0:
        log.info(
            "epoch %d of %d: loss %.3f, right in training %.0f %%, in validation %.0f %% (macro)",
            line["epoch"] + 1, n_epochs, line["loss"], 100 * line["train_accuracy"],
            100 * line["val_macro_recall"],
        )  # fmt: skip


class Trainer:
    """Networks, optimiser and everything else that changes from epoch to epoch.

    Parameters
    ----------
    data : clips and faces
    config : of the training
    """

    def __init__(self, data: TrainingData, config: TrainConfig) -> None:
        self.data, self.config = data, config
        self.device = pick_device(config.device)
        n_subjects = len(data.subjects)
        n_teacher = data.faces.bank.embeddings.shape[2] if data.faces else 0
        torch.manual_seed(self._seed("weights"))
        self.recipe = build_recipe(config, n_subjects, n_teacher).to(self.device)
        self.optimiser = torch.optim.Adam(
            self.recipe.parameters(), lr=config.optim.lr, weight_decay=config.optim.weight_decay
        )
        self.tracker = IdentityTracker(n_subjects, config.identitykd.begin)
        self.average = FairAverage(config.average)
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_score, self.seconds = -1, -1.0, 0.0
        self.epoch = self.saved_epoch = 0

    def _seed(self, *names: object) -> int:
        return int(seeding.rng(self.config.seed, *names).integers(2**31))

    def run_epoch(self, epoch: int) -> dict[str, Any]:
        """Train on every clip once, validate, and return the line for the log.

        Raises
        ------
        TrainError
            The loss is not finite.
        """
        started = time.monotonic()
        lr = self.config.optim.lr_at(epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        torch.manual_seed(self._seed("dropout", epoch))
        chance = seeding.rng(self.config.seed, "batches", epoch)
        identity = self.tracker.state(epoch, self.device)
        part, sums = self.data.train, dict[str, float]()
        self.recipe.train()
        for batch in batches(len(part), self.config.optim.batch_size, chance):
            labels = part.labels[batch].to(self.device)
            faces = None
            if self.data.faces is not None:
                faces = self.data.faces.draw(part.rows[batch], chance).to(self.device)
            chances = chance.random((len(batch), N_CHANCES))
            images = augment(part.images[batch], self.config.augment, chances).to(self.device)
            step = self.recipe(Batch(images, labels, faces), identity)
            self._check_finite(step, epoch)
            self.optimiser.zero_grad()
            step.total.backward()
            self.optimiser.step()
            self.tracker.observe(step.logits, step.labels)
            for name, value in [("loss", step.total), *((t.name, t.value) for t in step.terms)]:
                sums[name] = sums.get(name, 0.0) + value.item() * len(batch) / len(part)
        line: dict[str, Any] = {"epoch": epoch, "lr": lr, "loss": sums.pop("loss"), "losses": sums}
        line |= self._after_epoch(epoch)
        line["seconds"] = round(time.monotonic() - started, 3)
        self.seconds += line["seconds"]
        return line

    def _check_finite(self, step: Step, epoch: int) -> None:
        if not bool(torch.isfinite(step.total)):
            parts = ", ".join(f"{term.name} {term.value.item():.4g}" for term in step.terms)
            raise TrainError(
                "the loss is not finite any more", where=f"epoch {epoch}", got=parts,
                remedy="a smaller optim.lr; the state before this epoch is kept in last/",
            )

    def _after_epoch(self, epoch: int) -> dict[str, Any]:
        """Validate, and update what depends on it."""
        train_accuracy = self.tracker.finish_epoch()
        scores, per_identity = self._validate()
        averaged = self.average.update(self.recipe.student, per_identity)
        if scores["macro_recall"] >= self.best_score:
            self.best_score, self.best_epoch = scores["macro_recall"], epoch
            self.best = _copy(self.recipe.student.state_dict())
        self.epoch = epoch + 1
        return {
            "train_accuracy": train_accuracy,
            **{f"val_{name}": value for name, value in scores.items()},
            "averaged": averaged,
            "identity_accuracy_min": float(self.tracker.accuracy.min()),
            "identity_accuracy_mean": float(self.tracker.accuracy.mean()),
        }

    def _validate(self) -> tuple[dict[str, float], Tensor]:
        """Validation scores, and the accuracy on each identity that has validation clips."""
        val = self.data.val
        _, logits = run(self.recipe.student, val.images)
        labels, predicted = val.labels.numpy(), logits.argmax(1).numpy()
        scores = closed_set(labels, predicted)
        scores["cross_entropy"] = float(functional.cross_entropy(logits, val.labels))
        per_identity = recall_per_identity(labels, predicted, len(self.data.subjects))
        return scores, torch.from_numpy(per_identity[~np.isnan(per_identity)])

    # -- stopping and going on --------------------------------------------------------------
    def save(self, folder: RunFolder) -> None:
        """Save everything that the next epoch depends on."""
        files = {
            "recipe": dict(self.recipe.state_dict()),
            "optimiser": optimiser_tensors(self.optimiser),
            "identity": {"accuracy": self.tracker.accuracy},
            "average": self.average.weights or None,
            "best": self.best if self.best_epoch >= self.saved_epoch else None,
        }
        facts = {
            "best_epoch": self.best_epoch, "best_score": self.best_score, "seconds": self.seconds
        }
        save_state(folder.last, self.epoch, files, facts)
        self.saved_epoch = self.epoch

    def resume(self, folder: RunFolder) -> None:
        """Go on from the last saved epoch, if there is one."""
        saved = load_state(folder.last)
        if saved is None:
            return
        self.epoch, files, facts = saved
        self.recipe.load_state_dict(files["recipe"])
        restore_optimiser(self.optimiser, files["optimiser"])
        self.tracker.accuracy = files["identity"]["accuracy"]
        self.average.weights = files.get("average", {})
        self.best = files["best"]
        self.best_epoch, self.best_score = facts["best_epoch"], facts["best_score"]
        self.seconds, self.saved_epoch = facts["seconds"], self.epoch
        folder.forget_epochs_from(self.epoch)
        log.info("resuming %s after epoch %d", folder.path, self.epoch)

    # -- the result -------------------------------------------------------------------------
    def export(self, folder: RunFolder, store: GaitStore) -> TrainReport:
        """Choose the weights that validate best, set the threshold, write the student."""
        candidates = {"final": _copy(self.recipe.student.state_dict()), "best": self.best}
        if self.average.weights:
            candidates["average"] = self.average.weights
        scores = {}
        for name, weights in candidates.items():
            self.recipe.student.load_state_dict(weights)
            scores[name] = self._validate()[0]
        selected = max(
            scores, key=lambda name: (scores[name]["macro_recall"], -scores[name]["cross_entropy"])
        )
        self.recipe.student.load_state_dict(candidates[selected])
        facts = {
            "recipe": self.config.recipe, "selected": selected, "candidates": scores,
            "best_epoch": self.best_epoch, "n_epochs": self.config.optim.n_epochs,
            "seed": self.config.seed, "shuffled_labels": self.config.shuffle_labels,
            "split": to_mapping(self.config.split), "radarid": __version__,
        }  # fmt: skip
        student = self._trained(store, facts)
        save_student(folder.path, student)
        return TrainReport(
            run=folder.path, subjects=self.data.subjects, selected=selected, candidates=scores,
            n_train=len(self.data.train), n_val=len(self.data.val),
            threshold=student.threshold, seconds=round(self.seconds, 1),
        )  # fmt: skip

    def _trained(self, store: GaitStore, facts: dict[str, Any]) -> TrainedStudent:
        """The student with templates of the training clips and a threshold from validation."""
        n_subjects = len(self.data.subjects)
        model = self.recipe.student.eval()
        known, _ = run(model, self.data.train.images)
        people = openset.templates(known.numpy(), self.data.train.labels.numpy(), n_subjects)
        calibration = self._calibration()
        return TrainedStudent(
            model, self.config.model.student, self.config.model.input, self.data.subjects,
            store.radar, store.dsp, people, calibration, facts,
        )  # fmt: skip

    def _calibration(self) -> openset.Calibration:
        """The threshold, from validation walks and the outsiders' (or pseudo-strangers')."""
        model, data = self.recipe.student, self.data
        scores, labels = walk_scores(model, data.val)
        if len(data.outsiders):
            strangers = walk_scores(model, data.outsiders)[0].max(1)
        else:
            strangers = openset.pseudo_strangers(scores, labels)
        genuine = scores[np.arange(len(labels)), labels]
        return openset.calibrate(genuine, strangers, self.config.threshold.false_accept_rate)


def walk_scores(model: Any, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n_captures, n_subjects) and labels (n_captures,) of the captures of a part."""
    _, logits = run(model, part.images)
    scores, first = openset.walk_means(logits.numpy(), part.captures)
    return scores, part.labels.numpy()[first]


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}
