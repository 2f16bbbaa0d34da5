"""Numba kernels of the clutter filters, which `clutter` checks and starts; they never raise."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# No 'nnan' and 'ninf', no 'reassoc', as in `kernels`.
_kernel = njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})


@_kernel
def subtract_background(
    x: np.ndarray,
    valid: np.ndarray,
    time_s: np.ndarray,
    background_s: float,
    memory: np.ndarray,
    background: np.ndarray,
) -> None:
    """Take the mean of all valid samples so far, weighted by exp(-age / background_s), off each.

    x (n, n_virtual, n_bins) is changed in place; `memory` holds the time of the last valid sample
    and the weight of all of them then.
    """
    n_virtual, n_bins = background.shape
    for i in range(x.shape[0]):
        if valid[i]:
            memory[1] = 1 + memory[1] * math.exp((memory[0] - time_s[i]) / background_s)
            memory[0] = time_s[i]
            gain = 1 / memory[1]
            for v in range(n_virtual):
                for b in range(n_bins):
                    background[v, b] += gain * (x[i, v, b] - background[v, b])
        for v in range(n_virtual):
            for b in range(n_bins):
                x[i, v, b] -= background[v, b]


@_kernel
def high_pass(
    x: np.ndarray,
    valid: np.ndarray,
    level: np.ndarray,
    coefficients: tuple[float, float, float],
    state: np.ndarray,
) -> None:
    """Second-order high-pass b (1 - z^-1)^2 / (1 + a1 z^-1 + a2 z^-2) of each bin, in place.

    Samples that are not valid are taken to be at `level`. `coefficients` are b, a1, a2; `state`
    (2, n_virtual, n_bins) goes from one call to the next (transposed direct form II).
    """
    b, a1, a2 = coefficients
    n_virtual, n_bins = level.shape
    for i in range(x.shape[0]):
        for v in range(n_virtual):
            for k in range(n_bins):
                u = b * (x[i, v, k] if valid[i] else level[v, k])
                y = u + state[0, v, k]
                state[0, v, k] = state[1, v, k] - 2 * u - a1 * y
                state[1, v, k] = u - a2 * y
                x[i, v, k] = y
