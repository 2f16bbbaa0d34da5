"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from capture.schema import to_mapping
from radarid import __version__, seeding
from radarid.data.store import GaitStore
from radarid.learn import distributed
from radarid.learn.checkpoint import (
    load_state,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)
from radarid.learn.config import TrainConfig, pick_device, use_all_cores
from radarid.learn.event_log import EventLog
from radarid.learn.export import TrainReport, choose, copy_weights, finish, renormalised
from radarid.learn.face_bank import Embedder
from radarid.learn.guard import NotFiniteError, StepFacts, save_evidence
from radarid.learn.identity import FairAverage, IdentityTracker
from radarid.learn.loader import EpochBatches, Loaded, each_tensor
from radarid.learn.losses.base import IdentityState
from radarid.learn.radar_teacher import ensure_radar_teacher, load_radar_teacher
from radarid.learn.recipes import build_recipe, needs
from radarid.learn.run_folder import RunFolder
from radarid.learn.stepper import Stepper
from radarid.learn.stopping import EarlyStop
from radarid.learn.student_file import save_student
from radarid.learn.students import Student
from radarid.learn.training_data import TrainingData, load_training_data
from radarid.learn.validation import validate
from radarid.progress import EpochBars, log

__all__ = ["TrainReport", "Trainer", "train"]


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
        Nothing to train with, a run that is there already, or a loss or gradient that is not
        finite (its batch is then saved in the run folder).
    RunError, StoreError
        The run to resume is missing or damaged, or the store is not the one it was begun with.

    Notes
    -----
    The same store, configuration and seed give the same weights on one machine's CPU, and a
    training that was stopped and resumed gives those of one that was not: each epoch draws its
    chance from the seed and its own number. Under torchrun every process calls this, takes its
    share of each batch, and gets the same report; the first one writes the files.
    """
    folder, is_new = RunFolder(out), config is not None
    config = config or folder.read_config()
    device = distributed.local_device(pick_device(config.device))
    with distributed.session(device), GaitStore.open(store_path) as store:
        with distributed.main_first():
            if not is_new:
                folder.check_store(store)
            elif distributed.is_main():
                folder.begin(store, config)
            use_all_cores()
            data = load_training_data(store, config, teacher, cache or out.parent)
            if distributed.is_main():
                folder.write_split(store, data.split)
        radar_teacher = None
        if needs(config).radar_teacher:
            run = ensure_radar_teacher(store_path, config, cache or out.parent)
            radar_teacher = load_radar_teacher(run, out, config)
        trainer = Trainer(data, config, radar_teacher)
        trainer.resume(folder)
        run_epochs(trainer, folder)
        return trainer.export(folder, store)


def run_epochs(trainer: Trainer, folder: RunFolder) -> None:
    """Train to the last epoch, or until patience is at an end; log and save as it goes.

    Raises
    ------
    TrainError
        A loss or gradient is not finite.
    """
    config, is_main = trainer.config, distributed.is_main()
    events = None
    if config.runtime.log_tensorboard and is_main:
        events = EventLog(folder.path / "tensorboard", trainer.epoch)
    name, n_epochs = f"training {folder.path.name}", config.optim.n_epochs
    with EpochBars(name, n_epochs, trainer.epoch, is_silent=not is_main) as bars:
        while not trainer.is_finished:
            try:
                line = trainer.run_epoch(trainer.epoch, bars)
            except NotFiniteError as failure:
                save_evidence(folder.path, failure)
                raise
            if not is_main:
                continue
            folder.log_epoch(line)  # first: a line without a saved state is dropped on resuming
            if trainer.epoch % config.save_every == 0 or trainer.is_finished:
                trainer.save(folder)
            if events is not None:
                events.write(line)
            _say(line, n_epochs)
    if trainer.epoch < n_epochs:
        log.info("stopped early, after epoch %d of %d", trainer.epoch, n_epochs)
    if events is not None:
        events.close()


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
    radar_teacher : a trained student, for recipes that need one
    """

    def __init__(
        self, data: TrainingData, config: TrainConfig, radar_teacher: Student | None = None
    ) -> None:
        self.data, self.config = data, config
        self.device = distributed.local_device(pick_device(config.device))
        n_subjects = len(data.subjects)
        n_teacher = data.faces.bank.embeddings.shape[2] if data.faces else 0
        self._wants_clean = needs(config).clean
        torch.manual_seed(self._seed("weights"))
        self.recipe = build_recipe(config, n_subjects, n_teacher, radar_teacher)
        self.student = self.recipe.student
        self.stepper = Stepper(self.recipe, config.optim, config.runtime, self.device)
        self.tracker = IdentityTracker(n_subjects, config.identitykd.begin)
        self.average, self.stop = FairAverage(config.average), EarlyStop(config.stopping)
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_score, self.seconds = -1, -1.0, 0.0
        self.epoch = self.saved_epoch = 0
        self.head_facts: dict[str, float] = {}

    def _seed(self, *names: object) -> int:
        return int(seeding.rng(self.config.seed, *names).integers(2**31))

    @property
    def is_finished(self) -> bool:
        """Whether no epoch is to come."""
        return self.epoch >= self.config.optim.n_epochs or self.stop.is_due

    def run_epoch(self, epoch: int, bars: EpochBars | None = None) -> dict[str, Any]:
        """Train on the clips of an epoch, validate, and return the line for the log.

        Parameters
        ----------
        epoch : counted from 0
        bars : told of every step

        Raises
        ------
        NotFiniteError
            A loss or gradient is not finite.
        """
        started = time.monotonic()
        if epoch == 0 and self.recipe.head is not None and self.data.faces is not None:
            self.head_facts = self.recipe.head.fit(self.data.faces.labelled(self.data.subjects))
            log.info("head on the face embeddings: %s", self.head_facts)
        self.stepper.set_rate(self.config.optim.lr_at(epoch))
        own = [distributed.rank()] if distributed.rank() else []  # dropout of other clips
        torch.manual_seed(self._seed("dropout", epoch, *own))
        identity = self.tracker.state(epoch, self.device)
        drawn = EpochBatches.draw(self.data, self.config, self._wants_clean, epoch)
        if bars is not None:
            bars.begin(len(drawn))
        self.recipe.train()
        sums, waiting = EpochSums(), time.monotonic()
        for number, loaded in enumerate(drawn.load()):
            sums.loading_s += time.monotonic() - waiting
            facts = self._step(loaded, identity, epoch, number)
            sums.add(facts, loaded.n)
            if bars is not None:
                bars.step(f"loss {facts.loss:.3f}")
            waiting = time.monotonic()
        trained_s = time.monotonic() - started
        line = {"epoch": epoch, "lr": self.config.optim.lr_at(epoch), **sums.line()}
        line |= self._after_epoch(epoch)
        line["seconds"] = round(time.monotonic() - started, 3)
        line["loading_share"] = round(sums.loading_s / trained_s, 4)
        self.seconds += line["seconds"]
        if bars is not None:
            bars.end(f"validation {100 * line['val_macro_recall']:.0f} %")
        return line

    def _step(
        self, loaded: Loaded, identity: IdentityState, epoch: int, number: int
    ) -> StepFacts:
        """One step, with the identities' hits counted before the update."""
        batch = each_tensor(loaded.batch, lambda value: value.to(self.device, non_blocking=True))
        try:
            step, facts = self.stepper.step(batch, identity)
        except NotFiniteError as failure:
            failure.rows, failure.epoch, failure.step = loaded.rows, epoch, number
            raise
        self.tracker.observe(step.logits, step.labels)
        return facts

    def _after_epoch(self, epoch: int) -> dict[str, Any]:
        """Validate, and update what depends on it."""
        train_accuracy = self.tracker.finish_epoch()
        scores, per_identity = validate(self.student, self.data)
        averaged = self.average.update(self.student, per_identity)
        self.stop.observe(scores["macro_recall"])
        if scores["macro_recall"] >= self.best_score:
            self.best_score, self.best_epoch = scores["macro_recall"], epoch
            self.best = copy_weights(self.student)
        self.epoch = epoch + 1
        return {
            "train_accuracy": train_accuracy,
            **{f"val_{name}": value for name, value in scores.items()},
            "averaged": averaged,
            "identity_accuracy_min": float(self.tracker.accuracy.min()),
            "identity_accuracy_mean": float(self.tracker.accuracy.mean()),
        }

    # -- stopping and going on --------------------------------------------------------------
    def save(self, folder: RunFolder) -> None:
        """Save everything that the next epoch depends on."""
        files = {
            "recipe": dict(self.recipe.state_dict()),
            "optimiser": optimiser_tensors(self.stepper.optimiser),
            "identity": {"accuracy": self.tracker.accuracy},
            "average": self.average.weights or None,
            "best": self.best if self.best_epoch >= self.saved_epoch else None,
        }
        facts = {
            "best_epoch": self.best_epoch, "best_score": self.best_score, "seconds": self.seconds,
            "stop": {"best": self.stop.best, "n_idle": self.stop.n_idle},
            "scaler": self.stepper.precision.scaler.state_dict(), "head": self.head_facts,
        }  # fmt: skip
        save_state(folder.last, self.epoch, files, facts)
        self.saved_epoch = self.epoch

    def resume(self, folder: RunFolder) -> None:
        """Go on from the last saved epoch, if there is one."""
        saved = load_state(folder.last)
        if saved is None:
            return
        self.epoch, files, facts = saved
        self.recipe.load_state_dict(files["recipe"])
        restore_optimiser(self.stepper.optimiser, files["optimiser"])
        self.tracker.accuracy = files["identity"]["accuracy"]
        self.average.weights = files.get("average", {})
        self.best = files["best"]
        self.best_epoch, self.best_score = facts["best_epoch"], facts["best_score"]
        self.seconds, self.saved_epoch = facts["seconds"], self.epoch
        self.stop.best, self.stop.n_idle = facts["stop"]["best"], facts["stop"]["n_idle"]
        self.stepper.precision.scaler.load_state_dict(facts["scaler"])
        self.head_facts = facts["head"]
        if distributed.is_main():
            folder.forget_epochs_from(self.epoch)
        log.info("resuming %s after epoch %d", folder.path, self.epoch)

    # -- the result -------------------------------------------------------------------------
    def export(self, folder: RunFolder, store: GaitStore) -> TrainReport:
        """Choose the weights that validate best, set the threshold, write the student."""
        data, config = self.data, self.config
        candidates = {"final": copy_weights(self.student), "best": self.best}
        if self.average.weights:
            candidates["average"] = renormalised(
                self.student, self.average.weights, data, config
            )
        selected, scores = choose(self.student, data, candidates)
        facts = {
            "recipe": config.recipe, "selected": selected, "candidates": scores,
            "best_epoch": self.best_epoch, "n_epochs": self.epoch,
            "seed": config.seed, "shuffled_labels": config.shuffle_labels,
            "split": to_mapping(config.split), "radarid": __version__,
            **({"head": self.head_facts} if self.head_facts else {}),
        }  # fmt: skip
        student = finish(self.student, data, config, store, facts)
        if distributed.is_main():
            save_student(folder.path, student)
        return TrainReport(
            run=folder.path, subjects=data.subjects, selected=selected, candidates=scores,
            n_train=len(data.train), n_val=len(data.val), n_epochs=self.epoch,
            threshold=student.threshold, seconds=round(self.seconds, 1),
        )  # fmt: skip


class EpochSums:
    """What the steps of an epoch add up to."""

    def __init__(self) -> None:
        self.loading_s = 0.0
        self._n = self._n_skipped = 0
        self._losses: dict[str, float] = {}
        self._norms: list[float] = []

    def add(self, facts: StepFacts, n: int) -> None:
        """Take in a step on n clips."""
        self._n += n
        for name, value in {"loss": facts.loss, **facts.terms}.items():
            self._losses[name] = self._losses.get(name, 0.0) + value * n
        if math.isfinite(facts.gradient_norm):
            self._norms.append(facts.gradient_norm)
        else:
            self._n_skipped += 1

    def line(self) -> dict[str, Any]:
        """Means over the clips, and over the steps that were taken."""
        means = {name: value / self._n for name, value in self._losses.items()}
        return {
            "loss": means.pop("loss"),
            "losses": means,
            "gradient_norm": sum(self._norms) / max(1, len(self._norms)),
            "skipped_steps": self._n_skipped,
        }
