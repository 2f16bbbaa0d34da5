"""A jointed body and how its joints turn in a stride: shared by every modelled walker.

Angles are radians of the walker's own frame. A segment's *pitch* is its absolute angle in the
sagittal plane (thigh, upper arm: forwards of hanging down; foot: toes up), its *roll* how far it
leans outwards. A *phase* counts strides; it is 0 where the first harmonic of the same side's
thigh pitch peaks, a little before the heel strikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.simulate.motion import JOINTS

Floats = NDArray[np.float64]
SIDES = {"l": -1.0, "r": 1.0}

# Degrees: mean, then cosine and sine of harmonics 1 to 4 of the own side's phase. Least-squares
# fit to the 67 CMU walks (both sides, averaged over trials, then over the 12 people).
LIMB_CURVES: dict[str, tuple[float, ...]] = {
    "thigh_pitch": (12.04, 24.32, -0.01, -4.57, -3.71, 0.62, 2.19, -0.66, 0.07),
    "thigh_roll": (-3.5, 0.51, -3.13, -0.94, -0.07, 0.2, 0.39, 0.01, -0.09),
    "knee_flexion": (33.77, 5.55, -15.49, -17.34, 1.03, 0.85, 5.5, -1.88, 0.77),
    "foot_pitch": (-20.23, 19.97, 21.28, 16.74, -12.44, -2.54, -4.7, 2.78, 1.29),
    "arm_pitch": (-6.97, -11.12, 0.02, 0.16, -0.56, -0.61, 0.23, 0.13, -0.01),
    "arm_roll": (3.75, -4.55, -1.08, 0.64, -0.49, -0.07, -0.13, 0.01, 0.01),
    "elbow_flexion": (29.33, -12.0, -3.43, 2.21, -1.08, 0.53, -0.55, -0.03, 0.12),
}
# The same of the left side's phase, with what left and right cannot share left out.
TRUNK_CURVES: dict[str, tuple[float, ...]] = {
    "pelvis_yaw": (0.0, -4.18, -1.37),
    "pelvis_roll": (0.0, 4.14, -2.64, 0.0, 0.0, 1.19, 0.24),
    "chest_yaw": (0.0, 2.78, 0.59),
    "trunk_pitch": (2.81, 0.0, 0.0, 0.5, -0.65),
}


@dataclass(frozen=True, kw_only=True)
class BodySize:
    """Lengths of the segments, metres.

    Defaults of `of_height` are the fractions of stature of Drillis and Contini (1966) as drawn in
    Winter, Biomechanics and Motor Control of Human Movement (4th ed. 2009), figure 4.1; the hip
    joints stand 0.10 and the shoulder joints 0.22 of stature apart.
    """

    height_m: float
    thigh_m: float
    shank_m: float
    arm_scale: float = 1.0

    @classmethod
    def of_height(cls, height_m: float) -> BodySize:
        """Size of an average adult of this stature."""
        return cls(height_m=height_m, thigh_m=0.245 * height_m, shank_m=0.246 * height_m)

    @property
    def upper_arm_m(self) -> float:
        """Shoulder to elbow."""
        return 0.186 * self.height_m * self.arm_scale

    @property
    def forearm_m(self) -> float:
        """Elbow to wrist."""
        return 0.146 * self.height_m * self.arm_scale

    @property
    def ankle_m(self) -> float:
        """Ankle joint above the sole."""
        return 0.039 * self.height_m

    @property
    def hip_offset_m(self) -> Floats:
        """Right hip joint, seen from the pelvis: float64 array (3,)."""
        return np.array([0.05, 0.0, -0.05]) * self.height_m

    @property
    def trunk_m(self) -> dict[str, Floats]:
        """Trunk joints of an upright body, seen from the pelvis: name -> float64 array (3,)."""
        up = {"chest": 0.12, "neck": 0.22, "head": 0.35}
        points = {name: np.array([0.0, 0.0, z]) * self.height_m for name, z in up.items()}
        shoulder = np.array([0.11, 0.0, 0.23]) * self.height_m
        return points | {"r_shoulder": shoulder, "l_shoulder": shoulder * [-1.0, 1.0, 1.0]}

    @property
    def sole_m(self) -> Floats:
        """Heel and toe where they touch the floor, seen from the ankle: float64 array (2, 3)."""
        return np.array([[0.0, -0.040, -0.039], [0.0, 0.100, -0.039]]) * self.height_m


def curve(coefficients: tuple[float, ...], phase: Floats) -> Floats:
    """Fourier series in degrees at a phase in strides, as radians, of `phase`'s shape."""
    total = np.full_like(phase, coefficients[0])
    for order in range(1, len(coefficients) // 2 + 1):
        turn = 2 * np.pi * order * phase
        total += coefficients[2 * order - 1] * np.cos(turn) + coefficients[2 * order] * np.sin(turn)
    return np.deg2rad(total)


def flat_foot_rad() -> float:
    """Mean foot pitch of the fitted curve while the foot stands flat, phase 0.25 to 0.4."""
    return float(curve(LIMB_CURVES["foot_pitch"], np.linspace(0.25, 0.4, 16)).mean())


def mean_angles(left_phase: Floats) -> dict[str, Floats]:
    """Angles of the mean walker.

    Parameters
    ----------
    left_phase : float64 array, shape (n_times,), strides, of the left leg

    Returns
    -------
    name -> float64 array, shape (n_times,), radians: the trunk's angles, and the limbs' with
    the prefix "l_" or "r_"; the right side runs half a stride behind. Foot pitch is 0 for a
    foot flat on the floor.
    """
    angles = {name: curve(row, left_phase) for name, row in TRUNK_CURVES.items()}
    for side, lag in (("l", 0.0), ("r", 0.5)):
        for name, row in LIMB_CURVES.items():
            angles[f"{side}_{name}"] = curve(row, left_phase - lag)
        angles[f"{side}_foot_pitch"] -= flat_foot_rad()
        angles[f"{side}_toe_out"] = np.full_like(left_phase, np.deg2rad(6.0))
    return angles


def pose(size: BodySize, pelvis_m: Floats, angles: Mapping[str, Floats]) -> Floats:
    """Joint positions from joint angles.

    Parameters
    ----------
    size : lengths of the segments
    pelvis_m : float64 array, shape (n_times, 3), metres
    angles : as from `mean_angles`

    Returns
    -------
    float64 array, shape (n_times, n_joints, 3), metres, joints in the order of `JOINTS`
    """
    joint = {"pelvis": pelvis_m}
    chest_turn = _turn(angles["trunk_pitch"], 0.0 * angles["trunk_pitch"], angles["chest_yaw"])
    for name, offset in size.trunk_m.items():
        joint[name] = pelvis_m + chest_turn @ offset
    hip_turn = _turn(
        0.0 * angles["pelvis_roll"], angles["pelvis_roll"], angles["pelvis_yaw"]
    )
    for side, sign in SIDES.items():
        limb = {name: angles[f"{side}_{name}"] for name in (*LIMB_CURVES, "toe_out")}
        hip = pelvis_m + hip_turn @ (size.hip_offset_m * [sign, 1.0, 1.0])
        shank_pitch = limb["thigh_pitch"] - limb["knee_flexion"]
        knee = hip + size.thigh_m * _hanging(limb["thigh_pitch"], sign * limb["thigh_roll"])
        ankle = knee + size.shank_m * _hanging(shank_pitch, sign * limb["thigh_roll"])
        foot_turn = _turn(-limb["foot_pitch"], 0.0 * shank_pitch, -sign * limb["toe_out"])
        toe_m = size.sole_m[1] + [0.0, 0.0, 0.5 * size.ankle_m]
        forearm_pitch = limb["arm_pitch"] + limb["elbow_flexion"]
        shoulder = joint[f"{side}_shoulder"]
        elbow = shoulder + size.upper_arm_m * _hanging(limb["arm_pitch"], sign * limb["arm_roll"])
        wrist = elbow + size.forearm_m * _hanging(forearm_pitch, sign * limb["arm_roll"])
        names = ("hip", "knee", "ankle", "toe", "elbow", "wrist")
        places = (hip, knee, ankle, ankle + foot_turn @ toe_m, elbow, wrist)
        joint |= {f"{side}_{name}": place for name, place in zip(names, places, strict=True)}
    return np.stack([joint[name] for name in JOINTS], axis=1)


def soles(size: BodySize, position_m: Floats, angles: Mapping[str, Floats]) -> Floats:
    """Points of both feet that may touch the floor.

    Returns
    -------
    float64 array, shape (n_times, 4, 3), metres: left heel, left toe, right heel, right toe
    """
    points = []
    for side, sign in SIDES.items():
        pitch = angles[f"{side}_foot_pitch"]
        turn = _turn(-pitch, 0.0 * pitch, -sign * angles[f"{side}_toe_out"])
        ankle = position_m[:, JOINTS.index(f"{side}_ankle")]
        points += [ankle + turn @ point for point in size.sole_m]
    return np.stack(points, axis=1)


def above_floor(size: BodySize, ankle_z_m: Floats, foot_pitch: Floats) -> Floats:
    """Foot pitch that keeps heel and toe out of the floor below an ankle of known height.

    Parameters
    ----------
    ankle_z_m, foot_pitch : float64 arrays, shape (n_times,), metres and radians

    Returns
    -------
    float64 array, shape (n_times,), radians: softly held (to two degrees) above the pitch at
    which the toe touches the floor and below the one at which the heel does; an ankle too
    low for any foot gets a flat one
    """
    heel, toe = size.sole_m[:, 1:]
    standing = np.maximum(ankle_z_m, size.ankle_m)

    def touching(reach: Floats) -> Floats:
        return np.arcsin(np.minimum(standing / np.hypot(*reach), 1.0))

    lowest = np.arctan2(-toe[1], toe[0]) - touching(toe)
    highest = touching(heel) - np.arctan2(-heel[1], -heel[0])
    soft = np.deg2rad(2.0)
    held = lowest + soft * np.logaddexp(0.0, (foot_pitch - lowest) / soft)
    return np.asarray(highest - soft * np.logaddexp(0.0, (highest - held) / soft))


def _hanging(pitch: Floats, roll_right: Floats) -> Floats:
    """Unit vectors (n_times, 3) of a segment that hangs down, swung forwards and to the right."""
    level = np.cos(roll_right)
    return np.stack(
        [np.sin(roll_right), level * np.sin(pitch), -level * np.cos(pitch)], axis=-1
    )


def _turn(pitch_down: Floats, roll: Floats, yaw: Floats) -> Floats:
    """Rotations (n_times, 3, 3): head or toes forwards and down, then right side up, then left."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cp, sp, cr, sr, cy, sy = (f(a) for a in (pitch_down, roll, yaw) for f in (np.cos, np.sin))
    about_x = np.array([[one, zero, zero], [zero, cp, sp], [zero, -sp, cp]])
    about_y = np.array([[cr, zero, -sr], [zero, one, zero], [sr, zero, cr]])
    about_z = np.array([[cy, -sy, zero], [sy, cy, zero], [zero, zero, one]])
    return np.asarray(np.einsum("ijt,jkt,klt->til", about_z, about_y, about_x))
