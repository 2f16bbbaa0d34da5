"""One recording -> what the store keeps of it: clips of the radar, faces of the camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from capture.schema import config_class, fingerprint
from capture.types import AdcFrame
from radarid.data.sources import Identity, Recording
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import Clip, clip_starts_s, cut_clips
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream
from radarid.errors import IngestError
from radarid.provenance import history_entry

if TYPE_CHECKING:
    from capture.camera import Camera
    from capture.faces import FaceCrop

TimedFace = tuple[float, "FaceCrop"]


@config_class
class IngestParams:
    """What is kept of a recording.

    Attributes
    ----------
    faces : look for faces in the camera streams
    max_faces : crops kept of one recording, spread over its time
    looks_per_face : pictures searched for each crop kept; the sharpest face wins
    """

    faces: bool = True
    max_faces: int = 16
    looks_per_face: int = 4

    def __post_init__(self) -> None:
        for key in ("max_faces", "looks_per_face"):
            if getattr(self, key) < 1:
                raise IngestError(f"'{key}' must be at least 1", got=getattr(self, key))


class FrameCount:
    """Counts frames and losses of a stream on its way through.

    Attributes
    ----------
    n_frames : frames up to the last one that came, missing ones included
    n_lost_chirps : of these frames, chirps that never came
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self.n_lost_chirps = 0

    def through(self, frames: Iterable[AdcFrame]) -> Iterator[AdcFrame]:
        """Yield the frames; an index that is left out counts as a frame of lost chirps."""
        for frame in frames:
            n_missing = max(0, frame.index - self.n_frames)
            self.n_lost_chirps += n_missing * len(frame.valid) + int(np.sum(~frame.valid))
            self.n_frames = frame.index + 1
            yield frame


def process(
    recording: Recording, identity: Identity, dsp: DspParams, params: IngestParams
) -> tuple[RecordingEntry, list[Clip], list[TimedFace]]:
    """Turn a recording into clips and faces.

    Returns
    -------
    entry, clips of at least `dsp.min_quality`, (seconds on the radar's clock, face) pairs

    Raises
    ------
    CaptureError, RadaridError
        The recording or its camera stream cannot be read, or the processing does not fit it.
    """
    source = recording.open(identity)
    stream, count = SpectrogramStream(identity.radar, dsp), FrameCount()
    slices = Slices.concatenate([stream.push(count.through(source)), stream.flush()])
    if not count.n_frames:
        raise IngestError("holds no whole frame", where=recording.name)
    clips = cut_clips(slices, stream.axes, dsp)
    n_possible = len(list(clip_starts_s(slices, stream.axes, dsp)))
    faces: list[TimedFace] = []
    if params.faces and recording.has_camera(identity):
        offset_s = identity.facts.camera_offset_s
        found = find_faces(recording.open_camera(identity), params)
        faces = [(time_s + offset_s, face) for time_s, face in found]
    info, facts = source.info, identity.facts
    entry = RecordingEntry(
        name=recording.name,
        subject=facts.subject, session=facts.session, take=facts.take,
        content_id=identity.content_id,
        radar=identity.radar,
        layout=info.layout,
        n_frames=count.n_frames,
        n_lost_chirps=count.n_lost_chirps,
        n_rejected_clips=n_possible - len(clips),
        gaps=info.gaps,
        evidence=dict(info.evidence),
        history=(history_entry(f"ingested with processing {fingerprint(dsp)}"),),
    )
    return entry, clips, faces


def find_faces(camera: Camera, params: IngestParams) -> list[TimedFace]:
    """Find up to `max_faces` faces of a camera stream: the sharpest of each stretch of time.

    One thread is used, since the detector's last digits depend on the number of threads, and a
    store must not.
    """
    from capture.faces import crop_stream
    from capture.torchvision_guard import import_torchvision

    import_torchvision()  # only the thread pools of loaded libraries can be limited
    wanted = params.max_faces * params.looks_per_face
    every_n = max(1, (camera.info.n_images or 0) // wanted)
    with threadpool_limits(1):
        return sharpest(crop_stream(camera, every_n=every_n), params.max_faces)


def sharpest(faces: list[TimedFace], n: int) -> list[TimedFace]:
    """Pick the sharpest face of each of `n` equal parts of a list; all if there are not more."""
    if len(faces) <= n:
        return faces
    bounds = np.linspace(0, len(faces), n + 1).round().astype(int)
    parts = [faces[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    return [max(part, key=lambda timed: timed[1].sharpness) for part in parts]
