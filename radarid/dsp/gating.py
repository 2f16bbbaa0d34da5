"""Follow the walker in range: a dynamic-programming track with a short, fixed look-ahead."""

from __future__ import annotations

import numpy as np

from radarid.dsp import kernels_track

_CEILING_DB = 30.0  # one very strong step must not outweigh the path so far
_STEP_COST_DB = 1.0  # per bin moved, so that noise does not make the path jitter
_JUMP_COST_DB = 100.0  # what a new target must be better by, summed over time, to take over
_COSTS_DB = (_CEILING_DB, _STEP_COST_DB, _JUMP_COST_DB)
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
        n_bins = len(range_m)
        self.range_m = np.ascontiguousarray(range_m, dtype=np.float64)
        self.lag = lag
        self._reach = max(1, int(np.ceil(max_step_m / float(range_m[1] - range_m[0]))))
        self._score, self._scratch = np.zeros(n_bins), np.empty(n_bins)
        self._came_from = np.zeros((lag + 1, n_bins), np.int64)
        self._level, self._energy = np.zeros((2, lag + 1, n_bins))
        self._oldest = self._n_waiting = 0

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
        row = (self._oldest + self._n_waiting) % (self.lag + 1)
        level = self._level[row]
        if energy is None:
            self._energy[row], level[:] = 0, 0
        else:
            self._energy[row] = energy
            kernels_track.level_over_noise(self._energy[row], _NOISE_QUANTILE, self._scratch, level)
        kernels_track.advance(
            level, _COSTS_DB, self._reach, self._score, self._scratch, self._came_from[row]
        )
        self._n_waiting += 1
        return self._decide() if self._n_waiting > self.lag else None

    def flush(self) -> list[tuple[float, float]]:
        """Decide about the remaining steps with what look-ahead there is, oldest first."""
        return [self._decide() for _ in range(self._n_waiting)]

    def _decide(self) -> tuple[float, float]:
        """Trace the best path back to the oldest step, and drop that step."""
        row = self._oldest
        at, place_m = kernels_track.decide(
            self._score, self._came_from, self._energy, row, self._n_waiting, self.range_m
        )
        self._oldest = (row + 1) % (self.lag + 1)
        self._n_waiting -= 1
        return place_m, float(self._level[row, at])


def level_over_noise_db(energy: np.ndarray) -> np.ndarray:
    """Level of each range bin over the noise of its own step, dB, float64 (n_bins,)."""
    level = np.empty(len(energy))
    values = np.ascontiguousarray(energy, dtype=np.float64)
    kernels_track.level_over_noise(values, _NOISE_QUANTILE, np.empty_like(values), level)
    return level


def gate_bins(range_m: np.ndarray, center_m: float, half_width_m: float) -> slice:
    """Bins within `half_width_m` of `center_m`; at least the nearest one."""
    inside = np.flatnonzero(np.abs(range_m - center_m) <= half_width_m)
    if len(inside) == 0:
        nearest = int(np.argmin(np.abs(range_m - center_m)))
        return slice(nearest, nearest + 1)
    return slice(int(inside[0]), int(inside[-1]) + 1)
