"""Numba steps of the benchmark's contenders that put a library's FFT between compiled loops.

No part of the chain: `radarid.bench` times them against it. The rocket-fft kernels compile only
where that package is installed.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numba import njit

_kernel = njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})


@_kernel
def decode(words: np.ndarray, taper: np.ndarray, samples: np.ndarray) -> None:
    """Words IIQQ (n, n_rx, 2 n_samples) -> tapered samples, as many chirps as there are words."""
    for c in range(words.shape[0]):
        for r in range(words.shape[1]):
            for pair in range(words.shape[2] // 4):
                for n in range(2):
                    weight = taper[2 * pair + n]
                    re = np.float32(words[c, r, 4 * pair + n])
                    im = np.float32(words[c, r, 4 * pair + 2 + n])
                    samples[c, r, 2 * pair + n] = complex(weight * re, weight * im)


@_kernel
def keep(
    spectra: np.ndarray, n_chirps: int, first_bin: int, first_chirp: int, kept: np.ndarray
) -> None:
    """Kept bins of some chirps' spectra to the map (n_rx n_bins, n_slow)."""
    n_rx = spectra.shape[1]
    n_bins = kept.shape[0] // n_rx
    for r in range(n_rx):
        for b in range(n_bins):
            for c in range(n_chirps):
                kept[r * n_bins + b, first_chirp + c] = spectra[c, r, first_bin + b]


@_kernel
def load_window(kept: np.ndarray, start: int, taper: np.ndarray, tile: np.ndarray) -> None:
    """One window of every row of the map, less its mean, tapered and padded, to tile."""
    n_window = taper.shape[0]
    for row in range(kept.shape[0]):
        re = im = np.float32(0)
        for i in range(n_window):
            re += kept[row, start + i].real
            im += kept[row, start + i].imag
        mean = complex(re / np.float32(n_window), im / np.float32(n_window))
        for i in range(n_window):
            tile[row, i] = (kept[row, start + i] - mean) * taper[i]
        for i in range(n_window, tile.shape[1]):
            tile[row, i] = 0


@_kernel
def add_power(spectra: np.ndarray, power: np.ndarray) -> None:
    """Set power[f] to the sum of |spectra[:, f]|^2."""
    power[:] = 0
    for row in range(spectra.shape[0]):
        for f in range(spectra.shape[1]):
            re, im = spectra[row, f].real, spectra[row, f].imag
            power[f] += re * re + im * im


@_kernel
def rocket_ranges(
    words: np.ndarray,
    start: int,
    stop: int,
    taper: np.ndarray,
    samples: np.ndarray,
    first_bin: int,
    kept: np.ndarray,
) -> None:
    """Chirps `start` to `stop` to the map, tile by tile, transformed by rocket-fft."""
    for first in range(start, stop, samples.shape[0]):
        n = min(samples.shape[0], stop - first)
        decode(words[first : first + n], taper, samples)
        keep(scipy.fft.fft(samples, overwrite_x=True), n, first_bin, first, kept)


@_kernel
def rocket_slices(
    kept: np.ndarray,
    starts: np.ndarray,
    taper: np.ndarray,
    tile: np.ndarray,
    power: np.ndarray,
) -> None:
    """Windows that begin at `starts` to power, one at a time, transformed by rocket-fft."""
    for k in range(starts.shape[0]):
        load_window(kept, starts[k], taper, tile)
        add_power(scipy.fft.fft(tile, overwrite_x=True), power[k])
