"""Slow twins of the losses of F-SKD, FD-CMKD, the THz paper and the heads: loops, float64.

`values["parameters"]` holds a loss's own parameters by their names in its state dict.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from naive.losses import Values, softmax
from naive.losses_components import at, kl, pixelwise

STAGES = ("layer1", "layer2", "layer3", "layer4")
ALIKE = {"fskd", "norm_kd"}  # compare maps element by element


def length(vector: np.ndarray) -> float:
    return math.sqrt(sum(float(x) * float(x) for x in vector.ravel()))


def cosine(u: np.ndarray, v: np.ndarray, least: float) -> float:
    dot = sum(float(a) * float(b) for a, b in zip(u.ravel(), v.ravel(), strict=True))
    return dot / (max(length(u), least) * max(length(v), least))


def fskd(values: Values, stages: tuple[str, ...] = STAGES, cosine_over: str = "map") -> float:
    total = 0.0
    for stage in stages:
        parts = []
        for s, t in zip(*(at(values, net, stage) for net in ("student", "teacher")), strict=True):
            if cosine_over == "map":
                parts.append(1 - cosine(s, t, 1e-8))
            else:
                for y, x in np.ndindex(s.shape[1:]):
                    parts.append(1 - cosine(s[:, y, x], t[:, y, x], 1e-8))
        total += sum(parts) / len(parts)
    return total / len(stages)


def norm_kd(values: Values, stages: tuple[str, ...] = STAGES) -> float:
    total = 0.0
    for stage in stages:
        maps = zip(*(at(values, net, stage) for net in ("student", "teacher")), strict=True)
        parts = [abs(length(t) - length(s)) for s, t in maps]
        total += sum(parts) / len(parts)
    return total / len(stages)


def head(values: Values, scale: float, penalise: Callable[[float], float]) -> float:
    total = 0.0
    for x, y in zip(values["student.embedding"], values["labels"], strict=True):
        row = []
        for k, w in enumerate(values["parameters"]["weight"]):
            c = cosine(x, w, 1e-12)
            row.append(scale * (penalise(c) if k == y else c))
        total -= math.log(softmax(np.array(row))[y])
    return total / len(values["labels"])


def cosface(values: Values, scale: float = 30.0, margin: float = 0.25) -> float:
    return head(values, scale, lambda c: c - margin)


def arcface(values: Values, scale: float = 64.0, margin: float = 0.5, beyond: str = "linear",
            gradient: str = "full") -> float:
    def penalise(c: float) -> float:
        theta = math.acos(c)
        if beyond == "linear" and theta + margin >= math.pi:
            return c - margin * math.sin(margin)
        if beyond == "easy" and c <= 0:
            return c
        return math.cos(theta + margin)

    return head(values, scale, penalise)


def fourier_split(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high band of a line by the sums of the discrete Fourier transform."""
    n = len(line)
    bands = (np.zeros(n), np.zeros(n))
    for k in range(1, n):
        value = sum(line[m] * cmath.exp(-2j * math.pi * k * m / n) for m in range(n))
        band = bands[0] if min(k, n - k) <= n / 4 else bands[1]
        for m in range(n):
            band[m] += (value * cmath.exp(2j * math.pi * k * m / n)).real / n
    return bands


