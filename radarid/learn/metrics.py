"""Scores of identification: closed set, verification, open set, calibration.

Each takes plain arrays: `labels` int (n,), `predicted` int (n,), `scores` float (n, n_subjects)
with the similarity of every probe to every enrolled person (higher is more alike), `probability`
float (n, n_subjects) with rows that sum to 1. scikit-learn where it has the figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_curve

from radarid.errors import ParameterError


def closed_set(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, macro recall and macro F1, over the identities that occur in `labels`.

    Raises
    ------
    ParameterError
        No sample, or arrays of different length.
    """
    if not len(labels) or labels.shape != predicted.shape:
        raise ParameterError(
            "labels and predictions must be of one length, not 0",
            got=f"{labels.shape} and {predicted.shape}",
        )
    present = np.unique(labels)
    average: dict[str, Any] = {"labels": present, "average": "macro", "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_recall": float(recall_score(labels, predicted, **average)),
        "macro_f1": float(f1_score(labels, predicted, **average)),
    }


def recall_per_identity(
    labels: np.ndarray, predicted: np.ndarray, n_subjects: int
) -> np.ndarray:
    """Share of each identity's samples that is right, float64 (n_subjects,); NaN without any."""
    total = np.bincount(labels, minlength=n_subjects)
    right = np.bincount(labels[labels == predicted], minlength=n_subjects)
    return np.divide(right, total, out=np.full(n_subjects, np.nan), where=total > 0)


def cmc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cumulative match characteristic: `cmc[k - 1]` is the share found among the k best.

    Parameters
    ----------
    scores : float array, shape (n_probes, n_subjects)
    labels : int array, shape (n_probes,), column of the probe's own person

    Returns
    -------
    float64 array, shape (n_subjects,); a tie counts against the own person

    Raises
    ------
    ParameterError
        A probe whose person is not enrolled: leaving it out would flatter the figure.
    """
    if not len(labels) or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ParameterError(
            "every probe's person must be enrolled", got=f"labels {np.unique(labels)}",
            expected=f"0 to {scores.shape[1] - 1}",
        )
    own = scores[np.arange(len(labels)), labels]
    rank = (scores >= own[:, None]).sum(1)
    return np.array([(rank <= k).mean() for k in range(1, scores.shape[1] + 1)])


def genuine_and_impostor(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores against the own person, (n,), and against all others, (n * (n_subjects - 1),)."""
    own = np.arange(scores.shape[1])[None, :] == labels[:, None]
    return scores[own], scores[~own]


def _roc(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true accept rates, from "accept nobody" to "accept all"."""
    if not len(genuine) or not len(impostor):
        raise ParameterError(
            "verification needs genuine and impostor scores",
            got=f"{len(genuine)} and {len(impostor)}",
        )
    truth = np.r_[np.ones(len(genuine), int), np.zeros(len(impostor), int)]
    far, tar, _ = roc_curve(truth, np.r_[genuine, impostor], drop_intermediate=False)
    return far, tar


def eer(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Equal error rate: where false accepts meet false rejects, straight between thresholds."""
    far, tar = _roc(genuine, impostor)
    gap = far - (1 - tar)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def tar_at_far(genuine: np.ndarray, impostor: np.ndarray, far: float) -> float:
    """True accept rate at the loosest threshold that lets in at most `far` of the impostors."""
    rates, tar = _roc(genuine, impostor)
    return float(tar[rates <= far].max())


def dir_at_far(
    scores: np.ndarray, labels: np.ndarray, unknown_scores: np.ndarray, far: float
) -> float:
    """Detection and identification rate at a false alarm rate.

    Parameters
    ----------
    scores : float array, shape (n_probes, n_subjects), of people who are enrolled
    labels : int array, shape (n_probes,)
    unknown_scores : float array, shape (n_unknown, n_subjects), of strangers
    far : share of strangers that may be taken for somebody; finer than 1 / n_unknown it means none

    Returns
    -------
    float
        Share of probes whose own person scores best and above the threshold, which is the highest
        score of the first stranger who must be refused (accepted is what scores strictly higher).
    """
    if not len(labels) or not len(unknown_scores):
        raise ParameterError(
            "open-set identification needs probes of known and of unknown people",
            got=f"{len(labels)} and {len(unknown_scores)}",
        )
    strangers = np.sort(unknown_scores.max(1))[::-1]
    n_allowed = int(np.floor(far * len(strangers) + 1e-9))
    threshold = strangers[n_allowed] if n_allowed < len(strangers) else -np.inf
    best = scores.max(1)
    return float(np.mean((scores.argmax(1) == labels) & (best > threshold)))


def expected_calibration_error(
    probability: np.ndarray, labels: np.ndarray, n_bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over `n_bins` equal bins of confidence (l, h]."""
    confidence, right = probability.max(1), probability.argmax(1) == labels
    place = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    total = 0.0
    for k in np.unique(place):
        here = place == k
        total += here.mean() * abs(right[here].mean() - confidence[here].mean())
    return float(total)


def brier(probability: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance between the probabilities and the one-hot truth, in [0, 2]."""
    truth = np.eye(probability.shape[1])[labels]
    return float(np.mean(np.sum((probability - truth) ** 2, axis=1)))


def bootstrap_interval(
    right: np.ndarray, captures: np.ndarray, rng: np.random.Generator,
    n_draws: int = 1000, level: float = 0.95,
) -> tuple[float, float]:  # fmt: skip
    """Interval of the mean of `right` when whole captures are drawn with replacement.

    Parameters
    ----------
    right : float array, shape (n,), 1 where a clip is right
    captures : int array, shape (n,); clips of one capture resemble each other and stay together
    rng : where chance comes from
    n_draws : resamplings
    level : share of them inside the interval (percentile method)
    """
    _, place = np.unique(captures, return_inverse=True)
    n_clips = np.bincount(place)
    n_right = np.bincount(place, weights=right)
    drawn = rng.integers(len(n_clips), size=(n_draws, len(n_clips)))
    means = n_right[drawn].sum(1) / n_clips[drawn].sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
