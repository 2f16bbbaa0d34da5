"""The motion of a walking body: joint positions over time, whatever they come from.

Every source of walkers (a parametric model, motion capture) gives a `BodyMotion` in the walker's
own frame: it walks along +y, starting at the origin, z is up and the floor is z = 0. Where in
the room this happens is the scene's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from capture.errors import SimulationError

JOINTS = (
    "pelvis", "chest", "neck", "head",
    "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist",
    "l_hip", "l_knee", "l_ankle", "l_toe", "r_hip", "r_knee", "r_ankle", "r_toe",
)  # fmt: skip
MIN_SAMPLES = 8
STRIDE_BAND_HZ = (0.45, 1.5)
_MIN_STRIDE_RMS_M = 0.03
_FADE_OF_STRIDE = 0.2

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """Joint positions of one walk, in the walker's own frame.

    Parameters
    ----------
    time_s : float64 array, shape (n_times,), strictly ascending, seconds
    position_m : float64 array, shape (n_times, n_joints, 3), metres
        `position_m[t, j]` is where joint `j` is: x to the right, y ahead, z up from the floor.
    joints : names of the joints, `JOINTS` unless told otherwise

    Raises
    ------
    SimulationError
        Shapes that do not fit, fewer than `MIN_SAMPLES` times, times that do not ascend, or
        values that are not finite.
    """

    time_s: Floats
    position_m: Floats
    joints: tuple[str, ...] = JOINTS

    def __post_init__(self) -> None:
        time_s = np.asarray(self.time_s, np.float64)
        position_m = np.asarray(self.position_m, np.float64)
        object.__setattr__(self, "time_s", time_s)
        object.__setattr__(self, "position_m", position_m)
        expected = (time_s.size, len(self.joints), 3)
        if time_s.ndim != 1 or position_m.shape != expected:
            raise SimulationError(
                "positions do not fit times and joints",
                where="BodyMotion",
                got=position_m.shape,
                expected=f"{expected} = (times, joints, 3)",
            )
        if time_s.size < MIN_SAMPLES:
            raise SimulationError(
                "too few samples for a motion",
                where="BodyMotion",
                got=time_s.size,
                expected=f"at least {MIN_SAMPLES}",
            )
        if not (np.isfinite(time_s).all() and np.isfinite(position_m).all()):
            raise SimulationError("times or positions are not finite", where="BodyMotion")
        if not (np.diff(time_s) > 0).all():
            raise SimulationError("times do not ascend", where="BodyMotion.time_s")

    @property
    def duration_s(self) -> float:
        """Time from the first to the last sample."""
        return float(self.time_s[-1] - self.time_s[0])

    @property
    def mean_speed_mps(self) -> float:
        """Net horizontal displacement of the pelvis over the time it took."""
        path = self.joint("pelvis")[:, :2]
        return float(np.linalg.norm(path[-1] - path[0])) / self.duration_s

    def joint(self, name: str) -> Floats:
        """Path of one joint: float64 array, shape (n_times, 3), metres."""
        if name not in self.joints:
            raise SimulationError(
                f"no joint '{name}'", where="BodyMotion", expected=f"one of {self.joints}"
            )
        return self.position_m[:, self.joints.index(name)]

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(self.time_s, self.position_m, axis=0)

    def at(self, time_s: ArrayLike) -> Floats:
        """Positions at any times inside the motion, by cubic spline.

        Parameters
        ----------
        time_s : float64 array, shape (n,), seconds, within `[time_s[0], time_s[-1]]`

        Returns
        -------
        float64 array, shape (n, n_joints, 3), metres

        Raises
        ------
        SimulationError
            A time lies outside the motion: positions are never extrapolated.
        """
        wanted = np.asarray(time_s, np.float64)
        first, last = self.time_s[0], self.time_s[-1]
        slack = 1e-9 * max(1.0, abs(first), abs(last))
        if wanted.size and not (wanted.min() >= first - slack and wanted.max() <= last + slack):
            raise SimulationError(
                "times outside the motion",
                where="BodyMotion.at",
                got=f"{wanted.min():.3f} to {wanted.max():.3f} s",
                expected=f"{first:.3f} to {last:.3f} s",
                remedy="lengthen the walk with extend() or ask for less",
            )
        return np.asarray(self._spline(np.clip(wanted, first, last)))

    def resample(self, time_s: ArrayLike) -> BodyMotion:
        """Return the same motion at other times (see `at`)."""
        return BodyMotion(np.asarray(time_s, np.float64), self.at(time_s), self.joints)

    def between(self, start_s: float, stop_s: float) -> BodyMotion:
        """Cut a part in time; it starts at time 0 with the pelvis above the origin again."""
        inside = (self.time_s >= start_s) & (self.time_s <= stop_s)
        part = BodyMotion(self.time_s[inside], self.position_m[inside], self.joints)
        origin = part.joint("pelvis")[0] * [1.0, 1.0, 0.0]
        return BodyMotion(part.time_s - part.time_s[0], part.position_m - origin, self.joints)

    def extend(self, duration_s: float) -> BodyMotion:
        """Make a walk last at least `duration_s` by repeating its most repeatable stride.

        The stride that closes best on itself (pose and velocity, over a fifth of a stride) is
        cross-faded into its own beginning and then repeated, each time one stride length
        further ahead. What was recorded after that stride is left out. A walk that is long
        enough comes back unchanged.

        Raises
        ------
        SimulationError
            The walk holds less than one stride and its fade, or no stride is found.
        """
        if self.duration_s >= duration_s:
            return self
        step_s = self.duration_s / (self.time_s.size - 1)
        even = self.resample(np.linspace(self.time_s[0], self.time_s[-1], self.time_s.size))
        stop, lag, fade = _best_loop(even, round(1.0 / (stride_hz(even) * step_s)))
        pelvis_y = even.joint("pelvis")[:, 1]
        faded = np.arange(stop - fade, stop)
        shift = np.zeros(3)
        shift[1] = np.mean(pelvis_y[faded] - pelvis_y[faded - lag])
        weight = _smooth_step((faded - faded[0] + 1.0) / fade)[:, None, None]
        body = even.position_m[:stop].copy()
        body[faded] = (1 - weight) * body[faded] + weight * (body[faded - lag] + shift)
        loop = body[stop - lag : stop]
        n_loops = int(np.ceil((duration_s / step_s + 1 - stop) / lag))
        repeats = [loop + n * shift for n in range(1, n_loops + 1)]
        position_m = np.concatenate([body, *repeats])
        return BodyMotion(
            even.time_s[0] + step_s * np.arange(len(position_m)), position_m, self.joints
        )


def stride_hz(motion: BodyMotion) -> float:
    """Strides per second (a stride is two steps), from how far one ankle is ahead of the other.

    The fore-aft distance from the right to the left ankle is fitted by least squares with a
    constant and the first and third harmonic of a trial rate (walking is antisymmetric over
    half a stride, so the even ones are weak); the rate with the least residual wins.

    Raises
    ------
    SimulationError
        The ankles hardly part: nobody walks.
    """
    ahead = motion.joint("l_ankle")[:, 1] - motion.joint("r_ankle")[:, 1]
    return periodic_rate_hz(motion.time_s, ahead)


def periodic_rate_hz(time_s: Floats, swing_m: Floats) -> float:
    """Stride rate of any fore-aft leg swing (see `stride_hz`); `swing_m` has shape (n_times,)."""
    centred = swing_m - swing_m.mean()
    if np.sqrt(np.mean(centred**2)) < _MIN_STRIDE_RMS_M:
        raise SimulationError(
            "no stride found",
            where="stride_hz",
            got=f"leg swing of {np.sqrt(np.mean(centred**2)):.3f} m rms",
            expected=f"more than {_MIN_STRIDE_RMS_M} m: a walking person",
        )
    trial_hz = np.arange(STRIDE_BAND_HZ[0], STRIDE_BAND_HZ[1], 0.0025)
    residual = np.array([_residual(time_s, centred, rate) for rate in trial_hz])
    return float(trial_hz[np.argmin(residual)])


def _residual(time_s: Floats, values: Floats, rate_hz: float) -> float:
    """Energy of `values` left over by two odd harmonics of `rate_hz` and a constant."""
    phase = 2 * np.pi * rate_hz * time_s
    columns = [np.ones_like(phase)]
    columns += [wave(order * phase) for order in (1, 3) for wave in (np.cos, np.sin)]
    basis = np.stack(columns, axis=1)
    coefficients = np.linalg.lstsq(basis, values, rcond=None)[0]
    return float(np.sum((values - basis @ coefficients) ** 2))


def _best_loop(motion: BodyMotion, stride: int) -> tuple[int, int, int]:
    """(stop, lag, fade) in samples of the stride whose end looks most like its beginning."""
    step_s = motion.duration_s / (motion.time_s.size - 1)
    pose = motion.position_m - motion.joint("pelvis")[:, None] * [1.0, 1.0, 0.0]
    velocity = np.gradient(motion.position_m, step_s, axis=0)
    feature = np.concatenate([pose, 0.1 * velocity], axis=1).reshape(len(pose), -1)
    fade = max(3, round(_FADE_OF_STRIDE * stride))
    best = (np.inf, 0, 0)
    for lag in range(round(0.85 * stride), round(1.15 * stride) + 1):
        if lag + fade > len(feature):
            break
        error = np.sum((feature[lag:] - feature[:-lag]) ** 2, axis=1)
        mean_error = np.convolve(error, np.full(fade, 1.0 / fade), mode="valid")
        start = int(np.argmin(mean_error))
        best = min(best, (float(mean_error[start]), start + lag + fade, lag))
    if best[1] == 0:
        raise SimulationError(
            "too short to repeat a stride",
            where="BodyMotion.extend",
            got=f"{motion.duration_s:.2f} s",
            expected=f"at least {(0.85 * stride + fade) * step_s:.2f} s, a stride and its fade",
        )
    return best[1], best[2], fade


def _smooth_step(x: Floats) -> Floats:
    """0 to 1 with zero first and second derivative at both ends."""
    return x**3 * (10 - 15 * x + 6 * x**2)
