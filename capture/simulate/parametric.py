"""Walkers without any recording: a person is a handful of traits, a walk is drawn from them.

In the tradition of Boulic, Magnenat-Thalmann and Thalmann (The Visual Computer 6, 1990), whose
model Chen's "The Micro-Doppler Effect in Radar" (2011) uses, with two departures: the joint
curves are those of `gait.py`, fitted to measured walkers, and the body moves because its feet
do not. Wherever a foot carries weight it stays put, and what its leg does moves the pelvis; speed
is therefore a result, met by scaling the swing of the thighs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import butter, sosfiltfilt

from capture.errors import SimulationError
from capture.schema import config_class, to_mapping
from capture.simulate.gait import SIDES, BodySize, mean_angles, pose, soles
from capture.simulate.motion import BodyMotion

SAMPLES_PER_S = 100
_FLOOR_SOFTNESS_M = 0.004
_ROLL_SOFTNESS_M = 0.01
_MID_STANCE = 0.31
_SHIFT_SOFTNESS = 0.3
_PELVIS_CUTOFF_HZ = 6.0
_LEAD_S = 1.0
_SWING_RANGE = (0.3, 2.0)

Floats = NDArray[np.float64]


@config_class
class WalkerTraits:
    """What makes one person's walk that person's.

    Lengths in metres, angles in radians, phases in strides. Ratios are against the mean walker
    of `gait.py`; asymmetries are (right - left) / mean.
    """

    height_m: float = Field(1.72, gt=1.2, lt=2.2)
    weight_kg: float = Field(70.0, gt=30, lt=180)
    thigh_to_height: float = Field(0.245, gt=0.2, lt=0.3)
    shank_to_height: float = Field(0.246, gt=0.2, lt=0.3)
    arm_scale: float = Field(1.0, gt=0.8, lt=1.2)
    speed_mps: float = Field(1.33, gt=0.5, lt=2.2)
    stride_hz: float = Field(0.93, gt=0.6, lt=1.3)
    knee_swing: float = Field(1.0, gt=0.6, lt=1.4)
    crouch_rad: float = Field(-0.1, gt=-0.15, lt=0.3)
    foot_swing: float = Field(1.0, gt=0.6, lt=1.4)
    toe_out_rad: float = Field(0.1, gt=-0.3, lt=0.6)
    step_width_m: float = Field(0.1, gt=0.0, lt=0.3)
    pelvis_swing: float = Field(1.0, ge=0.0, lt=2.5)
    trunk_lean_rad: float = Field(0.05, gt=-0.2, lt=0.3)
    arm_swing: float = Field(1.0, ge=0.0, lt=3.0)
    arm_lag: float = Field(0.0, gt=-0.15, lt=0.15)
    elbow_rad: float = Field(0.5, ge=0.0, lt=1.2)
    leg_asymmetry: float = Field(0.0, gt=-0.3, lt=0.3)
    arm_asymmetry: float = Field(0.0, gt=-1.0, lt=1.0)
    step_asymmetry: float = Field(0.0, gt=-0.08, lt=0.08)

    @property
    def size(self) -> BodySize:
        """Lengths of the segments."""
        return BodySize(
            height_m=self.height_m,
            thigh_m=self.thigh_to_height * self.height_m,
            shank_m=self.shank_to_height * self.height_m,
            arm_scale=self.arm_scale,
        )


def draw_traits(rng: np.random.Generator) -> WalkerTraits:
    """Draw an adult at random.

    Notes
    -----
    Stature: half 1.78 +- 0.07 m, half 1.65 +- 0.065 m; body-mass index 24 +- 3; proportions
    +- 2.5 % about Drillis and Contini (1966). Preferred speed 1.33 +- 0.12 m/s (Bohannon 1997).
    Stride rate grows as the root of the speed (Grieve 1968: step length and rate share a change
    of speed about evenly) and falls as the root of leg length (a pendulum), so that tall people
    take longer strides. Spreads of the angles are those among the 12 CMU walkers, except
    `crouch_rad`, whose mean undoes the bent knees of the CMU skeletons.
    """

    def near(mean: float, spread: float) -> float:
        # Bounded at 2.5 spreads: an unusual person, not an impossible one.
        return float(mean + spread * np.clip(rng.standard_normal(), -2.5, 2.5))

    tall = rng.random() < 0.5
    height_m = near(1.78, 0.07) if tall else near(1.65, 0.065)
    speed_mps = near(1.33, 0.12)
    rate = 0.93 * np.sqrt(1.72 / height_m) * np.sqrt(speed_mps / 1.33)
    return WalkerTraits(
        height_m=height_m,
        weight_kg=near(24.0, 3.0) * height_m**2,
        thigh_to_height=near(0.245, 0.006),
        shank_to_height=near(0.246, 0.006),
        arm_scale=near(1.0, 0.03),
        speed_mps=speed_mps,
        stride_hz=float(rate) * near(1.0, 0.04),
        knee_swing=near(1.0, 0.08),
        crouch_rad=near(-0.08, 0.025),
        foot_swing=near(1.0, 0.1),
        toe_out_rad=near(0.1, 0.06),
        step_width_m=near(0.1, 0.025),
        pelvis_swing=near(1.0, 0.35),
        trunk_lean_rad=near(0.05, 0.03),
        arm_swing=near(1.2, 0.4),
        arm_lag=near(0.0, 0.03),
        elbow_rad=near(0.5, 0.12),
        leg_asymmetry=near(0.0, 0.04),
        arm_asymmetry=near(0.0, 0.2),
        step_asymmetry=near(0.0, 0.01),
    )


def walk(traits: WalkerTraits, duration_s: float, rng: np.random.Generator) -> BodyMotion:
    """Let a person walk once.

    Two walks of one person differ: speed by 4 % (standard deviation; half of it through the
    stride rate), swing of knees, arms and trunk lean by a few percent or degrees, the phase
    in which the walk begins, and a slow drift of rate and arm swing during the walk.

    Parameters
    ----------
    traits : who walks
    duration_s : float > 0, seconds
    rng : source of everything that differs between walks

    Returns
    -------
    BodyMotion with `SAMPLES_PER_S` samples a second, from time 0 to at least `duration_s`

    Raises
    ------
    SimulationError
        A duration that is not positive, or a speed that these legs cannot reach at this rate.
    """
    if not duration_s > 0:
        raise SimulationError("a walk needs a duration", got=duration_s, expected="above 0 s")
    varied, phase = _vary(traits, duration_s, rng)
    swing = _swing_for_speed(varied)
    drift = 1.0 + 0.05 * _slow_noise(phase.size, rng)
    position_m = _walk_on_floor(varied, phase, _angles(varied, phase, swing, drift))
    lead = round(_LEAD_S * SAMPLES_PER_S)
    kept = position_m[lead:-lead]
    origin = kept[0, 0] * [1.0, 1.0, 0.0]
    return BodyMotion(np.arange(len(kept)) / SAMPLES_PER_S, kept - origin)


def _vary(
    traits: WalkerTraits, duration_s: float, rng: np.random.Generator
) -> tuple[WalkerTraits, Floats]:
    """Traits of this one walk, and the left leg's phase at every sample (lead-in included)."""
    speed, rate, knee, arm = 1.0 + np.clip(rng.standard_normal(4), -2, 2) * [0.04, 0.01, 0.02, 0.06]
    mapping = to_mapping(traits)
    mapping["speed_mps"] *= speed
    mapping["stride_hz"] *= np.sqrt(speed) * rate
    mapping["knee_swing"] *= knee
    mapping["arm_swing"] *= arm
    mapping["trunk_lean_rad"] += 0.01 * np.clip(rng.standard_normal(), -2, 2)
    varied = WalkerTraits(**mapping)
    n_times = int(np.ceil((duration_s + 2 * _LEAD_S) * SAMPLES_PER_S)) + 1
    rate_hz = varied.stride_hz * (1.0 + 0.01 * _slow_noise(n_times, rng))
    return varied, rng.random() + np.cumsum(rate_hz) / SAMPLES_PER_S


