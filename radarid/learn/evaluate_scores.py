"""Scores of a student on a split, as plain numbers: closed set, calibration, retrieval, strangers.

Clips are scored one by one, walks by all clips of a recording together.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

import numpy as np

from radarid.data.splits import Split
from radarid.data.store import GaitStore
from radarid.data.tables import ClipTable
from radarid.errors import RunError
from radarid.learn import metrics, openset
from radarid.learn import reliability as believe
from radarid.learn.bootstrap import bootstrap_interval, exact_interval, mean_interval
from radarid.learn.degrade import DegradeParams
from radarid.learn.probes import Probes, probe
from radarid.learn.student_file import TrainedStudent

FALSE_ACCEPT_RATES = (0.001, 0.01, 0.1)
_N_SLOW_DRAWS = 200
"""Of a score that takes milliseconds to compute."""


def score(
    student: TrainedStudent, store: GaitStore, table: ClipTable, split: Split,
    lesser: DegradeParams,
) -> tuple[dict[str, Any], Probes]:  # fmt: skip
    """Score a student on the test part of a split.

    Parameters
    ----------
    student : what is scored
    store, table, split : what it is scored on
    lesser : how clips were degraded in training, as they are here; `undegraded` then tells what
        the same student makes of them as they are

    Returns
    -------
    scores : dict
        Plain numbers, ready for JSON.
    test : Probes
        What they were computed from.

    Raises
    ------
    RunError
        Nobody to test, or one person to be found among one.
    """
    see = functools.partial(probe, student, store, table)
    is_disjoint = split.params.protocol == "subject"
    people, subjects = student.templates, student.subjects
    if is_disjoint:
        subjects = split.subjects["test"]
        people = _enrol(see(split.enroll, subjects, lesser))
    rows = _rows_of(split.test, table, subjects)
    if not len(rows):
        raise RunError("no test clip of the people it knows", where=store.path)
    test = see(rows, subjects, lesser)
    result: dict[str, Any] = {
        "split": split.report(),
        "n_subjects": len(subjects),
        "n_test_clips": len(rows),
        "n_test_walks": len(np.unique(test.captures)),
        "chance": _chance(test),
    }
    if is_disjoint:
        test = replace(test, templates=people)
    else:
        val = see(_rows_of(split.val, table, subjects), subjects, lesser)
        result |= closed_set(test)
        result["calibration"] = calibration(test, val)
        if lesser.enabled:
            plain = closed_set(see(rows, subjects, DegradeParams()))
            result["undegraded"] = {level: plain[level] for level in ("clips", "walks")}
    result["retrieval"] = retrieval(test, people)
    names = split.subjects["unknown"]
    strangers = see(split.unknown, names, lesser) if names else None
    result["open_set"] = open_set(test, strangers, people, student.threshold)
    return result, test


def _enrol(enrolled: Probes) -> np.ndarray:
    """Templates of the test people of protocol subject, from the walk that enrols each."""
    if len(enrolled.subjects) < 2:
        raise RunError(
            "finding one person among one says nothing", where="protocol subject",
            got=f"test people {', '.join(enrolled.subjects)}",
            remedy="a larger split.test_fraction, or more people",
        )
    return openset.templates(enrolled.embeddings, enrolled.labels, len(enrolled.subjects))


def _rows_of(rows: np.ndarray, table: ClipTable, subjects: tuple[str, ...]) -> np.ndarray:
    return rows[np.isin(table.subject[rows], subjects)]


def _chance(test: Probes) -> dict[str, float]:
    """What somebody reaches who never looks: by drawing lots, or by always naming one person."""
    n_subjects = len(test.subjects)
    return {
        "guessing": 1 / n_subjects,
        "most_frequent": float(np.bincount(test.labels).max() / len(test.labels)),
        "rank_5": min(5, n_subjects) / n_subjects,
        "eer": 0.5,
        "brier": 1 - 1 / n_subjects,
    }


def closed_set(test: Probes) -> dict[str, Any]:
    """Classifier scores of clips and of walks, and a table of the people.

    Parameters
    ----------
    test : probes whose labels are columns of their logits
    """
    predicted, names = test.logits.argmax(1), test.subjects
    _, logits, first = test.walks()
    walk_labels, walk_predicted = test.labels[first], logits.argmax(1)
    clips = _level(test.labels, predicted, test.groups, len(names))
    people = _per_subject(test, predicted, walk_labels, walk_predicted)
    worst = min(people, key=lambda name: people[name]["recall"])
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (test.labels, predicted), 1)
    probability = believe.probabilities(test.logits)
    return {
        "clips": clips | {
            "calibration_error": believe.expected_calibration_error(probability, test.labels),
            "brier": believe.brier(probability, test.labels),
        },
        "walks": _level(walk_labels, walk_predicted, test.groups[first], len(names)) | {
            "accuracy_exact_interval": list(exact_interval(walk_labels == walk_predicted)),
        },
        "worst_subject": {"subject": worst, "recall": people[worst]["recall"]},
        "recall_per_subject": {name: row["recall"] for name, row in people.items()},
        "per_subject": people,
        "confusion": {"subjects": list(names), "clips": confusion.tolist()},
    }  # fmt: skip


def _level(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray, n_subjects: int
) -> dict[str, Any]:
    right = (labels == predicted).astype(float)

    def macro_recall(rows: np.ndarray) -> float:
        recall = metrics.recall_per_identity(labels[rows], predicted[rows], n_subjects)
        return float(np.nanmean(recall))

    return metrics.closed_set(labels, predicted) | {
        "accuracy_interval": list(mean_interval(right, groups)),
        "macro_recall_interval": list(bootstrap_interval(macro_recall, groups)),
    }


def _per_subject(
    test: Probes, predicted: np.ndarray, walk_labels: np.ndarray, walk_predicted: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Counts, recall, precision and F1 of everybody who is in the test."""
    n = len(test.subjects)
    recall = metrics.recall_per_identity(test.labels, predicted, n)
    precision, f1 = metrics.precision_and_f1(test.labels, predicted, n)
    walk_recall = metrics.recall_per_identity(walk_labels, walk_predicted, n)
    n_clips, n_walks = (np.bincount(each, minlength=n) for each in (test.labels, walk_labels))
    return {
        name: {
            "n_clips": int(n_clips[k]), "recall": float(recall[k]),
            "precision": float(precision[k]), "f1": float(f1[k]),
            "n_walks": int(n_walks[k]), "walk_recall": float(walk_recall[k]),
        }
        for k, name in enumerate(test.subjects) if n_clips[k]
    }  # fmt: skip


