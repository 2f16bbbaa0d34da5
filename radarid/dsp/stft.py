"""Slow-time windows -> slices: clutter removal, taper, transform, power sum, velocity axis."""

from __future__ import annotations

import numpy as np

from capture.config import RadarConfig
from radarid.dsp import convert, kernels, kernels_lanes, kernels_means
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import taper
from radarid.dsp.slowtime import SlowTime


class SliceTransform:
    """Slow-time windows -> power on the velocity axis; keeps scratch memory, so for one thread.

    Parameters
    ----------
    radar : waveform
    params : taper, oversampling, clutter removal
    grid : slow-time grid, for the window's length and sample interval
    velocity_mps : float array (n_velocity,), velocities of the pixels

    Notes
    -----
    Power for a taper of unit energy over the valid samples: white noise keeps its variance
    however many samples are missing, a tone at 80 % valid loses about 1 dB. With two Doppler bins
    per chirp or more the power at every pixel is exact: |X|^2 of a window of n chirps has n - 1
    lags, which 2 n - 1 bins determine. With fewer it is interpolated linearly between bins, and a
    tone between two of them is up to 1.4 dB low (Hann).
    """

    def __init__(
        self, radar: RadarConfig, params: DspParams, grid: SlowTime, velocity_mps: np.ndarray
    ) -> None:
        self.window, self._hop = grid.window, grid.hop
        self.n_fft = 1 << (params.velocity_oversampling * grid.window - 1).bit_length()
        doppler_hz = convert.velocity_to_doppler_hz(radar, velocity_mps)
        self._pixels = _pixel_weights(doppler_hz * grid.interval_s, self.n_fft, grid.window)
        self._taper = taper(params.doppler_window, grid.window)
        if kernels.vectors_fit(self.n_fft):
            self._prepare_vectors()

    def _prepare_vectors(self) -> None:
        n_fft, spectra = self.n_fft, 2 * self.n_fft * kernels.LANES
        padded = np.zeros(n_fft, np.float32)
        padded[: self.window] = self._taper
        chirps = np.minimum(np.arange(n_fft), self.window - 1)
        self._order = (
            kernels_lanes.in_order(n_fft, padded), kernels_lanes.in_order(n_fft, chirps),
            2 * self.window <= n_fft,
        )  # fmt: skip
        sizes = (2 * spectra, n_fft, spectra // 2, n_fft)
        self._work = tuple(kernels.scratch(size) for size in sizes)
        self._rows = kernels.scratch(n_fft, np.int64)

    def __call__(
        self, profiles: np.ndarray, valid: np.ndarray, clutter: np.ndarray, gate: slice
    ) -> np.ndarray:
        """Power of one window, summed over the gate's bins and the virtual antennas.

        Parameters
        ----------
        profiles : complex64 array, shape (window, n_virtual, n_bins)
        valid : bool array, shape (window,)
        clutter : complex64 array, shape (n_virtual, n_bins), what to subtract
        gate : range bins to sum

        Returns
        -------
        float32 array, shape (n_velocity,); zeros where nothing is valid
        """
        power = np.empty((1, self._pixels[1].shape[1]), np.float32)
        first, gates = np.zeros(1, np.int64), np.array([[gate.start, gate.stop]])
        self.many(profiles, valid, first, gates, clutter[None], first, power)
        return power[0]

    def many(
        self, profiles: np.ndarray, valid: np.ndarray, starts: np.ndarray, gates: np.ndarray,
        clutter: np.ndarray | None, clutter_of: np.ndarray, power: np.ndarray,
    ) -> None:  # fmt: skip
        """Power of many windows of one series, each by itself.

        Parameters
        ----------
        profiles : complex64 array, shape (n, n_virtual, n_bins), contiguous
        valid : bool array, shape (n,)
        starts : int64 array, shape (n_windows,), first chirps, ascending
        gates : int64 array, shape (n_windows, 2), first range bin, and the one after the last
        clutter : complex64 array, shape (n_clutter, n_virtual, n_bins); None to subtract every
            window's own mean, where each is the grid's hop after the one before or begins with it
        clutter_of : int64 array, shape (n_windows,), row of `clutter` that each window subtracts
        power : float32 array, shape (n_windows, n_velocity), filled
        """
        vectors = kernels.vectors_fit(self.n_fft, profiles.shape[2])
        sums = np.empty(0, np.float32)
        if clutter is None:
            clutter_of = (starts - starts[0]) // self._hop
            n_means, n_sums = int(clutter_of[-1]) + 1, 0
            if vectors:  # the kernel makes them, one after the other
                n_means, n_sums = 1, max(1, self.window // self._hop)
            sums = np.empty(n_sums * 2 * profiles[0].size, np.float32)
            clutter = np.empty((n_means, *profiles.shape[1:]), np.complex64)
            for k in range(0 if vectors else n_means):
                part = slice(starts[0] + k * self._hop, starts[0] + k * self._hop + self.window)
                clutter[k] = self.mean(profiles[part], valid[part])
        if vectors:
            kernels.slice_powers(
                profiles.view(np.float32), valid, starts, gates, clutter.view(np.float32),
                clutter_of, self._hop, sums, *self._order, kernels_lanes.plan(self.n_fft),
                *self._pixels, self._rows, self._work, power,
            )  # fmt: skip
            return
        for k, start in enumerate(starts):
            part = slice(start, start + self.window)
            self._plain(profiles[part], valid[part], clutter[clutter_of[k]], gates[k], power[k])

    def mean(self, profiles: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Mean over the valid samples of one window, profiles (window, n_virtual, n_bins).

        Returns
        -------
        complex64 array, shape (n_virtual, n_bins); 0 where nothing is valid
        """
        mean = np.empty(profiles.shape[1:], np.complex64)
        kernels_means.mean_of_valid(profiles, valid, mean)
        return mean

    def _plain(
        self, profiles: np.ndarray, valid: np.ndarray, clutter: np.ndarray,
        gate: np.ndarray, pixels: np.ndarray,
    ) -> None:  # fmt: skip
        """One window by `scipy.fft`."""
        import scipy.fft  # takes longer to import than the first image to compute

        weight = self._taper * valid
        energy = float(weight @ weight)
        power = np.empty(self.n_fft, np.float32)
        tile = np.empty((profiles.shape[1], gate[1] - gate[0], self.n_fft), np.complex64)
        kernels.load_window(profiles, clutter, weight, gate[0], tile)
        spectrum = scipy.fft.fft(tile, axis=-1, overwrite_x=True)
        kernels.add_power(spectrum, 1 / energy if energy > 0 else 0.0, power)
        kernels.to_pixels(power, *self._pixels, pixels)


def _pixel_weights(frequency: np.ndarray, n_fft: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the Doppler bins in every pixel, for `kernels.to_pixels`.

    `frequency` is in cycles per chirp. Where the bins determine the power everywhere, it is the
    trigonometric interpolation through all of them: the sum over the window's lags of
    exp(2 pi i lag (bin - place) / n_fft) / n_fft, a Dirichlet kernel. Else it is the straight line
    between the two next.
    """
    place = frequency * n_fft
    if n_fft < 2 * window - 1:
        below = np.floor(place)
        share = (place - below).astype(np.float32)
        return below.astype(np.int64) % n_fft, np.stack([1 - share, share])
    away = (np.arange(n_fft)[:, None] - place + n_fft / 2) % n_fft - n_fft / 2
    n_lags = 2 * window - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        kernel = np.sin(np.pi * n_lags * away / n_fft) / (n_fft * np.sin(np.pi * away / n_fft))
    matrix = np.where(np.abs(away) < 1e-9, n_lags / n_fft, kernel).astype(np.float32)
    return np.empty(0, np.int64), matrix
