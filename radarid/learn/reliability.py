"""How far probabilities can be believed, and the temperature that makes them believable.

`probability` is float (n, n_subjects) with rows that sum to 1, `labels` int (n,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax

from radarid.errors import ParameterError

N_BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Coldest and hottest; where every clip is right the likelihood asks for absolute zero."""


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins `(k / n_bins, (k + 1) / n_bins]` of confidence.

    Parameters
    ----------
    n : int64 array, shape (n_bins,), samples in each bin
    confidence, accuracy : float64 arrays, shape (n_bins,), means over them; 0 in an empty bin
    """

    n: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: the gap between the two, averaged over the samples."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.n * gaps).sum() / self.n.sum())


def reliability(
    probability: np.ndarray, labels: np.ndarray, n_bins: int = N_BINS
) -> Reliability:
    """Sort samples into bins of confidence.

    Notes
    -----
    Guo et al., "On calibration of modern neural networks", ICML 2017, Eq. 2 and 3 (ECE), with
    its 15 bins.

    Raises
    ------
    ParameterError
        No sample, or one without a label.
    """
    _check(probability, labels)
    confidence, right = probability.max(1), probability.argmax(1) == labels
    place = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, weights=w, minlength=n_bins) for w in (confidence, right)]
    return Reliability(n, *(total / np.maximum(n, 1) for total in sums))


def expected_calibration_error(
    probability: np.ndarray, labels: np.ndarray, n_bins: int = N_BINS
) -> float:
    """Mean gap between confidence and accuracy, see `reliability`."""
    return reliability(probability, labels, n_bins).calibration_error


def brier(probability: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance between the probabilities and the one-hot truth, in [0, 2].

    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review
    78(1), 1950, Eq. 2.
    """
    _check(probability, labels)
    truth = np.eye(probability.shape[1])[labels]
    return float(np.mean(np.sum((probability - truth) ** 2, axis=1)))


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of `-log softmax(logits)[label]`, nats."""
    _check(logits, labels)
    own = logits[np.arange(len(labels)), labels]
    return float(np.mean(logsumexp(logits, axis=1) - own))


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of `logits / temperature`, float64, shape (n, n_subjects)."""
    return np.asarray(softmax(logits.astype(np.float64) / temperature, axis=1))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Temperature that makes clips it is fitted to most likely.

    Parameters
    ----------
    logits : float array, shape (n, n_subjects), of clips the network was not trained on
    labels : int array, shape (n,)

    Returns
    -------
    float
        Within `TEMPERATURES`; above 1 the network was too sure of itself. One number for all
        classes, so no decision changes.

    Notes
    -----
    Guo et al. 2017, section 4.2. In b = 1 / T the mean negative log-likelihood is convex, and its
    derivative, `mean(sum_k p_k z_k - z_label)`, rises; where it crosses 0 is the answer.

    Raises
    ------
    ParameterError
        No clip, or one without a label.
    """
    _check(logits, labels)
    values = logits.astype(np.float64)
    own = values[np.arange(len(labels)), labels]

    def slope(log_temperature: float) -> float:
        expected = probabilities(values, np.exp(log_temperature)) * values
        return float(np.mean(expected.sum(1) - own))

    cold, hot = np.log(TEMPERATURES)
    if slope(0.0) == 0:
        return 1.0
    if slope(cold) <= 0:
        return TEMPERATURES[0]
    if slope(hot) >= 0:
        return TEMPERATURES[1]
    return float(np.exp(brentq(slope, cold, hot)))


def _check(rows: np.ndarray, labels: np.ndarray) -> None:
    """Refuse no sample, and labels that are no column."""
    if not len(labels) or len(rows) != len(labels):
        raise ParameterError(
            "as many labels as rows are needed, and one at least",
            got=f"{len(labels)} labels, {len(rows)} rows",
        )
    if labels.min() < 0 or labels.max() >= rows.shape[1]:
        raise ParameterError(
            "a label has no probability", got=f"labels {labels.min()} to {labels.max()}",
            expected=f"0 to {rows.shape[1] - 1}",
        )
