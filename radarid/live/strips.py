"""The last seconds as pictures: one column a frame, in memory that does not grow."""

from __future__ import annotations

import numpy as np

from radarid.dsp.slices import Axes, Slices
from radarid.live.snapshot import Strip

_NEVER = 1e-30


class _Columns:
    """A ring of columns, oldest first when it is read."""

    def __init__(self, n_columns: int, axis: np.ndarray) -> None:
        self._axis = axis.astype(np.float32)
        self._level_db = np.full((n_columns, len(axis)), np.nan, np.float32)
        self._time_s = np.zeros(n_columns)
        self._n = 0

    def add(self, time_s: float, power: np.ndarray) -> None:
        place = self._n % len(self._time_s)
        self._time_s[place] = time_s
        self._level_db[place] = 10 * np.log10(np.maximum(power, _NEVER))
        self._n += 1

    def strip(self) -> Strip:
        n = len(self._time_s)
        order = np.arange(self._n) if self._n <= n else np.arange(self._n - n, self._n) % n
        return Strip(self._time_s[order], self._axis, self._level_db[order])


class Strips:
    """Range-time map and spectrogram of the last seconds.

    Parameters
    ----------
    axes : of the slices
    shown_s : how much is kept
    step_s : width of a column
    """

    def __init__(self, axes: Axes, shown_s: float, step_s: float) -> None:
        n_columns = max(2, round(shown_s / step_s))
        self._step_s = step_s
        self._range_time = _Columns(n_columns, axes.range_m)
        self._spectrogram = _Columns(n_columns, axes.velocity_mps)
        self._column = -1
        self._sum = np.zeros(len(axes.velocity_mps))
        self._times: set[float] = set()
        self._next_step_s = -np.inf

    def add(self, slices: Slices) -> None:
        """Take further slices, in the order of time."""
        for time_s, energy in zip(slices.frame_time_s, slices.range_energy, strict=True):
            if time_s >= self._next_step_s:
                self._range_time.add(float(time_s), energy)
                # Steps may be shorter than a column; half a step of grace for their jitter.
                self._next_step_s = float(time_s) + 0.75 * self._step_s
        for time_s, valid, power in zip(slices.time_s, slices.valid, slices.power, strict=True):
            column = int(time_s // self._step_s)
            if column != self._column:
                self._finish()
                self._column = column
            self._times.add(float(time_s))
            self._sum += power if valid > 0 else np.nan

    def range_time(self) -> Strip:
        """Moving energy over distance."""
        return self._range_time.strip()

    def spectrogram(self) -> Strip:
        """All walkers' mean power over velocity."""
        return self._spectrogram.strip()

    def _finish(self) -> None:
        if self._times:
            self._spectrogram.add((self._column + 0.5) * self._step_s,
                                  self._sum / len(self._times))
        self._sum[:] = 0
        self._times.clear()
