"""What a store holds, as plain numpy tables: one row a clip, a face or a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from capture.config import RadarConfig
from capture.types import Gap

Group = tuple[str, str, str]
"""(subject, session, take): recordings that share it are one walk and never part in a split."""


@dataclass(frozen=True)
class RecordingEntry:
    """One recording in a store.

    Attributes
    ----------
    name : of the recording, file stem usually
    subject, session, take : who walked, on which day, and which walk it was
    content_id : what tells the same recording again: SHA-256 of the files' bytes, or the
        parameters of a simulated one
    radar : waveform and raw format of this recording
    layout : word order that the samples were read with
    n_frames : frames up to the last one received, missing ones included
    n_lost_chirps : chirps of these frames that were never received
    n_rejected_clips : clips left out because their quality was too low
    gaps : stretches of the byte stream never received
    evidence : why the layout is believed
    history : what was done to the data, one line a step
    face_counts : what became of the camera's pictures, see `capture.camera.face_params.FaceCounts`;
        empty when none was looked at
    """

    name: str
    subject: str
    session: str
    take: str
    content_id: str
    radar: RadarConfig
    layout: str
    n_frames: int
    n_lost_chirps: int = 0
    n_rejected_clips: int = 0
    gaps: tuple[Gap, ...] = ()
    evidence: dict[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    face_counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FaceContent:
    """What a store keeps of a face.

    Attributes
    ----------
    kind : "crops" are pictures; "embeddings" are what the teacher made of them, without any
        picture; "none" is a store without faces
    teacher : fingerprint of the teacher of the embeddings
    recipe : of the variations embedded beside each crop, name -> value
    shape : variations of a face, the crop itself included; length of an embedding
    """

    kind: Literal["crops", "embeddings", "none"] = "crops"
    teacher: str = ""
    recipe: dict[str, float] = field(default_factory=dict)
    shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class ClipTable:
    """What is known about each clip; row k belongs to row k of the stored spectrograms.

    Attributes
    ----------
    subject, session, take, direction : str arrays, shape (n,)
    recording : int64 array, shape (n,), row of the recording
    start_s : float64 array, shape (n,), seconds since the start of the recording
    quality : float32 array, shape (n,), in [0, 1]
    velocity_mps : float32 array, shape (n,), of the walker's body, positive away
    range_m : float32 array, shape (n,), distance of the walker's body
    valid_fraction : float32 array, shape (n,), columns of the clip that rest on received data
    """

    subject: np.ndarray
    session: np.ndarray
    take: np.ndarray
    direction: np.ndarray
    recording: np.ndarray
    start_s: np.ndarray
    quality: np.ndarray
    velocity_mps: np.ndarray
    range_m: np.ndarray
    valid_fraction: np.ndarray

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def groups(self) -> list[Group]:
        """(subject, session, take) of each clip."""
        return group_names(self.subject, self.session, self.take)


@dataclass(frozen=True)
class FaceTable:
    """What is known about each face crop; row k belongs to row k of the stored crops.

    Attributes
    ----------
    subject : str array, shape (n,)
    recording : int64 array, shape (n,), row of the recording
    time_s : float64 array, shape (n,), seconds since the start of the radar recording
    confidence : float32 array, shape (n,), of the face detector, in [0, 1]
    sharpness : float32 array, shape (n,), larger is sharper
    n_in_view : int64 array, shape (n,), faces in the picture that it was cut from
    """

    subject: np.ndarray
    recording: np.ndarray
    time_s: np.ndarray
    confidence: np.ndarray
    sharpness: np.ndarray
    n_in_view: np.ndarray

    def __len__(self) -> int:
        return len(self.subject)


def group_names(
    subject: Sequence[str] | np.ndarray,
    session: Sequence[str] | np.ndarray,
    take: Sequence[str] | np.ndarray,
) -> list[Group]:
    """Return one (subject, session, take) a row."""
    return [(str(a), str(b), str(c)) for a, b, c in zip(subject, session, take, strict=True)]
