"""A body as point scatterers: where they are, and how much each sends back to the radar.

Every segment of the body is an ellipsoid between two joints. Its monostatic radar cross-section
follows the aspect under which the radar sees it; it is spread evenly over a few points along the
segment, so that the change of speed along a swinging limb shows as a sheet and not as a line.
Speckle needs no model of its own: the points interfere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from capture.errors import SimulationError
from capture.simulate.motion import BodyMotion, Floats

SKIN_REFLECTIVITY = 0.35
"""Power reflected by dry skin at normal incidence: |(sqrt(e) - 1) / (sqrt(e) + 1)|^2 with the
permittivity e = 6.6 - 8.5j of the model of Gabriel et al. (1996) at 77 GHz."""

DIFFUSE_SHARE = 0.05
"""Part of a segment's silhouette area that cloth folds and edges scatter evenly to all sides."""


class Segment(NamedTuple):
    """One ellipsoid of the body.

    Semi-axes are `shape` times `scale`: front to back, side to side, along. The scale is the
    distance between the two `scale_joints`, averaged over the walk.
    """

    name: str
    start: str
    end: str
    fractions: tuple[float, ...]
    scale_joints: tuple[str, str]
    shape: tuple[float, float, float]


# Points are spaced unevenly, so that they do not show as a comb of equal steps in speed.
_ARM = (0.12, 0.47, 0.86)
_THIGH = (0.09, 0.33, 0.62, 0.88)
_SHANK = (0.05, 0.22, 0.37, 0.56, 0.71, 0.94)


def _limbs(side: str) -> tuple[Segment, ...]:
    s, e, w = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
    h, k, a, t = f"{side}_hip", f"{side}_knee", f"{side}_ankle", f"{side}_toe"
    return (
        Segment(f"{side}_upper_arm", s, e, _ARM, (s, e), (0.16, 0.16, 0.50)),
        Segment(f"{side}_forearm", e, w, _ARM, (e, w), (0.15, 0.15, 0.50)),
        Segment(f"{side}_hand", e, w, (1.3,), (e, w), (0.10, 0.16, 0.32)),
        Segment(f"{side}_thigh", h, k, _THIGH, (h, k), (0.17, 0.17, 0.50)),
        Segment(f"{side}_shank", k, a, _SHANK, (k, a), (0.13, 0.13, 0.50)),
        Segment(f"{side}_foot", a, t, (0.1, 0.45, 0.95), (a, t), (0.28, 0.28, 0.65)),
    )


_SPINE = ("pelvis", "neck")
SEGMENTS: tuple[Segment, ...] = (
    Segment("head", "neck", "head", (1.0,), _SPINE, (0.17, 0.15, 0.23)),
    Segment("torso", "pelvis", "neck", (0.18, 0.41, 0.67, 0.84), _SPINE, (0.18, 0.36, 0.55)),
    Segment("l_pelvis", "pelvis", "l_hip", (0.8,), _SPINE, (0.20, 0.18, 0.22)),
    Segment("r_pelvis", "pelvis", "r_hip", (0.8,), _SPINE, (0.20, 0.18, 0.22)),
    *_limbs("l"),
    *_limbs("r"),
)
_UPRIGHT = ("head", "l_pelvis", "r_pelvis")


@dataclass(frozen=True, eq=False)
class Scatterers:
    """Point scatterers in the room.

    Attributes
    ----------
    time_s : float64 array, shape (n_times,), seconds
    names : segment of each point, n_points of them; points of one segment share its name
    position_m : float64 array, shape (n_times, n_points, 3), metres, room coordinates
    rcs_m2 : float64 array, shape (n_times, n_points), square metres
    """

    time_s: Floats
    names: tuple[str, ...]
    position_m: Floats
    rcs_m2: Floats

    def __post_init__(self) -> None:
        shape = (len(self.time_s), len(self.names))
        if self.position_m.shape != (*shape, 3) or self.rcs_m2.shape != shape:
            raise SimulationError(
                "positions and cross-sections do not fit times and names",
                where="Scatterers",
                got=f"{self.position_m.shape} and {self.rcs_m2.shape}",
                expected=f"{(*shape, 3)} and {shape}",
            )

    @cached_property
    def _path(self) -> CubicSpline:
        return CubicSpline(self.time_s, self.position_m, axis=0)

    def position_at(self, time_s: ArrayLike) -> Floats:
        """Positions by cubic spline (speed stays smooth), float64 (n, n_points, 3), metres."""
        return np.asarray(self._path(self._inside(time_s)))

    def rcs_at(self, time_s: ArrayLike) -> Floats:
        """Cross-sections by linear interpolation, float64 (n, n_points), square metres."""
        wanted = self._inside(time_s)
        right = np.clip(np.searchsorted(self.time_s, wanted), 1, len(self.time_s) - 1)
        left_s, right_s = self.time_s[right - 1], self.time_s[right]
        part = ((wanted - left_s) / (right_s - left_s))[:, None]
        return np.asarray((1 - part) * self.rcs_m2[right - 1] + part * self.rcs_m2[right])

    def _inside(self, time_s: ArrayLike) -> Floats:
        wanted = np.asarray(time_s, np.float64)
        first, last = self.time_s[0], self.time_s[-1]
        if wanted.min() < first - 1e-9 or wanted.max() > last + 1e-9:
            raise SimulationError(
                "the walk does not last that long",
                where="Scatterers",
                got=f"{wanted.min():.3f} to {wanted.max():.3f} s",
                expected=f"{first:.3f} to {last:.3f} s",
            )
        return np.clip(wanted, first, last)


