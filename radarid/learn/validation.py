"""How good a student is on clips that did not train it, and where it calls a walker unknown."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from radarid.learn import distributed, openset
from radarid.learn.metrics import closed_set, recall_per_identity
from radarid.learn.student_file import BATCH, run
from radarid.learn.students import Student
from radarid.learn.training_data import Part, TrainingData


def run_shared(model: Student, images: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings and logits as `student_file.run` gives them, computed by all processes.

    Each process takes whole batches of it, so the bits are those of one process.
    """
    n_batches = -(-len(images) // BATCH)
    if distributed.size() == 1 or n_batches < distributed.size():
        return run(model, images)
    own, device = distributed.share(n_batches), model.classifier.weight.device
    found = run(model, images[own.start * BATCH : own.stop * BATCH])
    embeddings, logits = (distributed.gather_rows(each.to(device)).cpu() for each in found)
    return embeddings, logits


def validate(model: Student, data: TrainingData) -> tuple[dict[str, float], Tensor]:
    """Validation scores, and the accuracy on each identity that has validation clips.

    Returns
    -------
    scores : name -> value
    per_identity : float64 tensor, shape (n,), n at most the number of subjects
    """
    _, logits = run_shared(model, data.val.images)
    labels, predicted = data.val.labels.numpy(), logits.argmax(1).numpy()
    scores = closed_set(labels, predicted)
    scores["cross_entropy"] = float(functional.cross_entropy(logits, data.val.labels))
    per_identity = recall_per_identity(labels, predicted, len(data.subjects))
    return scores, torch.from_numpy(per_identity[~np.isnan(per_identity)])


def walk_scores(model: Student, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n_captures, n_subjects) and labels (n_captures,) of the captures of a part."""
    _, logits = run_shared(model, part.images)
    scores, first = openset.walk_means(logits.numpy(), part.captures)
    return scores, part.labels.numpy()[first]


def calibrate(
    model: Student, data: TrainingData, false_accept_rate: float | None
) -> openset.Calibration:
    """The threshold, from validation walks and the outsiders' (or pseudo-strangers')."""
    scores, labels = walk_scores(model, data.val)
    if len(data.outsiders):
        strangers = walk_scores(model, data.outsiders)[0].max(1)
    else:
        strangers = openset.pseudo_strangers(scores, labels)
    genuine = scores[np.arange(len(labels)), labels]
    return openset.calibrate(genuine, strangers, false_accept_rate)
