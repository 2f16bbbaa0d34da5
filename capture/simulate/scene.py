"""The room: where the radar stands, which line is walked, what stands around, how loud it is.

Room coordinates: the radar is at (0, 0, height), +y is its boresight, +x its right, +z up.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from capture.errors import SimulationError
from capture.schema import config_class
from capture.simulate.motion import BodyMotion, Floats

REFERENCE_RANGE_M = 3.0
"""Range of the 0 dBsm target to which `Scene.snr_db` and `Scene.reference_dbfs` refer."""

MIN_RANGE_M = 1.0
"""No walk comes nearer to the radar than this (pelvis to radar, on the floor)."""


@config_class
class Scene:
    """One walk in one room.

    The walked line crosses the radar's x axis at `lateral_m` under `crossing_angle_rad` to
    boresight: x = lateral_m + y tan(crossing_angle_rad).

    Attributes
    ----------
    radar_height_m : above the floor
    direction : 'away' from the radar or 'towards' it
    near_m : y of the end of the walk that lies nearer to the radar
    lateral_m, crossing_angle_rad : the walked line; positive to the radar's right
    wall_m : distance of the back wall
    n_furniture : fixed things in the room, apart from the wall; negative cross-sections in dB
        are drawn too
    clutter_seed : what room it is
    clutter_db : added to the cross-section of wall and furniture
    clutter : whether there is any
    snr_db : power of one ADC sample of a 0 dBsm target at `REFERENCE_RANGE_M` seen by one RX
        (one TX sending) over the power of the receiver's noise in that sample
    reference_dbfs : amplitude of the same target, in dB of the ADC's full scale
    dc_offset_dbfs : amplitude of the constant offset of I and of Q (of opposite sign)
    """

    radar_height_m: float = 1.0
    direction: Literal["away", "towards"] = "away"
    near_m: float = 1.2
    lateral_m: float = 0.0
    crossing_angle_rad: float = 0.0
    wall_m: float = 9.5
    n_furniture: int = 10
    clutter_seed: int = 0
    clutter_db: float = 0.0
    clutter: bool = True
    snr_db: float = 10.0
    reference_dbfs: float = -36.0
    dc_offset_dbfs: float = -60.0

    def __post_init__(self) -> None:
        if not abs(self.crossing_angle_rad) < math.pi / 2:
            raise SimulationError(
                "'crossing_angle_rad' must be less than a right angle", where="Scene",
                got=self.crossing_angle_rad,
            )
        if math.hypot(self.near_m, self.lateral_m) < MIN_RANGE_M or self.near_m < 0:
            raise SimulationError(
                f"the walk comes nearer to the radar than {MIN_RANGE_M} m", where="Scene.near_m",
                got=self.near_m,
            )

    @property
    def radar_position_m(self) -> Floats:
        """Where the radar is, float64 (3,), metres."""
        return np.array([0.0, 0.0, self.radar_height_m])

    @property
    def gain(self) -> float:
        """Amplitude in full scales of a 0 dBsm target at 1 m (R^-4: amplitude times R^2)."""
        return float(10 ** (self.reference_dbfs / 20) * REFERENCE_RANGE_M**2)

    @property
    def noise_rms(self) -> float:
        """Rms of the complex noise of one sample in full scales."""
        return float(10 ** ((self.reference_dbfs - self.snr_db) / 20))

    @property
    def dc_offset(self) -> complex:
        """Constant offset of I and Q in full scales."""
        return complex(1, -1) * float(10 ** (self.dc_offset_dbfs / 20))


def place(motion: BodyMotion, scene: Scene) -> BodyMotion:
    """Put a walk into the room.

    Parameters
    ----------
    motion : walker-local, along +y from the origin
    scene : which line, and in which direction

    Returns
    -------
    BodyMotion
        The same joints in room coordinates. Walking away starts at y = `near_m`; walking towards
        the radar ends there.

    Raises
    ------
    SimulationError
        The walk turns and comes nearer than `MIN_RANGE_M`.
    """
    sign = 1.0 if scene.direction == "away" else -1.0
    angle = scene.crossing_angle_rad
    ahead = sign * np.array([math.sin(angle), math.cos(angle), 0.0])
    right = np.array([ahead[1], -ahead[0], 0.0])
    rotated = motion.position_m @ np.stack([right, ahead, [0.0, 0.0, 1.0]])
    path = rotated[:, motion.joints.index("pelvis")]
    nearest = path[np.argmin(path[:, 1])]
    anchor_x = scene.lateral_m + scene.near_m * math.tan(angle)
    shift = np.array([anchor_x - nearest[0], scene.near_m - nearest[1], 0.0])
    range_m = np.hypot(*(path + shift)[:, :2].T).min()
    if range_m < MIN_RANGE_M:
        raise SimulationError(
            "the walk comes too near to the radar", where="place", got=f"{range_m:.2f} m",
            expected=f"at least {MIN_RANGE_M} m", remedy="a larger near_m or smaller lateral_m",
        )
    return BodyMotion(motion.time_s, rotated + shift, motion.joints)


def clutter(scene: Scene) -> tuple[Floats, Floats]:
    """Things that stand still: a back wall and furniture.

    Returns
    -------
    position_m : float64 array, shape (n, 3), metres
    rcs_m2 : float64 array, shape (n,), square metres; the same for equal `clutter_seed`

    Notes
    -----
    The wall is a row of strong points (0 to 8 dBsm), as its few specular spots and edges are;
    furniture is anywhere from 1 m to the wall, -15 to +5 dBsm.
    """
    if not scene.clutter:
        return np.zeros((0, 3)), np.zeros(0)
    rng = np.random.default_rng([scene.clutter_seed, 0x726F6F6D])
    wall_x = np.linspace(-2.5, 2.5, 7)
    wall = np.stack(
        [wall_x, scene.wall_m + rng.normal(0, 0.03, 7), rng.uniform(0.2, 2.2, 7)], axis=1
    )
    things = rng.uniform([-2.5, 1.0, 0.0], [2.5, scene.wall_m, 1.8], (scene.n_furniture, 3))
    dbsm = np.concatenate([rng.uniform(0, 8, 7), rng.uniform(-15, 5, scene.n_furniture)])
    return np.concatenate([wall, things]), 10 ** ((dbsm + scene.clutter_db) / 10)