def _slow_noise(n_times: int, rng: np.random.Generator) -> Floats:
    """Drift of unit variance whose periods are three to twelve seconds."""
    time_s = np.arange(n_times) / SAMPLES_PER_S
    periods_s, phases = rng.uniform(3.0, 12.0, 4), rng.uniform(0.0, 2 * np.pi, 4)
    waves = np.cos(2 * np.pi * time_s[:, None] / periods_s + phases)
    return np.asarray(waves.sum(axis=1) / np.sqrt(2.0))


def _angles(
    traits: WalkerTraits, phase: Floats, swing: float, arm_drift: Floats | float = 1.0
) -> dict[str, Floats]:
    """Joint angles of this person: the mean walker's, reshaped by the traits."""
    angles = mean_angles(phase)
    arms = mean_angles(phase - traits.arm_lag)
    late = mean_angles(phase - traits.step_asymmetry)
    angles |= {name: values for name, values in late.items() if name.startswith("r_")}
    for side, sign in SIDES.items():
        leg = 1.0 + 0.5 * sign * traits.leg_asymmetry
        arm = traits.arm_swing * (1.0 + 0.5 * sign * traits.arm_asymmetry) * arm_drift
        thigh = _scaled(angles[f"{side}_thigh_pitch"], swing * leg)
        knee = _scaled(angles[f"{side}_knee_flexion"], traits.knee_swing * leg)
        # Half at the hip, half at the ankle: a crouch bends the knee above the same footprint.
        angles[f"{side}_thigh_pitch"] = thigh + 0.5 * traits.crouch_rad
        angles[f"{side}_knee_flexion"] = np.maximum(knee + traits.crouch_rad, 0.0)
        angles[f"{side}_foot_pitch"] *= traits.foot_swing
        angles[f"{side}_toe_out"] = np.full_like(phase, traits.toe_out_rad)
        angles[f"{side}_thigh_roll"] += _stance_roll(traits)
        angles[f"{side}_arm_pitch"] = _scaled(arms[f"{side}_arm_pitch"], arm)
        elbow = _scaled(arms[f"{side}_elbow_flexion"], 0.7 * arm)
        angles[f"{side}_elbow_flexion"] = np.maximum(elbow + traits.elbow_rad - 0.5, 0.05)
    for name in ("pelvis_yaw", "pelvis_roll", "chest_yaw"):
        angles[name] = angles[name] * traits.pelvis_swing
    angles["trunk_pitch"] += traits.trunk_lean_rad - 0.05
    return angles


