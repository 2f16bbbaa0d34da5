"""One recording -> what the store keeps of it: clips of the radar, faces of the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from capture.camera.face_params import FaceCounts, FaceParams
from capture.schema import config_class
from radarid.data.frame_count import FrameCount
from radarid.data.manifest import Facts
from radarid.data.sources import Identity, Recording
from radarid.data.tables import FaceContent, RecordingEntry
from radarid.dsp.clips import Clip
from radarid.dsp.compat import clips_of
from radarid.dsp.params import DspParams
from radarid.errors import IngestError

if TYPE_CHECKING:
    from capture.camera.faces import FaceCrop
    from capture.camera.reader import Camera

TimedFace = tuple[float, "FaceCrop"]
OFFSET_SOURCES = ("given", "wall clock", "assumed: camera and radar start together")


@config_class
class IngestParams:
    """What is kept of a recording.

    Attributes
    ----------
    faces : what to keep of the faces that the camera saw: "crops" (pictures), "embeddings" (what
        the teacher makes of them; no picture is ever written) or "none"
    max_faces : faces kept of one recording, spread over its time
    looks_per_face : pictures searched for each face kept; the sharpest one wins
    detector : how faces are found, and which are good enough
    """

    faces: Literal["crops", "embeddings", "none"] = "crops"
    max_faces: int = 16
    looks_per_face: int = 4
    detector: FaceParams = FaceParams()

    def __post_init__(self) -> None:
        for key in ("max_faces", "looks_per_face"):
            if getattr(self, key) < 1:
                raise IngestError(f"'{key}' must be at least 1", got=getattr(self, key))


class FaceEmbedder(Protocol):
    """What turns crops into embeddings; picklable, since other processes call it."""

    @property
    def content(self) -> FaceContent:
        """Teacher, variations and size of the embeddings."""
        ...

    def __call__(self, crops: np.ndarray, name: str) -> np.ndarray:
        """Embeddings, float32 (n, n_variations, d), of uint8 RGB crops (n, 160, 160, 3).

        `name` of the recording's content seeds the variations.
        """
        ...


@dataclass(frozen=True)
class Processed:
    """What the store keeps of a recording.

    Attributes
    ----------
    entry : the recording
    clips : of enough quality
    faces : (seconds on the radar's clock, crop) pairs
    embeddings : float32 array, shape (n_faces, n_variations, d), if these are kept
    """

    entry: RecordingEntry
    clips: list[Clip]
    faces: list[TimedFace]
    embeddings: np.ndarray | None


def process(
    recording: Recording, identity: Identity, dsp: DspParams, params: IngestParams,
    embedder: FaceEmbedder | None = None, history: tuple[str, ...] = (), n_threads: int = 1,
) -> Processed:  # fmt: skip
    """Turn a recording into clips and faces.

    Parameters
    ----------
    recording, identity : what it is
    dsp, params : signal processing, and what is kept
    embedder : needed when embeddings are kept
    history : what the recording's entry says of its processing
    n_threads : of the radar's signal processing

    Raises
    ------
    CaptureError, RadaridError
        The recording or its camera stream cannot be read, or the processing does not fit it.
    """
    source = recording.open(identity)
    count = FrameCount()
    clips, n_rejected = clips_of(count.through(source), identity.radar, dsp, n_threads)
    if not count.n_frames:
        raise IngestError("holds no whole frame", where=recording.name)
    counts, evidence = FaceCounts(), dict(source.info.evidence)
    faces = _faces(recording, identity, params, counts, evidence)
    info, facts = source.info, identity.facts
    entry = RecordingEntry(
        name=recording.name,
        subject=facts.subject, session=facts.session, take=facts.take,
        content_id=identity.content_id,
        radar=identity.radar,
        layout=info.layout,
        n_frames=count.n_frames,
        n_lost_chirps=count.n_lost_chirps,
        n_rejected_clips=n_rejected,
        gaps=info.gaps,
        evidence=evidence,
        history=history,
        face_counts=counts.as_dict() if counts.n_images else {},
    )
    return Processed(entry, clips, faces, _embed(faces, entry, embedder))


def _faces(
    recording: Recording, identity: Identity, params: IngestParams, counts: FaceCounts,
    evidence: dict[str, str],
) -> list[TimedFace]:  # fmt: skip
    """Faces at the radar's times; counts them, and notes how the times are known."""
    if params.faces == "none" or not recording.has_camera(identity):
        return []
    camera = recording.open_camera(identity)
    offset_s, how = camera_offset(identity.facts, camera.info.started_at_s)
    evidence["camera_offset"] = f"{offset_s:g} s, {how}"
    return [(time_s + offset_s, face) for time_s, face in find_faces(camera, params, counts)]


def camera_offset(facts: Facts, camera_started_at_s: float | None) -> tuple[float, str]:
    """Time of the camera's first picture on the radar's clock, and how it is known.

    An offset that somebody gave comes first, then the clock on the wall if both sides have its
    time; without either, camera and radar are taken to start together.
    """
    given, clock, assumed = OFFSET_SOURCES
    if facts.camera_offset_s is not None:
        return facts.camera_offset_s, given
    if camera_started_at_s is not None and facts.started_at_s is not None:
        return camera_started_at_s - facts.started_at_s, clock
    return 0.0, assumed


def find_faces(
    camera: Camera, params: IngestParams, counts: FaceCounts | None = None
) -> list[TimedFace]:
    """Find up to `max_faces` faces of a camera stream: the sharpest of each stretch of time.

    One thread is used, since the detector's last digits depend on the number of threads, and a
    store must not.
    """
    from capture.camera.faces import crop_stream
    from capture.camera.torchvision_guard import import_torchvision

    import_torchvision()  # only the thread pools of loaded libraries can be limited
    wanted = params.max_faces * params.looks_per_face
    every_n = max(1, (camera.info.n_images or 0) // wanted)
    with threadpool_limits(1):
        found = crop_stream(camera, params.detector, every_n=every_n, counts=counts)
        return sharpest(found, params.max_faces)


def face_warnings(entry: RecordingEntry, face_s: np.ndarray) -> list[str]:
    """What the user should know about the faces of a recording that was filmed.

    Parameters
    ----------
    entry : the recording
    face_s : float64 array, shape (n,), times of its faces on the radar's clock
    """
    counts, found = FaceCounts(**entry.face_counts), []
    if not len(face_s):
        reasons = {"unsure": counts.n_unsure, "too small": counts.n_small,
                   "too blurred": counts.n_blurred, "among several": counts.n_skipped}
        why = ", ".join(f"{n} {name}" for name, n in reasons.items() if n)
        found.append(f"no face was found in {counts.n_images} pictures" + (f" ({why})" * bool(why)))
    if counts.n_several:
        taken = "left out" if counts.n_skipped else "the best was taken"
        found.append(f"several faces in {counts.n_several} of {counts.n_images} pictures: {taken}")
    if len(face_s) and entry.evidence["camera_offset"].endswith(OFFSET_SOURCES[-1]):
        found.append("nobody says when the camera started: taken to start with the radar "
                     "(--camera-offset, or radarid plot --sync --write-offset)")
    n_outside = int(np.sum((face_s < 0) | (face_s > entry.n_frames * entry.radar.frame_period_s)))
    if n_outside:
        found.append(f"{n_outside} of {len(face_s)} faces were seen before or after the radar's "
                     f"recording (camera offset {entry.evidence['camera_offset']})")
    return found


def _embed(
    faces: list[TimedFace], entry: RecordingEntry, embedder: FaceEmbedder | None
) -> np.ndarray | None:
    if embedder is None or not faces:
        return None
    with threadpool_limits(1):
        return embedder(np.stack([face.image for _, face in faces]), entry.content_id)


def sharpest(faces: list[TimedFace], n: int) -> list[TimedFace]:
    """Pick the sharpest face of each of `n` equal parts of a list; all if there are not more."""
    if len(faces) <= n:
        return faces
    bounds = np.linspace(0, len(faces), n + 1).round().astype(int)
    parts = [faces[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    return [max(part, key=lambda timed: timed[1].sharpness) for part in parts]
