"""Probes against a gallery: normalised cosines, fused over clips and time into evidence.

Everything follows from the gallery: a cosine is normalised by what strangers score, a model of two
normal distributions turns normalised scores into log-likelihood ratios of "this person" against
"a stranger", and walks of strangers set the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radarid.errors import GalleryError
from radarid.learn import openset
from radarid.learn.openset import Calibration, Identification, unit
from radarid.live.cohort import Cohort, pseudo_scores
from radarid.live.gallery import Gallery
from radarid.live.score_model import binomial_interval, fit
from radarid.live.template_key import TemplateKey


@dataclass(frozen=True)
class Threshold:
    """Where "unknown" begins, and how sure that is.

    Attributes
    ----------
    calibration : threshold in nats, and how it did on the walks it was set on
    wanted : false-accept rate that was asked for
    interval : 95 % interval of the false-accept rate
    n_people : whose walks the strangers' were
    source : who they are to the student, see `Gallery.source`
    """

    calibration: Calibration
    wanted: float
    interval: tuple[float, float]
    n_people: int
    source: str

    @property
    def value(self) -> float:
        """Least evidence that is accepted."""
        return self.calibration.threshold


class Matcher:
    """Compares clips with the people of a gallery.

    Parameters
    ----------
    gallery : with at least one enrolled person
    key : that protects it, if one does

    Attributes
    ----------
    subjects : the enrolled, in order of the scores
    model : turns scores into evidence
    threshold : between known and unknown

    Raises
    ------
    GalleryError
        Nobody is enrolled, another key is needed, or the background cannot say what strangers
        look like.
    """

    def __init__(self, gallery: Gallery, key: TemplateKey | None = None) -> None:
        gallery.check_key(key)
        if not gallery.subjects:
            raise GalleryError("nobody is enrolled", remedy="radarid enroll NAME FILE...")
        self.subjects, self._gallery, self._key = gallery.subjects, gallery, key
        templates = gallery.templates
        self._templates = templates.embedding
        self._owner = np.searchsorted(self.subjects, templates.subject)
        self._cohort = Cohort(gallery.background, gallery.params.norm)
        # What strangers score against each of the enrolled: the probes' raw scores refer to it.
        self._strange = self.raw(gallery.background.embedding)
        own, other = pseudo_scores(self._cohort, len(templates) / len(self.subjects))
        self.model = fit(own, other)
        self.threshold = self._set_threshold(own)

    def raw(self, embeddings: np.ndarray) -> np.ndarray:
        """Cosine to the best template of each person, float64 (n, n_people)."""
        cosines = unit(embeddings.astype(np.float64)) @ self._templates.T
        people = range(len(self.subjects))
        return np.stack([cosines[:, self._owner == k].max(1) for k in people], axis=1)

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Normalised scores of clips, float64 (n, n_people), from the student's embeddings (n, d).

        Raises
        ------
        GalleryError
            Embeddings of another length than the student's that made the gallery.
        """
        probes = unit(embeddings.astype(np.float64))
        if self._key is not None:
            probes = self._key.protect(probes).astype(np.float64)
        if probes.shape[1] != self._templates.shape[1]:
            raise GalleryError("embeddings of another length than the templates",
                               got=probes.shape[1], expected=self._templates.shape[1])
        return self._cohort.normalise(self.raw(probes), probes, self._strange)

    def identify(self, embeddings: np.ndarray) -> Identification:
        """Decide who walked, from the embeddings (n, d) of all clips of one walk."""
        evidence = Evidence(self)
        for row in self.scores(embeddings):
            evidence.push(row)
        return evidence.decide()

    def decide(self, row: np.ndarray) -> Identification:
        """Decide from the evidence for each person, float array (n_people,).

        Where one person is enrolled, the second best is a stranger, whose evidence is 0.
        """
        order = np.argsort(row)
        best = int(order[-1])
        second = float(row[order[-2]]) if len(row) > 1 else 0.0
        score = float(row[best])
        accepted = (
            score >= self.threshold.value and score - second >= self._gallery.params.min_margin
        )
        name = self.subjects[best]
        return Identification(name if accepted else None, score, second, name)

    def _set_threshold(self, own: list[np.ndarray]) -> Threshold:
        gallery, walks = self._gallery, self._cohort.walks
        best = np.empty(len(walks))
        for k, (person, rows) in enumerate(walks):
            probes = self._cohort.embedding[rows]
            scores = self._cohort.normalise(self._strange[rows], probes, self._strange, (person,))
            best[k] = self.model.evidence(scores.mean(0), len(rows)).max()
        genuine = np.array([self.model.evidence(s.mean(), len(s)) for s in own])
        wanted = gallery.params.false_accept_rate
        calibration = openset.calibrate(genuine, best, wanted)
        n_accepted = int((best >= calibration.threshold).sum())
        return Threshold(
            calibration, wanted, binomial_interval(n_accepted, len(best)),
            len(gallery.background.people), gallery.source,
        )


class Evidence:
    """What the clips of one walker say so far.

    Parameters
    ----------
    matcher : whose scores are pushed
    half_life_s : after which a clip counts half; None to forget nothing
    """

    def __init__(self, matcher: Matcher, half_life_s: float | None = None) -> None:
        self._matcher, self._half_life_s = matcher, half_life_s
        self._sum = np.zeros(len(matcher.subjects))
        self._time_s = 0.0
        self.n_clips = 0.0

    def push(self, scores: np.ndarray, time_s: float = 0.0) -> None:
        """Add a clip's scores (n_people,), at a time on any clock that does not go back."""
        if self._half_life_s is not None:
            kept = 0.5 ** ((time_s - self._time_s) / self._half_life_s)
            self._sum *= kept
            self.n_clips *= kept
            self._time_s = time_s
        self._sum += scores
        self.n_clips += 1

    @property
    def nats(self) -> np.ndarray:
        """Log-likelihood ratio of each person, float64 (n_people,); 0 before any clip."""
        if not self.n_clips:
            return np.zeros_like(self._sum)
        return self._matcher.model.evidence(self._sum / self.n_clips, self.n_clips)

    def decide(self) -> Identification:
        """Who it is, as things stand."""
        return self._matcher.decide(self.nats)
