"""Scores of clips against a gallery, by loops."""

from __future__ import annotations

import math
from typing import Any


def cosine(a: Any, b: Any) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(
        sum(x * x for x in a) * sum(y * y for y in b)
    )


def mean_and_spread(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


def best_cosine(probe: Any, templates: Any) -> float:
    return max(cosine(probe, template) for template in templates)


def score(probe: Any, templates: Any, norm: str, strangers: dict[str, list[Any]]) -> float:
    """Score of a clip against a person's templates; `strangers`: name -> clips."""
    raw = best_cosine(probe, templates)
    if norm == "none":
        return raw
    mean, spread = mean_and_spread(
        [best_cosine(clip, templates) for clips in strangers.values() for clip in clips]
    )
    z = (raw - mean) / spread
    if norm == "z":
        return z
    centres = [[sum(column) / len(clips) for column in zip(*clips, strict=True)]
               for clips in strangers.values()]  # fmt: skip
    mean, spread = mean_and_spread([cosine(probe, centre) for centre in centres])
    return (z + (raw - mean) / spread) / 2