def _scaled(angle: Floats, factor: Floats | float) -> Floats:
    """`angle` with its swing about its own mean scaled."""
    mean = float(angle.mean())
    return np.asarray(mean + factor * (angle - mean))


def _stance_roll(traits: WalkerTraits) -> float:
    """How far the legs lean outwards beyond the mean curve for the wanted step width."""
    size = traits.size
    leg_m = size.thigh_m + size.shank_m
    hips_m = 2 * size.hip_offset_m[0]
    mean_roll = np.deg2rad(-3.5)
    return float(np.arcsin((traits.step_width_m - hips_m) / (2 * leg_m)) - mean_roll)


def _walk_on_floor(traits: WalkerTraits, phase: Floats, angles: dict[str, Floats]) -> Floats:
    """Positions (n_times, n_joints, 3) of a body whose feet carry it over the floor."""
    size = traits.size
    still = pose(size, np.zeros((phase.size, 3)), angles)
    points = soles(size, still, angles)
    height = points[..., 2]
    lowest = height.min(axis=1, keepdims=True)
    near = np.exp((lowest - height) / _FLOOR_SOFTNESS_M)
    load = _load(traits, phase)
    # Within a foot the lower of heel and toe carries; which foot does is a matter of phase.
    foot = np.exp((lowest - height) / _ROLL_SOFTNESS_M).reshape(-1, 2, 2)
    share = (load[..., None] * foot / foot.sum(axis=2, keepdims=True)).reshape(-1, 4)
    speed = np.gradient(points, 1.0 / SAMPLES_PER_S, axis=0)
    pelvis = np.empty((phase.size, 3))
    pelvis[:, :2] = -np.cumsum(np.sum(share[..., None] * speed, axis=1)[:, :2], axis=0)
    pelvis[:, :2] /= SAMPLES_PER_S
    pelvis[:, 2] = -np.sum(near * height, axis=1) / near.sum(axis=1)
    time = np.arange(len(pelvis))
    trend = np.polynomial.Polynomial.fit(time, pelvis[:, 0], 1)
    pelvis[:, 0] -= trend(time)
    low_pass = butter(2, _PELVIS_CUTOFF_HZ, fs=SAMPLES_PER_S, output="sos")
    return np.asarray(still + sosfiltfilt(low_pass, pelvis, axis=0)[:, None])


def _load(traits: WalkerTraits, phase: Floats) -> Floats:
    """Share of the weight on the left and the right foot: float64 array (n_times, 2)."""
    right = phase - 0.5 - traits.step_asymmetry
    carried = np.cos(2 * np.pi * (np.stack([phase, right], axis=1) - _MID_STANCE))
    share = 0.5 + 0.5 * np.tanh(carried / _SHIFT_SOFTNESS)
    return np.asarray(share / share.sum(axis=1, keepdims=True))


def _swing_for_speed(traits: WalkerTraits) -> float:
    """Scale of the thigh swing at which this person moves at the wanted speed."""
    phase = np.arange(0, 4.0, traits.stride_hz / SAMPLES_PER_S)
    inner = slice(phase.size // 4, phase.size // 4 + round(2 * SAMPLES_PER_S / traits.stride_hz))

    def speed_mps(swing: float) -> float:
        path = _walk_on_floor(traits, phase, _angles(traits, phase, swing))[inner, 0, 1]
        return float(path[-1] - path[0]) * SAMPLES_PER_S / (path.size - 1)

    swing = _bisect(lambda trial: speed_mps(trial) - traits.speed_mps, *_SWING_RANGE)
    if swing is None:
        raise SimulationError(
            "these legs cannot walk like this",
            where="walk",
            got=f"{traits.speed_mps:.2f} m/s at {traits.stride_hz:.2f} strides/s",
            expected=f"{speed_mps(_SWING_RANGE[0]):.2f} to {speed_mps(_SWING_RANGE[1]):.2f} m/s",
        )
    return swing


def _bisect(function: Callable[[float], float], low: float, high: float) -> float | None:
    """Root of a rising function to 1e-3, or None where it does not change sign."""
    if function(low) > 0 or function(high) < 0:
        return None
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return 0.5 * (low + high)
