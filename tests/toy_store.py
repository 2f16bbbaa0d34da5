"""A tiny gait store whose people differ by construction, and a stand-in for the face teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from capture.camera.faces import FaceCrop
from capture.config import RadarConfig
from radarid.data.store import GaitStore
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import Clip
from radarid.dsp.params import DspParams

RADAR = RadarConfig()


def clip_image(person: int, phase: float, size: int, noise: float,
               rng: np.random.Generator) -> np.ndarray:
    """A torso line with limb swings whose rate and height are the person's own."""
    time = np.linspace(0, 2, size)
    rate, height = 1.0 + 0.45 * person, 0.15 + 0.05 * person
    swing = 0.5 + height * np.sin(2 * np.pi * rate * time + phase)
    rows = np.linspace(0, 1, size)[:, None]
    image = np.exp(-((rows - swing) / 0.06) ** 2) + noise * rng.random((size, size))
    return np.clip(image, 0, 1).astype(np.float32)


def make_store(path: Path, n_people: int = 3, n_walks: int = 6, n_clips: int = 3, size: int = 32,
               noise: float = 0.4, faceless: tuple[int, ...] = (), n_sessions: int = 1,
               seed: int = 0, n_faces: int = 2, still_walks: bool = False,
               planes: str = "one") -> Path:
    """Write a store of people p0, p1, ...; walk k of everybody is in session s(k mod n).

    With `still_walks` all clips of a walk have one phase, and the walk a blot of its own. Further
    planes are the first in negative, and upside down.
    """
    rng = np.random.default_rng(seed)
    with GaitStore.create(path, RADAR, DspParams(image_size=size, planes=planes)) as store:
        for person in range(n_people):
            for walk in range(n_walks):
                entry = RecordingEntry(
                    f"p{person}-w{walk}", f"p{person}", f"s{walk % n_sessions}", f"w{walk}",
                    f"toy:{seed}:{person}:{walk}", RADAR, "IIQQ", 60,
                )
                phases = rng.uniform(0, 6, n_clips)
                blot = rng.random((4, 4)).astype(np.float32).repeat(size // 4, 0)
                if still_walks:
                    phases[:] = phases[0]
                clips = [
                    Clip(
                        image=np.maximum(
                            clip_image(person, phases[k], size, noise, rng),
                            blot.repeat(size // 4, 1) if still_walks else 0,
                        ),
                        valid=np.ones(size, bool), start_s=0.5 * k, quality=1.0,
                        direction="away", velocity_mps=1.2, range_m=3.0,
                    )
                    for k in range(n_clips)
                ]
                if planes != "one":
                    clips = [
                        replace(clip, planes=np.stack([1 - clip.image, clip.image[::-1]]))
                        for clip in clips
                    ]
                faces = [
                    (float(k), FaceCrop(face_image(person, rng), 0.99, (0.0, 0.0, 1.0, 1.0), 1.0))
                    for k in range(0 if person in faceless else n_faces)
                ]
                store.add_recording(entry, clips, faces)
    return path


def face_image(person: int, rng: np.random.Generator) -> np.ndarray:
    """Blocks of colour that are the person's, with a little noise."""
    blocks = np.random.default_rng(100 + person).integers(40, 216, size=(4, 4, 3))
    image = np.kron(blocks, np.ones((40, 40, 1))) + rng.normal(0, 8, size=(160, 160, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


class ToyTeacher:
    """Colours of 4 x 4 blocks, projected at random: like faces of like people."""

    fingerprint = "toy"

    def __init__(self, n_embedding: int = 512) -> None:
        self.n_calls = 0
        self._axes = np.random.default_rng(7).normal(size=(48, n_embedding))

    def embed(self, crops: np.ndarray) -> np.ndarray:
        self.n_calls += 1
        blocks = crops.reshape(-1, 4, 40, 4, 40, 3).mean(axis=(2, 4)).reshape(-1, 48)
        vectors = (blocks - 128) @ self._axes
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
