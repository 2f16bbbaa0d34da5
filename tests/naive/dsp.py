"""Slow, obvious twins of the signal processing: loops, sums and the definition of the DFT."""

from __future__ import annotations

import cmath

import numpy as np


def window_samples(
    words: np.ndarray, i_index: np.ndarray, q_index: np.ndarray | None, taper: np.ndarray
) -> np.ndarray:
    n_rx, n_samples = i_index.shape
    samples = np.zeros((len(words), n_rx, n_samples), complex)
    for c, r, n in np.ndindex(samples.shape):
        re = float(words[c, i_index[r, n]])
        im = 0.0 if q_index is None else float(words[c, q_index[r, n]])
        samples[c, r, n] = taper[n] * complex(re, im)
    return samples


def dft(x: np.ndarray, frequency: float) -> complex:
    """Sum of x[n] exp(-2 pi j f n) for a frequency in cycles per sample."""
    return sum(complex(v) * cmath.exp(-2j * cmath.pi * frequency * n) for n, v in enumerate(x))


def hann(n: int) -> np.ndarray:
    """Periodic Hann taper of unit energy."""
    w = np.array([0.5 - 0.5 * np.cos(2 * np.pi * k / n) for k in range(n)])
    return w / np.sqrt((w**2).sum())


def mean_of_valid(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    kept = [row for row, good in zip(x, valid, strict=True) if good]
    return sum(kept) / len(kept) if kept else np.zeros(x.shape[1:], complex)


def moving_energy(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    mean = mean_of_valid(x, valid)
    energy = np.zeros(x.shape[2])
    for row, good in zip(x, valid, strict=True):
        if good:
            energy += (np.abs(row - mean) ** 2).sum(axis=0)
    return energy / max(1, valid.sum())


def slice_power(
    x: np.ndarray, valid: np.ndarray, clutter: np.ndarray, gate: range, frequency: float
) -> float:
    """Power at one Doppler frequency (cycles per chirp), summed over antennas and gate."""
    weight = hann(len(x)) * valid
    total = 0.0
    for v in range(x.shape[1]):
        for b in gate:
            total += abs(dft((x[:, v, b] - clutter[v, b]) * weight, frequency)) ** 2
    return total / float((weight**2).sum())
