"""Obvious twins of the clutter filters, on one series of slow time."""

from __future__ import annotations

import numpy as np
import scipy.signal


def background(
    x: np.ndarray, valid: np.ndarray, time_s: np.ndarray, background_s: float
) -> np.ndarray:
    """At each sample the mean of all valid ones up to it, weighted by exp(-age / background_s)."""
    found = np.zeros(len(x), complex)
    for i in range(len(x)):
        known = valid[: i + 1]
        weight = np.exp(-(time_s[i] - time_s[: i + 1]) / background_s) * known
        found[i] = (weight @ np.where(known, x[: i + 1], 0)) / weight.sum() if known.any() else 0
    return found


def high_pass(x: np.ndarray, rest: complex, corner_hz: float, interval_s: float) -> np.ndarray:
    """Butterworth of second order that has been at `rest` forever."""
    b, a = scipy.signal.butter(2, corner_hz, "highpass", fs=1 / interval_s)
    found, _ = scipy.signal.lfilter(b, a, x, zi=scipy.signal.lfilter_zi(b, a) * rest)
    return np.asarray(found)
