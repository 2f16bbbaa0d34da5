"""Slow twins of the metrics: every threshold, every probe, one after another."""

from __future__ import annotations

import numpy as np


def accuracy(labels: list[int], predicted: list[int]) -> float:
    return sum(a == b for a, b in zip(labels, predicted, strict=True)) / len(labels)


def macro_recall(labels: list[int], predicted: list[int]) -> float:
    recalls = []
    for identity in sorted(set(labels)):
        own = [p for y, p in zip(labels, predicted, strict=True) if y == identity]
        recalls.append(sum(p == identity for p in own) / len(own))
    return sum(recalls) / len(recalls)


def macro_f1(labels: list[int], predicted: list[int]) -> float:
    scores = []
    for identity in sorted(set(labels)):
        pairs = list(zip(labels, predicted, strict=True))
        true = sum(y == identity and p == identity for y, p in pairs)
        wrong = sum((y == identity) != (p == identity) for y, p in pairs)
        scores.append(2 * true / (2 * true + wrong))
    return sum(scores) / len(scores)


def cmc(scores: np.ndarray, labels: list[int]) -> list[float]:
    curve = []
    for k in range(1, scores.shape[1] + 1):
        found = 0
        for row, own in zip(scores, labels, strict=True):
            better = [j for j in range(len(row)) if j != own and row[j] >= row[own]]
            found += len(better) < k
        curve.append(found / len(labels))
    return curve


def rates(genuine: list[float], impostor: list[float]) -> list[tuple[float, float]]:
    """(false accept rate, false reject rate) from the strictest threshold to the loosest."""
    found = [(0.0, 1.0)]
    for threshold in sorted({*genuine, *impostor}, reverse=True):
        far = sum(score >= threshold for score in impostor) / len(impostor)
        frr = sum(score < threshold for score in genuine) / len(genuine)
        found.append((far, frr))
    return found


def eer(genuine: list[float], impostor: list[float]) -> float:
    """Walk along the straight pieces of the curve until far = frr."""
    curve = rates(genuine, impostor)
    for (far0, frr0), (far1, frr1) in zip(curve, curve[1:], strict=False):
        if far1 >= frr1:
            # far0 + s (far1 - far0) = frr0 + s (frr1 - frr0)
            s = (frr0 - far0) / ((far1 - far0) - (frr1 - frr0))
            return far0 + s * (far1 - far0)
    raise AssertionError("the curve ends at far = 1, frr = 0")


def tar_at_far(genuine: list[float], impostor: list[float], far: float) -> float:
    return max(1 - frr for rate, frr in rates(genuine, impostor) if rate <= far)


def dir_at_far(scores: np.ndarray, labels: list[int], unknown: np.ndarray, far: float) -> float:
    """Best rate over every threshold that keeps to the false alarm rate; accept if above it."""
    best = 0.0
    for threshold in [-np.inf, *scores.ravel(), *unknown.ravel()]:
        alarms = sum(max(row) > threshold for row in unknown) / len(unknown)
        if alarms <= far:
            right = sum(
                int(np.argmax(row)) == y and max(row) > threshold
                for row, y in zip(scores, labels, strict=True)
            )
            best = max(best, right / len(labels))
    return best


def calibration_error(probability: np.ndarray, labels: list[int], n_bins: int) -> float:
    total = 0.0
    for k in range(n_bins):
        low, high = k / n_bins, (k + 1) / n_bins
        members = [i for i, row in enumerate(probability) if low < max(row) <= high]
        if members:
            right = sum(int(np.argmax(probability[i])) == labels[i] for i in members)
            confidence = sum(max(probability[i]) for i in members)
            total += abs(right - confidence) / len(labels)
    return total


def brier(probability: np.ndarray, labels: list[int]) -> float:
    total = 0.0
    for row, y in zip(probability, labels, strict=True):
        total += sum((value - (j == y)) ** 2 for j, value in enumerate(row))
    return total / len(labels)
