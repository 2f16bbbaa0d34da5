"""Who is known: templates of enrolled people, and the people that strangers are judged by.

A gallery is a value: adding or removing somebody makes another one, which
`radarid.live.gallery_file` writes as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Literal, Self

import numpy as np
from pydantic import Field

from capture.config import RadarConfig, waveform_differences
from capture.schema import config_class, differing_keys, to_mapping
from radarid.dsp.params import DspParams
from radarid.errors import GalleryError
from radarid.learn.openset import unit
from radarid.learn.student_facts import GaitStudent
from radarid.live.template_key import TemplateKey

MAX_NAME = 100


@config_class
class MatchParams:
    """How probes are compared with templates.

    Parameters
    ----------
    norm : of the cosine. "none" leaves it, which did best on the simulated walkers with ten
        strangers to go by; "z" normalises by what strangers score against the person's templates,
        "s" also by what the probe scores against strangers, half and half
    false_accept_rate : share of strangers' walks that may be taken for somebody
    min_margin : how much better than the second best somebody must be, in nats
    """

    norm: Literal["none", "z", "s"] = "none"
    false_accept_rate: float = Field(default=0.01, gt=0, lt=1)
    min_margin: float = Field(default=0.0, ge=0)


@dataclass(frozen=True)
class _Rows:
    """Columns of one length."""

    embedding: np.ndarray
    subject: np.ndarray

    def __len__(self) -> int:
        return len(self.subject)

    def __getitem__(self, rows: np.ndarray) -> Self:
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody, sorted."""
        return tuple(sorted(set(self.subject.tolist())))

    def of(self, names: Iterable[str]) -> Self:
        """Rows of these people."""
        return self[np.isin(self.subject, list(names))]

    def without(self, names: Iterable[str]) -> Self:
        """Rows of everybody else."""
        return self[~np.isin(self.subject, list(names))]

    def __add__(self, other: Self) -> Self:
        return replace(self, **{
            each.name: np.concatenate([getattr(self, each.name), getattr(other, each.name)])
            for each in fields(self)
        })  # fmt: skip


@dataclass(frozen=True)
class Templates(_Rows):
    """One row for each person, recording and direction of walking.

    Attributes
    ----------
    embedding : float32 array, shape (n, d), mean direction of the clips, of length 1
    subject, session, direction : str arrays, shape (n,)
    recording : str array, shape (n,), first 16 hex digits of the SHA-256 of the recording's bytes
    n_clips : int64 array, shape (n,)
    """

    session: np.ndarray
    direction: np.ndarray
    recording: np.ndarray
    n_clips: np.ndarray


@dataclass(frozen=True)
class Background(_Rows):
    """Clips of people who are neither enrolled nor to be tested.

    Attributes
    ----------
    embedding : float32 array, shape (n, d), of length 1
    subject : str array, shape (n,)
    walk : int64 array, shape (n,), number of the walk that a clip is of
    """

    walk: np.ndarray


def no_templates(n_embedding: int) -> Templates:
    """Templates of nobody, for embeddings of this length."""
    text, number = np.empty(0, np.str_), np.empty(0, np.int64)
    return Templates(np.empty((0, n_embedding), np.float32), text, text, text, text, number)


