"""Several walkers: who is where, step by step, without confusing those who cross."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from capture.config import RadarConfig
from radarid.dsp.detection import Body, BodyDetector, in_reach, same_azimuth
from radarid.dsp.params import DspParams
from radarid.dsp.slowtime import SlowTime

_CONFIRM_HITS, _CONFIRM_STEPS = 5, 8
_COAST_S = 1.0  # longer unseen, and whoever appears there is somebody new
_GATE = 16.0  # squared Mahalanobis distance, 0.1 % of true pairs are farther (3 dimensions)
_MEASURED_STD = np.array([0.15, 0.35, 0.1])  # range_m, velocity_mps (the torso sways), sine
_BIRTH_STD = np.array([0.2, 0.5, 0.15])
_ACCELERATION_PSD = 1.5  # m^2/s^3: 1.2 m/s in a second, as at the end of the walk
_SINE_PSD = 0.05  # 1/s


@dataclass(frozen=True, slots=True)
class Walker:
    """One walker at one step.

    Attributes
    ----------
    track : number of the walker, from 0, never used again in a stream
    range_m : where the body is
    presence_db : level of that range bin over the noise; 0 while the walker is not seen
    angle_rad : azimuth, positive to the radar's right; NaN with a single receive antenna
    """

    track: int
    range_m: float
    presence_db: float
    angle_rad: float


@dataclass(eq=False, slots=True)
class _Track:
    """Kalman filter of range, radial velocity and sine of azimuth."""

    state: np.ndarray  # float64 (3,)
    covariance: np.ndarray  # float64 (3, 3)
    power: float
    number: int | None = None
    n_unseen: int = 0
    hits: deque[bool] = field(default_factory=lambda: deque([True], _CONFIRM_STEPS))

    @property
    def body(self) -> Body:
        range_m, velocity_mps, sine = (float(value) for value in self.state)
        return Body(range_m, velocity_mps, sine, self.power)

    def predict(self, step_s: float) -> None:
        move = np.eye(3)
        move[0, 1] = step_s
        drift = np.zeros((3, 3))
        drift[:2, :2] = _ACCELERATION_PSD * np.array(
            [[step_s**3 / 3, step_s**2 / 2], [step_s**2 / 2, step_s]]
        )
        drift[2, 2] = _SINE_PSD * step_s
        self.state = move @ self.state
        self.covariance = move @ self.covariance @ move.T + drift

    def distance(self, body: Body, measured: slice) -> float:
        """Squared Mahalanobis distance, with the penalty for being uncertain."""
        innovation, spread = self._innovation(body, measured)
        apart = float(innovation @ np.linalg.solve(spread, innovation))
        return apart if apart <= _GATE else np.inf

    def update(self, body: Body, measured: slice) -> None:
        innovation, spread = self._innovation(body, measured)
        gain = np.linalg.solve(spread, self.covariance[measured]).T
        self.state = self.state + gain @ innovation
        self.covariance = self.covariance - gain @ self.covariance[measured]
        self.power = body.power

    def _innovation(self, body: Body, measured: slice) -> tuple[np.ndarray, np.ndarray]:
        noise = np.diag(_MEASURED_STD**2)
        innovation = np.array([body.range_m, body.velocity_mps, body.sine]) - self.state
        return innovation[measured], (self.covariance + noise)[measured, measured]


class WalkerTracks:
    """Kalman tracks of several walkers on range, Doppler and azimuth.

    Two who cross in range walk at different radial velocities or come from different azimuths;
    both are measured, so that each track goes on with its own walker. A track is confirmed by 5
    detections in 8 steps and then shown from its first one on, as far as the look-ahead allows;
    it ends after a second without any, or where it leaves the kept range.

    Parameters
    ----------
    radar : waveform and antennas
    params : how many walkers, at most
    range_m : float64 array, shape (n_bins,), ascending and evenly spaced
    grid : slow-time grid
    step_s : time from one step to the next
    lag : steps of look-ahead

    Raises
    ------
    ParameterError
        See `BodyDetector`.

    Notes
    -----
    A nearest-neighbour filter with global assignment (Bar-Shalom and Li, "Multitarget-Multisensor
    Tracking", 1995), confirmed tracks before candidates. It depends on the steps alone, not on how
    they were grouped when they arrived.
    """

    def __init__(
        self,
        radar: RadarConfig,
        params: DspParams,
        range_m: np.ndarray,
        grid: SlowTime,
        step_s: float,
        lag: int,
    ) -> None:
        self._detect = BodyDetector(radar, params, range_m, grid)
        self._range_m, self._step_s, self._lag = range_m, step_s, lag
        self._n_most = params.max_walkers
        self._has_angle = radar.n_rx > 1
        self._measured = slice(0, 3 if self._has_angle else 2)
        self._tracks: list[_Track] = []
        self._waiting: deque[list[tuple[_Track, Walker]]] = deque()
        self._n_numbers = 0

    def push(
        self, profiles: np.ndarray | None, valid: np.ndarray | None, mean: np.ndarray | None
    ) -> tuple[Walker, ...] | None:
        """Take one step; return the walkers `lag` steps ago, if that is certain now.

        Parameters
        ----------
        profiles : complex64 array, shape (n, n_virtual, n_bins); None when the step was lost
        valid : bool array, shape (n,)
        mean : complex64 array, shape (n_virtual, n_bins), what stands still

        Returns
        -------
        tuple of Walker, by number, or None while there is not yet enough look-ahead
        """
        bodies: list[Body] = []
        level_db = np.zeros(len(self._range_m))
        if profiles is not None and valid is not None and mean is not None:
            bodies, level_db = self._detect(profiles, valid, mean)
        for track in self._tracks:
            track.predict(self._step_s)
        self._assign(bodies)
        self._confirm()
        self._waiting.append([(track, self._seen(track, level_db)) for track in self._tracks])
        return self._decide() if len(self._waiting) > self._lag else None

    def flush(self) -> list[tuple[Walker, ...]]:
        """Walkers of the remaining steps, oldest first; what follows are new walkers."""
        rest = [self._decide() for _ in range(len(self._waiting))]
        self._tracks = []
        return rest

    def _assign(self, bodies: list[Body]) -> None:
        """Give the bodies to the tracks; who is left over may be somebody new."""
        known = [track for track in self._tracks if track.number is not None]
        others = [track for track in self._tracks if track.number is None]
        for tracks in (known, others):
            bodies = self._pair(tracks, bodies)
        for body in bodies:
            if not self._explained(body):
                state = np.array([body.range_m, body.velocity_mps, body.sine])
                self._tracks.append(_Track(state, np.diag(_BIRTH_STD**2), body.power))
        self._tracks = [track for track in self._tracks if self._lives(track)]

    def _pair(self, tracks: list[_Track], bodies: list[Body]) -> list[Body]:
        """Update tracks with the bodies nearest to them in sum; return the other bodies."""
        from scipy.optimize import linear_sum_assignment  # slow to import, for few to need

        cost = np.array(
            [[track.distance(body, self._measured) for body in bodies] for track in tracks]
        ).reshape(len(tracks), len(bodies))
        # A pair out of the gate costs more than any set of pairs inside it.
        rows, columns = linear_sum_assignment(np.minimum(cost, 1e6))
        pairs = {
            int(row): int(column)
            for row, column in zip(rows, columns, strict=True)
            if np.isfinite(cost[row, column])
        }
        for row, track in enumerate(tracks):
            hit = row in pairs
            if hit:
                track.update(bodies[pairs[row]], self._measured)
            track.hits.append(hit)
            track.n_unseen = 0 if hit else track.n_unseen + 1
        return [body for k, body in enumerate(bodies) if k not in pairs.values()]

    def _explained(self, body: Body) -> bool:
        """Whether a body that no track took is a part of a walker who has one."""
        place, sine = (np.array(body.range_m), np.array(body.velocity_mps)), np.array(body.sine)
        return any(
            bool(in_reach(other, *place, one_way=self._detect.one_way))
            and bool(same_azimuth(other, sine))
            for other in (track.body for track in self._tracks)
        )

    def _lives(self, track: _Track) -> bool:
        inside = self._range_m[0] <= track.state[0] <= self._range_m[-1]
        if track.number is not None:
            return bool(inside) and track.n_unseen * self._step_s <= _COAST_S
        return len(track.hits) - sum(track.hits) <= _CONFIRM_STEPS - _CONFIRM_HITS

    def _confirm(self) -> None:
        n_known = sum(track.number is not None for track in self._tracks)
        ready = [
            track
            for track in self._tracks
            if track.number is None and sum(track.hits) >= _CONFIRM_HITS
        ]
        for track in sorted(ready, key=lambda track: -track.power)[: self._n_most - n_known]:
            track.number, self._n_numbers = self._n_numbers, self._n_numbers + 1

    def _seen(self, track: _Track, level_db: np.ndarray) -> Walker:
        """The track's walker now; its number is filled in when the step is decided."""
        place_m, _, sine = (float(value) for value in track.state)
        nearest = int(np.argmin(np.abs(self._range_m - place_m)))
        angle_rad = float(np.arcsin(np.clip(sine, -1, 1))) if self._has_angle else float("nan")
        presence_db = 0.0 if track.n_unseen else float(level_db[nearest])
        return Walker(-1, place_m, presence_db, angle_rad)

    def _decide(self) -> tuple[Walker, ...]:
        found = {
            track.number: walker
            for track, walker in self._waiting.popleft()
            if track.number is not None
        }
        return tuple(
            Walker(number, found[number].range_m, found[number].presence_db,
                   found[number].angle_rad)
            for number in sorted(found)
        )  # fmt: skip
