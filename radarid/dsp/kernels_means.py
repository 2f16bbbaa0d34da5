"""Numba kernels for what stands still: means and moments over slow time; they never raise."""

from __future__ import annotations

import numpy as np
from numba import njit

_kernel = njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})


@_kernel
def moments(
    x: np.ndarray, valid: np.ndarray, means: np.ndarray, energy: np.ndarray, spread: np.ndarray
) -> None:
    """Mean over the valid samples of each block, and mean of |x - mean|^2 summed over antennas.

    x is float32 (n_blocks * n, n_virtual * 2 n_bins), means (n_blocks, n_virtual * 2 n_bins), the
    scratch `spread` as long as one of them, energy (n_blocks, n_bins); zero and NaN where nothing
    is valid. One pass: sums of the distance to the first valid sample, which is small for still
    echoes, so that nothing cancels (the shifted form of the variance).
    """
    n_blocks, n_floats = means.shape
    n_bins, n = energy.shape[1], x.shape[0] // n_blocks
    for k in range(n_blocks):
        mean = means[k]
        for c in range(n_floats):
            mean[c] = 0
            spread[c] = 0
        n_valid, first = 0, 0
        for i in range(k * n, (k + 1) * n):
            if valid[i]:
                if n_valid == 0:
                    first = i
                n_valid += 1
                for c in range(n_floats):
                    away = x[i, c] - x[first, c]
                    mean[c] += away
                    spread[c] += away * away
        for b in range(n_bins):
            energy[k, b] = 0 if n_valid > 0 else np.nan
        scale = np.float32(1 / n_valid if n_valid > 0 else 0)
        for c in range(n_floats if n_valid > 0 else 0):
            away = mean[c] * scale
            mean[c] = x[first, c] + away
            energy[k, (c // 2) % n_bins] += max(spread[c] * scale - away * away, np.float32(0))


@_kernel
def mean_of_valid(x: np.ndarray, valid: np.ndarray, mean: np.ndarray) -> None:
    """Mean over the valid slow-time samples of x (n, n_virtual, n_bins); 0 where none is."""
    n_virtual, n_bins = mean.shape
    n_valid = 0
    for v in range(n_virtual):
        for b in range(n_bins):
            mean[v, b] = 0
    for i in range(x.shape[0]):
        if valid[i]:
            n_valid += 1
            for v in range(n_virtual):
                for b in range(n_bins):
                    mean[v, b] += x[i, v, b]
    scale = np.float32(1 / n_valid if n_valid > 0 else 0)
    for v in range(n_virtual):
        for b in range(n_bins):
            mean[v, b] *= scale


@_kernel
def window_means(
    x: np.ndarray, valid: np.ndarray, hop: int, window: int, sums: np.ndarray, means: np.ndarray
) -> None:
    """Mean of the valid samples of overlapping windows, `hop` samples apart, from sample 0 on.

    x is float32 (n, n_floats), means (n_windows, n_floats). Samples are added once, in stretches
    of a hop: `sums`, room for (n_windows + window // hop, n_floats). Stretches depend on where
    they are, not on which windows are asked for together.
    """
    n_whole, n_floats = window // hop, x.shape[1]
    for k in range(means.shape[0] + n_whole - 1):
        for c in range(n_floats):
            sums[k, c] = 0
        for i in range(k * hop, (k + 1) * hop):
            if valid[i]:
                for c in range(n_floats):
                    sums[k, c] += x[i, c]
    for k in range(means.shape[0]):
        n_valid = 0
        for i in range(k * hop, k * hop + window):
            n_valid += valid[i]
        for c in range(n_floats):
            means[k, c] = 0
        for part in range(k, k + n_whole):
            for c in range(n_floats):
                means[k, c] += sums[part, c]
        for i in range((k + n_whole) * hop, k * hop + window):
            if valid[i]:
                for c in range(n_floats):
                    means[k, c] += x[i, c]
        scale = np.float32(1 / n_valid if n_valid > 0 else 0)
        for c in range(n_floats):
            means[k, c] *= scale