@dataclass(frozen=True)
class Gallery:
    """Enrolled people, as one student sees them.

    Attributes
    ----------
    model : fingerprint of the student, see `GaitStudent`
    radar, dsp : configuration of the clips
    templates : of the enrolled people
    background : of others; none of the enrolled is among them
    source : who the background is: people the student has "never seen", or was "trained on",
        which makes strangers look easier to refuse than they are
    params : how they are compared
    key_id : of the key that protects the embeddings; "" without protection
    """

    model: str
    radar: RadarConfig
    dsp: DspParams
    templates: Templates
    background: Background
    source: Literal["never seen", "trained on"] = "never seen"
    params: MatchParams = field(default_factory=MatchParams)
    key_id: str = ""

    def __post_init__(self) -> None:
        both = set(self.templates.people) & set(self.background.people)
        if both:
            raise GalleryError("enrolled people cannot stand for strangers", got=sorted(both)[0])

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names of the enrolled, sorted."""
        return self.templates.people

    def enroll(self, templates: Templates) -> Gallery:
        """Return a gallery with further templates; their people leave the background.

        Raises
        ------
        GalleryError
            A name that cannot be one, or a recording that is in the gallery already.
        """
        for name in templates.people:
            check_name(name)
        known = dict(zip(self.templates.recording, self.templates.subject, strict=True))
        again = set(templates.recording.tolist()) & set(known)
        if again:
            owner = known[again.pop()]
            raise GalleryError(
                "this recording is enrolled already", where=templates.subject[0], got=f"as {owner}",
                remedy=f"take another walk, or first: radarid gallery remove {owner}",
            )
        return replace(
            self, templates=self.templates + templates,
            background=self.background.without(templates.people),
        )

    def remove(self, name: str) -> Gallery:
        """Return a gallery without a person.

        Raises
        ------
        GalleryError
            Nobody of this name is in it.
        """
        self.check_enrolled(name)
        return replace(self, templates=self.templates.without([name]))

    def check_enrolled(self, name: str) -> None:
        """Raise `GalleryError` when nobody of this name is enrolled."""
        if name not in self.subjects:
            raise GalleryError(
                "nobody of this name is enrolled", got=name,
                expected=f"one of {', '.join(self.subjects) or '(nobody)'}",
            )

    def with_params(self, params: MatchParams) -> Gallery:
        """Return a gallery whose people are compared otherwise."""
        return replace(self, params=params)

    def check_fits(self, student: GaitStudent, key: TemplateKey | None) -> None:
        """Raise `GalleryError` unless this student and this key made the gallery."""
        self.require(student)
        self.check_key(key)

    def check_key(self, key: TemplateKey | None) -> None:
        """Raise `GalleryError` unless this key protects the gallery, or none does and none came."""
        given = key.id if key else ""
        if given == self.key_id:
            return
        if not self.key_id:
            raise GalleryError("the gallery is not protected by a key", remedy="leave out --key")
        raise GalleryError(
            "the gallery is protected by another key" if given else "a key protects the gallery",
            got=given or None, expected=f"key {self.key_id}", remedy="name its file with --key",
        )

    def require(self, student: GaitStudent) -> None:
        """Check that this gallery was made by a student.

        Raises
        ------
        GalleryError
            Another student, waveform or signal processing; the differing keys are named.
        """
        # Everybody's clips are made alike, however many are told apart.
        dsp = replace(student.dsp, max_walkers=self.dsp.max_walkers)
        differing = [
            *waveform_differences(self.radar, student.radar),
            *differing_keys(to_mapping(self.dsp), to_mapping(dsp)),
        ]
        if differing:
            raise GalleryError(
                "the gallery was made from other clips than the student sees (gallery != student)",
                got="; ".join(differing), remedy="enroll the people with this student",
            )
        found = student.fingerprint
        if found != self.model:
            raise GalleryError(
                "the gallery was made by another student", got=found, expected=self.model,
                remedy="name its --run or --model, or enroll the people with this student",
            )


def check_name(name: str) -> None:
    """Raise `GalleryError` for a name that is empty, too long, or would disturb a terminal."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise GalleryError(
            "not a name", got=repr(name[:MAX_NAME]),
            expected=f"1 to {MAX_NAME} printable characters",
        )


def to_templates(
    embeddings: np.ndarray, directions: Iterable[str], subject: str, session: str, recording: str
) -> Templates:
    """Average the clips of one walk, each direction by itself.

    Parameters
    ----------
    embeddings : float array, shape (n, d), of clips
    directions : of each clip
    subject, session, recording : whose, when, and a hash of the recording

    Returns
    -------
    Templates
        One for each direction that occurs.

    Raises
    ------
    GalleryError
        No clip at all.
    """
    unique, place = np.unique(np.array(list(directions), np.str_), return_inverse=True)
    n = len(unique)
    if not n:
        raise GalleryError("not enough signal to enroll anybody", where=subject)
    sums = np.zeros((n, embeddings.shape[1]))
    np.add.at(sums, place, unit(embeddings.astype(np.float64)))
    return Templates(
        unit(sums).astype(np.float32), np.full(n, subject), np.full(n, session), unique,
        np.full(n, recording), np.bincount(place, minlength=n).astype(np.int64),
    )
