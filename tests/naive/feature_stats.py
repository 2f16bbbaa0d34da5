"""Slow twins of the comparisons of features: sums over clips, written out."""

from __future__ import annotations

import itertools
import math

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """By feature covariances, |Y'X|^2 / (|X'X| |Y'Y|), where the code goes by clips."""
    x, y = x - x.mean(0), y - y.mean(0)

    def squared(a: np.ndarray, b: np.ndarray) -> float:
        return sum(
            sum(a[n, i] * b[n, j] for n in range(len(a))) ** 2
            for i in range(a.shape[1]) for j in range(b.shape[1])
        )

    return squared(x, y) / math.sqrt(squared(x, x) * squared(y, y))


def unbiased_hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Mean over all ordered choices of four different clips, of features as they are."""
    k, m = x @ x.T, y @ y.T
    total, count = 0.0, 0
    for i, j, q, r in itertools.permutations(range(len(x)), 4):
        total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        count += 1
    return total / count


def debiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    return unbiased_hsic(x, y) / math.sqrt(unbiased_hsic(x, x) * unbiased_hsic(y, y))


def pearson(a: list[float], b: list[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    top = sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True))
    var_a = sum((p - mean_a) ** 2 for p in a)
    var_b = sum((q - mean_b) ** 2 for q in b)
    return top / math.sqrt(var_a * var_b)
