"""Numba kernels of the range track: one step of the recursion, and the way back along the path.

State `v * n_bins + b` means: at bin b, at the speed number v of all; the last state is "nobody is
there". The kernels never raise: `gating.RangeTrack` validates. No fast-math flags: the same bits
everywhere. Loops instead of array expressions compile in a fraction of the time.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NOISE_QUANTILE = 0.25  # a walker and its sidelobes fill fewer than three quarters of the bins
CLEAR_DB = 8.0  # more than this is no clearer: of two people neither is the likelier walker ...
WEAKER_SHARE, WEAKER_SPAN_DB = 0.3, 20.0  # ... but something much weaker than another is
NOBODY_DB = 3.0  # the level at which a step speaks neither for a walker nor against one

LEAST_ENERGY = 1e-12
_kernel = njit(cache=True)
_part = njit(inline="always")


@_kernel
def level_over_noise(energy: np.ndarray, noise: float, level: np.ndarray) -> None:
    """Set level[b] to energy[b] over the noise, dB; both of shape (n_bins,)."""
    for b in range(energy.shape[0]):
        level[b] = 10 * math.log10(max(energy[b], LEAST_ENERGY) / noise)


@_kernel
def weigh(level: np.ndarray, spreading_db: np.ndarray, evidence: np.ndarray) -> None:
    """What each bin's level says for a walker there (negative: against one), dB.

    `spreading_db` undoes half of an echo's loss with range, so that the nearer of two people is
    not much the stronger; to undo all of it would favour ghosts, which lie behind their walker.
    """
    strongest = -np.inf
    for b in range(level.shape[0]):
        if level[b] >= CLEAR_DB:
            strongest = max(strongest, level[b] + spreading_db[b])
    for b in range(level.shape[0]):
        weaker = min(max(strongest - level[b] - spreading_db[b], 0.0), WEAKER_SPAN_DB)
        clear = min(max(level[b], 0.0), CLEAR_DB)
        evidence[b] = clear * (1 - WEAKER_SHARE * weaker / WEAKER_SPAN_DB) - NOBODY_DB


@_part
def _highest(score: np.ndarray, n: int) -> int:
    """Index of the highest of the first n scores, the first of equals."""
    highest = 0
    for state in range(1, n):
        if score[state] > score[highest]:
            highest = state
    return highest


@_part
def _inherit(came_from: np.ndarray, n_bins: int, anchor: np.ndarray, scratch: np.ndarray) -> None:
    """Every state takes over its predecessor's anchor; who has just entered is a stranger."""
    nobody = came_from.shape[0] - 1
    for state in range(nobody):
        before = came_from[state]
        scratch[state] = anchor[before] if before != nobody else -1 - state % n_bins
    for state in range(nobody):
        anchor[state] = scratch[state]


@_kernel
def advance(
    evidence: np.ndarray,
    speeds: np.ndarray,
    n_before: int,
    enter_cost: np.ndarray,
    costs: tuple[np.float32, np.float32, np.float32],
    score: np.ndarray,
    came_from: np.ndarray,
    new: np.ndarray,
    best: np.ndarray,
    source: np.ndarray,
    anchor: np.ndarray,
    taken: np.ndarray,
) -> None:
    """One step: the score of the best path to every state, and the state before on that path.

    `speeds` are in bins per step; what a step of whole bins leaves of them, a later one makes up.
    Costs of entering at each speed, and of leaving, the next speed, and slipping by a bin, dB.
    `new` is scratch like `score`, `best` and `source` are scratch of shape (n_bins,). `anchor` goes
    along with the paths (see `commit`); `taken` is scratch like it.
    """
    leave_cost, speed_cost, slip_cost = costs
    n, nobody = evidence.shape[0], score.shape[0] - 1
    leader = _highest(score, nobody)
    new[nobody], came_from[nobody] = score[nobody], nobody
    if score[leader] - leave_cost > new[nobody]:
        new[nobody], came_from[nobody] = score[leader] - leave_cost, leader
    for speed in range(speeds.shape[0]):
        row = speed * n
        slower, faster = max(speed - 1, 0) * n, min(speed + 1, speeds.shape[0] - 1) * n
        for b in range(n):
            top, at = score[row + b], row + b
            if score[slower + b] - speed_cost > top:
                top, at = score[slower + b] - speed_cost, slower + b
            if score[faster + b] - speed_cost > top:
                top, at = score[faster + b] - speed_cost, faster + b
            best[b], source[b] = top, at
        entered = new[nobody] - enter_cost[speed]
        ahead = round(speeds[speed] * (n_before + 1)) - round(speeds[speed] * n_before)
        for b in range(n):
            top, at = entered, nobody
            for slip in (0, -1, 1):
                before = b - ahead - slip
                cost = slip_cost if slip != 0 else np.float32(0)
                if 0 <= before < n and best[before] - cost > top:
                    top, at = best[before] - cost, source[before]
            new[row + b], came_from[row + b] = top + evidence[b], at
    top = new[_highest(new, nobody + 1)]
    for state in range(nobody + 1):
        score[state] = new[state] - top
    _inherit(came_from, n, anchor, taken)


@_kernel
def commit(
    evidence: np.ndarray,
    apart_bins: float,
    cost: np.float32,
    score: np.ndarray,
    anchor: np.ndarray,
) -> None:
    """Make paths that were elsewhere than the leader pay, once, as if they had just entered.

    `anchor` is where each state's path was at the last commitment: b on the walker's own path,
    -1 - b on a stranger's, who has paid.
    """
    n, nobody = evidence.shape[0], score.shape[0] - 1
    leader = _highest(score, nobody)
    if score[leader] > score[nobody] and evidence[leader % n] > 0:
        owned = anchor[leader] >= 0
        center = anchor[leader] if owned else -1 - anchor[leader]
        price = score[leader] - cost
        for state in range(nobody):
            own = anchor[state] >= 0
            near = abs((anchor[state] if own else -1 - anchor[state]) - center) <= apart_bins
            if near and (own or not owned):
                anchor[state] = 0
            else:
                if own or not owned:
                    score[state] = min(score[state], price)
                anchor[state] = -1
    for state in range(nobody):
        anchor[state] = state % n if anchor[state] >= 0 else -1 - state % n


@_kernel
def decide(
    score: np.ndarray, came_from: np.ndarray, n_bins: int, oldest: int, n_waiting: int
) -> int:
    """Bin of the best path at the oldest of the waiting steps; -1 for nobody.

    `came_from` is a ring of steps, (n_ring, n_states).
    """
    nobody = score.shape[0] - 1
    at = _highest(score, nobody + 1)
    for back in range(n_waiting - 1, 0, -1):
        at = int(came_from[(oldest + back) % came_from.shape[0], at])
    return at % n_bins if at != nobody else -1
