"""Walks straight out of the simulator, as if they had been recorded and filmed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from capture.camera.reader import Camera, open_camera
from capture.schema import fingerprint
from capture.simulate.camera_clip import assign_faces, write_clip
from capture.simulate.scenario import PlannedWalk, ScenarioParams, plan
from capture.simulate.source import SimulatedRecording
from capture.types import FrameSource
from radarid.data.manifest import Facts
from radarid.data.sources import Identity


@dataclass(frozen=True)
class SimulatedWalk:
    """A planned walk as a recording to ingest; its frames are computed on demand.

    Attributes
    ----------
    walk : who walks how
    face_pictures : folder of the walker's pictures; None for a drawn face
    """

    walk: PlannedWalk
    face_pictures: Path | None = None

    @property
    def name(self) -> str:
        """Stem that the recording's files would have."""
        return self.walk.stem

    def identify(self) -> Identity:
        """Set the walk up and hash all that its frames follow from."""
        walk, recording = self.walk, self.walk.simulate()
        facts = Facts(walk.subject, walk.session, walk.take, camera=self.face_pictures,
                      camera_offset_s=0.0)
        return Identity(f"simulated:{_digest(recording)}", facts, recording.config)

    def open(self, identity: Identity) -> FrameSource:
        """Set the walk up."""
        return self.walk.simulate()

    def has_camera(self, identity: Identity) -> bool:
        """Every simulated walk is filmed."""
        return True

    def open_camera(self, identity: Identity) -> Camera:
        """Film the walk: the video that `radarid simulate --camera` writes, read back."""
        recording = self.walk.simulate()
        duration_s = recording.n_frames * recording.config.frame_period_s
        with TemporaryDirectory(prefix="radarid-") as folder:
            film = Path(folder) / f"{self.name}.avi"
            write_clip(film, self.walk.subject, self.walk.camera_seed, duration_s,
                       self.face_pictures)
            camera = open_camera(film)
            pictures = list(camera)
        return Camera(camera.info, lambda: iter(pictures))


def simulated_walks(
    params: ScenarioParams, face_pictures: Path | None = None
) -> list[SimulatedWalk]:
    """Return the walks of a scenario.

    Parameters
    ----------
    params : of the scenario
    face_pictures : folder with pictures of real people, one of whom each walker gets; None for
        drawn faces

    Raises
    ------
    SimulationError
        No motion capture, or not enough people, where they should be.
    """
    walks = plan(params)
    folders: dict[str, Path] = {}
    if face_pictures is not None:
        folders = assign_faces([walk.subject for walk in walks], face_pictures)
    return [SimulatedWalk(walk, folders.get(walk.subject)) for walk in walks]


def _digest(recording: SimulatedRecording) -> str:
    """SHA-256 of waveform, room, noise and motion."""
    digest = hashlib.sha256()
    words = (fingerprint(recording.config), fingerprint(recording.scene), recording.seed,
             recording.n_frames, recording.motion.joints)
    digest.update(repr(words).encode())
    digest.update(recording.motion.time_s.tobytes())
    digest.update(recording.motion.position_m.tobytes())
    return digest.hexdigest()
