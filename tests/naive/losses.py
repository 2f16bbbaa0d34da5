"""Slow twins of the losses: loops over samples, float64, the formulas of the papers as printed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Values = dict[str, Any]  # dotted name of a LossInputs field -> float64 array


def softmax(row: np.ndarray) -> list[float]:
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def cosine(u: np.ndarray, v: np.ndarray) -> float:
    if not (u.any() and v.any()):
        return 0.0
    dot = sum(a * b for a, b in zip(u, v, strict=True))
    return dot / (math.sqrt(sum(a * a for a in u)) * math.sqrt(sum(b * b for b in v)))


def cross_entropy(values: Values, of: str = "student") -> float:
    logits, labels = values[f"{of}.logits"], values["labels"]
    terms = [-math.log(softmax(z)[y]) for z, y in zip(logits, labels, strict=True)]
    return sum(terms) / len(terms)


def one_way(u: np.ndarray, v: np.ndarray, labels: np.ndarray, kind: str, temperature: float,
            epsilon: float) -> float:
    n, total = len(labels), 0.0
    for i in range(n):
        p = softmax(np.array([cosine(u[i], v[j]) / temperature for j in range(n)]))
        positives = [j for j in range(n) if labels[j] == labels[i]]
        negatives = [j for j in range(n) if labels[j] != labels[i]]
        if kind == "kl":
            total += -sum(math.log(p[j]) for j in positives) / len(positives)
            total -= math.log(len(positives))
            continue
        total += -sum(math.log(p[j] + epsilon) for j in positives) / len(positives)
        if negatives:
            total += -sum(math.log(1 - p[j] + epsilon) for j in negatives) / len(negatives)
    return total / n


def contrastive(values: Values, against: str = "teacher", contrast: str = "nce",
                temperature: float = 5.0, symmetric: bool = False,
                epsilon: float = 1e-10) -> float:
    u, v = values["student.embedding"], values[f"{against}.embedding"]
    loss = one_way(u, v, values["labels"], contrast, temperature, epsilon)
    if symmetric:
        loss += one_way(v, u, values["labels"], contrast, temperature, epsilon)
    return loss


def identity_kd(values: Values, margin: float = 8 / 255, beta: float = 6.0, lambda1: float = 0.5,
                lambda2: float = 0.4, temperature: float = 1.0, margin_mode: str = "hinge",
                kd_pair: str = "fused_student", detach_teacher: bool = True) -> float:
    source = "teacher" if kd_pair == "teacherhead_student" else "fused"
    total = 0.0
    for i, y in enumerate(values["labels"]):
        m, b = margin, beta
        if values["adaptive"]:
            m = (lambda1 + values["accuracy"][y]) * margin
            b = (lambda2 + values["accuracy"][y]) * beta
        z_source, z_student = values[f"{source}.logits"][i], values["student.logits"][i]
        if kd_pair == "fused_label":
            d = -math.log(softmax(z_source)[y])
        else:
            q, r = softmax(z_source / temperature), softmax(z_student / temperature)
            d = temperature**2 * sum(a * math.log(a / c) for a, c in zip(q, r, strict=True))
        part = max(d - m, 0.0) if margin_mode == "hinge" else d - m
        total += (-math.log(softmax(z_student)[y]) + b * part) / (1 + b)
    return total / len(values["labels"])


TWINS: dict[str, Callable[..., float]] = {
    "cross_entropy": cross_entropy,
    "contrastive": contrastive,
    "identity_kd": identity_kd,
}
# Readings to test beside the defaults.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "cross_entropy": [{"of": "fused"}, {"of": "composer"}],
    "contrastive": [
        {"against": "fused"}, {"contrast": "kl"}, {"symmetric": True}, {"temperature": 0.1},
        {"contrast": "kl", "symmetric": True, "against": "fused", "temperature": 0.5},
        {"epsilon": 1e-3},
    ],
    "identity_kd": [
        {"margin_mode": "subtract"}, {"kd_pair": "fused_label"}, {"temperature": 3.0},
        {"kd_pair": "teacherhead_student"}, {"margin": 0.4}, {"detach_teacher": False},
        {"beta": 1.0, "lambda1": 0.0, "lambda2": 0.0},
    ],
}
