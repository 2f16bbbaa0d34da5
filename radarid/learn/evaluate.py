"""Honest scores of a run: clips, walks, strangers, calibration, chance, a shuffled control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radarid import seeding
from radarid.data.splits import Split
from radarid.data.store import GaitStore
from radarid.data.tables import ClipTable
from radarid.errors import RunError
from radarid.learn import metrics, openset
from radarid.learn.checkpoint import write_json
from radarid.learn.config import pick_device, use_all_cores
from radarid.learn.face_bank import Embedder
from radarid.learn.report import draw_confusion
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import TrainedStudent, load_student, run
from radarid.learn.trainer import train
from radarid.learn.training_data import Part, load_part, split_and_label
from radarid.progress import log

FALSE_ACCEPT_RATES = (0.01, 0.1)
CONTROL = "control"


@dataclass(frozen=True)
class Probes:
    """A part of the split as the student sees it.

    Parameters
    ----------
    part : clips with labels among `subjects`
    embeddings : float32 array, shape (n, d)
    logits : float32 array, shape (n, n_known), of the people of the training
    """

    part: Part
    embeddings: np.ndarray
    logits: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Label of each clip, int64 (n,)."""
        return self.part.labels.numpy()

    @property
    def probability(self) -> np.ndarray:
        """Softmax of the logits, float64."""
        return torch.softmax(torch.from_numpy(self.logits).double(), dim=1).numpy()

    def walks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each capture: mean direction of the embeddings, mean logits, and a clip of it."""
        captures = self.part.captures
        embeddings, first = openset.walk_means(openset.unit(self.embeddings), captures)
        return embeddings, openset.walk_means(self.logits, captures)[0], first


def evaluate(
    run_path: Path,
    store_path: Path | None = None,
    *,
    control: bool | None = None,
    teacher: Embedder | None = None,
) -> dict[str, Any]:
    """Score a finished run on the test part of its split.

    Parameters
    ----------
    run_path : run folder
    store_path : gait store; None takes the one the run was trained on
    control : also train the same configuration on shuffled labels, and score that; None does what
        the run's configuration says
    teacher : for the control's training, see `train`

    Returns
    -------
    dict
        What evaluation.json holds; confusion.png lies beside it.

    Raises
    ------
    RunError
        The run is not finished, or the store has changed since.
    StoreError
        A store of another waveform or signal processing.

    Notes
    -----
    Scores come for clips and for captures (recordings, whose clips vote together), with a 95 %
    bootstrap interval that draws whole captures. Chance and the control stand beside them: a
    control above chance means that something other than the person is being recognised.
    """
    folder = RunFolder(run_path)
    config = folder.read_config()
    student = load_student(run_path, pick_device(config.device))
    store_path = store_path or folder.store_path()
    use_all_cores()
    with GaitStore.open(store_path) as store:
        folder.check_store(store)
        table, split = split_and_label(store, config)
        folder.write_split(store, split)
        result = score(student, store, table, split)
    named: dict[str, Any] = {"run": run_path.name, "recipe": config.recipe, "seed": config.seed}
    result = named | result
    wanted = config.control if control is None else control
    result["control"] = (
        _control(folder, store_path, result, teacher) if wanted else "not run: --no-control"
    )
    write_json(run_path / "evaluation.json", result)
    if "confusion" in result:
        title = f"{run_path.name}: {result['clips']['accuracy']:.1%} of the test clips are right"
        draw_confusion(run_path / "confusion.png", result["confusion"], title)
    return result


def score(
    student: TrainedStudent, store: GaitStore, table: ClipTable, split: Split
) -> dict[str, Any]:
    """Score a student on a split: closed set, retrieval, strangers.

    Parameters
    ----------
    student : what is scored
    store, table, split : what it is scored on

    Returns
    -------
    dict
        Plain numbers, ready for JSON.
    """
    is_disjoint = split.params.protocol == "subject"
    people, subjects = student.templates, student.subjects
    if is_disjoint:
        subjects = split.subjects["test"]
        if len(subjects) < 2:
            raise RunError(
                "finding one person among one says nothing", where="protocol subject",
                got=f"test people {', '.join(subjects)}",
                remedy="a larger split.test_fraction, or more people",
            )
        enrolled = _probe(student, store, table, split.enroll, subjects)
        people = openset.templates(enrolled.embeddings, enrolled.labels, len(subjects))
    rows = split.test[np.isin(table.subject[split.test], subjects)]
    if not len(rows):
        raise RunError("no test clip of the people it knows", where=store.path)
    test = _probe(student, store, table, rows, subjects)
    result: dict[str, Any] = {
        "split": split.report(),
        "n_subjects": len(subjects),
        "n_test_clips": len(rows),
        "n_test_walks": len(np.unique(test.part.captures)),
        "chance": {
            "guessing": 1 / len(subjects),
            "most_frequent": float(np.bincount(test.labels).max() / len(rows)),
        },
    }
    if not is_disjoint:
        result |= _closed_set(test, subjects)
    result["retrieval"] = _retrieval(test, people)
    result["open_set"] = _strangers(student, store, table, split, test, people)
    return result


def _probe(
    student: TrainedStudent, store: GaitStore, table: ClipTable, rows: np.ndarray,
    subjects: tuple[str, ...],
) -> Probes:  # fmt: skip
    part = load_part(store, table, rows, subjects, student.input)
    embeddings, logits = run(student.model, part.images)
    return Probes(part, embeddings.numpy(), logits.numpy())


def _closed_set(test: Probes, subjects: tuple[str, ...]) -> dict[str, Any]:
    """Classifier scores of clips and of walks."""
    predicted = test.logits.argmax(1)
    _, logits, first = test.walks()
    clips = _level(test.labels, predicted, test.part.captures)
    walks = _level(test.labels[first], logits.argmax(1), test.part.captures[first])
    recall = metrics.recall_per_identity(test.labels, predicted, len(subjects))
    known = {name: float(value) for name, value in zip(subjects, recall, strict=True)
             if not math.isnan(value)}  # fmt: skip
    worst = min(known, key=lambda name: known[name])
    confusion = np.zeros((len(subjects), len(subjects)), int)
    np.add.at(confusion, (test.labels, predicted), 1)
    return {
        "clips": clips | {
            "calibration_error": metrics.expected_calibration_error(test.probability, test.labels),
            "brier": metrics.brier(test.probability, test.labels),
        },
        "walks": walks,
        "worst_subject": {"subject": worst, "recall": known[worst]},
        "recall_per_subject": known,
        "confusion": {"subjects": list(subjects), "clips": confusion.tolist()},
    }  # fmt: skip


def _level(labels: np.ndarray, predicted: np.ndarray, captures: np.ndarray) -> dict[str, Any]:
    right = (labels == predicted).astype(float)
    interval = metrics.bootstrap_interval(right, captures, seeding.rng(0, "bootstrap"))
    return metrics.closed_set(labels, predicted) | {"accuracy_interval": list(interval)}


def _retrieval(test: Probes, people: np.ndarray) -> dict[str, Any]:
    """Walks of known people against their templates, by cosine."""
    embeddings, _, first = test.walks()
    labels, scores = test.labels[first], openset.scores(embeddings, people)
    genuine, impostor = metrics.genuine_and_impostor(scores, labels)
    curve = metrics.cmc(scores, labels)
    return {
        "rank_1": float(curve[0]),
        "rank_5": float(curve[min(4, len(curve) - 1)]),
        "eer": metrics.eer(genuine, impostor),
        "tar_at_far": {
            str(far): metrics.tar_at_far(genuine, impostor, far) for far in FALSE_ACCEPT_RATES
        },
        "n_genuine": len(genuine),
        "n_impostor": len(impostor),
    }


def _strangers(
    student: TrainedStudent, store: GaitStore, table: ClipTable, split: Split, test: Probes,
    people: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """Walks of people held out entirely, and the student's threshold on them and on its own.

    Scores are what `identify` decides by; people enrolled after the training (protocol subject)
    have templates only, to which the threshold does not apply.
    """
    by_template = split.params.protocol == "subject"

    def scores_of(probes: Probes) -> tuple[np.ndarray, np.ndarray]:
        embeddings, logits, first = probes.walks()
        scores = openset.scores(embeddings, people) if by_template else logits
        return scores, probes.labels[first]

    scores, labels = scores_of(test)
    result: dict[str, Any] = {}
    if not by_template:
        accepted = scores.max(1) >= student.threshold
        result = {
            "threshold": student.threshold,
            "known_walks_accepted": float(accepted.mean()),
            "known_walks_identified": float((accepted & (scores.argmax(1) == labels)).mean()),
        }
    if not len(split.unknown):
        return result | {"strangers": "none held out: --set split.unknown_subjects='[\"name\"]'"}
    names = split.subjects["unknown"]
    strange, own = scores_of(_probe(student, store, table, split.unknown, names))
    if not by_template:
        accepted = strange.max(1) >= student.threshold
        result |= {
            "strangers": {name: float(accepted[own == k].mean()) for k, name in enumerate(names)},
            "strangers_accepted": float(accepted.mean()),
        }
    return result | {
        "n_stranger_walks": len(strange),
        "dir_at_far": {
            str(far): metrics.dir_at_far(scores, labels, strange, far)
            for far in FALSE_ACCEPT_RATES
        },
    }


def _control(
    folder: RunFolder, store_path: Path, result: Mapping[str, Any], teacher: Embedder | None
) -> dict[str, Any]:
    """Train and score the run's configuration with the walks' labels shuffled."""
    control = RunFolder(folder.path / CONTROL)
    if not control.is_finished:
        log.info("training the control: the same, with the labels of the walks shuffled")
        config = replace(folder.read_config(), shuffle_labels=True)
        train(
            store_path, control.path, None if control.exists else config,
            teacher=teacher, cache=folder.path.parent,
        )  # fmt: skip
    student = load_student(control.path, pick_device(folder.read_config().device))
    with GaitStore.open(store_path) as store:
        table, split = split_and_label(store, control.read_config())
        control.write_split(store, split)
        scores = score(student, store, table, split)
    chance, n_walks = result["chance"]["guessing"], result["n_test_walks"]
    limit = chance + 3 * math.sqrt(chance * (1 - chance) / n_walks)
    level = "walks" if "walks" in scores else "retrieval"
    reached = scores[level]["accuracy" if level == "walks" else "rank_1"]
    return {
        "clip_accuracy": scores["clips"]["accuracy"] if "clips" in scores else None,
        "walk_accuracy": reached,
        "at_chance_below": limit if limit < 1 else "too few walks to tell",
        "is_at_chance": reached <= limit,
    }
