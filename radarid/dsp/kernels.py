"""Numba kernels of the chain; they never raise: the shells that call them validate.

The transforms between them are `scipy.fft` on tiles: as fast here as a plain Numba transform,
and of any length.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# No 'nnan' and 'ninf' (NaN marks missing data), no 'reassoc' (sums keep their order).
_kernel = njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})


@_kernel
def window_samples(
    words: np.ndarray,
    i_index: np.ndarray,
    q_index: np.ndarray,
    taper: np.ndarray,
    samples: np.ndarray,
) -> None:
    """De-interleave int16 words to tapered complex samples; see `range_fft.RangeStage`.

    `q_index` is empty for a real ADC.
    """
    n_rx, n_samples = i_index.shape
    has_q = q_index.size > 0
    for c in range(words.shape[0]):
        for r in range(n_rx):
            if has_q:
                for n in range(n_samples):
                    samples[c, r, n] = complex(
                        taper[n] * words[c, i_index[r, n]], taper[n] * words[c, q_index[r, n]]
                    )
            else:
                for n in range(n_samples):
                    samples[c, r, n] = complex(taper[n] * words[c, i_index[r, n]], np.float32(0))


@_kernel
def mean_of_valid(x: np.ndarray, valid: np.ndarray, mean: np.ndarray) -> None:
    """Mean over the valid slow-time samples of x (n, n_virtual, n_bins); 0 where none is."""
    n_virtual, n_bins = mean.shape
    n_valid = 0
    mean[:] = 0
    for i in range(x.shape[0]):
        if valid[i]:
            n_valid += 1
            for v in range(n_virtual):
                for b in range(n_bins):
                    mean[v, b] += x[i, v, b]
    if n_valid > 0:
        scale = np.float32(1 / n_valid)
        for v in range(n_virtual):
            for b in range(n_bins):
                mean[v, b] *= scale


@_kernel
def moving_energy(
    x: np.ndarray, valid: np.ndarray, mean: np.ndarray, energy: np.ndarray
) -> None:
    """Mean over valid samples of |x - mean|^2, summed over virtual antennas, per range bin."""
    n_virtual, n_bins = mean.shape
    n_valid = 0
    energy[:] = 0
    for i in range(x.shape[0]):
        if valid[i]:
            n_valid += 1
            for v in range(n_virtual):
                for b in range(n_bins):
                    re = x[i, v, b].real - mean[v, b].real
                    im = x[i, v, b].imag - mean[v, b].imag
                    energy[b] += re * re + im * im
    if n_valid > 0:
        scale = np.float32(1 / n_valid)
        for b in range(n_bins):
            energy[b] *= scale


@_kernel
def load_window(
    x: np.ndarray, mean: np.ndarray, weight: np.ndarray, first_bin: int, tile: np.ndarray
) -> None:
    """Write (x - mean) * weight, slow time last, into tile (n_virtual, n_gate, n_fft)."""
    n_virtual, n_gate, n_fft = tile.shape
    n_window = weight.shape[0]
    for v in range(n_virtual):
        for g in range(n_gate):
            b = first_bin + g
            for i in range(n_window):
                tile[v, g, i] = (x[i, v, b] - mean[v, b]) * weight[i]
            for i in range(n_window, n_fft):
                tile[v, g, i] = 0


@_kernel
def add_power(spectrum: np.ndarray, scale: float, power: np.ndarray) -> None:
    """Set power[f] to scale times the sum over virtual antennas and bins of |spectrum|^2."""
    n_virtual, n_gate, n_fft = spectrum.shape
    power[:] = 0
    for v in range(n_virtual):
        for g in range(n_gate):
            for f in range(n_fft):
                re = spectrum[v, g, f].real
                im = spectrum[v, g, f].imag
                power[f] += re * re + im * im
    for f in range(n_fft):
        power[f] *= scale
