"""Numba kernels of the range track: one step of the recursion, and the way back along the path.

They never raise: `gating.RangeTrack` validates. No fast-math flags: the same bits everywhere.
Loops instead of array expressions: they compile in a fraction of the time.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_LEAST_ENERGY = 1e-12
_kernel = njit(cache=True, nogil=True)


@_kernel
def _quantile(values: np.ndarray, fraction: float, scratch: np.ndarray) -> float:
    """Quantile with linear interpolation, by partial selection (Hoare's FIND)."""
    n = values.shape[0]
    place = fraction * (n - 1)
    k = int(place)
    for i in range(n):
        scratch[i] = values[i]
    first, last = 0, n - 1
    while first < last:
        middle = (first + last) // 2
        pivot = scratch[middle]
        scratch[middle], scratch[last] = scratch[last], pivot
        border = first
        for i in range(first, last):
            if scratch[i] < pivot:
                scratch[i], scratch[border] = scratch[border], scratch[i]
                border += 1
        scratch[last], scratch[border] = scratch[border], pivot
        if border == k:
            break
        if border < k:
            first = border + 1
        else:
            last = border - 1
    below = scratch[k]
    if k + 1 == n:
        return below
    above = scratch[k + 1]
    for i in range(k + 2, n):
        above = min(above, scratch[i])
    return below + (place - k) * (above - below)


@_kernel
def level_over_noise(
    energy: np.ndarray, noise_fraction: float, scratch: np.ndarray, level: np.ndarray
) -> None:
    """Set level[b] to energy[b] over the step's own noise quantile, dB; all of shape (n_bins,)."""
    noise = max(_quantile(energy, noise_fraction, scratch), _LEAST_ENERGY)
    for b in range(energy.shape[0]):
        level[b] = 10 * math.log10(max(energy[b], _LEAST_ENERGY) / noise)


@_kernel
def advance(
    level: np.ndarray,
    costs: tuple[float, float, float],
    reach: int,
    score: np.ndarray,
    best: np.ndarray,
    came_from: np.ndarray,
) -> None:
    """One step of the recursion: best score of a path to every bin, and where it came from.

    `costs` are the ceiling of a level, the price of a bin moved and that of a jump, dB.
    """
    ceiling, step_cost, jump_cost = costs
    n = score.shape[0]
    leader = int(np.argmax(score))
    jumped = score[leader] - jump_cost
    for b in range(n):
        best[b], came_from[b] = jumped, leader
        for a in range(max(0, b - reach), min(n, b + reach + 1)):
            option = score[a] - step_cost * abs(a - b)
            if option > best[b]:
                best[b], came_from[b] = option, a
        best[b] += min(max(level[b], 0.0), ceiling)
    top = best[np.argmax(best)]
    for b in range(n):
        score[b] = best[b] - top


@_kernel
def decide(
    score: np.ndarray,
    came_from: np.ndarray,
    energy: np.ndarray,
    oldest: int,
    n_waiting: int,
    range_m: np.ndarray,
) -> tuple[int, float]:
    """Bin of the best path at the oldest waiting step, and the centroid of the energy there.

    `came_from` and `energy` are rings, (n_ring, n_bins).
    """
    n_ring, n_bins = energy.shape
    at = int(np.argmax(score))
    for back in range(n_waiting - 1, 0, -1):
        at = int(came_from[(oldest + back) % n_ring, at])
    total = moment = 0.0
    for b in range(max(0, at - 1), min(n_bins, at + 2)):
        total += energy[oldest, b]
        moment += energy[oldest, b] * range_m[b]
    return at, moment / total if total > 0 else float(range_m[at])
