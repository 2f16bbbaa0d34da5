"""Several simulated walkers in one recording: their echoes add up, with one receiver's noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from capture.config import RadarConfig
from capture.layouts import encode
from capture.simulate.parametric import WalkerTraits, walk
from capture.simulate.scene import Scene
from capture.simulate.source import SimulatedRecording
from capture.types import AdcFrame, RecordingInfo

# +-4 m/s, 19.5 cm range bins, gaps between frames: the paper's radar, but quick to simulate.
RADAR = RadarConfig(n_samples=64, sample_rate_hz=1.25e6, n_loops=115, idle_s=180e-6)
Moment = tuple[SimulatedRecording, int, Literal["ahead", "back", "still"]]


def person(
    radar: RadarConfig, seconds: float, traits: WalkerTraits, scene: Scene, seed: int = 0
) -> SimulatedRecording:
    return SimulatedRecording(radar, walk(traits, seconds, np.random.default_rng(seed)), scene)


@dataclass
class Crowd:
    """A frame source: who is seen in which frame, at which moment of their walk, and which way.

    A walk that runs backwards in time is a walk in the other direction.
    """

    radar: RadarConfig
    plan: Sequence[Sequence[Moment]]
    scene: Scene
    seed: int = 1

    @staticmethod
    def together(*people: SimulatedRecording) -> Crowd:
        n_frames = min(len(one) for one in people)
        plan: list[list[Moment]] = [[(one, k, "ahead") for one in people] for k in range(n_frames)]
        return Crowd(people[0].config, plan, people[0].scene)

    @property
    def info(self) -> RecordingInfo:
        return RecordingInfo(
            name="crowd", config=self.radar, layout="IIQQ", n_frames=len(self.plan), evidence={}
        )

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[AdcFrame]:
        for index, moments in enumerate(self.plan):
            signal = self._noise(index)
            for one, moment, way in moments:
                beat = one.beat(moment)
                signal += {"ahead": beat, "back": beat[::-1], "still": beat[:1]}[way]
            yield AdcFrame(
                config=self.radar,
                layout="IIQQ",
                index=index,
                time_s=index * self.radar.frame_period_s,
                words=encode(signal, "IIQQ", self.radar),
                valid=np.ones(self.radar.n_chirps, np.bool_),
            )

    def _noise(self, index: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, index])
        shape = (self.radar.n_chirps, self.radar.n_rx, self.radar.n_samples)
        rms = 2 ** (self.radar.adc_bits - 1) * self.scene.noise_rms / np.sqrt(2)
        noise = rng.normal(0, rms, shape) + 1j * rng.normal(0, rms, shape)
        return noise.astype(np.complex64)


def crossing(
    radar: RadarConfig = RADAR, lateral_m: float = 1.0, seconds: float = 2.7
) -> tuple[Crowd, list[SimulatedRecording]]:
    """One walks away on the left while another comes on the right; a room around them."""
    people = [
        person(
            radar, seconds, WalkerTraits(speed_mps=1.33),
            Scene(direction="away", near_m=1.5, lateral_m=-lateral_m),
        ),
        person(
            radar, seconds, WalkerTraits(speed_mps=1.2, height_m=1.78),
            Scene(direction="towards", near_m=1.5, lateral_m=lateral_m, clutter=False), seed=1,
        ),
    ]  # fmt: skip
    return Crowd.together(*people), people
