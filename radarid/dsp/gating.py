"""Follow the walker in range: a dynamic-programming track with a short, fixed look-ahead."""

from __future__ import annotations

import numpy as np

from radarid.dsp import kernels_track as kernels

NOISE_QUANTILE = 0.25  # a walker and its sidelobes fill fewer than three quarters of the bins
CLEAR_DB = 8.0  # more than this is no clearer: of two people neither is the likelier walker ...
WEAKER_SHARE, WEAKER_SPAN_DB = 0.3, 20.0  # ... but something much weaker than another is
NOBODY_DB = 3.0  # the level at which a step speaks neither for a walker nor against one
LEAST_ENERGY = 1e-12
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
        n_states = n_speeds * n_bins + 1
        self._score = np.zeros(n_states, np.float32)
        self._score[:-1] = np.repeat(-scale * entry, n_bins)  # who is there already need not enter
        anchor = -1 - np.tile(np.arange(n_bins, dtype=np.int32), n_speeds)
        self._paths = self._score, anchor, np.zeros((lag + 1, n_states), np.int32)
        self._scratch = (
            np.empty(n_states, np.float32), np.empty(n_bins, np.float32),
            np.empty(n_bins, np.int32), np.empty(n_states - 1, np.int32),
        )  # fmt: skip
        self._state = np.array([0, 0, n_bins // 2])
        self._energy, self._level = np.empty((2, 0, n_bins))  # of the steps that wait

    def push(self, energy: np.ndarray) -> np.ndarray:
        """Take some steps; return what they decide about older ones.

        Parameters
        ----------
        energy : float array, shape (n_steps, n_bins), clutter-free energy; NaN in lost steps

        Returns
        -------
        float64 array, shape (n_decided, 2)
            For every step that has `lag` steps after it now: where the walker's body is, m, and
            its highest level over the noise, dB. While nobody is there: where the last walker
            was, and 0. While nothing is received: where the walker would be, and 0.
        """
        lost = np.isnan(energy[:, 0])
        new = np.array(energy, np.float64)
        new[lost] = 0
        level = level_over_noise_db(new)
        evidence = evidence_db(level, self._spreading_db)
        level[lost] = evidence[lost] = 0
        self._energy = np.concatenate([self._energy, new])
        self._level = np.concatenate([self._level, level])
        return self._follow(evidence, self.lag)

    def flush(self) -> np.ndarray:
        """Decide about the remaining steps with what look-ahead there is, oldest first."""
        return self._follow(np.empty((0, len(self.range_m)), np.float32), 0)

    def _follow(self, evidence: np.ndarray, n_kept: int) -> np.ndarray:
        bins = np.empty(len(self._energy), np.int64)
        n_decided = kernels.follow(
            evidence, self._speeds, self._enter_cost, self._costs, self._apart, n_kept,
            self._state, self._paths, self._scratch, bins,
        )  # fmt: skip
        found = self._locate(bins[:n_decided])
        self._energy, self._level = self._energy[n_decided:], self._level[n_decided:]
        return found

    def _locate(self, bins: np.ndarray) -> np.ndarray:
        """Centroid of the energy of the bins around each body, and their highest level.

        Of negative bins, where nobody is there: the last walker's, and 0.
        """
        n_bins, steps = len(self.range_m), np.arange(len(bins))[:, None]
        body = bins[:, None] + np.arange(-self._body, self._body + 1)
        inside = (body >= 0) & (body < n_bins)
        body = np.clip(body, 0, n_bins - 1)
        energy = np.where(inside, self._energy[steps, body], 0.0)
        range_m = self.range_m[body]
        total, middle_m = energy.sum(axis=1), (range_m[:, 0] + range_m[:, -1]) / 2
        centroid_m = np.divide((energy * range_m).sum(axis=1), total, out=middle_m, where=total > 0)
        level = np.where(inside, self._level[steps, body], -np.inf).max(axis=1)
        at_last_m = self.range_m[np.maximum(bins, -1 - bins)]
        seen = bins >= 0
        return np.stack([np.where(seen, centroid_m, at_last_m), np.where(seen, level, 0.0)], axis=1)


def level_over_noise_db(energy: np.ndarray) -> np.ndarray:
    """Level of each range bin over the noise of its own step, dB, float64 (..., n_bins).

    The noise is the lower quartile, linearly between two bins.
    """
    values = np.maximum(np.asarray(energy, np.float64), LEAST_ENERGY)
    place = NOISE_QUANTILE * (values.shape[-1] - 1)
    below = int(place)
    above = min(below + 1, values.shape[-1] - 1)
    lowest = np.partition(values, (below, above))
    noise = lowest[..., below] + (place - below) * (lowest[..., above] - lowest[..., below])
    return np.asarray(10 * np.log10(values / noise[..., None]))


def evidence_db(level: np.ndarray, spreading_db: np.ndarray) -> np.ndarray:
    """What levels say for a walker there (negative: against one), float32 (n_steps, n_bins), dB.

    `spreading_db` undoes half of an echo's loss with range, so that the nearer of two people is
    not much the stronger; to undo all of it would favour ghosts, which lie behind their walker.
    """
    near = level + spreading_db
    strongest = np.max(near, axis=1, keepdims=True, where=level >= CLEAR_DB, initial=-np.inf)
    weaker = np.clip(strongest - near, 0, WEAKER_SPAN_DB)
    clear = np.clip(level, 0, CLEAR_DB)
    said = clear * (1 - WEAKER_SHARE * weaker / WEAKER_SPAN_DB) - NOBODY_DB
    return np.asarray(said, np.float32)


def gate_bins(range_m: np.ndarray, center_m: float, half_width_m: float) -> slice:
    """Bins within `half_width_m` of `center_m`; at least the nearest one."""
    inside = np.abs(range_m - center_m) <= half_width_m
    first = int(inside.argmax())
    if not inside[first]:
        nearest = int(np.argmin(np.abs(range_m - center_m)))
        return slice(nearest, nearest + 1)
    return slice(first, first + int(np.count_nonzero(inside)))
