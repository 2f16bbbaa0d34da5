"""Bodies in one step of slow time: groups of moving echo in range, Doppler and azimuth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.config import RadarConfig
from radarid.dsp import angle, convert
from radarid.dsp.gating import level_over_noise_db
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import taper
from radarid.dsp.slowtime import SlowTime
from radarid.errors import ParameterError

MIN_UNAMBIGUOUS_MPS = 2.0  # slower radars confuse who walks away with who comes

_THRESHOLD_DB = 9.0  # of the smoothed map over its lower quartile, which lies 1 dB under the noise
_WEAKEST_DB = -25.0  # under the strongest body: above the sidelobes of the tapers (-31 dB)
_TORSO_M, _TORSO_MPS = 0.4, 0.3  # what the map is smoothed over
_REACH_M = 0.8  # a body's parts are within this of its torso
_REACH_SINE = 0.15  # and within this of its azimuth's sine, and that of `_HALF_WIDTH_M`
_HALF_WIDTH_M = 0.5
_BACKWARDS_MPS = 0.6  # parts of a walker stand or go ahead; none goes backwards faster than this
_SLOW_MPS = 0.4  # who is slower than this may turn next


@dataclass(frozen=True, slots=True)
class Body:
    """One body in one step.

    Attributes
    ----------
    range_m, velocity_mps : centre of the strongest group of echoes (the torso); positive is away
    sine : of its azimuth; 0 with a single receive antenna
    power : of that group, linear
    """

    range_m: float
    velocity_mps: float
    sine: float
    power: float


def in_reach(
    body: Body, range_m: np.ndarray, velocity_mps: np.ndarray, *, one_way: bool
) -> np.ndarray:
    """Which echoes may come from parts of the body, by range and velocity; the arrays broadcast.

    Parameters
    ----------
    body : its torso
    range_m, velocity_mps : of the echoes
    one_way : whether velocities are unambiguous, so that parts go the way of the torso or stand

    Returns
    -------
    bool array
    """
    backwards = np.zeros_like(velocity_mps, dtype=bool)
    if one_way and abs(body.velocity_mps) > _SLOW_MPS:
        backwards = np.sign(body.velocity_mps) * velocity_mps < -_BACKWARDS_MPS
    return np.asarray((np.abs(range_m - body.range_m) <= _REACH_M) & ~backwards)


def same_azimuth(body: Body, sine: np.ndarray) -> np.ndarray:
    """Which echoes may come from parts of the body, by the sine of their azimuth."""
    width = _REACH_SINE + _HALF_WIDTH_M / max(body.range_m, _HALF_WIDTH_M)
    return np.asarray(np.abs(sine - body.sine) <= width)


class BodyDetector:
    """Range-Doppler-azimuth detection of extended bodies.

    Parameters
    ----------
    radar : waveform and antennas
    params : velocity limit and number of walkers
    range_m : float64 array, shape (n_bins,), centres of the range bins
    grid : slow-time grid

    Raises
    ------
    ParameterError
        The radar's unambiguous velocity is too low to tell walkers apart by their Doppler.

    Notes
    -----
    Bodies are taken from the map one after the other, strongest first, each with all echo that
    its limbs may explain (`in_reach`, `same_azimuth`): a swinging foot is not a person. Azimuth
    is that of the mean product of neighbouring antennas over the torso's cells; the cells' own
    azimuths say which limbs are whose. Two bodies at the same place that walk the same way are
    one, and of any number that walk abreast two are found at most.
    """

    def __init__(
        self, radar: RadarConfig, params: DspParams, range_m: np.ndarray, grid: SlowTime
    ) -> None:
        limit = convert.unambiguous_velocity_mps(radar, grid.interval_s)
        if limit < MIN_UNAMBIGUOUS_MPS:
            raise ParameterError(
                "slow time is too coarse to tell walkers apart by their velocity",
                where="max_walkers or merge",
                got=f"an unambiguous velocity of {limit:.3g} m/s",
                expected=f"at least {MIN_UNAMBIGUOUS_MPS} m/s",
                remedy="chirps in faster succession, or max_walkers = 1 with merge = 'power'",
            )
        self.radar, self.range_m, self._interval_s = radar, range_m, grid.interval_s
        self.one_way = limit >= params.max_velocity_mps
        self._limit_mps = min(limit, params.max_velocity_mps)
        self._n_most = params.max_walkers + 2
        self._factors = angle.calibration(radar)
        self._bins_smoothed = _odd(_TORSO_M / float(range_m[1] - range_m[0]))

    def __call__(
        self, profiles: np.ndarray, valid: np.ndarray, mean: np.ndarray
    ) -> tuple[list[Body], np.ndarray]:
        """Bodies of one step.

        Parameters
        ----------
        profiles : complex64 array, shape (n, n_virtual, n_bins)
        valid : bool array, shape (n,)
        mean : complex64 array, shape (n_virtual, n_bins), what stands still

        Returns
        -------
        bodies : strongest first
        level_db : float64 array, shape (n_bins,), moving energy over the noise
        """
        import scipy.ndimage  # slow to import, for few to need

        velocity_mps, power, product = self._map(profiles, valid, mean)
        sine = np.zeros(power.shape)
        if self.radar.n_rx > 1:
            sine = angle.azimuth_sine(self.radar, product)
        size = _odd(_TORSO_MPS / float(velocity_mps[1] - velocity_mps[0])), self._bins_smoothed
        level_db = level_over_noise_db(power.sum(axis=0))
        bodies: list[Body] = []
        floor = 0.0
        while len(bodies) < self._n_most:
            smooth = scipy.ndimage.uniform_filter(power, size, mode="constant")
            peak = np.unravel_index(np.argmax(smooth), smooth.shape)
            if not bodies:
                noise = np.quantile(smooth, 0.25) * 10 ** (_THRESHOLD_DB / 10)
                floor = max(noise, smooth[peak] * 10 ** (_WEAKEST_DB / 10))
            if not smooth[peak] > floor:
                break
            near = tuple(
                slice(max(0, int(at) - width // 2), int(at) + width // 2 + 1)
                for at, width in zip(peak, size, strict=True)
            )
            bodies.append(self._measure(velocity_mps, power, product, near))
            power[near] = 0
            power[self._explained(bodies, velocity_mps[:, None], sine)] = 0
        return bodies, level_db

    def _explained(
        self, bodies: list[Body], velocity_mps: np.ndarray, sine: np.ndarray
    ) -> np.ndarray:
        """Cells that may be of the last body, or of it and another one at once.

        A cell that two bodies share may show any azimuth, a third walker's too.
        """
        last, *others = (
            in_reach(body, self.range_m, velocity_mps, one_way=self.one_way)
            for body in reversed(bodies)
        )
        shared = np.logical_or.reduce([np.zeros_like(last), *others])
        return np.asarray(last & (same_azimuth(bodies[-1], sine) | shared))

    def _map(
        self, profiles: np.ndarray, valid: np.ndarray, mean: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Velocities (ascending), power and antenna products of the cells (n_velocity, n_bins)."""
        import scipy.fft  # slow to import, for few to need

        n = len(profiles)
        weight = (taper("hann", n) * valid)[:, None, None]
        n_fft = scipy.fft.next_fast_len(n)
        spectrum = scipy.fft.fft((profiles - mean) * weight, n_fft, axis=0, overwrite_x=True)
        doppler_hz = scipy.fft.fftshift(scipy.fft.fftfreq(n_fft, self._interval_s))
        velocity_mps = convert.doppler_to_velocity_mps(self.radar, doppler_hz)
        kept = np.abs(velocity_mps) <= self._limit_mps
        cells = scipy.fft.fftshift(spectrum, axes=0)[kept].swapaxes(1, 2) * self._factors
        power = np.sum(cells.real**2 + cells.imag**2, axis=2)
        if self.radar.n_rx < 2:
            return velocity_mps[kept], power, np.zeros(power.shape, np.complex64)
        return velocity_mps[kept], power, angle.pair_product(self.radar, cells)

    def _measure(
        self,
        velocity_mps: np.ndarray,
        power: np.ndarray,
        product: np.ndarray,
        near: tuple[slice, ...],
    ) -> Body:
        weight = power[near]
        total = float(weight.sum())
        at = float(weight.sum(axis=0) @ self.range_m[near[1]]) / total
        speed = float(weight.sum(axis=1) @ velocity_mps[near[0]]) / total
        left = product[near][weight > 0].sum()
        sine = float(angle.azimuth_sine(self.radar, left)) if self.radar.n_rx > 1 else 0.0
        return Body(at, speed, sine, total)


def _odd(width: float) -> int:
    """Cells, the middle one included, that reach to `width` cells around it, or just over."""
    return 2 * int(width / 2 + 0.5) + 1
