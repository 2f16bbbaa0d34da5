"""Follow the walker in range: a dynamic-programming track with a short, fixed look-ahead."""

from __future__ import annotations

from collections import deque

import numpy as np

_CEILING_DB = 30.0  # one very strong step must not outweigh the path so far
_STEP_COST_DB = 1.0  # per bin moved, so that noise does not make the path jitter
_JUMP_COST_DB = 100.0  # what a new target must be better by, summed over time, to take over
_NOISE_QUANTILE = 0.25  # a walker and its sidelobes fill fewer than three quarters of the bins


class RangeTrack:
    """Track-before-detect of one walker on range-time energy.

    Every step adds the level over noise of each bin to the best path that could lead there at
    walking speed; the bin `lag` steps back on the best path is the answer. A flash of clutter
    elsewhere lasts too short to win; a lost walker is coasted; one who appears elsewhere takes
    over after about 100 dB of advantage, summed over steps.

    Parameters
    ----------
    range_m : float64 array, shape (n_bins,), ascending and evenly spaced
    max_step_m : how far the walker's body moves in one step, at most
    lag : steps of look-ahead

    Notes
    -----
    Viterbi's recursion with the level in dB, clipped to 0..30, in place of a log likelihood.
    It depends on the steps alone, not on how they were grouped when they arrived.
    """

    def __init__(self, range_m: np.ndarray, max_step_m: float, lag: int) -> None:
        self.range_m = range_m
        self.lag = lag
        self._width_m = float(range_m[1] - range_m[0])
        reach = max(1, int(np.ceil(max_step_m / self._width_m)))
        self._moves = np.arange(-reach, reach + 1)
        self._score = np.zeros(len(range_m))
        self._steps: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque()

    def push(self, energy: np.ndarray | None) -> tuple[float, float] | None:
        """Take one step; return the decision about the step `lag` steps ago, if there is one.

        Parameters
        ----------
        energy : float array, shape (n_bins,), clutter-free energy; None when the step was lost

        Returns
        -------
        (range_m, presence_db) or None
            Where the walker's body is, and the level of that bin over the noise (0 when lost).
        """
        level = np.zeros(len(self.range_m)) if energy is None else level_over_noise_db(energy)
        came_from = self._advance(np.clip(level, 0.0, _CEILING_DB))
        self._steps.append((came_from, level, level if energy is None else energy))
        if len(self._steps) <= self.lag:
            return None
        return self._decide()

    def flush(self) -> list[tuple[float, float]]:
        """Decide about the remaining steps with what look-ahead there is, oldest first."""
        decisions = []
        while self._steps:
            decisions.append(self._decide())
        return decisions

    def _advance(self, level: np.ndarray) -> np.ndarray:
        n = len(self._score)
        reach = int(self._moves[-1])
        padded = np.pad(self._score, reach, constant_values=-np.inf)
        options = np.stack(
            [padded[reach + m : reach + m + n] - _STEP_COST_DB * abs(m) for m in self._moves]
        )
        choice = np.argmax(options, axis=0)
        best = options[choice, np.arange(n)]
        came_from = np.arange(n) + self._moves[choice]
        leader = int(np.argmax(self._score))
        jumps = best < self._score[leader] - _JUMP_COST_DB
        came_from[jumps] = leader
        best[jumps] = self._score[leader] - _JUMP_COST_DB
        score = best + level
        self._score = score - score.max()
        return came_from

    def _decide(self) -> tuple[float, float]:
        """Trace the best path back to the oldest step, and drop that step."""
        at = int(np.argmax(self._score))
        for came_from, _, _ in list(self._steps)[:0:-1]:
            at = int(came_from[at])
        _, level, energy = self._steps.popleft()
        return self._refine(energy, at), float(level[at])

    def _refine(self, energy: np.ndarray, at: int) -> float:
        """Centroid of the energy in the bins next to the path."""
        near = slice(max(0, at - 1), at + 2)
        weight = energy[near]
        total = float(weight.sum())
        if total <= 0:
            return float(self.range_m[at])
        return float(weight @ self.range_m[near] / total)


def level_over_noise_db(energy: np.ndarray) -> np.ndarray:
    """Level of each range bin over the noise of its own step, dB, float64 (n_bins,)."""
    noise = max(float(np.quantile(energy, _NOISE_QUANTILE)), 1e-12)
    return 10 * np.log10(np.maximum(np.asarray(energy, dtype=np.float64), 1e-12) / noise)


def gate_bins(range_m: np.ndarray, center_m: float, half_width_m: float) -> slice:
    """Bins within `half_width_m` of `center_m`; at least the nearest one."""
    inside = np.flatnonzero(np.abs(range_m - center_m) <= half_width_m)
    if len(inside) == 0:
        nearest = int(np.argmin(np.abs(range_m - center_m)))
        return slice(nearest, nearest + 1)
    return slice(int(inside[0]), int(inside[-1]) + 1)
