"""Several simulated walkers in one room, who come and go and turn round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from capture.config import RadarConfig
from capture.layouts import encode
from capture.simulate.motion import BodyMotion
from capture.simulate.parametric import draw_traits, walk
from capture.simulate.scene import Scene
from capture.simulate.source import SimulatedRecording
from capture.types import AdcFrame, RecordingInfo

# The paper's range resolution, and little to compute: one antenna, 69 chirps over its 27.6 ms.
RADAR = RadarConfig(n_loops=69, idle_s=340e-6, rx_mask=1)
Spans = Sequence[tuple[float, float]]
ALWAYS: Spans = ((0.0, np.inf),)


def person(seed: int, seconds: float) -> BodyMotion:
    """Somebody drawn at random, walking straight ahead."""
    rng = np.random.default_rng(seed)
    return walk(draw_traits(rng), seconds, rng)


def turning(motion: BodyMotion, turn_s: float, lasts_s: float) -> BodyMotion:
    """The same walk on a path that turns back, slower in the turn; feet slide a little there."""
    time_s, hip = motion.time_s, motion.joint("pelvis")[:, :2]
    part = np.clip((time_s - turn_s) / lasts_s + 0.5, 0, 1)
    yaw = np.pi * (part - np.sin(2 * np.pi * part) / (2 * np.pi))
    speed = np.gradient(hip[:, 1], time_s)
    speed *= np.where((part > 0) & (part < 1), 0.35 + 0.65 * np.abs(np.cos(yaw)), 1.0)
    cos, sin = np.cos(yaw), np.sin(yaw)
    step_s = np.gradient(time_s)
    path = np.stack([np.cumsum(speed * sin * step_s), np.cumsum(speed * cos * step_s)], axis=1)
    x = motion.position_m[..., 0] - hip[:, :1]
    y = motion.position_m[..., 1] - hip[:, 1:]
    turned = motion.position_m.copy()
    turned[..., 0] = cos[:, None] * x + sin[:, None] * y + path[:, :1]
    turned[..., 1] = cos[:, None] * y - sin[:, None] * x + path[:, 1:]
    return BodyMotion(time_s, turned, motion.joints)


class Room:
    """A `FrameSource` of walkers who are there at some times only; noise and clutter always are.

    Parameters
    ----------
    walkers : (motion, scene, spans of time in which it is there, s); the first scene's clutter
        and noise are those of the room
    """

    def __init__(self, *walkers: tuple[BodyMotion, Scene, Spans]) -> None:
        self.recordings = [SimulatedRecording(RADAR, motion, scene) for motion, scene, _ in walkers]
        self.spans = [spans for _, _, spans in walkers]
        self.n_frames = min(len(recording) for recording in self.recordings)
        self.info: RecordingInfo = self.recordings[0].info

    def __len__(self) -> int:
        return self.n_frames

    def __iter__(self) -> Iterator[AdcFrame]:
        for index in range(self.n_frames):
            frame = self.recordings[0].frame(index)
            yield AdcFrame(
                config=RADAR, layout=frame.layout, index=index, time_s=frame.time_s,
                words=encode(self._signal(index), frame.layout, RADAR), valid=frame.valid,
            )  # fmt: skip

    def _signal(self, index: int) -> np.ndarray:
        full_scale = 2 ** (RADAR.adc_bits - 1)
        first = self.recordings[0]
        signal = first._noise(index, full_scale * first.scene.noise_rms)
        now_s = np.array(index * RADAR.frame_period_s)
        for recording, spans in zip(self.recordings, self.spans, strict=True):
            still = np.tile(recording._still, (RADAR.n_loops, 1, 1))
            still = still * np.float32(full_scale * recording.scene.gain)
            signal = signal + (recording.beat(index) if inside(now_s, spans) else still)
        return np.asarray(signal)

    def range_m(self, walker: int, time_s: np.ndarray) -> np.ndarray:
        """True range of a walker's torso; NaN while it is not there."""
        truth = self.recordings[walker].truth()
        body = np.interp(time_s, truth.time_s, truth.segment("torso")[0])
        return np.where(inside(time_s, self.spans[walker]), body, np.nan)


def inside(time_s: np.ndarray, spans: Spans) -> np.ndarray:
    """Which times lie in any of the spans."""
    within = np.zeros(np.shape(time_s), np.bool_)
    for start, stop in spans:
        within |= (time_s >= start) & (time_s < stop)
    return within
