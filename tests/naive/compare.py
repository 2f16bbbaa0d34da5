"""Slow, obvious twins of the tests between methods."""

from __future__ import annotations

import itertools


def sign_flip_p(sums: list[float]) -> float:
    """Every change of sign of every walk's difference, one after the other."""
    observed, n_far, n_all = abs(sum(sums)), 0, 0
    for signs in itertools.product((1, -1), repeat=len(sums)):
        total = 0.0
        for sign, value in zip(signs, sums, strict=True):
            total += sign * value
        n_far += abs(total) >= observed - 1e-9
        n_all += 1
    return n_far / n_all


def holm(values: list[float]) -> list[float]:
    """Multiply the smallest by n, the next by n - 1, ...; never fall; never exceed 1."""
    corrected: dict[int, float] = {}
    left, before = list(range(len(values))), 0.0
    while left:
        least = min(left, key=lambda k: values[k])
        before = max(before, min(1.0, len(left) * values[least]))
        corrected[least] = before
        left.remove(least)
    return [corrected[k] for k in range(len(values))]