def fourier_split_2d(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    h, w = plane.shape
    bands = (np.zeros((h, w)), np.zeros((h, w)))
    for k, j in np.ndindex(h, w):
        if k == j == 0:
            continue
        value = sum(plane[y, x] * cmath.exp(-2j * math.pi * (k * y / h + j * x / w))
                    for y, x in np.ndindex(h, w))
        high = max(min(k, h - k) / h, min(j, w - j) / w) > 0.25
        for y, x in np.ndindex(h, w):
            wave = cmath.exp(2j * math.pi * (k * y / h + j * x / w))
            bands[high][y, x] += (value * wave).real / (h * w)
    return bands


def bands_of(sample: np.ndarray, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """Both bands of one sample (c, h, w)."""
    low, high = np.zeros_like(sample), np.zeros_like(sample)
    c, h, w = sample.shape
    lines = {
        "channel": [(slice(None), y, x) for y in range(h) for x in range(w)],
        "doppler": [(i, slice(None), x) for i in range(c) for x in range(w)],
        "time": [(i, y, slice(None)) for i in range(c) for y in range(h)],
        "hw": [(i, slice(None), slice(None)) for i in range(c)],
    }[axis]
    for line in lines:
        split = fourier_split_2d if axis == "hw" else fourier_split
        low[line], high[line] = split(sample[line])
    return low, high


def fdcmkd(values: Values, axis: str = "channel", of: str = "layer4", reduction: str = "mean",
           lambda_low: float = 1.0, lambda_high: float = 1.0) -> float:
    place, own = "pooled" if axis == "channel" else of, values["parameters"]
    s, t = at(values, "student", place), at(values, "teacher", place)
    if s.ndim == 2:
        s, t = s[:, :, None, None], t[:, :, None, None]
    if "projector.weight" in own:
        s = pixelwise(own["projector.weight"], s)
    total, n = 0.0, len(s)
    for i, y in enumerate(values["labels"]):
        split = {"student": bands_of(s[i], axis), "teacher": bands_of(t[i], axis)}
        for b, band in enumerate(("low", "high")):
            votes = [("shared", split["student"][b]), ("shared", split["teacher"][b]),
                     ("task", split["student"][b])]
            for kind, value in votes:
                pooled = np.where(value > 0, value, 0).mean((1, 2))
                weight, bias = (own[f"heads.{kind}_{band}.{p}"] for p in ("weight", "bias"))
                total -= math.log(softmax(weight @ pooled + bias)[y]) / n
            unit = [split[net][b] / max(length(split[net][b]), 1e-8) for net in split]
            if band == "high":
                unit = [np.array([math.copysign(math.log(1 + abs(v)), v) for v in u.ravel()])
                        for u in unit]
            distance = float(((unit[0] - unit[1]) ** 2).sum())
            factor = lambda_low if band == "low" else lambda_high
            total += factor * distance / (n * (s[i].size if reduction == "mean" else 1))
    return total


def supcon(values: Values, of: str = "student", temperature: float = 0.07,
           base_temperature: float = 0.07, denominator: str = "others",
           lonely: str = "drop") -> float:
    x, labels = values[f"{of}.embedding"], values["labels"]
    n, terms = len(labels), []
    for i in range(n):
        near = [cosine(x[i], x[k], 1e-12) / temperature for k in range(n)]
        sums = math.fsum(
            math.exp(near[k]) for k in range(n) if denominator == "all" or k != i
        )
        mates = [p for p in range(n) if labels[p] == labels[i] and p != i]
        if mates:
            terms.append(sum(math.log(sums) - near[p] for p in mates) / len(mates))
        elif lonely == "zero":
            terms.append(0.0)
    return temperature / base_temperature * sum(terms) / len(terms) if terms else 0.0


def feature_distill(values: Values, against: str = "fused", form: str = "paper",
                    normalise: bool = True) -> float:
    if form == "code":
        own = values["parameters"]
        s = at(values, "student", "pooled") @ own["project_student.weight"].T
        t = at(values, against, "pooled") @ own["taught_weight"].T
        s, t = s + own["project_student.bias"], t + own["taught_bias"]
        return float(((s - t) ** 2).sum() / s.size)
    total = 0.0
    for s, t in zip(values["student.embedding"], values[f"{against}.embedding"], strict=True):
        if normalise:
            s, t = s / max(length(s), 1e-12), t / max(length(t), 1e-12)
        total += sum((a - b) ** 2 for a, b in zip(s, t, strict=True))
    return total / len(values["labels"])


def logit_distill(values: Values, against: str = "fused", of: str = "logits",
                  temperature: float = 3.0) -> float:
    rows = zip(values[f"{against}.{of}"], values[f"student.{of}"], strict=True)
    parts = [kl(softmax(t / temperature), softmax(s / temperature)) for t, s in rows]
    return temperature**2 * sum(parts) / len(parts)


def direction(values: Values, of: str = "student", label_smoothing: float = 0.1) -> float:
    terms = []
    for z, d in zip(values[f"{of}.direction"], values["directions"], strict=True):
        if d >= 0:
            nats = [-math.log(p) for p in softmax(z)]
            terms.append((1 - label_smoothing) * nats[d] + label_smoothing * sum(nats) / len(nats))
    return sum(terms) / len(terms) if terms else 0.0


def charbonnier(values: Values, epsilon: float = 1e-3, form: str = "squared") -> float:
    added = epsilon**2 if form == "squared" else epsilon
    d = (values["student.reconstruction"] - values["clean"]).ravel()
    return sum(math.sqrt(x * x + added) for x in d) / len(d)


def ssim_of(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    """Similarity under one window; the weights sum to one, or less where the window sticks out."""
    mu_a, mu_b, aa, bb, ab = (float((weights * x).sum()) for x in (a, b, a * a, b * b, a * b))
    var_a, var_b, both = aa - mu_a**2, bb - mu_b**2, ab - mu_a * mu_b
    alike = (2 * mu_a * mu_b + 1e-4) * (2 * both + 9e-4)
    return alike / ((mu_a**2 + mu_b**2 + 1e-4) * (var_a + var_b + 9e-4))


def ssim(values: Values, window: str = "valid") -> float:
    bell = np.array([[math.exp(-(y * y + x * x) / 4.5) for x in range(-5, 6)]
                     for y in range(-5, 6)])
    bell /= bell.sum()
    found = []
    for a, b in zip(values["student.reconstruction"][:, 0], values["clean"][:, 0], strict=True):
        if window == "global":
            found.append(ssim_of(a, b, np.full(a.shape, 1 / a.size)))
            continue
        if window == "padded":
            a, b = np.pad(a, 5), np.pad(b, 5)
        places = np.ndindex(a.shape[0] - 10, a.shape[1] - 10)
        each = [ssim_of(a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11], bell)
                for y, x in places]
        found.append(sum(each) / len(each))
    return 1 - sum(found) / len(found)


TWINS: dict[str, Callable[..., float]] = {
    "fskd": fskd, "norm_kd": norm_kd, "cosface": cosface, "arcface": arcface, "fdcmkd": fdcmkd,
    "supcon": supcon, "feature_distill": feature_distill, "logit_distill": logit_distill,
    "direction": direction, "charbonnier": charbonnier, "ssim": ssim,
}
# Readings to test beside the defaults.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "fskd": [{"cosine_over": "channel"}, {"stages": ["layer2", "layer4"]}],
    "norm_kd": [{"stages": ["layer3"]}],
    "cosface": [{"scale": 64.0, "margin": 0.4}, {"margin": 0.0}],
    "arcface": [
        {"beyond": "cosine"}, {"beyond": "easy", "scale": 16.0}, {"margin": 2.5, "scale": 8.0},
        {"margin": 2.5, "scale": 8.0, "beyond": "cosine"},
    ],
    "fdcmkd": [
        {"reduction": "sum_dim", "lambda_low": 0.5, "lambda_high": 5.0},
        {"axis": "time", "of": "layer1"}, {"axis": "doppler", "of": "layer1"},
        {"axis": "hw", "of": "layer1", "reduction": "sum_dim"},
    ],
    "supcon": [
        {"lonely": "zero"}, {"denominator": "all"}, {"of": "fused"},
        {"temperature": 0.5, "base_temperature": 0.1},
    ],
    "feature_distill": [
        {"normalise": False}, {"against": "teacher"}, {"form": "code", "against": "teacher"}
    ],
    "logit_distill": [{"against": "teacher"}, {"of": "direction"}, {"temperature": 1.0}],
    "direction": [{"label_smoothing": 0.0}, {"of": "fused", "label_smoothing": 0.5}],
    "charbonnier": [{"epsilon": 1e-6, "form": "plain"}],
    "ssim": [{"window": "padded"}, {"window": "global"}],
}  # fmt: skip