def ellipsoid_rcs_m2(cosines: Floats, semi_axes_m: Floats) -> Floats:
    """Monostatic cross-section of a conducting ellipsoid, optical region.

    Parameters
    ----------
    cosines : float64 array, shape (..., 3)
        Unit vector to the radar in the ellipsoid's axes: sin(th) cos(ph), sin(th) sin(ph), cos(th).
    semi_axes_m : float64 array, shape (3,), a, b, c in metres

    Returns
    -------
    float64 array, shape (...), square metres

    Notes
    -----
    sigma = pi a^2 b^2 c^2 / (a^2 sin^2 th cos^2 ph + b^2 sin^2 th sin^2 ph + c^2 cos^2 th)^2
    (Mahafza, Radar Systems Analysis and Design, ch. "Radar Cross Section"; for bodies: Chen, The
    Micro-Doppler Effect in Radar, ch. 4). A sphere gives pi a^2.
    """
    squares = np.square(semi_axes_m)
    return np.asarray(np.pi * np.prod(squares) / np.square(np.square(cosines) @ squares))


def body_scatterers(motion: BodyMotion, radar_position_m: ArrayLike) -> Scatterers:
    """Scatterers of a body that already walks in the room (see `capture.simulate.scene.place`).

    Parameters
    ----------
    motion : joints in room coordinates
    radar_position_m : float64 array, shape (3,), metres

    Returns
    -------
    Scatterers
        47 points of 16 segments. A walker seen from the front adds up to about -5 dBsm, most of
        it torso; measured adults lie between about -10 and 0 dBsm at 77 GHz (Fortuny-Guasch and
        Chareau, JRC report EUR 25762 EN, 2013).

    Notes
    -----
    Nothing hides anything: the far leg is seen through the near one. Half-hidden legs of real
    walkers are weaker for a part of the stride.
    """
    radar = np.asarray(radar_position_m, np.float64)
    across = motion.joint("r_hip") - motion.joint("l_hip")
    names: list[str] = []
    positions: list[Floats] = []
    rcs: list[Floats] = []
    for segment in SEGMENTS:
        start, end = motion.joint(segment.start), motion.joint(segment.end)
        spread = np.asarray(segment.fractions)[:, None]
        points = start[:, None] + spread * (end - start)[:, None]
        axis = np.broadcast_to([0.0, 0.0, 1.0], start.shape)
        if segment.name not in _UPRIGHT:
            axis = end - start
        sent_back = _segment_rcs(segment, motion, points, radar, axis, across)
        names += [segment.name] * len(segment.fractions)
        positions.append(points)
        rcs.append(sent_back / len(segment.fractions))
    return Scatterers(
        motion.time_s, tuple(names), np.concatenate(positions, 1), np.concatenate(rcs, 1)
    )


def _segment_rcs(
    segment: Segment, motion: BodyMotion, points: Floats, radar: Floats, axis: Floats,
    across: Floats,
) -> Floats:
    """Cross-section of the whole segment as seen at each of its points, (n_times, n_points)."""
    one, other = (motion.joint(name) for name in segment.scale_joints)
    semi_axes = np.asarray(segment.shape) * np.linalg.norm(one - other, axis=-1).mean()
    along = _unit(axis)
    sideways = _unit(across - np.sum(across * along, -1, keepdims=True) * along)
    frame = np.stack([np.cross(sideways, along), sideways, along], axis=-1)
    cosines = _unit(radar - points) @ frame
    silhouette = np.pi * semi_axes[0] * semi_axes[2]
    return SKIN_REFLECTIVITY * (
        ellipsoid_rcs_m2(cosines, semi_axes) + DIFFUSE_SHARE * silhouette
    )


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
