"""A whole walker from six markers of one leg (the set of Santos et al. 2022).

Measured: one thigh, the flexion of its knee, and the path of its hip. Modelled: the other leg
(the same leg half a stride away, by the measured phase), the feet, the trunk and the arms (the
mean curves of `gait.py`, in step with the measured leg and as large as its swing). Identity is
therefore in the legs and in the way the pelvis travels, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from capture.errors import SimulationError
from capture.simulate.gait import LIMB_CURVES, SIDES, BodySize, above_floor, mean_angles, pose
from capture.simulate.motion import JOINTS, BodyMotion, periodic_rate_hz

FPS = 100.0
MARKERS = ("ias", "ftc", "fle", "fme", "fax", "ttc")
MAX_HOLE_S = 0.2
CUTOFF_HZ = 8.0
_MEAN_SWING_RAD = float(np.deg2rad(LIMB_CURVES["thigh_pitch"][1]))
_STRAIGHTEST_KNEE_RAD = float(np.deg2rad(5.0))
_HIP_HEIGHT, _ANKLE_HEIGHT = 0.530, 0.043
# Hip joint centre seen from the ASIS, in units of the distance between both ASIS: 14 % towards
# the middle, 19 % back, 30 % down (Bell, Pedersen and Brand, J. Biomech. 23, 1990).
_ASIS_DISTANCE_M = 0.24
_HIP_FROM_ASIS_M = np.array([0.14, -0.19, -0.30]) * _ASIS_DISTANCE_M

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Leg:
    """The measured leg: lengths in metres, angles in radians, shape (n_times,)."""

    hip_m: Floats
    thigh_m: float
    thigh_pitch: Floats
    thigh_roll: Floats
    knee_flexion: Floats

    @property
    def shank_tilt(self) -> Floats:
        """Cosine of the angle between shank and plumb line."""
        return np.cos(self.thigh_roll) * np.cos(self.thigh_pitch - self.knee_flexion)

    @property
    def knee_z_m(self) -> Floats:
        """Height of the knee."""
        plumb = np.cos(self.thigh_roll) * np.cos(self.thigh_pitch)
        return np.asarray(self.hip_m[:, 2] - self.thigh_m * plumb)


class HalfStride:
    """What the measured leg does half a stride away from now: ago and ahead, mixed.

    At the beginning of the walk only what comes is known, at its end only what was; in between
    the weight moves from one to the other.

    Parameters
    ----------
    time_s, phase : float64 arrays, shape (n_times,), seconds and strides, both ascending
    """

    def __init__(self, time_s: Floats, phase: Floats) -> None:
        n_strides = phase[-1] - phase[0]
        if n_strides < 1.2:
            raise SimulationError(
                "too short to tell both legs", got=f"{n_strides:.2f} strides", expected="1.2"
            )
        when = CubicSpline(phase, time_s)
        self._time_s = time_s
        self._ahead_s = when(np.minimum(phase + 0.5, phase[-1]))
        self._ago_s = when(np.maximum(phase - 0.5, phase[0]))
        first = time_s[phase - 0.5 >= phase[0]][0]
        last = time_s[phase + 0.5 <= phase[-1]][-1]
        ramp = np.clip((time_s - first) / (last - first), 0.0, 1.0)
        self._past = ramp**2 * (3 - 2 * ramp)

    def away(self, values: Floats) -> Floats:
        """`values` (n_times,) as they are half a stride away from each time."""
        curve = CubicSpline(self._time_s, values)
        past = self._past
        return np.asarray((1 - past) * curve(self._ahead_s) + past * curve(self._ago_s))


def complete(markers: Mapping[str, Floats], side: str) -> BodyMotion:
    """Complete one leg's markers to a walking body.

    Parameters
    ----------
    markers : name -> float64 array, shape (n_times, 3), metres at `FPS`: x in the direction of
        the walk, y to the left, z up from the floor; NaN where a marker was lost
    side : "L" or "R", the leg that wears the markers

    Returns
    -------
    BodyMotion at `FPS`, time starting at 0, pelvis starting above the origin

    Raises
    ------
    SimulationError
        A marker is missing or lost for more than `MAX_HOLE_S`, or the leg does not walk.
    """
    if missing := set(MARKERS) - markers.keys():
        raise SimulationError("markers missing", got=sorted(markers), expected=sorted(missing))
    if side not in ("L", "R"):
        raise SimulationError("side unknown", got=side, expected="L or R")
    own, other = ("l", "r") if side == "L" else ("r", "l")
    walker = {name: _walker_axes(_smooth(fill_holes(markers[name], name))) for name in MARKERS}
    leg = _measure(walker, SIDES[own])
    size = _size(leg)
    time_s = np.arange(len(leg.hip_m)) / FPS
    phase, swing = swing_phase(time_s, leg.thigh_pitch)
    gain = np.clip(swing / _MEAN_SWING_RAD, 0.1, 1.5)
    angles = _scaled_mean(phase if own == "l" else phase + 0.5, gain)
    angles |= _leg_angles(leg, own)
    half = HalfStride(time_s, phase)
    angles |= _other_leg(leg, half, _stride_length(leg, phase), other)
    angles["pelvis_roll"] = _pelvis_roll(leg, half, 2 * size.hip_offset_m[0], SIDES[own])
    still = pose(size, np.zeros((time_s.size, 3)), angles)
    pelvis_m = leg.hip_m - still[:, JOINTS.index(f"{own}_hip")]
    for foot in SIDES:
        ankle_z_m = (still[:, JOINTS.index(f"{foot}_ankle")] + pelvis_m)[:, 2]
        name = f"{foot}_foot_pitch"
        angles[name] = above_floor(size, ankle_z_m, angles[name])
    position_m = pose(size, pelvis_m, angles)
    origin = position_m[0, 0] * [1.0, 1.0, 0.0]
    return BodyMotion(time_s, position_m - origin)


def fill_holes(track_m: Floats, name: str) -> Floats:
    """Bridge short losses of one marker by a cubic spline through what is left.

    Parameters
    ----------
    track_m : float64 array, shape (n_times, 3), NaN where lost
    name : the marker, for the error

    Raises
    ------
    SimulationError
        A loss longer than `MAX_HOLE_S`, or at the beginning or end of the walk.
    """
    seen = np.asarray(np.isfinite(track_m).all(axis=1))
    if seen.all():
        return track_m
    edges = np.flatnonzero(np.diff(np.concatenate([[True], seen, [True]]).astype(int)))
    longest_s = float((edges[1::2] - edges[::2]).max()) / FPS
    if longest_s > MAX_HOLE_S or not (seen[0] and seen[-1]):
        raise SimulationError(
            f"marker '{name}' is lost for too long",
            got=f"{longest_s:.2f} s" + ("" if seen[0] and seen[-1] else ", at an end"),
            expected=f"at most {MAX_HOLE_S} s, with the marker seen before and after",
        )
    time = np.arange(len(track_m))
    filled = track_m.copy()
    filled[~seen] = CubicSpline(time[seen], track_m[seen], axis=0)(time[~seen])
    return filled


def swing_phase(time_s: Floats, thigh_pitch: Floats) -> tuple[Floats, Floats]:
    """Phase and size of a thigh's swing at every time.

    Around each time, a constant and one harmonic at the walk's stride rate are fitted under a
    Gaussian weight of 0.4 strides (standard deviation); their angle is the phase, so that it
    follows a walk that speeds up. Its rate is held between a third and twice the stride rate.

    Returns
    -------
    phase : float64 array, shape (n_times,), strides, ascending, 0 modulo 1 at the front
    swing : float64 array, shape (n_times,), radians, amplitude
    """
    rate_hz = periodic_rate_hz(time_s, thigh_pitch)
    lag = time_s - time_s[:, None]
    turn = 2 * np.pi * rate_hz * lag
    basis = np.stack([np.ones_like(turn), np.cos(turn), np.sin(turn)], axis=-1)
    weighted = np.exp(-0.5 * (lag * rate_hz / 0.4) ** 2)[..., None] * basis
    normal = np.swapaxes(weighted, 1, 2) @ basis
    right = np.swapaxes(weighted, 1, 2) @ thigh_pitch
    _, cosine, sine = np.linalg.solve(normal, right[..., None])[..., 0].T
    phase = np.unwrap(np.arctan2(-sine, cosine)) / (2 * np.pi)
    step = rate_hz * (time_s[1] - time_s[0])
    advance = np.clip(np.diff(phase), step / 3, step * 2)
    held = np.concatenate([[0.0], np.cumsum(advance)])
    middle = time_s.size // 2
    return held + phase[middle] - held[middle], np.hypot(cosine, sine)


def _smooth(track_m: Floats) -> Floats:
    """Low-pass without delay; the shank's markers sit at a sixth of its length from the knee."""
    return np.asarray(sosfiltfilt(butter(2, CUTOFF_HZ, fs=FPS, output="sos"), track_m, axis=0))


