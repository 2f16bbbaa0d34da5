"""Further planes of the image: other sums over range, or other lengths of the window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capture.config import RadarConfig
from radarid.dsp.params import DspParams
from radarid.dsp.slowtime import SlowTime
from radarid.dsp.stft import SliceTransform
from radarid.errors import ParameterError

_SHORTEST = 4  # chirps of a window, as for `DspParams.window_chirps`


class ImagePlanes:
    """Planes 1 and 2 of a slice, beside plane 0, the power summed over the range gate.

    'stack' looks at range in other ways: the strongest bin of the gate at each velocity, then
    the torso's bin alone. 'multires' looks at time in other ways: windows of half and of a
    quarter of the length, centred in the slice's own, which tell the limbs' turning points
    apart at the price of two and four times coarser velocities.

    Keeps scratch memory, so for one thread.

    Parameters
    ----------
    radar : waveform
    params : as for `SliceTransform`; `params.planes` is 'stack' or 'multires'
    grid : slow-time grid of the slices
    velocity_mps : float array (n_velocity,), velocities of the pixels

    Raises
    ------
    ParameterError
        `params.planes` is 'one', or a quarter of the window holds fewer than four chirps.

    Notes
    -----
    The planes of 'stack' follow the IdentityKD input of three different planes; the paper does
    not say which ones. Every plane has the scale of plane 0: white noise keeps its variance
    (times the bins and antennas summed), a steady tone is 3 dB weaker in each shorter window.
    """

    def __init__(
        self, radar: RadarConfig, params: DspParams, grid: SlowTime, velocity_mps: np.ndarray
    ) -> None:
        if params.planes == "one":
            raise ParameterError(
                "there are no further image planes", where="planes", got="one",
                expected="'stack' or 'multires'",
            )  # fmt: skip
        lengths = (grid.window, grid.window)
        if params.planes == "multires":
            lengths = (grid.window // 2, grid.window // 4)
        if min(lengths) < _SHORTEST:
            raise ParameterError(
                "the window is too short for a quarter of it",
                where="planes = 'multires'",
                got=f"{grid.window} chirps",
                expected=f"{4 * _SHORTEST}, at least",
                remedy="planes = 'stack', a longer window_chirps, or frames of more chirps",
            )
        self._by_range = params.planes == "stack"
        self._window = grid.window
        self._transforms = [
            SliceTransform(radar, params, replace(grid, window=length), velocity_mps)
            for length in lengths
        ]
        self._n_velocity = len(velocity_mps)

    def __call__(
        self, profiles: np.ndarray, valid: np.ndarray, clutter: np.ndarray, gate: slice,
        body_bin: int,
    ) -> np.ndarray:  # fmt: skip
        """Planes 1 and 2 of one window; the arguments are those of `SliceTransform`.

        Parameters
        ----------
        profiles : complex64 array, shape (window, n_virtual, n_bins)
        valid : bool array, shape (window,)
        clutter : complex64 array, shape (n_virtual, n_bins), what to subtract
        gate : range bins of plane 0
        body_bin : range bin of the walker's torso, used by 'stack'

        Returns
        -------
        float32 array, shape (2, n_velocity)
            Linear power; 0 in a plane whose window received nothing.
        """
        planes = np.zeros((2, self._n_velocity), np.float32)
        if self._by_range and valid.any():
            bins = np.array([*range(gate.start, gate.stop), body_bin])
            power = np.empty((len(bins), self._n_velocity), np.float32)
            zeros = np.zeros(len(bins), np.int64)
            self._transforms[0].many(
                profiles, valid, zeros, np.stack([bins, bins + 1], axis=1), clutter[None], zeros,
                power,
            )  # fmt: skip
            planes[0], planes[1] = power[:-1].max(axis=0), power[-1]
            return planes
        for plane, transform in zip(planes, self._transforms, strict=True):
            first = (self._window - transform.window) // 2
            part = slice(first, first + transform.window)
            if valid[part].any():
                plane[:] = transform(profiles[part], valid[part], clutter, gate)
        return planes
