"""Correlation of two histories at many shifts, over whatever both of them know.

References: Lewis, Fast normalized cross-correlation, Vision Interface 1995; with masks: Padfield,
IEEE Trans. Image Processing 21 (2012).
"""

from __future__ import annotations

import numpy as np


def lagged_sums(a: np.ndarray, c: np.ndarray, shift: np.ndarray, block: int) -> np.ndarray:
    """Sums over blocks of the camera's time that correlations are made of.

    Parameters
    ----------
    a, c : float64 arrays, evenly spaced; NaN where nothing is known
    shift : int array, shape (n_shifts,), samples by which c is moved to later times
    block : samples of a block

    Returns
    -------
    float64 array, shape (n_blocks, n_shifts, 6): sums of 1, a, c, aa, cc, ac
    """
    padded = np.full(len(a) + 2 * len(c), np.nan)
    padded[len(c) : len(c) + len(a)] = a
    moved = np.lib.stride_tricks.sliding_window_view(padded, len(c))[len(c) + shift]
    both = np.isfinite(moved) & np.isfinite(c)
    x, y = np.where(both, moved, 0.0), np.where(both, c, 0.0)
    starts = np.arange(0, len(c), block)
    parts = [np.add.reduceat(part, starts, axis=1).T
             for part in (both.astype(float), x, y, x * x, y * y, x * y)]
    return np.stack(parts, axis=-1)


def correlation(sums: np.ndarray, min_overlap: float) -> np.ndarray:
    """Correlation from sums (..., 6); NaN with fewer than `min_overlap` samples, or no change."""
    n, a, c, aa, cc, ac = np.moveaxis(sums, -1, 0)
    enough = n >= min_overlap
    n = np.where(enough, n, 1.0)
    power = (aa - a * a / n) * (cc - c * c / n)
    good = enough & (power > 1e-12 * (aa * cc + 1e-300))
    found = (ac - a * c / n) / np.sqrt(np.where(good, power, 1.0))
    return np.where(good, found, np.nan)


def score(sums: np.ndarray, min_overlap: float) -> np.ndarray:
    """Fisher's transform of the correlation, in standard deviations but for a common factor.

    A short overlap reaches a high correlation by chance; its score is lower for that.
    """
    found = np.arctanh(np.clip(correlation(sums, min_overlap), -0.9999, 0.9999))
    overlap = sums[..., 0]
    scaled: np.ndarray = found * np.sqrt(overlap / overlap.max(axis=-1, keepdims=True))
    return scaled


def peak(tried_s: np.ndarray, curve: np.ndarray, best: int) -> float:
    """Place of a maximum, refined by the parabola through it and its neighbours."""
    if not 0 < best < len(curve) - 1:
        return float(tried_s[best])
    left, top, right = curve[best - 1 : best + 2]
    bend = left - 2 * top + right
    if not bend < 0:  # NaN beside it, or flat
        return float(tried_s[best])
    return float(tried_s[best] + 0.5 * (left - right) / bend * (tried_s[1] - tried_s[0]))


def fast_sums(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """All that `lagged_sums` sums, at the shifts 1 - len(c) to len(a) - 1; (n_shifts, 6)."""
    n = len(a) + len(c) - 1
    size = 1 << (n - 1).bit_length()
    known_a, known_c = np.isfinite(a).astype(float), np.isfinite(c).astype(float)
    a, c = np.where(known_a > 0, a, 0.0), np.where(known_c > 0, c, 0.0)
    fa = [np.fft.rfft(part, size) for part in (known_a, a, a * a)]
    fc = [np.conj(np.fft.rfft(part, size)) for part in (known_c, c, c * c)]
    pairs = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1))
    sums = np.stack([np.fft.irfft(fa[i] * fc[j], size) for i, j in pairs], axis=-1)
    sums = np.roll(sums, len(c) - 1, axis=0)[:n]
    sums[:, 0] = np.rint(sums[:, 0])
    return sums


def t95(freedom: int) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5, within 1 % from 4 on)."""
    nu, z = max(1, freedom), 1.959964
    return (z + (z**3 + z) / (4 * nu) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * nu**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * nu**3))
