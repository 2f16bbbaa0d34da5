"""People as points on a sphere, whose walks and clips scatter around them: galleries of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.config import RadarConfig
from radarid.dsp.params import DspParams
from radarid.learn.openset import unit
from radarid.live.gallery import Background, Gallery, MatchParams, no_templates, to_templates

N_EMBEDDING = 16


@dataclass(frozen=True)
class Crowd:
    """`spread` and `scatter` are of walks around people, and of clips around walks."""

    rng: np.random.Generator
    spread: float = 0.15
    scatter: float = 0.15

    def person(self) -> np.ndarray:
        return unit(self.rng.normal(size=(1, N_EMBEDDING)))[0]

    def walk(self, person: np.ndarray, n_clips: int = 4) -> np.ndarray:
        centre = person + self.spread * self.rng.normal(size=N_EMBEDDING)
        clips = centre + self.scatter * self.rng.normal(size=(n_clips, N_EMBEDDING))
        return unit(clips).astype(np.float32)


def background(crowd: Crowd, n_people: int = 8, n_walks: int = 4, n_clips: int = 4) -> Background:
    walks = [crowd.walk(person, n_clips) for person in (crowd.person() for _ in range(n_people))
             for _ in range(n_walks)]  # fmt: skip
    number = np.arange(n_people * n_walks).repeat(n_clips)
    names = np.array([f"stranger{k // n_walks}" for k in number])
    return Background(np.concatenate(walks), names, number)


def gallery(crowd: Crowd, people: dict[str, np.ndarray], params: MatchParams | None = None,
            others: Background | None = None, n_walks: int = 2) -> Gallery:
    """Everybody with `n_walks` walks, one a day, each in both directions."""
    found = Gallery(
        "0123456789abcdef", RadarConfig(), DspParams(), no_templates(N_EMBEDDING),
        others or background(crowd), params=params or MatchParams(),
    )  # fmt: skip
    for name, person in people.items():
        for day in range(n_walks):
            directions = ["away", "away", "towards", "towards"]
            found = found.enroll(to_templates(
                crowd.walk(person), directions, name, f"day{day}", f"{name}-{day}".ljust(16, "0")
            ))  # fmt: skip
    return found
