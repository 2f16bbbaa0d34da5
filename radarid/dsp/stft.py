"""One slice: clutter removal, taper, slow-time transform, power sum, velocity axis."""

from __future__ import annotations

import numpy as np
import scipy.fft

from capture.config import RadarConfig
from radarid.dsp import convert, kernels, kernels_lanes
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import taper
from radarid.dsp.slowtime import SlowTime


class SliceTransform:
    """Slow-time window -> power on the velocity axis; keeps scratch memory, so for one thread.

    Parameters
    ----------
    radar : waveform
    params : taper, oversampling, clutter removal
    grid : slow-time grid, for the window's length and sample interval
    velocity_mps : float array (n_velocity,), velocities of the pixels
    """

    def __init__(
        self, radar: RadarConfig, params: DspParams, grid: SlowTime, velocity_mps: np.ndarray
    ) -> None:
        self.window = grid.window
        self.n_fft = 1 << (params.velocity_oversampling * grid.window - 1).bit_length()
        self._taper = taper(params.doppler_window, grid.window)
        self._removes_mean = params.clutter == "mean"
        doppler_hz = convert.velocity_to_doppler_hz(radar, velocity_mps)
        place = doppler_hz * grid.interval_s * self.n_fft
        below = np.floor(place)
        self._below = below.astype(np.int64) % self.n_fft
        self._above = (self._below + 1) % self.n_fft
        self._fraction = (place - below).astype(np.float32)
        self._plan = kernels_lanes.plan(self.n_fft)
        self._work = kernels.scratch(5, self.n_fft, np.float32)

    def clutter(self, profiles: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Mean over the valid samples, complex64 (n_virtual, n_bins); zeros when switched off."""
        if not self._removes_mean:
            return np.zeros(profiles.shape[1:], np.complex64)
        mean = np.empty(profiles.shape[1:], np.complex64)
        kernels.mean_of_valid(profiles, valid, mean)
        return mean

    def __call__(
        self, profiles: np.ndarray, valid: np.ndarray, clutter: np.ndarray, gate: slice
    ) -> np.ndarray:
        """Power of one window, summed over the gate's bins and the virtual antennas.

        Parameters
        ----------
        profiles : complex64 array, shape (window, n_virtual, n_bins)
        valid : bool array, shape (window,); at least one True
        clutter : complex64 array, shape (n_virtual, n_bins), what to subtract
        gate : range bins to sum

        Returns
        -------
        float32 array, shape (n_velocity,)
            Power for a taper of unit energy over the valid samples: white noise keeps its
            variance however many samples are missing, a tone at 80 % valid loses about 1 dB.

        Notes
        -----
        Power at a pixel is interpolated linearly between Doppler bins; with the default four
        bins per sample of the window a tone between two bins is at most 0.1 dB low (Hann).
        """
        weight = self._taper * valid
        energy = float(weight @ weight)
        scale = 1 / energy if energy > 0 else 0.0
        power = np.empty(self.n_fft, np.float32)
        if kernels.vectors_fit(self.n_fft, profiles.shape[2]):
            kernels.window_power(
                profiles, clutter, weight, (gate.start, gate.stop), scale, self._plan,
                kernels.LANE_MASKS, self._work, power,
            )  # fmt: skip
        else:
            n_gate = gate.stop - gate.start
            tile = np.empty((profiles.shape[1], n_gate, self.n_fft), np.complex64)
            kernels.load_window(profiles, clutter, weight, gate.start, tile)
            spectrum = scipy.fft.fft(tile, axis=-1, overwrite_x=True)
            kernels.add_power(spectrum, scale, power)
        below, above = power[self._below], power[self._above]
        return below + (above - below) * self._fraction
