"""Clutter filters with memory: a high-pass on slow time, and a running background.

Both see every frame of the stream once, in order, before the range track and the slow-time
transforms. The default, each frame's mean, has no memory: `stft.SliceTransform` takes it off.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from capture.config import RadarConfig
from radarid.dsp import convert, kernels_clutter, kernels_means
from radarid.dsp.params import DspParams
from radarid.dsp.slowtime import SlowTime
from radarid.errors import ParameterError

_ORDER = 2  # a steeper filter rings longer than a frame of some 28 ms can bear


class ClutterFilter(Protocol):
    """Takes resting echoes off slow time; has a state, so one per stream."""

    def __call__(self, profiles: np.ndarray, valid: np.ndarray, time_s: np.ndarray) -> None:
        """Filter the next frame in place.

        Parameters
        ----------
        profiles : complex64 array, shape (n, n_virtual, n_bins); what invalid samples become
            means nothing
        valid : bool array, shape (n,); all False for a frame that was lost
        time_s : float64 array, shape (n,), time of each sample
        """
        ...

    def restart(self) -> None:
        """Forget everything: the next frame begins a stream."""
        ...


def make_filter(radar: RadarConfig, params: DspParams, grid: SlowTime) -> ClutterFilter | None:
    """The filter that `params.clutter` names; None for 'mean' and 'none', which need none.

    Raises
    ------
    ParameterError
        The corner of the high-pass is beyond what the slow-time samples can show.
    """
    if params.clutter == "exponential":
        return Background(params.background_s)
    if params.clutter != "highpass":
        return None
    limit_hz = 0.5 / grid.interval_s
    if params.highpass_hz >= limit_hz:
        limit_mps = convert.doppler_to_velocity_mps(radar, np.array(limit_hz))
        raise ParameterError(
            "the high-pass leaves nothing of slow time",
            where="highpass_hz",
            got=f"{params.highpass_hz:.4g} Hz",
            expected=f"less than {limit_hz:.4g} Hz ({limit_mps:.3g} m/s), with a sample every"
            f" {grid.interval_s * 1e3:.4g} ms",
            remedy="a lower corner, or clutter = 'exponential'",
        )
    return HighPass(params.highpass_hz, params.background_s, grid)


class Background:
    """Running background: the mean of all that was received, older samples weighing less.

    A sample of age t weighs exp(-t / background_s), whatever lies between: gaps, lost chirps and
    lost frames leave the background as it is. From the first sample on, a resting echo is taken
    off as a whole, as far as float32 goes (beyond 100 dB). With samples every T seconds and
    d = exp(-T / background_s), a settled background turns slow time into
    ``d (1 - z^-1) / (1 - d z^-1)``: 3 dB at 1 / (2 pi background_s), with no blind speeds around
    standstill but these 0.16 Hz (0.3 mm/s at 77 GHz) for one second. Before it has settled, a
    mover takes part of itself off: after n periods of its Doppler, less than 1 / (2 pi n).

    Parameters
    ----------
    background_s : time constant
    """

    def __init__(self, background_s: float) -> None:
        self._background_s = background_s
        self.restart()

    def restart(self) -> None:
        """Forget the background."""
        self._memory = np.zeros(2)
        self._background: np.ndarray | None = None

    def __call__(self, profiles: np.ndarray, valid: np.ndarray, time_s: np.ndarray) -> None:
        """Filter the next frame in place, see `ClutterFilter`."""
        if self._background is None:
            self._background = np.zeros(profiles.shape[1:], np.complex128)
        kernels_clutter.subtract_background(
            profiles, valid, time_s, self._background_s, self._memory, self._background
        )


class HighPass:
    """Butterworth high-pass of second order on slow time, which no gap and no loss sets ringing.

    Where frames lie apart, every frame is filtered on its own: the filter starts as if the
    frame's mean had been there forever. A resting echo gives zero from the first chirp on; a
    mover starts suddenly, which leaves it with a skirt around standstill instead of the lines at
    the frame rate of a filter that runs across the joints. With the paper's radar, 50 Hz and a
    window of 128 chirps (Hann), that skirt is 31 dB below the mover from 0.6 m/s on, which is
    Hann itself, and 24 dB at 0.4 m/s. In so short a frame it is the mean rather than the filter
    that takes off slow echoes: 21 dB at 0.01 m/s, 10 dB at 0.04 m/s.

    Where slow time has no gap, the filter runs on, and its start lasts about 1 / highpass_hz.
    Lost chirps and lost frames are bridged at the level of the mean over the last
    `background_s`, where the filter comes to rest.

    Parameters
    ----------
    corner_hz : -3 dB; the squared gain at Doppler f is 1 / (1 + (tan(pi corner_hz T) /
        tan(pi f T))^4), with T the interval of the grid (bilinear transform)
    background_s : time constant of the level for what was lost
    grid : slow-time grid
    """

    def __init__(self, corner_hz: float, background_s: float, grid: SlowTime) -> None:
        import scipy.signal  # takes longer to import than the first image to compute

        b, a = scipy.signal.butter(_ORDER, corner_hz, "highpass", fs=1 / grid.interval_s)
        self._coefficients = float(b[0]), float(a[1]), float(a[2])
        self._background_s, self._each_frame = background_s, grid.regime == "frame"
        self.restart()

    def restart(self) -> None:
        """Forget state and level."""
        self._state: np.ndarray | None = None
        self._level: np.ndarray = np.zeros((0, 0), np.complex128)
        self._weight, self._last_s = 0.0, 0.0

    def __call__(self, profiles: np.ndarray, valid: np.ndarray, time_s: np.ndarray) -> None:
        """Filter the next frame in place, see `ClutterFilter`."""
        if self._each_frame:
            self.restart()
        if valid.any():
            self._follow(profiles, valid, float(time_s[-1]))
        elif self._state is None:
            return
        if self._state is None:  # at rest at the level: y = b u + s0 = 0, s1 = b u
            rest = self._coefficients[0] * self._level
            self._state = np.stack([-rest, rest])
        kernels_clutter.high_pass(profiles, valid, self._level, self._coefficients, self._state)

    def _follow(self, profiles: np.ndarray, valid: np.ndarray, end_s: float) -> None:
        """Bring the level up to date."""
        mean = np.empty(profiles.shape[1:], np.complex64)
        kernels_means.mean_of_valid(profiles, valid, mean)
        if self._weight == 0:
            self._level = mean.astype(np.complex128)
        n_valid = np.count_nonzero(valid)
        decay = math.exp((self._last_s - end_s) / self._background_s)
        self._weight, self._last_s = n_valid + self._weight * decay, end_s
        self._level += (n_valid / self._weight) * (mean - self._level)
