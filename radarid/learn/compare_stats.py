"""How sure one may be that one method is better than another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

from radarid import seeding
from radarid.learn.bootstrap import mean_interval
from radarid.learn.probes import read_predictions

SCORES = {
    "accuracy": ("clips", "accuracy"),
    "macro_recall": ("clips", "macro_recall"),
    "macro_f1": ("clips", "macro_f1"),
    "walk_accuracy": ("walks", "accuracy"),
    "walk_macro_recall": ("walks", "macro_recall"),
    "worst_recall": ("worst_subject", "recall"),
    "rank_1": ("retrieval", "rank_1"),
    "rank_5": ("retrieval", "rank_5"),
    "eer": ("retrieval", "eer"),
    "calibration_error": ("clips", "calibration_error"),
}
"""Name in the comparison -> place in evaluation.json."""
_N_BLOCKS, _N_BLOCK = 20, 500
_N_EXACT = 14


def scores_of(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Scores over the seeds of one method: values, mean, and sample deviation.

    Parameters
    ----------
    evaluations : evaluation.json of each seed; scores that they do not have (nobody who is
        enrolled after the training can be classified) are left out

    Returns
    -------
    dict
        A key of `SCORES` -> `values`, `mean`, and `std`, which is None for a single seed.
    """
    return {
        name: spread([float(each[part][key]) for each in evaluations])
        for name, (part, key) in SCORES.items() if part in evaluations[0]
    }  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Values, their mean, and their sample deviation (n - 1), None for one value."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"values": list(values), "mean": float(np.mean(values)), "std": std}


def pairs(runs: Mapping[str, Sequence[Path]]) -> list[dict[str, Any]]:
    """Test every two methods against each other, clip by clip and seed by seed.

    Parameters
    ----------
    runs : method -> evaluated runs, the same seeds in the same order for all

    Returns
    -------
    list of dict
        `first`, `second`, and of the accuracy on clips, first minus second:
        `difference`; `interval`, 95 %; `p_walks`; `p_walks_holm`; `p_seeds` (None for one seed).

    Notes
    -----
    Clips of a walk resemble each other, so the walk is the unit. Three answers:

    * `p_walks`: if two methods were equally good, their decisions on a walk could be exchanged.
      The share of such exchanges, over all walks, that come to a difference at least as large
      (Edgington, "Randomization tests", paired; seeds averaged before). For one clip a walk and
      one seed this is McNemar's exact test. `p_walks_holm` is corrected for the number of pairs
      (Holm, Scand. J. Statist. 6, 1979).
    * `interval`: walks are drawn with replacement (percentiles), the same for both methods.
    * `p_seeds`: paired t-test over the seeds: whether it was luck in initial weights and order.
      Few seeds see large differences only. Wilcoxon's test could never fall below 0.25 with
      three seeds, so it is not used.
    """
    right = {name: _right(paths) for name, paths in runs.items()}
    found = []
    for first, second in itertools.combinations(runs, 2):
        (one, walks), (two, _) = right[first], right[second]
        found.append({"first": first, "second": second} | paired(one - two, walks))
    corrected = holm([pair["p_walks"] for pair in found])
    return [pair | {"p_walks_holm": p} for pair, p in zip(found, corrected, strict=True)]


def _right(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each clip is right, float64 (n_seeds, n_clips), and its walk, (n_clips,)."""
    probes = [read_predictions(path)[0] for path in paths]
    right = np.array([each.scores.argmax(1) == each.labels for each in probes], float)
    return right, probes[0].groups


def paired(difference: np.ndarray, walks: np.ndarray) -> dict[str, Any]:
    """Difference of two methods, its interval, and two tests of it; see `pairs`.

    Parameters
    ----------
    difference : float array, shape (n_seeds, n_clips), of being right: -1, 0 or 1
    walks : int array, shape (n_clips,)
    """
    _, place = np.unique(walks, return_inverse=True)
    mean = difference.mean(0)
    return {
        "difference": float(mean.mean()),
        "interval": list(mean_interval(mean, walks)),
        "p_walks": sign_flips(np.bincount(place, weights=mean)),
        "p_seeds": _over_seeds(difference.mean(1)),
    }


def sign_flips(sums: np.ndarray) -> float:
    """Share of all changes of sign whose sum is at least as far from 0 as this one.

    Parameters
    ----------
    sums : float array, shape (n_walks,), difference of two methods, summed over the clips

    Returns
    -------
    float
        Exact for up to 14 walks with a difference, else from 10,000 draws.
    """
    sums = sums[sums != 0]
    least = abs(sums.sum()) - 1e-9
    if len(sums) <= _N_EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=len(sums))), float)
        return float(np.mean(abs(signs @ sums) >= least))
    chance = seeding.rng(0, "sign flips")
    n_far = sum(
        int(np.sum(abs((2.0 * chance.integers(0, 2, (_N_BLOCK, len(sums))) - 1) @ sums) >= least))
        for _ in range(_N_BLOCKS)
    )
    return (n_far + 1) / (_N_BLOCKS * _N_BLOCK + 1)


def _over_seeds(differences: np.ndarray) -> float | None:
    """Paired t-test; None where differences of the seeds do not differ, or there is one."""
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    return float(ttest_rel(differences, np.zeros_like(differences)).pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p values for their number."""
    order = np.argsort(values, kind="stable")
    n, corrected, largest = len(values), [0.0] * len(values), 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (n - rank) * values[k]))
        corrected[k] = largest
    return corrected