def calibration(test: Probes, val: Probes) -> dict[str, Any]:
    """How far the clips' probabilities can be believed, before and after temperature scaling.

    Parameters
    ----------
    test : probes that are scored
    val : validation clips, which set the temperature; they chose the weights, too, so it may come
        out a little too cold
    """
    temperature = believe.fit_temperature(val.logits, val.labels)
    result: dict[str, Any] = {
        "temperature": temperature,
        "at_bound": temperature in believe.TEMPERATURES,
        "n_val_clips": len(val.rows),
        "reliability": {},
    }
    for name, each in (("before", 1.0), ("after", temperature)):
        probability = believe.probabilities(test.logits, each)
        bins = believe.reliability(probability, test.labels)
        result[name] = {
            "ece": bins.calibration_error,
            "brier": believe.brier(probability, test.labels),
            "nll": believe.negative_log_likelihood(test.logits / each, test.labels),
        }
        result["reliability"][name] = {key: value.tolist() for key, value in vars(bins).items()}
    return result


def retrieval(test: Probes, people: np.ndarray) -> dict[str, Any]:
    """Walks of known people against their templates, by cosine.

    Parameters
    ----------
    test : probes
    people : float array, shape (n_subjects, d), template of each of the probes' subjects
    """
    embeddings, _, first = test.walks()
    labels, scores = test.labels[first], openset.scores(embeddings, people)
    genuine, impostor = metrics.genuine_and_impostor(scores, labels)
    curve, (far, frr) = metrics.cmc(scores, labels), metrics.det(genuine, impostor)
    found = (metrics.ranks(scores, labels) == 1).astype(float)
    groups = test.groups[first]

    def equal_error(rows: np.ndarray) -> float:
        return metrics.eer(*metrics.genuine_and_impostor(scores[rows], labels[rows]))

    return {
        "rank_1": float(curve[0]),
        "rank_5": float(curve[min(4, len(curve) - 1)]),
        "rank_1_interval": list(mean_interval(found, groups)),
        "eer": metrics.eer(genuine, impostor),
        "eer_interval": list(bootstrap_interval(equal_error, groups, n_draws=_N_SLOW_DRAWS)),
        "tar_at_far": {
            str(rate): metrics.tar_at_far(genuine, impostor, rate) for rate in FALSE_ACCEPT_RATES
        },
        "finest_far": 1 / len(impostor),
        "n_genuine": len(genuine),
        "n_impostor": len(impostor),
        "cmc": curve.tolist(),
        "det": {"far": far.tolist(), "frr": frr.tolist()},
    }


def open_set(
    test: Probes, strangers: Probes | None, people: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Walks of people held out entirely, and the student's threshold on them and on its own.

    Parameters
    ----------
    test : probes of known people
    strangers : probes of people who are known nowhere; None where nobody was held out
    people : templates of the known; those enrolled after the training (`test.templates`) are
        scored by them, others by logits, as `identify` does
    threshold : on logits, set on validation walks; does not apply to templates
    """
    by_template = test.templates is not None

    def scores_of(probes: Probes) -> tuple[np.ndarray, np.ndarray]:
        embeddings, logits, first = probes.walks()
        scores = openset.scores(embeddings, people) if by_template else logits
        return scores, probes.labels[first]

    scores, labels = scores_of(test)
    result: dict[str, Any] = {}
    if not by_template:
        accepted = scores.max(1) >= threshold
        result = {
            "threshold": threshold,
            "known_walks_accepted": float(accepted.mean()),
            "known_walks_identified": float((accepted & (scores.argmax(1) == labels)).mean()),
        }
    if strangers is None:
        return result | {"strangers": "none held out: --set split.unknown_subjects='[\"name\"]'"}
    strange, own = scores_of(strangers)
    if not by_template:
        accepted = strange.max(1) >= threshold
        result |= {
            "strangers": {
                name: float(accepted[own == k].mean())
                for k, name in enumerate(strangers.subjects)
            },
            "strangers_accepted": float(accepted.mean()),
        }
    return result | {
        "n_stranger_walks": len(strange),
        "finest_far": 1 / len(strange),
        "dir_at_far": {
            str(far): metrics.dir_at_far(scores, labels, strange, far)
            for far in FALSE_ACCEPT_RATES
        },
    }


def at_chance_below(chance: float, n_walks: int) -> float:
    """Three standard deviations above chance: what luck seldom exceeds on `n_walks` walks."""
    return chance + 3 * math.sqrt(chance * (1 - chance) / n_walks)