def _walker_axes(track_m: Floats) -> Floats:
    """From (ahead, left, up) to (right, ahead, up)."""
    return np.stack([-track_m[:, 1], track_m[:, 0], track_m[:, 2]], axis=-1)


def _measure(markers: Mapping[str, Floats], sign: float) -> Leg:
    """Thigh and knee of the measured leg; the hip joint travels with the pelvis marker.

    The thigh gets its mean length, which moves the knee along it by the few millimetres by
    which skin and pelvis turn; a hip carried by the thigh's markers would jerk sideways instead.
    """
    knee = 0.5 * (markers["fle"] + markers["fme"])
    across = _unit(sign * (markers["fle"] - markers["fme"]))
    up = markers["ftc"] - knee
    up = _unit(up - np.sum(up * across, axis=1, keepdims=True) * across)
    thigh = np.stack([across, np.cross(up, across), up], axis=-1)
    hip = markers["ias"] + _HIP_FROM_ASIS_M * [-sign, 1.0, 1.0]
    down = _unit(knee - hip)
    tibia = np.stack([_seen_from(thigh, markers[name] - knee) for name in ("fax", "ttc")], axis=1)
    return Leg(
        hip_m=hip,
        thigh_m=float(np.linalg.norm(knee - hip, axis=1).mean()),
        thigh_pitch=np.arctan2(down[:, 1], -down[:, 2]),
        thigh_roll=np.arcsin(sign * down[:, 0]),
        knee_flexion=_flexion(tibia[..., 1:]),
    )


