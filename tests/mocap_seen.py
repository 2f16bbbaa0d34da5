"""Real people's walks as a simulated radar sees them, and what a spectrogram tells about a walk.

The estimators know nothing of the truth: not the direction, the speed or the rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from capture.config import RadarConfig
from capture.simulate.mocap import MocapWalk, list_walks
from capture.simulate.scatterers import Scatterers
from capture.simulate.scene import Scene
from capture.simulate.source import SimulatedRecording
from capture.simulate.truth import Truth, read_truth, write_truth
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.spectrogram import process

# The paper's timing (230 chirps of 120 us every 33 ms) and bandwidth; few samples, one antenna.
RADAR = RadarConfig(n_samples=64, rx_mask=1, sample_rate_hz=1.25e6)
MIN_WALK_S = 3.5
NEAR_M = 1.5

_BODY_MPS = 0.5  # torso, head and pelvis keep this close together; swinging limbs do not
_STEPS_HZ = np.arange(0.9, 3.0, 0.005)
_LAGS_S = np.arange(-60, 61) * 1e-3


@dataclass(frozen=True, eq=False)
class Seen:
    """One walk: what the radar made of it, and the truth as its file tells it."""

    subject_id: str
    direction: str
    slices: Slices
    axes: Axes
    truth: Truth

    @cached_property
    def torso_mps(self) -> np.ndarray:
        """What the spectrogram says about the torso's velocity, one value a slice."""
        return torso_mps(self.slices, self.axes)

    @cached_property
    def step_hz(self) -> float:
        """What the spectrogram says about the step rate: the rate of the limbs' envelope."""
        return rate_hz(self.slices.time_s, limb_envelope(self.slices, self.axes))

    def true_torso(self) -> tuple[np.ndarray, np.ndarray]:
        """Range and radial velocity of the torso at the slices' times, by the truth file."""
        range_m, speed = self.truth.segment("torso")
        time_s = self.slices.time_s
        return (
            np.interp(time_s, self.truth.time_s, range_m),
            np.interp(time_s, self.truth.time_s, speed),
        )


def first_walks(folder: Path) -> list[MocapWalk]:
    """The first walk that is listed of everybody."""
    walks: dict[str, MocapWalk] = {}
    for walk in list_walks(folder):
        walks.setdefault(walk.subject_id, walk)
    return list(walks.values())


def record(walk: MocapWalk, seed: int, scene: Scene | None = None) -> SimulatedRecording:
    """Even seeds walk towards the radar, odd ones away; short walks go on until 3.5 s."""
    scene = replace(scene or Scene(), direction="away" if seed % 2 else "towards", near_m=NEAR_M)
    motion = walk.load().extend(MIN_WALK_S)
    return SimulatedRecording(RADAR, motion, scene, seed=seed, n_threads=1)


def keep_only(recording: SimulatedRecording, segment: str) -> None:
    """Take the rest of the body away."""
    whole = recording.scatterers
    kept = [k for k, name in enumerate(whole.names) if name == segment]
    recording.__dict__["scatterers"] = Scatterers(
        whole.time_s, (segment,) * len(kept), whole.position_m[:, kept], whole.rcs_m2[:, kept]
    )


def look(walk: MocapWalk, recording: SimulatedRecording, folder: Path) -> Seen:
    """Process a recording with the defaults; its truth goes through a truth file."""
    path = folder / f"{walk.subject_id}.truth.npz"
    write_truth(path, recording.truth())
    slices, axes = process(recording, DspParams())
    return Seen(walk.subject_id, recording.scene.direction, slices, axes, read_truth(path))


# -- what a spectrogram tells ---------------------------------------------------------------
def torso_mps(slices: Slices, axes: Axes) -> np.ndarray:
    """Velocity of the body's line: power-weighted mean around the peak's running median."""
    power, velocity = slices.power, axes.velocity_mps
    line = median_filter(velocity[np.argmax(power, axis=1)], 21)
    near = np.where(np.abs(velocity - line[:, None]) < _BODY_MPS, power, 0)
    return np.asarray(near @ velocity / near.sum(axis=1))


def limb_envelope(slices: Slices, axes: Axes) -> np.ndarray:
    """Level of what is over 0.5 m/s faster than the body, summed over velocity, dB x pixels."""
    body = gaussian_filter1d(torso_mps(slices, axes), 6)
    ahead = np.sign(np.median(body)) * (axes.velocity_mps - body[:, None])
    floor = np.quantile(slices.power, 0.2)
    level_db = np.minimum(10 * np.log10(np.maximum(slices.power, floor) / floor), 45)
    return np.asarray((level_db * (ahead > _BODY_MPS)).sum(axis=1))


def rate_hz(time_s: np.ndarray, values: np.ndarray) -> float:
    """Rate of the sinusoid that, with a straight line, leaves the least residual."""
    centred = values - values.mean()
    explained = []
    for rate in _STEPS_HZ:
        turn = 2 * np.pi * rate * time_s
        basis = np.stack([np.ones_like(turn), time_s, np.cos(turn), np.sin(turn)], axis=1)
        explained.append(float(np.sum((np.linalg.qr(basis)[0].T @ centred) ** 2)))
    return float(_STEPS_HZ[np.argmax(explained)])


def lag_s(seen: Seen) -> float:
    """By how much the body's line comes after the torso's true velocity."""
    time_s, line = seen.slices.time_s, seen.torso_mps
    inner = (time_s > 0.2) & (time_s < time_s[-1] - 0.2)
    true = seen.truth.segment("torso")[1]
    spread = [
        np.var(line[inner] - np.interp(time_s[inner] - lag, seen.truth.time_s, true))
        for lag in _LAGS_S
    ]
    return float(_LAGS_S[np.argmin(spread)])
