"""Numba kernels of the range track: steps of the recursion, and the way back along the path.

State `v * n_bins + b` means: at bin b, at the speed number v of all; the last state is "nobody is
there". The kernels never raise: `gating.RangeTrack` validates. No fast-math flags: the same bits
everywhere. Loops instead of array expressions compile in a fraction of the time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_kernel = njit(cache=True, nogil=True)
_part = njit(inline="always")


@njit(nogil=True)
def _highest(score: np.ndarray, n: int) -> int:
    """Index of the highest of the first n scores, the first of equals."""
    highest = 0
    for state in range(1, n):
        if score[state] > score[highest]:
            highest = state
    return highest


@_part
def _inherit(
    came_from: np.ndarray, row: int, n_bins: int, anchor: np.ndarray, scratch: np.ndarray
) -> None:
    """Every state takes over its predecessor's anchor; who has just entered is a stranger."""
    nobody = anchor.shape[0]
    for state in range(nobody):
        before = came_from[row, state]
        scratch[state] = anchor[before] if before != nobody else -1 - state % n_bins
    for state in range(nobody):
        anchor[state] = scratch[state]


@_part
def _advance(
    evidence: np.ndarray, k: int, speeds: np.ndarray, n_before: int, enter_cost: np.ndarray,
    costs: tuple[np.float32, np.float32, np.float32], score: np.ndarray, came_from: np.ndarray,
    row: int, new: np.ndarray, best: np.ndarray, source: np.ndarray,
) -> None:  # fmt: skip
    """One step: the score of the best path to every state, and the state before on that path."""
    leave_cost, speed_cost, slip_cost = costs
    n, nobody = evidence.shape[1], score.shape[0] - 1
    leader = _highest(score, nobody)
    new[nobody], came_from[row, nobody] = score[nobody], nobody
    if score[leader] - leave_cost > new[nobody]:
        new[nobody], came_from[row, nobody] = score[leader] - leave_cost, leader
    for speed in range(speeds.shape[0]):
        own = speed * n
        slower, faster = max(speed - 1, 0) * n, min(speed + 1, speeds.shape[0] - 1) * n
        for b in range(n):
            top, at = score[own + b], own + b
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
            new[own + b], came_from[row, own + b] = top + evidence[k, b], at
    top = new[_highest(new, nobody + 1)]
    for state in range(nobody + 1):
        score[state] = new[state] - top


@_part
def _commit(
    evidence: np.ndarray, k: int, apart_bins: float, cost: np.float32, score: np.ndarray,
    anchor: np.ndarray,
) -> None:  # fmt: skip
    """Make paths that were elsewhere than the leader pay, once, as if they had just entered."""
    n, nobody = evidence.shape[1], score.shape[0] - 1
    leader = _highest(score, nobody)
    if score[leader] > score[nobody] and evidence[k, leader % n] > 0:
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


@_part
def _trace(score: np.ndarray, came_from: np.ndarray, n_steps: int, n_waiting: int) -> int:
    """State of the best path at the oldest of the waiting steps."""
    at = _highest(score, score.shape[0])
    for step in range(n_steps - 1, n_steps - n_waiting, -1):
        at = came_from[step % came_from.shape[0], at]
    return at


@_kernel
def follow(
    evidence: np.ndarray,
    speeds: np.ndarray,
    enter_cost: np.ndarray,
    costs: tuple[np.float32, np.float32, np.float32],
    apart_bins: float,
    n_kept: int,
    state: np.ndarray,
    paths: tuple[np.ndarray, np.ndarray, np.ndarray],
    scratch: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    bins: np.ndarray,
) -> int:
    """Take the steps of `evidence` (n_new, n_bins); decide until n_kept of all are waiting.

    `speeds` are in bins per step; what a step of whole bins leaves of them, a later one makes up.
    Costs, dB, are those of entering at each speed, and of leaving, the next speed, and slipping by
    a bin. `state` counts all steps and the waiting ones, and has the last walker's bin.

    `paths`: the score of the best path to each state (n_states,); the place of each on that path
    at the last commitment, b on the walker's own path, -1 - b on a stranger's, who has paid
    (n_states - 1,); and the states before, a ring of steps (lag + 1, n_states). Strangers pay every
    lag steps. `scratch` is (n_states,), twice (n_bins,), and (n_states - 1,).

    bins[k] is the bin decided for the k-th of the waiting steps, -1 - the last walker's if nobody
    is there; how many were decided is returned.
    """
    (score, anchor, came_from), (new, best, source, taken) = paths, scratch
    n_steps, n_waiting, last = state
    n_bins, n_ring, k, n_decided = evidence.shape[1], came_from.shape[0], 0, 0
    price = enter_cost[enter_cost.shape[0] // 2] + costs[0]
    while k < evidence.shape[0] or n_waiting > n_kept:
        if k < evidence.shape[0]:
            row = n_steps % n_ring
            _advance(evidence, k, speeds, n_steps, enter_cost, costs, score, came_from, row, new,
                     best, source)  # fmt: skip
            _inherit(came_from, row, n_bins, anchor, taken)
            n_steps, n_waiting = n_steps + 1, n_waiting + 1
            if n_steps % (n_ring - 1) == 0:
                _commit(evidence, k, apart_bins, price, score, anchor)
            k += 1
        if n_waiting > n_kept:
            at = _trace(score, came_from, n_steps, n_waiting)
            bins[n_decided] = -1 - last
            if at < anchor.shape[0]:
                last = bins[n_decided] = at % n_bins
            n_waiting, n_decided = n_waiting - 1, n_decided + 1
    state[0], state[1], state[2] = n_steps, n_waiting, last
    return n_decided