def _flexion(tibia: Floats) -> Floats:
    """Turn of the tibia's markers (n_times, n_markers, ahead and up) about the knee.

    Best rotation of all markers onto their first picture; its zero is put where the knee is
    straightest, since the markers do not tell where a straight knee is.
    """
    first = tibia[0]
    cross = np.sum(first[:, 0] * tibia[..., 1] - first[:, 1] * tibia[..., 0], axis=1)
    turn = -np.unwrap(np.arctan2(cross, np.sum(first * tibia, axis=(1, 2))))
    return np.asarray(turn - np.percentile(turn, 1.0) + _STRAIGHTEST_KNEE_RAD)


def _size(leg: Leg) -> BodySize:
    """Segment lengths: stature from the highest hip, shank from knee and floor."""
    height_m = float(np.percentile(leg.hip_m[:, 2], 97.0)) / _HIP_HEIGHT
    reach = (leg.knee_z_m - _ANKLE_HEIGHT * height_m) / leg.shank_tilt
    shank_m = float(np.percentile(reach, 5.0))
    if not 0.17 < shank_m / height_m < 0.3:
        raise SimulationError(
            "marker heights do not fit a person",
            got=f"shank of {shank_m:.2f} m, hip at {height_m * _HIP_HEIGHT:.2f} m",
            expected="a shank of 0.17 to 0.3 of stature",
        )
    return BodySize(height_m=height_m, thigh_m=leg.thigh_m, shank_m=shank_m)


def _scaled_mean(left_phase: Floats, gain: Floats) -> dict[str, Floats]:
    """The mean walker's angles, their swings scaled by the measured leg's swing."""
    whole = mean_angles(np.arange(0.0, 1.0, 0.01))
    # A foot swings about lying flat, everything else about its own mean.
    rest = {name: 0.0 if "foot" in name else float(row.mean()) for name, row in whole.items()}
    present = mean_angles(left_phase)
    return {name: rest[name] + gain * (row - rest[name]) for name, row in present.items()}


def _leg_angles(leg: Leg, side: str) -> dict[str, Floats]:
    names = ("thigh_pitch", "thigh_roll", "knee_flexion")
    return {f"{side}_{name}": getattr(leg, name) for name in names}


def _other_leg(leg: Leg, half: HalfStride, stride_m: Floats, side: str) -> dict[str, Floats]:
    """Angles of the leg that was not measured, scaled to the present length of the stride.

    With this scale a foot that stands still half a stride away stands still now, whatever the
    walk does to its speed and its rate in between.
    """
    size = np.maximum(stride_m, 0.1 * stride_m.max())
    angles = {}
    for name, values in _leg_angles(leg, side).items():
        centre = float(np.percentile(values, 1.0) if "knee" in name else values.mean())
        angles[name] = centre + size * half.away((values - centre) / size)
    return angles


def _stride_length(leg: Leg, phase: Floats) -> Floats:
    """Metres a stride at every time: speed of the hip over rate of the phase, both smoothed."""
    rate_hz = np.gradient(phase) * FPS
    speed_mps = np.gradient(leg.hip_m[:, 1]) * FPS
    spread = 0.25 * FPS / float(np.median(rate_hz))
    smooth_mps, smooth_hz = (gaussian_filter1d(x, spread) for x in (speed_mps, rate_hz))
    return np.asarray(np.maximum(smooth_mps, 0.0) / smooth_hz)


def _pelvis_roll(leg: Leg, half: HalfStride, width_m: float, sign: float) -> Floats:
    """Roll that puts the other hip as high as this one is half a stride away."""
    drop = leg.hip_m[:, 2] - half.away(leg.hip_m[:, 2])
    return np.asarray(np.arcsin(np.clip(sign * drop / width_m, -0.3, 0.3)))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _seen_from(frames: Floats, vectors: Floats) -> Floats:
    """Coordinates of world vectors (n_times, 3) in rotating frames (n_times, 3, 3)."""
    return np.einsum("tji,tj->ti", frames, vectors)
