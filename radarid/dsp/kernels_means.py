"""Numba kernel for what stands still: the mean over slow time; it never raises."""

from __future__ import annotations

import numpy as np
from numba import njit

_kernel = njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})


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
