"""Scores of identification: closed set, verification, open set.

Each takes plain arrays: `labels` int (n,), `predicted` int (n,), `scores` float (n, n_subjects)
with the similarity of every probe to every enrolled person (higher is more alike). scikit-learn
where it has the figure. Terms are those of ISO/IEC 19795-1: a *genuine* comparison is of one
person with himself, an *impostor* one of two people. Probabilities: `reliability`; intervals:
`bootstrap`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
    roc_curve,
)

from radarid.errors import ParameterError


def closed_set(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, macro and micro recall, macro F1, over the identities that occur in `labels`.

    Notes
    -----
    Macro: the mean over identities, each as important as any other. Micro: over all samples,
    which makes recall the accuracy; it is there because papers leave open which one they mean.

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
    among: dict[str, Any] = {"labels": present, "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_recall": float(recall_score(labels, predicted, average="macro", **among)),
        "macro_f1": float(f1_score(labels, predicted, average="macro", **among)),
        "micro_recall": float(recall_score(labels, predicted, average="micro", **among)),
    }


def recall_per_identity(
    labels: np.ndarray, predicted: np.ndarray, n_subjects: int
) -> np.ndarray:
    """Share of each identity's samples that is right, float64 (n_subjects,); NaN without any."""
    total = np.bincount(labels, minlength=n_subjects)
    right = np.bincount(labels[labels == predicted], minlength=n_subjects)
    return np.divide(right, total, out=np.full(n_subjects, np.nan), where=total > 0)


def precision_and_f1(
    labels: np.ndarray, predicted: np.ndarray, n_subjects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and F1 of each identity, float64 (n_subjects,); 0 where nothing was right."""
    precision, _, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(n_subjects), zero_division=0
    )
    return precision, f1


def ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Place of each probe's own person among all, 1 for the best score.

    Parameters
    ----------
    scores : float array, shape (n_probes, n_subjects)
    labels : int array, shape (n_probes,), column of the probe's own person

    Returns
    -------
    int64 array, shape (n_probes,); a tie counts against the own person

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
    return np.asarray((scores >= own[:, None]).sum(1))


def cmc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cumulative match characteristic: `cmc[k - 1]` is the share found among the k best.

    Parameters and errors are those of `ranks`; returns float64 (n_subjects,).

    Notes
    -----
    Closed-set identification of the FERET evaluation (Phillips et al., PAMI 22(10), 2000).
    """
    rank = ranks(scores, labels)
    return np.array([(rank <= k).mean() for k in range(1, scores.shape[1] + 1)])


def genuine_and_impostor(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores against the own person, (n,), and against all others, (n * (n_subjects - 1),)."""
    own = np.arange(scores.shape[1])[None, :] == labels[:, None]
    return scores[own], scores[~own]


def _roc(
    genuine: np.ndarray, impostor: np.ndarray, corners_only: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """False and true accept rates, from "accept nobody" to "accept all"."""
    if not len(genuine) or not len(impostor):
        raise ParameterError(
            "verification needs genuine and impostor scores",
            got=f"{len(genuine)} and {len(impostor)}",
        )
    truth = np.r_[np.ones(len(genuine), int), np.zeros(len(impostor), int)]
    far, tar, _ = roc_curve(truth, np.r_[genuine, impostor], drop_intermediate=corners_only)
    return far, tar


def det(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Detection error trade-off: false accept and false reject rates at every threshold.

    Parameters
    ----------
    genuine, impostor : float arrays, shapes (n_genuine,) and (n_impostor,)

    Returns
    -------
    far, frr : float64 arrays, shape (n_corners,)
        From "accept nobody" (0, 1) to "accept all" (1, 0); points on a straight line between two
        others are left out.

    Notes
    -----
    Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997;
    drawn on normal deviates, as there, two normal distributions make a straight line.

    Raises
    ------
    ParameterError
        No genuine or no impostor score.
    """
    far, tar = _roc(genuine, impostor, corners_only=True)
    return far, 1 - tar


def eer(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Equal error rate: where false accepts meet false rejects, straight between thresholds."""
    far, tar = _roc(genuine, impostor)
    gap = far - (1 - tar)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def tar_at_far(genuine: np.ndarray, impostor: np.ndarray, far: float) -> float:
    """True accept rate at the loosest threshold that lets in at most `far` of the impostors.

    A `far` finer than 1 / n_impostor lets in none.
    """
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

    Notes
    -----
    Open-set identification of Phillips, Grother and Micheals, "Evaluation methods in face
    recognition" (Handbook of Face Recognition, 2nd edition, 2011, section 21.2.1), at rank 1.

    Raises
    ------
    ParameterError
        No probe of a known, or none of an unknown person.
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
