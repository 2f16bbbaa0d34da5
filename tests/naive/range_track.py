"""Slow, obvious twin of the range track: every state carries its whole path with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from radarid.dsp import gating

N_SPEEDS = gating._N_SPEEDS
SPEEDS = range(-N_SPEEDS, N_SPEEDS + 1)


@dataclass(frozen=True)
class State:
    """Somebody, or nobody (`bins[-1]` is None), at the end of a path."""

    score: float
    bins: tuple[int | None, ...]
    anchor: int = 0
    is_walker: bool = False


def level_over_noise_db(energy: np.ndarray) -> np.ndarray:
    noise = max(np.quantile(energy.astype(float), gating.NOISE_QUANTILE), 1e-12)
    return np.asarray(10 * np.log10(np.maximum(energy, 1e-12) / noise))


def evidence(level: np.ndarray, range_m: np.ndarray) -> np.ndarray:
    strength = level + 20 * np.log10(range_m)
    clear = level >= gating.CLEAR_DB
    weaker = strength[clear].max() - strength if clear.any() else 0 * level
    share = gating.WEAKER_SHARE * np.clip(weaker / gating.WEAKER_SPAN_DB, 0, 1)
    return np.clip(level, 0, gating.CLEAR_DB) * (1 - share) - gating.NOBODY_DB


class Track:
    """The bins (None: nobody) that `gating.RangeTrack` should decide for.

    Of equally good paths the one that is asked first is taken, in the kernel's order.
    """

    def __init__(self, range_m: np.ndarray, max_step_m: float, lag: int) -> None:
        self.range_m, self.lag = range_m, lag
        self.width_m = range_m[1] - range_m[0]
        self.bins_per_step = max_step_m / N_SPEEDS / self.width_m
        self.scale = gating._STEP_M / max_step_m
        self.n_steps = 0
        self.nobody = State(0.0, ())
        self.states = {
            (v, b): State(-self.scale * gating._HASTE_COST * abs(v), (), b)
            for v in SPEEDS
            for b in range(len(range_m))
        }

    def push(self, said: np.ndarray) -> None:
        """Take the evidence of one step."""
        leader = max(self.states.values(), key=lambda state: state.score)
        leaving = replace(leader, score=leader.score - self.scale * gating._LEAVE_COST)
        nobody = max(self.nobody, leaving, key=lambda state: state.score)
        self.states = {(v, b): self._reach(v, b, nobody, said[b]) for v, b in self.states}
        self.nobody = replace(nobody, bins=(*nobody.bins, None))
        self.n_steps += 1
        if self.n_steps % self.lag == 0:
            self._commit(said)

    def _reach(self, v: int, b: int, nobody: State, said: float) -> State:
        price = self.scale * (gating._ENTER_COST + gating._HASTE_COST * abs(v))
        best = State(nobody.score - price, nobody.bins, b)
        ahead = round(v * self.bins_per_step * (self.n_steps + 1)) - round(
            v * self.bins_per_step * self.n_steps
        )
        for slip in (0, -1, 1):
            for faster in (0, -1, 1):
                before = self.states.get((v + faster, b - ahead - slip))
                if before is None:
                    continue
                cost = gating._SLIP_COST_PER_M * self.width_m * abs(slip)
                cost += gating._SPEED_COST * abs(faster)
                score = before.score - self.scale * cost
                if score > best.score:
                    best = replace(before, score=score)
        return replace(best, score=best.score + said, bins=(*best.bins, b))

    def _commit(self, said: np.ndarray) -> None:
        leader = max(self.states.values(), key=lambda state: state.score)
        at = leader.bins[-1]
        assert at is not None
        price = leader.score - self.scale * (gating._ENTER_COST + gating._LEAVE_COST)
        is_sure = leader.score > self.nobody.score and said[at] > 0
        for key, state in self.states.items():
            if is_sure:
                is_near = abs(state.anchor - leader.anchor) * self.width_m <= gating._APART_M
                may_be = state.is_walker or not leader.is_walker
                if may_be and not is_near:
                    state = replace(state, score=min(state.score, price))
                state = replace(state, is_walker=may_be and is_near)
            self.states[key] = replace(state, anchor=key[1])

    def scores(self) -> np.ndarray:
        """Of all states and of nobody, under the best one."""
        scores = np.array([*(state.score for state in self.states.values()), self.nobody.score])
        return scores - scores.max()

    def bin_at(self, step: int) -> int | None:
        """Where the walker was, by what is known now."""
        return max(*self.states.values(), self.nobody, key=lambda state: state.score).bins[step]
