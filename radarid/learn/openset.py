"""Known or unknown: scores of walks, and a threshold on them that is set on validation walks.

The score of a walk is its highest logit, averaged over clips before a softmax could hide how large
it is (Hendrycks et al., "Scaling out-of-distribution detection", ICML 2022: the maximum logit).
People who were not trained on are compared by templates, mean directions of their embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radarid.errors import ParameterError


@dataclass(frozen=True)
class Identification:
    """Who walked.

    Parameters
    ----------
    subject : name, or None for somebody unknown
    score : logit of the best person, mean over the clips
    second : the same of the second best
    best : name of the best person, also when refused
    """

    subject: str | None
    score: float
    second: float
    best: str

    @property
    def margin(self) -> float:
        """How much better the best is than the second."""
        return self.score - self.second


@dataclass(frozen=True)
class Calibration:
    """A threshold and how it did where it was set.

    Parameters
    ----------
    threshold : scores at or above it are accepted
    false_accept_rate : share of the strange walks it was set on that it accepts
    false_reject_rate : share of the known walks that it refuses
    n_known, n_strangers : known and strange walks that it was set on
    """

    threshold: float
    false_accept_rate: float
    false_reject_rate: float
    n_known: int
    n_strangers: int


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (a row of zeros stays)."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12))


def templates(embeddings: np.ndarray, labels: np.ndarray, n_subjects: int) -> np.ndarray:
    """Mean direction of each person's clips, float32 (n_subjects, d), rows of length 1.

    Parameters
    ----------
    embeddings : float array, shape (n, d)
    labels : int array, shape (n,), with every value of 0 .. n_subjects - 1

    Raises
    ------
    ParameterError
        Somebody has no clip.
    """
    missing = set(range(n_subjects)) - set(labels.tolist())
    if missing:
        raise ParameterError("nobody can be enrolled without a clip", got=f"labels {missing}")
    directions = unit(embeddings)
    means = [directions[labels == label].mean(0) for label in range(n_subjects)]
    return unit(np.stack(means)).astype(np.float32)


def walk_means(values: np.ndarray, captures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over each capture's clips.

    Parameters
    ----------
    values : float array, shape (n, d), of clips: embeddings or logits
    captures : int array, shape (n,)

    Returns
    -------
    means : float64 array, shape (n_captures, d)
    first : int array, shape (n_captures,), a clip of each capture
    """
    _, first, place = np.unique(captures, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), values.shape[1]))
    np.add.at(sums, place, values)
    return sums / np.bincount(place)[:, None], first


def scores(embeddings: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Cosine similarity of embeddings (n, d) to templates (n_subjects, d): (n, n_subjects)."""
    return np.asarray(unit(embeddings) @ unit(people).T)


def pseudo_strangers(walk_scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Best scores of known walks when their own person is left out, shape (n_walks,).

    They stand for strangers where there are no outsiders. That is optimistic: the student was
    trained to push these very people apart, which real strangers were not.
    """
    own = np.arange(walk_scores.shape[1])[None, :] == labels[:, None]
    return np.asarray(np.where(own, -np.inf, walk_scores).max(1))


def calibrate(
    genuine: np.ndarray, strangers: np.ndarray, false_accept_rate: float | None = None
) -> Calibration:
    """Set the threshold between known and unknown people.

    Parameters
    ----------
    genuine : float array, shape (n_walks,), scores of validation walks as their own person
    strangers : float array, shape (n_strangers,), best scores of walks of people who are not
        known: outsiders, who are in no other part of the split, or `pseudo_strangers`
    false_accept_rate : the lowest threshold that keeps to it; None for the threshold at which
        false accepts and false rejects are nearest to each other

    Notes
    -----
    Candidates lie halfway between neighbouring scores, so where the two kinds do not overlap the
    threshold is in the middle of the gap.

    Raises
    ------
    ParameterError
        No walk of either kind.
    """
    if not len(genuine) or not np.isfinite(strangers).any():
        raise ParameterError(
            "a threshold needs known walks, and strange ones or a second person",
            got=f"{len(genuine)} known and {len(strangers)} strange walks",
        )
    values = np.unique(np.r_[genuine, strangers])
    candidates = np.r_[values[0], (values[1:] + values[:-1]) / 2, np.nextafter(values[-1], np.inf)]
    far = (strangers[None, :] >= candidates[:, None]).mean(1)
    frr = (genuine[None, :] < candidates[:, None]).mean(1)
    if false_accept_rate is None:
        k = int(np.lexsort((far + frr, np.abs(far - frr)))[0])
    else:
        k = int(np.argmax(far <= false_accept_rate))
    return Calibration(
        float(candidates[k]), float(far[k]), float(frr[k]), len(genuine), len(strangers)
    )


def identify(row: np.ndarray, subjects: tuple[str, ...], threshold: float) -> Identification:
    """Decide on one walk.

    Parameters
    ----------
    row : float array, shape (n_subjects,), its scores
    subjects : names
    threshold : scores below are refused
    """
    second, best = np.argsort(row)[-2:]
    accepted = row[best] >= threshold
    return Identification(
        subject=subjects[best] if accepted else None,
        score=float(row[best]), second=float(row[second]), best=subjects[best],
    )  # fmt: skip
