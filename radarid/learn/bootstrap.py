"""Intervals of a score by drawing whole captured walks, since clips of one walk are alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from radarid import seeding
from radarid.errors import ParameterError

N_DRAWS = 1000


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float],
    groups: np.ndarray,
    rng: np.random.Generator | None = None,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
) -> tuple[float, float]:
    """Interval of a statistic when whole captured walks are drawn with replacement.

    Parameters
    ----------
    statistic : of the rows drawn, int64 array (n_drawn,); a row may come several times
    groups : int array, shape (n,), the walk of each row; rows of one walk stay together
    rng : where chance comes from; None for the same chance every time
    n_draws : resamplings
    level : share of them inside the interval

    Returns
    -------
    low, high : float

    Notes
    -----
    Percentile method of the cluster bootstrap: Efron and Tibshirani, "An introduction to the
    bootstrap", 1993, section 13.3, with walks as the units that are independent.

    Raises
    ------
    ParameterError
        No row.
    """
    if not len(groups):
        raise ParameterError("nothing to draw from", where="bootstrap", got="no walk")
    rng = rng or seeding.rng(0, "bootstrap")
    _, place = np.unique(groups, return_inverse=True)
    counts = np.bincount(place)
    rows_of = np.split(np.argsort(place, kind="stable"), np.cumsum(counts)[:-1])
    draws = rng.integers(len(counts), size=(n_draws, len(counts)))
    values = [statistic(np.concatenate([rows_of[k] for k in drawn])) for drawn in draws]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(
    values: np.ndarray, groups: np.ndarray, rng: np.random.Generator | None = None
) -> tuple[float, float]:
    """95 % interval of the mean of `values`, float (n,), see `bootstrap_interval`."""
    return bootstrap_interval(lambda rows: float(values[rows].mean()), groups, rng)


def exact_interval(right: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval of the chance of being right, from independent trials.

    Where all trials are right a bootstrap can only say "100 % to 100 %"; this does not.

    Parameters
    ----------
    right : bool array, shape (n,), n > 0
    level : chance that it covers the truth, at least

    Notes
    -----
    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26(4), 1934.
    """
    found = stats.binomtest(int(right.sum()), len(right)).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)
