"""A frozen radar student of another run as teacher: it sees the clips before they are degraded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from capture.schema import to_mapping
from radarid.errors import RunError
from radarid.learn.checkpoint import read_json
from radarid.learn.config import TrainConfig
from radarid.learn.degrade import DegradeParams
from radarid.learn.losses.base import Outputs
from radarid.learn.student_file import load_student
from radarid.learn.students import Student
from radarid.progress import log


class RadarTeacher(nn.Module):
    """A trained student that stays as it is: always in evaluation mode, without gradients.

    Parameters
    ----------
    student : trained
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> RadarTeacher:
        """Stay in evaluation mode whatever the recipe around it does."""
        return super().train(False)

    def forward(self, images: Tensor, names: Collection[str]) -> Outputs:
        """What it says of clips, with the features called `names` (see `Student.observe`)."""
        with torch.no_grad():
            return Outputs(*self.student.observe(images, names))


def teacher_config(config: TrainConfig) -> TrainConfig:
    """Configuration of the radar teacher: the same network and clips, undegraded, by labels.

    It has one seed for all students, unless the labels are shuffled, which the seed decides.
    """
    return replace(
        config, recipe="baseline", degrade=DegradeParams(), extra_losses={}, teacher_run="",
        control=False, seed=config.seed if config.shuffle_labels else 0,
    )  # fmt: skip


def ensure_radar_teacher(store_path: Path, config: TrainConfig, folder: Path) -> Path:
    """Run folder of the radar teacher; a baseline is trained if the configuration names none.

    Parameters
    ----------
    store_path : gait store
    config : of the student's training; its `teacher_run` is taken where it is set, but not for a
        control, whose teacher must not know the true labels either
    folder : where `radar-teacher-KEY` lies, KEY being a hash of store and configuration, so that
        trainings that differ in seed or weights share one teacher

    Returns
    -------
    Path
    """
    if config.teacher_run and not config.shuffle_labels:
        return Path(config.teacher_run)
    from radarid.learn.trainer import train  # trains with recipes, which know this file

    own = teacher_config(config)
    key = json.dumps([str(store_path.resolve()), to_mapping(own)], sort_keys=True)
    run = folder / f"radar-teacher-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if (run / "student.json").is_file():
        return run
    log.info("no teacher_run is given: training one on clean clips in %s", run)
    train(store_path, run, None if (run / "config.json").is_file() else own)
    return run


def load_radar_teacher(run: Path, own_run: Path, config: TrainConfig) -> Student:
    """Load the network of a finished run, if it fits the training that it is to teach.

    Parameters
    ----------
    run : the teacher's
    own_run : the student's run folder, with its split.json
    config : of the student's training

    Raises
    ------
    RunError
        No trained student there; it sees clips another way; or it was trained on other clips, so
        that it may know the test walks.
    """
    trained = load_student(run)
    if trained.input != config.model.input:
        raise RunError(
            "the radar teacher sees clips another way", where=run,
            got=to_mapping(trained.input), expected=to_mapping(config.model.input),
            remedy="train one with the same model.input",
        )
    theirs, ours = read_json(run / "split.json"), read_json(own_run / "split.json")
    if theirs["data"] != ours["data"]:
        raise RunError(
            "the radar teacher was trained on other clips", where=run,
            got=f"data {theirs['data']}", expected=f"data {ours['data']}",
            remedy="give both runs the same store, split and split_seed",
        )
    return trained.model
