"""Slow twins of the component losses: loops over samples, pairs and pixels, in float64.

`values["parameters"]` holds a loss's own parameters by their names in its state dict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from naive.losses import Values, cosine, softmax


def at(values: Values, network: str, place: str) -> np.ndarray:
    path = f"{network}.embedding" if place == "embedding" else f"{network}.features.{place}"
    return values[path]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def kd(values: Values, temperature: float = 4.0, against: str = "teacher") -> float:
    rows = zip(values[f"{against}.logits"], values["student.logits"], strict=True)
    parts = [kl(softmax(t / temperature), softmax(s / temperature)) for t, s in rows]
    return temperature**2 * sum(parts) / len(parts)


def jeffreys(values: Values, against: str = "fused") -> float:
    rows = zip(values["student.logits"], values[f"{against}.logits"], strict=True)
    parts = [(softmax(a), softmax(b)) for a, b in rows]
    return sum(0.5 * (kl(p, q) + kl(q, p)) for p, q in parts) / len(parts)


def prepared(values: Values, network: str, place: str, activation: str) -> np.ndarray:
    """Maps of a place, rectified; vectors as maps of one pixel."""
    found = at(values, network, place)
    if found.ndim == 2:
        return found[:, :, None, None]
    return np.where(found > 0, found, 0.0) if activation == "relu" else found


def averaged(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Means over blocks; the sizes divide each other here."""
    n, c, h, w = maps.shape
    result = np.zeros((n, c, height, width))
    for y in range(height):
        for x in range(width):
            rows = slice(y * h // height, (y + 1) * h // height)
            columns = slice(x * w // width, (x + 1) * w // width)
            result[:, :, y, x] = maps[:, :, rows, columns].mean((2, 3))
    return result


def two_maps(
    values: Values, place: str, activation: str
) -> tuple[np.ndarray, np.ndarray]:
    s, t = (prepared(values, network, place, activation) for network in ("student", "teacher"))
    height, width = min(s.shape[2], t.shape[2]), min(s.shape[3], t.shape[3])
    return averaged(s, height, width), averaged(t, height, width)


def pixelwise(weight: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """A convolution of 1 x 1."""
    n, _, h, w = maps.shape
    result = np.zeros((n, len(weight), h, w))
    for i, y, x in np.ndindex(n, h, w):
        result[i, :, y, x] = weight[:, :, 0, 0] @ maps[i, :, y, x]
    return result


def fitnet(values: Values, of: str = "layer2", regressor: str = "conv_bn_relu",
           activation: str = "relu") -> float:
    s, t = two_maps(values, of, activation)
    own = values["parameters"]
    if regressor == "conv":
        s = pixelwise(own["regressor.weight"], s)
    if regressor == "conv_bn_relu":
        s = pixelwise(own["regressor.0.weight"], s)
        for c in range(s.shape[1]):  # training: statistics of the batch
            plane = s[:, c]
            plane = (plane - plane.mean()) / math.sqrt(plane.var() + 1e-5)
            s[:, c] = own["regressor.1.weight"][c] * plane + own["regressor.1.bias"][c]
        s = np.where(s > 0, s, 0.0)
    return float(((s - t) ** 2).sum() / s.size)


def attention(
    values: Values, layers: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4"),
    activation: str = "relu",
) -> float:
    total = 0.0
    for layer in layers:
        s, t = two_maps(values, layer, activation)
        parts = []
        for i in range(len(s)):
            a, b = ((maps[i] ** 2).mean(0).ravel() for maps in (s, t))
            a, b = (m / max(math.sqrt((m**2).sum()), 1e-12) for m in (a, b))
            parts += list((a - b) ** 2)
        total += sum(parts) / len(parts)
    return total


def smooth_l1(a: float, b: float) -> float:
    d = abs(a - b)
    return 0.5 * d * d if d < 1 else d - 0.5


def relations(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(vectors)
    far = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                far[i, j] = math.sqrt(max(((vectors[i] - vectors[j]) ** 2).sum(), 1e-12))
    positive = far[far > 0]
    if positive.size:
        far = far / positive.mean()
    bent = np.zeros((n, n, n))
    for i, j, k in np.ndindex(n, n, n):
        a, b = vectors[j] - vectors[i], vectors[k] - vectors[i]
        bent[i, j, k] = cosine(a, b)
    return far, bent


def rkd(values: Values, of: str = "embedding", distance_weight: float = 25.0,
        angle_weight: float = 50.0) -> float:
    (d_s, a_s), (d_t, a_t) = (relations(at(values, net, of)) for net in ("student", "teacher"))
    far = [smooth_l1(x, y) for x, y in zip(d_s.ravel(), d_t.ravel(), strict=True)]
    bent = [smooth_l1(x, y) for x, y in zip(a_s.ravel(), a_t.ravel(), strict=True)]
    return distance_weight * sum(far) / len(far) + angle_weight * sum(bent) / len(bent)


def similarity(values: Values, of: str = "embedding") -> float:
    def rows(network: str) -> list[list[float]]:
        flat = [sample.ravel() for sample in at(values, network, of)]
        gram = [[float((a * b).sum()) for b in flat] for a in flat]
        lengths = [max(math.sqrt(sum(g * g for g in row)), 1e-12) for row in gram]
        return [[g / length for g in row] for row, length in zip(gram, lengths, strict=True)]

    s, t = rows("student"), rows("teacher")
    n = len(s)
    return sum((t[i][j] - s[i][j]) ** 2 for i in range(n) for j in range(n)) / n**2


def pkt(values: Values, of: str = "embedding", epsilon: float = 1e-7) -> float:
    def rows(network: str) -> list[list[float]]:
        unit = [v / (math.sqrt((v**2).sum()) + epsilon) for v in at(values, network, of)]
        near = [[(1 + float((a * b).sum())) / 2 for b in unit] for a in unit]
        return [[value / sum(row) for value in row] for row in near]

    s, t = rows("student"), rows("teacher")
    n = len(s)
    parts = [
        t[i][j] * math.log((t[i][j] + epsilon) / (s[i][j] + epsilon))
        for i in range(n) for j in range(n)
    ]
    return sum(parts) / n**2


def correlation(values: Values, of: str = "embedding") -> float:
    s, t = at(values, "student", of), at(values, "teacher", of)
    parts = [
        sum(abs(a) * abs(b) for a, b in zip(s[i] - t[i], s[i + 1] - t[i + 1], strict=True))
        for i in range(len(s) - 1)
    ]
    return sum(parts) / len(parts) if parts else 0.0


def vid(values: Values, of: str = "layer4", initial_variance: float = 5.0,
        activation: str = "relu") -> float:
    s, t = two_maps(values, of, activation)
    own = values["parameters"]
    for name in ("mean.0.weight", "mean.2.weight", "mean.4.weight"):
        s = pixelwise(own[name], np.where(s > 0, s, 0.0) if name != "mean.0.weight" else s)
    total = 0.0
    for c, alpha in enumerate(own["alpha"]):
        variance = math.log(1 + math.exp(alpha)) + 1e-5
        error = ((s[:, c] - t[:, c]) ** 2).sum()
        total += 0.5 * (error / variance + t[:, c].size * math.log(variance))
    return total / t.size


def margin(values: Values, level: str = "feature", margin: float | None = None,
           temperature: float = 4.0, scale: str = "after", quality: bool = True) -> float:
    total, n = 0.0, len(values["labels"])
    for i in range(n):
        if level == "feature":
            u, v = values["student.embedding"][i], values["teacher.embedding"][i]
            d = 1 - cosine(u, v)
            m = 0.2
        else:
            z_t, z_s = values["teacher.logits"][i], values["student.logits"][i]
            d = kl(softmax(z_t / temperature), softmax(z_s / temperature))
            m = 8 / 255
            d *= temperature**2 if scale == "before" else 1
        part = max(d - (m if margin is None else margin), 0.0)
        part *= temperature**2 if level == "logit" and scale == "after" else 1
        if quality:
            norms = values["teacher.norm"]
            part *= norms[i] / (sum(norms) / n)
        total += part
    return total / n


TWINS: dict[str, Callable[..., float]] = {
    "kd": kd, "jeffreys": jeffreys, "fitnet": fitnet, "at": attention, "rkd": rkd,
    "sp": similarity, "pkt": pkt, "cc": correlation, "vid": vid, "mkd": margin,
}
# Readings to test beside the defaults.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "kd": [{"temperature": 1.0}, {"against": "fused"}],
    "jeffreys": [{"against": "composer"}, {"against": "teacher"}],
    "fitnet": [
        {"activation": "none"}, {"of": "layer1", "regressor": "conv"},
        {"of": "layer4", "regressor": "none"}, {"of": "embedding", "regressor": "conv"},
        {"of": "embedding", "regressor": "none"}, {"of": "pooled", "regressor": "conv"},
    ],
    "at": [{"layers": ["layer2"]}, {"activation": "none", "layers": ["layer1", "layer4"]}],
    "rkd": [
        {"distance_weight": 1.0, "angle_weight": 2.0}, {"angle_weight": 0.0},
        {"of": "pooled", "distance_weight": 0.0},
    ],
    "sp": [{"of": "layer3"}, {"of": "pooled"}],
    "pkt": [{"of": "pooled"}, {"epsilon": 1e-3}],
    "cc": [{"of": "embedding"}],
    "vid": [
        {"of": "layer1", "activation": "none"}, {"of": "embedding", "initial_variance": 0.5},
        {"of": "pooled"},
    ],
    "mkd": [
        {"level": "logit"}, {"level": "logit", "scale": "before", "margin": 0.5},
        {"level": "logit", "scale": "none", "temperature": 1.0}, {"quality": False},
        {"margin": 0.9}, {"level": "logit", "quality": False, "margin": 0.1},
    ],
}
