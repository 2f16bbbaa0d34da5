"""How alike the features of two networks are: CKA, lengths, correlation.

`x` and `y` are float (n, ...), features of the same n clips; all but the first axis is flattened.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from radarid.errors import ParameterError

_COLUMNS = 8192


def linear_cka(x: np.ndarray, y: np.ndarray, debiased: bool = False) -> float:
    """Linear centred kernel alignment of two sets of features.

    Parameters
    ----------
    x, y : float arrays, shapes (n, d_x) and (n, d_y), or maps
    debiased : with the unbiased estimate of HSIC, about 0 for features that have nothing in
        common, however long they are; may be negative. The usual, biased one nears 1 for any
        features much longer than n

    Returns
    -------
    float
        1 for features that are alike but for a rotation and a scale; NaN where one of them is the
        same for all clips.

    Notes
    -----
    Kornblith et al., "Similarity of neural network representations revisited", ICML 2019,
    section 3: with centred Gram matrices K and L, `<K, L> / (|K| |L|)`. Unbiased: Song et al.,
    JMLR 13, 2012, section 2.2, as used for CKA by Nguyen, Raghu and Kornblith, ICLR 2021.

    Raises
    ------
    ParameterError
        Different numbers of clips, or fewer than 4.
    """
    _check(x, y, least=4)
    if any((each == each[:1]).all() for each in (x, y)):
        return float("nan")
    first, second = _gram(x), _gram(y)
    product = _unbiased if debiased else _inner
    norms = product(first, first) * product(second, second)
    if not norms > 0:
        return float("nan")
    return float(product(first, second) / np.sqrt(norms))


def _gram(values: np.ndarray) -> np.ndarray:
    """Inner products of the rows after each column was centred, float64 (n, n)."""
    flat = values.reshape(len(values), -1)
    total = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], _COLUMNS):
        piece = flat[:, start : start + _COLUMNS].astype(np.float64)
        piece -= piece.mean(0)
        total += piece @ piece.T
    return total


def _inner(first: np.ndarray, second: np.ndarray) -> float:
    return float((first * second).sum())


def _unbiased(first: np.ndarray, second: np.ndarray) -> float:
    """HSIC of two Gram matrices without bias, times n (n - 3)."""
    n = len(first)
    a, b = (each - np.diag(np.diag(each)) for each in (first, second))
    across = a.sum() * b.sum() / ((n - 1) * (n - 2))
    return float((a * b).sum() + across - 2 / (n - 2) * a.sum(0) @ b.sum(0))


def norm_test(x: np.ndarray, y: np.ndarray, alpha: float = 0.01) -> dict[str, Any]:
    """Two-sample t-test of whether features of two networks are equally long.

    Parameters
    ----------
    x, y : float arrays, shape (n, ...)
    alpha : chance of seeing a difference where there is none

    Returns
    -------
    dict
        `mean_x`, `mean_y`, `t`, `n_free` (degrees of freedom), `p` (two-sided), `critical`,
        `differ` (|t| above it), and `critical_one_tail`.

    Notes
    -----
    F-SKD (arXiv 2303.04681), section 4: `t = (mean_x - mean_y) / sqrt((s_x^2 + s_y^2) / n)`. Its
    null hypothesis has two sides, so `alpha / 2` lies beyond the critical value; the paper puts
    all of `alpha` on one, which is `critical_one_tail`. The test takes clips as independent, which
    overlapping clips of one walk are not.

    Raises
    ------
    ParameterError
        Different numbers of clips, fewer than 2, or features of one and the same length.
    """
    _check(x, y, least=2)
    lengths = [
        np.linalg.norm(each.reshape(len(each), -1).astype(np.float64), axis=1) for each in (x, y)
    ]
    n, means = len(x), [float(each.mean()) for each in lengths]
    spread = sum(each.var(ddof=1) for each in lengths)
    if not spread > 0:
        raise ParameterError(
            "features of constant length cannot be tested", got=f"{means[0]:.4g} and {means[1]:.4g}"
        )
    t, n_free = float((means[0] - means[1]) / np.sqrt(spread / n)), 2 * n - 2
    critical = float(stats.t.ppf(1 - alpha / 2, n_free))
    return {
        "mean_x": means[0], "mean_y": means[1], "t": t, "n_free": n_free,
        "p": float(2 * stats.t.sf(abs(t), n_free)),
        "critical": critical, "differ": abs(t) > critical,
        "critical_one_tail": float(stats.t.ppf(1 - alpha, n_free)),
    }  # fmt: skip


def pearson(x: np.ndarray, y: np.ndarray, over: str = "all") -> float:
    """Correlation of the elements of features of one shape.

    Parameters
    ----------
    x, y : float arrays of one shape (n, ...)
    over : "all" takes all elements of all clips as one sample, and so also sees that some
        elements are always larger than others; "clips" takes each element over the clips, and is
        the mean over the elements that vary

    Returns
    -------
    float
        In [-1, 1]; NaN where nothing varies.

    Notes
    -----
    F-SKD (arXiv 2303.04681), section 4, which claims r > 0.6 in all blocks and does not say over
    what.

    Raises
    ------
    ParameterError
        Features of different shapes, or another `over`.
    """
    if x.shape != y.shape or over not in ("all", "clips"):
        raise ParameterError(
            "correlation needs features of one shape, over 'all' or 'clips'",
            got=f"{x.shape} and {y.shape}, over {over!r}",
        )
    _check(x, y, least=2)
    axis = None if over == "all" else 0
    a, b = (each.reshape(len(each), -1).astype(np.float64) for each in (x, y))
    varies = np.atleast_1d((np.ptp(a, axis) > 0) & (np.ptp(b, axis) > 0))
    a, b = a - a.mean(axis), b - b.mean(axis)
    products = np.atleast_1d((a * b).sum(axis))[varies]
    norms = np.atleast_1d(np.sqrt((a * a).sum(axis) * (b * b).sum(axis)))[varies]
    return float(np.mean(products / norms)) if varies.any() else float("nan")


def _check(x: np.ndarray, y: np.ndarray, least: int) -> None:
    if len(x) != len(y) or len(x) < least:
        raise ParameterError(
            "features of the same clips are compared", got=f"{len(x)} and {len(y)} clips",
            expected=f"{least} at least",
        )
