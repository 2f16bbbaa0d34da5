"""The people that strangers are judged by: how they score, against anybody's templates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from radarid.errors import GalleryError
from radarid.learn.openset import unit
from radarid.live.gallery import Background

_LEAST_SPREAD = 1e-6


class Walk(NamedTuple):
    """A walk of the background: number of its person, and its rows."""

    person: int
    rows: np.ndarray


class Cohort:
    """The background as it serves for normalisation: always without the people concerned."""

    def __init__(self, background: Background, norm: str) -> None:
        self.embedding = background.embedding.astype(np.float64)
        self.people, self.person = np.unique(background.subject, return_inverse=True)
        self.norm = norm
        rows = [np.flatnonzero(background.walk == k) for k in np.unique(background.walk)]
        self.walks = [Walk(int(self.person[each[0]]), each) for each in rows]
        n_walks = np.bincount([w.person for w in self.walks], minlength=len(self.people))
        needed = 4 if norm == "s" else 3
        if len(self.people) < needed or n_walks.max(initial=0) < 2:
            raise GalleryError(
                "the gallery's background cannot say what strangers look like",
                got=f"{len(self.people)} people, at most {n_walks.max(initial=0)} walks each",
                expected=f"{needed} people who are not enrolled, with two walks",
                remedy="enroll into a new gallery with --background STORE of other people",
            )
        self._means = unit(np.stack(
            [self.embedding[self.person == k].mean(0) for k in range(len(self.people))]
        ))  # fmt: skip

    def mean_of(self, walk: Walk) -> np.ndarray:
        """Direction of a walk, float64 (d,)."""
        return np.asarray(unit(self.embedding[walk.rows].mean(0, keepdims=True))[0])

    def normalise(
        self, raw: np.ndarray, probes: np.ndarray, strange: np.ndarray,
        without: tuple[int, ...] = (),
    ) -> np.ndarray:  # fmt: skip
        """Normalise raw scores (n, k) of probes (n, d) against k sets of templates.

        `strange` (m, k) is what the background's clips score against the same templates;
        `without` names people of the background whom probes or templates are of.
        """
        if self.norm == "none":
            return raw
        others = strange[~np.isin(self.person, without)]
        z = (raw - others.mean(0)) / np.maximum(others.std(0), _LEAST_SPREAD)
        if self.norm == "z":
            return np.asarray(z)
        cohort = probes @ np.delete(self._means, without, 0).T
        spread = np.maximum(cohort.std(1, keepdims=True), _LEAST_SPREAD)
        return np.asarray((z + (raw - cohort.mean(1, keepdims=True)) / spread) / 2)


def pseudo_scores(
    cohort: Cohort, n_templates: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scores of the background's walks if its people were enrolled: as themselves, as others.

    Each walk meets templates of the same person's next walks, as many as the gallery's people
    have on average; of each person, one such set meets everybody else's walks.
    """
    own, other = [], []
    done: set[int] = set()
    for k, walk in enumerate(cohort.walks):
        templates = _next_walks(cohort, k, max(1, round(n_templates)))
        if not templates:
            continue
        raw = (cohort.embedding @ np.stack(templates).T).max(1, keepdims=True)

        def score(probe: Walk, raw: np.ndarray = raw, whose: int = walk.person) -> np.ndarray:
            rows, people = probe.rows, tuple({whose, probe.person})
            return cohort.normalise(raw[rows], cohort.embedding[rows], raw, people)[:, 0]

        own.append(score(walk))
        if walk.person not in done:
            other += [score(probe) for probe in cohort.walks if probe.person != walk.person]
        done.add(walk.person)
    return own, other


def _next_walks(cohort: Cohort, k: int, n: int) -> list[np.ndarray]:
    """Directions of up to n other walks of the person of walk k, in cyclic order."""
    same = [j for j, walk in enumerate(cohort.walks) if walk.person == cohort.walks[k].person]
    place = same.index(k)
    return [cohort.mean_of(cohort.walks[j]) for j in (same[place + 1 :] + same[:place])[:n]]
