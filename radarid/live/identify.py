"""Who walked in front of the radar: the student's decision on each clip and each walk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.config import waveform_differences
from capture.types import FrameSource
from radarid.dsp.clips import Clip
from radarid.dsp.compat import clips_of
from radarid.errors import RunError
from radarid.learn.openset import Identification
from radarid.learn.student_file import TrainedStudent

NOT_ENOUGH_SIGNAL = "not enough signal"


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
    """The decision on one recording.

    Attributes
    ----------
    recording : its name
    clips : decisions on the clips that were good enough
    n_rejected : clips that were not
    identification : who, from all clips together; None where there was not enough signal
    """

    recording: str
    clips: tuple[ClipResult, ...]
    n_rejected: int
    identification: Identification | None

    @property
    def answer(self) -> str:
        """A subject's name, 'unknown', or 'not enough signal': three different answers."""
        if self.identification is None:
            return NOT_ENOUGH_SIGNAL
        return self.identification.subject or "unknown"


def check_waveform(source: FrameSource, student: TrainedStudent) -> None:
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


def identify_recording(source: FrameSource, student: TrainedStudent) -> WalkResult:
    """Identify the walker of a recording by gait alone.

    Parameters
    ----------
    source : frames of one walk
    student : as `radarid.learn.student_file.load_student` gives it

    Returns
    -------
    WalkResult
        One decision a clip, and one for the walk from the mean of the clips' logits.

    Raises
    ------
    RunError
        The recording has another waveform than the student was trained on.
    """
    check_waveform(source, student)
    clips, n_rejected = clips_of(source, source.info.config, student.dsp)
    if not clips:
        return WalkResult(source.info.name, (), n_rejected, None)
    _, logits = student.embed(np.stack([clip.layers for clip in clips]))
    results = tuple(_decide(*pair, student) for pair in zip(clips, logits, strict=True))
    return WalkResult(source.info.name, results, n_rejected, student.identify(logits))


def _decide(clip: Clip, logits: np.ndarray, student: TrainedStudent) -> ClipResult:
    identification = student.identify(logits[None])
    return ClipResult(clip.start_s, clip.quality, clip.direction, identification)
