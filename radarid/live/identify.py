"""Who walked in front of the radar: the student's decision on each clip and each walk.

Two ways lead from clips to a name: the classifier knows the people of the training, and a gallery
knows whoever was enrolled (`Matcher`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from capture.config import waveform_differences
from capture.types import FrameSource
from radarid.data.frame_count import FrameCount
from radarid.dsp.clips import Clip
from radarid.dsp.compat import clips_of
from radarid.dsp.params import DspParams
from radarid.errors import RunError
from radarid.learn.openset import Identification
from radarid.learn.student_facts import GaitStudent
from radarid.live.matcher import Matcher

NOT_ENOUGH_SIGNAL = "not enough signal"


@dataclass(frozen=True)
class Walk:
    """What of a recording can be embedded.

    Attributes
    ----------
    clips : that are good enough
    n_rejected : clips that are not
    reason : why there is none, "" where there is
    """

    clips: tuple[Clip, ...]
    n_rejected: int
    reason: str


@dataclass(frozen=True)
class ClipResult:
    """The decision on one clip.

    Attributes
    ----------
    start_s : start of the clip since the start of the recording
    quality : share of its columns that are valid and show a walker
    direction : of the walk
    identification : who
    """

    start_s: float
    quality: float
    direction: str
    identification: Identification


@dataclass(frozen=True)
class WalkResult:
    """The decision on one walker of a recording.

    Attributes
    ----------
    recording : its name
    clips : decisions on the walker's clips that were good enough
    n_rejected : clips of the recording that were not, whosever
    identification : who, from all clips together; None where there was not enough signal
    reason : why there was not
    track : number of the walker, in order of appearance
    """

    recording: str
    clips: tuple[ClipResult, ...]
    n_rejected: int
    identification: Identification | None
    reason: str = ""
    track: int = 0

    @property
    def answer(self) -> str:
        """A subject's name, 'unknown', or 'not enough signal': three different answers."""
        if self.identification is None:
            return NOT_ENOUGH_SIGNAL
        return self.identification.subject or "unknown"


def check_waveform(source: FrameSource, student: GaitStudent) -> None:
    """Refuse a recording of another waveform than the student was trained on.

    Raises
    ------
    RunError
        Naming every key that differs.
    """
    differing = waveform_differences(source.info.config, student.radar)
    if differing:
        raise RunError(
            "the student was trained on another radar waveform (recording != student)",
            where=source.info.name,
            got="; ".join(differing),
            remedy="record with the student's waveform, or train on this one",
        )


def read_walk(source: FrameSource, student: GaitStudent) -> Walk:
    """Process a recording into the clips that the student can see."""
    count, config = FrameCount(), source.info.config
    clips, n_rejected = clips_of(count.through(source), config, student.dsp)
    seconds = count.n_frames * config.frame_period_s
    return Walk(
        tuple(clips), n_rejected,
        "" if clips else _why_nothing(count, seconds, student.dsp, n_rejected),
    )  # fmt: skip


def _why_nothing(count: FrameCount, seconds: float, dsp: DspParams, n_rejected: int) -> str:
    """Why a recording has no clip of enough quality."""
    if not n_rejected and seconds < dsp.clip_s:
        return f"too short: {seconds:.1f} s, a clip takes {dsp.clip_s:g} s"
    received = 1 - count.n_lost_chirps / max(1, count.n_chirps)
    if received < dsp.min_valid:
        return f"too much was lost: {received:.0%} of the chirps came"
    return "nobody walks in it, or too far away"


@dataclass(frozen=True)
class Decider:
    """A student, and whom it looks for: the people of a gallery, or those it was trained on.

    Attributes
    ----------
    student : as `radarid.learn.student_file.load_student` gives it
    matcher : of a gallery of this student; None lets its classifier decide
    """

    student: GaitStudent
    matcher: Matcher | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Who can be recognised."""
        return self.student.subjects if self.matcher is None else self.matcher.subjects

    @property
    def threshold(self) -> float:
        """Least score that is accepted as somebody: a logit, or with a gallery nats."""
        if self.matcher is None:
            return self.student.threshold
        return self.matcher.threshold.value

    def embed(self, clips: Iterable[Clip]) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings and logits, float32 (n, d) and (n, n_subjects).

        Clip by clip: rounding depends on how many go through a network at once, and a live
        stream, which has one, is to give the bits of the file.
        """
        pairs = [self.student.embed(clip.layers[None]) for clip in clips]
        embeddings, logits = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
        return embeddings, logits

    def decide(self, embeddings: np.ndarray, logits: np.ndarray) -> Identification:
        """Who walked, from all clips of one walk together."""
        if self.matcher is None:
            return self.student.identify(logits)
        return self.matcher.identify(embeddings)


def identify_recording(source: FrameSource, decider: Decider) -> tuple[WalkResult, ...]:
    """Identify who walks in a recording, by gait alone.

    Parameters
    ----------
    source : frames of one walk, or of several people where the student's signal processing tells
        them apart (`max_walkers`)
    decider : the student, and whom it looks for

    Returns
    -------
    tuple of WalkResult
        One for each walker, in order of appearance; one that says why where nobody can be told.
        Each has one decision a clip, and one for the walk: from the mean of the clips' logits,
        or from their evidence for each of the enrolled.

    Raises
    ------
    RunError
        The recording has another waveform than the student was trained on.
    """
    student, name = decider.student, source.info.name
    check_waveform(source, student)
    walk = read_walk(source, student)
    if not walk.clips:
        return (WalkResult(name, (), walk.n_rejected, None, walk.reason),)
    results = []
    for track, clips in enumerate(_by_walker(walk.clips, student.dsp)):
        embeddings, logits = decider.embed(clips)
        each = tuple(
            ClipResult(clip.start_s, clip.quality, clip.direction,
                       decider.decide(embeddings[k : k + 1], logits[k : k + 1]))
            for k, clip in enumerate(clips)
        )  # fmt: skip
        whole = decider.decide(embeddings, logits)
        results.append(WalkResult(name, each, walk.n_rejected, whole, track=track))
    return tuple(results)


def _by_walker(clips: Iterable[Clip], dsp: DspParams) -> list[list[Clip]]:
    """Each walker's clips, in order of appearance; all, where walkers are not told apart."""
    found: dict[int, list[Clip]] = {}
    for clip in clips:
        found.setdefault(clip.track if dsp.max_walkers > 1 else 0, []).append(clip)
    return sorted(found.values(), key=lambda own: (own[0].start_s, own[0].track))
