"""Follow the walker in range: a dynamic-programming track with a short, fixed look-ahead."""

from __future__ import annotations

import numpy as np

from radarid.dsp import kernels_track as kernels

_N_SPEEDS = 6  # in either direction, besides standing
_APART_M = 0.8  # farther from each other are two people
_BODY_M = 0.25
_STEP_M = 0.1  # at the highest speed; the costs, all in dB, are meant for steps of this length
_ENTER_COST, _LEAVE_COST = np.float32(30), np.float32(90)
_HASTE_COST = np.float32(1)  # to enter at the next speed: of equal paths the slower
_SPEED_COST = np.float32(10)  # to the next speed
_SLIP_COST_PER_M = np.float32(40)  # to be elsewhere than the speed says


class RangeTrack:
    """Track-before-detect of one walker on range-time energy.

    A path runs through range at one of 13 speeds, or says that nobody is there. Every step adds
    to each path what the levels over the noise say for a walker at its place; it costs to change
    speed, to slip from where the speed leads, to enter and to leave. The state `lag` steps back on
    the best path is the answer.

    Levels count up to 8 dB only: a flash cannot outweigh the path so far, and of two people in
    view the first stays the walker, straight through a crossing, unless the other's echo is far
    stronger. A walker who vanishes is coasted at the last speed for about a second.

    Parameters
    ----------
    range_m : float64 array, shape (n_bins,), ascending and evenly spaced
    max_step_m : how far the walker's body moves in one step, at most
    lag : steps of look-ahead, at least 1

    Notes
    -----
    Viterbi's recursion over (range, speed) with clipped levels in dB in place of log likelihoods;
    costs are scaled so that they mean the same time whatever the length of a step. The track
    depends on the steps alone, not on how they were grouped when they arrived.

    Energy says where somebody is, not who. Two people who meet and both turn back look like two
    who pass; two who walk side by side are one; a thing that keeps moving in place (a fan) and was
    there first holds the track for a while. Tracks of several walkers have their own module.
    """

    def __init__(self, range_m: np.ndarray, max_step_m: float, lag: int) -> None:
        n_bins, n_speeds = len(range_m), 2 * _N_SPEEDS + 1
        width_m = float(range_m[1] - range_m[0])
        self.range_m = np.ascontiguousarray(range_m, dtype=np.float64)
        self.lag = lag
        self._speeds = np.linspace(-max_step_m, max_step_m, n_speeds) / width_m
        self._spreading_db = 20 * np.log10(np.maximum(self.range_m, width_m))
        scale = np.float32(_STEP_M / max_step_m)
        self._costs = (
            scale * _LEAVE_COST,
            scale * _SPEED_COST,
            scale * _SLIP_COST_PER_M * np.float32(width_m),
        )
        entry = np.abs(np.arange(n_speeds, dtype=np.float32) - _N_SPEEDS) * _HASTE_COST
        self._enter_cost = scale * (entry + _ENTER_COST)
        self._apart, self._body = _APART_M / width_m, max(1, round(_BODY_M / width_m))
        n_states = n_speeds * n_bins
        self._score = np.zeros(
            n_states + 1, np.float32
        )  # who is there from the start need not enter
        self._score[:-1] = np.repeat(-scale * entry, n_bins)
        self._anchor = -1 - np.tile(np.arange(n_bins, dtype=np.int32), n_speeds)
        self._came_from = np.zeros((lag + 1, n_states + 1), np.int32)
        self._level, self._energy = np.zeros((2, lag + 1, n_bins))
        self._evidence, self._best = np.zeros((2, n_bins), np.float32)
        self._new = np.empty(n_states + 1, np.float32)
        self._source, self._taken = np.empty(n_bins, np.int32), np.empty(n_states, np.int32)
        self._oldest = self._n_waiting = self._n_steps = 0
        self._last = n_bins // 2

    def push(self, energy: np.ndarray | None) -> tuple[float, float] | None:
        """Take one step; return the decision about the step `lag` steps ago, if there is one.

        Parameters
        ----------
        energy : float array, shape (n_bins,), clutter-free energy; None when the step was lost

        Returns
        -------
        (range_m, presence_db) or None
            Where the walker's body is, and its highest level over the noise. While nobody is
            there: where the last walker was, and 0. While nothing is received: where the walker
            would be, and 0.
        """
        row = (self._oldest + self._n_waiting) % (self.lag + 1)
        self._energy[row] = 0 if energy is None else energy
        level = self._level[row]
        if energy is None:
            level[:] = self._evidence[:] = 0
        else:
            kernels.level_over_noise(self._energy[row], _noise(self._energy[row]), level)
            kernels.weigh(level, self._spreading_db, self._evidence)
        self._advance(self._came_from[row])
        self._n_waiting += 1
        return self._decide() if self._n_waiting > self.lag else None

    def flush(self) -> list[tuple[float, float]]:
        """Decide about the remaining steps with what look-ahead there is, oldest first."""
        return [self._decide() for _ in range(self._n_waiting)]

    def _advance(self, came_from: np.ndarray) -> None:
        kernels.advance(
            self._evidence, self._speeds, self._n_steps, self._enter_cost, self._costs,
            self._score, came_from, self._new, self._best, self._source, self._anchor, self._taken,
        )  # fmt: skip
        self._n_steps += 1
        if self._n_steps % self.lag == 0:
            price = self._enter_cost[_N_SPEEDS] + self._costs[0]
            kernels.commit(self._evidence, self._apart, price, self._score, self._anchor)

    def _decide(self) -> tuple[float, float]:
        """Trace the best path back to the oldest step, and drop that step."""
        row, n_bins = self._oldest, len(self.range_m)
        at = kernels.decide(self._score, self._came_from, n_bins, row, self._n_waiting)
        self._oldest = (row + 1) % (self.lag + 1)
        self._n_waiting -= 1
        if at < 0:
            return float(self.range_m[self._last]), 0.0
        self._last = at
        body = slice(max(0, at - self._body), at + self._body + 1)
        return self._locate(self._energy[row, body], self._level[row, body], self.range_m[body])

    def _locate(
        self, energy: np.ndarray, level: np.ndarray, range_m: np.ndarray
    ) -> tuple[float, float]:
        """Centroid of the energy of the bins around a body, and their highest level."""
        total = float(energy.sum())
        middle = float(energy @ range_m) / total if total > 0 else (range_m[0] + range_m[-1]) / 2
        return float(middle), float(level.max())


def _noise(energy: np.ndarray) -> float:
    """The step's own noise: the lower quartile, linearly between two of its bins."""
    place = kernels.NOISE_QUANTILE * (len(energy) - 1)
    below = int(place)
    above = min(below + 1, len(energy) - 1)
    lowest = np.partition(energy, (below, above))
    noise = lowest[below] + (place - below) * (lowest[above] - lowest[below])
    return max(float(noise), kernels.LEAST_ENERGY)


def level_over_noise_db(energy: np.ndarray) -> np.ndarray:
    """Level of each range bin over the noise of its own step, dB, float64 (n_bins,)."""
    values = np.ascontiguousarray(energy, dtype=np.float64)
    level = np.empty_like(values)
    kernels.level_over_noise(values, _noise(values), level)
    return level


def gate_bins(range_m: np.ndarray, center_m: float, half_width_m: float) -> slice:
    """Bins within `half_width_m` of `center_m`; at least the nearest one."""
    inside = np.abs(range_m - center_m) <= half_width_m
    first = int(inside.argmax())
    if not inside[first]:
        nearest = int(np.argmin(np.abs(range_m - center_m)))
        return slice(nearest, nearest + 1)
    return slice(first, first + int(np.count_nonzero(inside)))
