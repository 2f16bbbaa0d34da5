"""The end of a training: the weights that validate best become a student of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from radarid.data.store import GaitStore
from radarid.learn import distributed, openset
from radarid.learn.config import TrainConfig
from radarid.learn.degrade import as_tested
from radarid.learn.identity import reestimate_batch_norm
from radarid.learn.student_file import TrainedStudent
from radarid.learn.students import Student
from radarid.learn.training_data import TrainingData
from radarid.learn.validation import calibrate, run_shared, validate

Weights = dict[str, Tensor]


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
    n_epochs : trained; fewer than asked for where it was stopped early
    threshold : between known and unknown
    seconds : of the epochs
    """

    run: Path
    subjects: tuple[str, ...]
    selected: str
    candidates: dict[str, dict[str, float]]
    n_train: int
    n_val: int
    n_epochs: int
    threshold: float
    seconds: float


def copy_weights(model: Student) -> Weights:
    """State of a model as it is now, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def renormalised(
    model: Student, weights: Weights, data: TrainingData, config: TrainConfig
) -> Weights:
    """Averaged weights with normalisation statistics of the training clips, if so chosen."""
    if config.average.batch_norm == "average":
        return weights
    model.load_state_dict(weights)
    device = model.classifier.weight.device
    parts = as_tested(data.train.images, config.degrade).split(config.optim.batch_size)
    reestimate_batch_norm(
        model, (part[distributed.share(len(part))].to(device) for part in parts)
    )
    return copy_weights(model)


def choose(
    model: Student, data: TrainingData, candidates: dict[str, Weights]
) -> tuple[str, dict[str, dict[str, float]]]:
    """Load the weights that validate best: by macro recall, then by cross-entropy.

    Returns
    -------
    selected : its name
    scores : name -> validation scores
    """
    scores = {}
    for name, weights in candidates.items():
        model.load_state_dict(weights)
        scores[name] = validate(model, data)[0]
    selected = max(
        scores, key=lambda name: (scores[name]["macro_recall"], -scores[name]["cross_entropy"])
    )
    model.load_state_dict(candidates[selected])
    return selected, scores


def finish(
    model: Student, data: TrainingData, config: TrainConfig, store: GaitStore,
    facts: dict[str, Any],
) -> TrainedStudent:  # fmt: skip
    """The student with templates of the training clips and a threshold from validation."""
    model.eval()
    known, _ = run_shared(model, as_tested(data.train.images, config.degrade))
    people = openset.templates(
        known.numpy(), data.train.labels.numpy(), len(data.subjects)
    )
    calibration = calibrate(model, data, config.threshold.false_accept_rate)
    return TrainedStudent(
        model, config.model.student, config.model.input, data.subjects, store.radar, store.dsp,
        people, calibration, facts,
    )  # fmt: skip
