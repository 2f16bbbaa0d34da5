"""Azimuth by the receive antennas: calibration, estimates, beams and nulls.

Receive antenna k stands k half wavelengths to the radar's right, as on TI's xWR boards with four
antennas in a row. A plane wave from azimuth a, positive to the right, reaches it earlier and
arrives with the phase -pi k sin(a).

Only the receive antennas of one slow-time series are ever added with their phases. Series of other
transmit antennas are sampled at other times, and between two of them a walker's part of radial
velocity v turns by 4 pi v dt / lambda, another angle for every part; their powers are added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capture.config import RadarConfig
from radarid.errors import ParameterError

_SPACING = 0.5  # wavelengths between neighbouring receive antennas
_MAX_NOISE_GAIN = 1.0  # a beam with nulls that hears more noise than one antenna is no beam


def calibration(radar: RadarConfig) -> np.ndarray:
    """Factors that make the antennas' gains and phases equal, complex64 (n_virtual,).

    `RadarConfig.rx_calibration` has four factors for each transmit antenna, or four for all. A
    chirp with several transmit antennas takes those of the lowest.
    """
    if not radar.rx_calibration:
        return np.ones(radar.n_virtual, np.complex64)
    pairs = np.array(radar.rx_calibration)
    table = (pairs[:, 0] + 1j * pairs[:, 1]).reshape(-1, 4)
    n_series = radar.n_virtual // radar.n_rx
    rows = [_lowest_tx(chirp.tx_mask) % len(table) for chirp in radar.chirps[:n_series]]
    return np.asarray(table[rows][:, radar.rx_antennas].ravel(), np.complex64)


def _lowest_tx(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def steering(radar: RadarConfig, azimuth_rad: float) -> np.ndarray:
    """What the calibrated antennas receive from a distant point, complex128 (n_virtual,).

    Amplitude 1; phase relative to receive antenna 0, the same in every slow-time series.
    """
    turns = -_SPACING * np.array(radar.rx_antennas) * np.sin(azimuth_rad)
    return np.tile(np.exp(2j * np.pi * turns), radar.n_virtual // radar.n_rx)


def pair_product(radar: RadarConfig, echo: np.ndarray) -> np.ndarray:
    """Sum over the closest pairs of receive antennas of x_right conj(x_left).

    Products of several cells may be added up; the sum's phase tells the mean azimuth, see
    `azimuth_sine`. Noise that differs between antennas adds no bias.

    Parameters
    ----------
    radar : with at least two receive antennas
    echo : complex array, shape (..., n_virtual), calibrated

    Returns
    -------
    complex array, shape (...)
    """
    antennas = np.array(radar.rx_antennas)
    series = echo.reshape(*echo.shape[:-1], -1, radar.n_rx)
    closest = np.flatnonzero(np.diff(antennas) == np.diff(antennas).min())
    return np.asarray(np.sum(series[..., closest + 1] * series[..., closest].conj(), axis=(-2, -1)))


def azimuth_sine(radar: RadarConfig, product: np.ndarray) -> np.ndarray:
    """Sine of the azimuth of a `pair_product`, float (...), inside +-1 for neighbouring antennas.

    Where no two neighbours are on, directions beyond 1 / (2 spacing) wrap around.
    """
    spacing = _SPACING * float(np.diff(radar.rx_antennas).min())
    return np.asarray(-np.angle(product) / (2 * np.pi * spacing))


def azimuth_rad(radar: RadarConfig, echo: np.ndarray) -> float:
    """Azimuth of the one source behind some snapshots of the antennas.

    Parameters
    ----------
    radar : antennas and their calibration
    echo : complex array, shape (n_snapshots, n_virtual), as received

    Returns
    -------
    float
        Radians, positive to the radar's right; NaN with a single receive antenna.
    """
    if radar.n_rx < 2:
        return float("nan")
    product = np.sum(pair_product(radar, echo * calibration(radar)))
    return float(np.arcsin(np.clip(azimuth_sine(radar, product), -1, 1)))


def beam_weights(radar: RadarConfig, azimuth_rad: float) -> np.ndarray:
    """Weights of the matched beam, calibration included, complex64 (n_virtual,).

    The weighted sum over the antennas of one series has gain 1 for a point at that azimuth, and
    1 / n_rx of the noise of one antenna. Apply them with `form_beam`.

    Raises
    ------
    ParameterError
        The azimuth is not known.
    """
    return null_weights(radar, azimuth_rad, ())


def null_weights(
    radar: RadarConfig, azimuth_rad: float, others_rad: Sequence[float]
) -> np.ndarray:
    """Weights of the beam towards one walker that does not hear the others.

    Parameters
    ----------
    radar : antennas and their calibration
    azimuth_rad : the walker, gain 1
    others_rad : the others, gain 0 where the array allows it, the first being most important

    Returns
    -------
    complex64 array, shape (n_virtual,)

    Raises
    ------
    ParameterError
        An azimuth is not known.

    Notes
    -----
    Of all weights w with the gains g asked for at the directions C, those that hear the least
    noise: w = C (C^H C)^-1 g (linearly constrained minimum variance in white noise; Frost 1972).
    Two directions closer than the array resolves make the noise grow without limit; a null is
    left out when with it the beam would hear more noise than a single antenna, which for four
    antennas happens within 9 degrees of the walker.
    """
    if not np.isfinite([azimuth_rad, *others_rad]).all():
        raise ParameterError(
            "a beam needs known directions", got=f"azimuth {azimuth_rad}, others {others_rad}",
            remedy="merge = 'power' where directions are not estimated",
        )  # fmt: skip
    one_series = slice(radar.n_rx)
    towards = [steering(radar, azimuth_rad)[one_series]]
    weights = towards[0] / radar.n_rx
    for other_rad in others_rad:
        if len(towards) == radar.n_rx:
            break
        directions = np.stack([*towards, steering(radar, other_rad)[one_series]], axis=1)
        gram = directions.conj().T @ directions
        gains = np.eye(len(gram))[0]
        if np.linalg.cond(gram) > 1e6:
            continue
        nulled = directions @ np.linalg.solve(gram, gains)
        if np.vdot(nulled, nulled).real <= _MAX_NOISE_GAIN:
            towards.append(directions[:, -1])
            weights = nulled
    n_series = radar.n_virtual // radar.n_rx
    return np.asarray(np.tile(weights.conj(), n_series) * calibration(radar), np.complex64)


def form_beam(radar: RadarConfig, profiles: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One beam in place of the receive antennas of every slow-time series.

    Parameters
    ----------
    radar : antennas
    profiles : complex64 array, shape (..., n_virtual, n_bins)
    weights : complex64 array, shape (n_virtual,)

    Returns
    -------
    complex64 array, shape (..., n_series, n_bins)
        One slow-time series remains for each transmit pattern; add up their powers.
    """
    *leading, n_virtual, n_bins = profiles.shape
    shape = (*leading, n_virtual // radar.n_rx, radar.n_rx, n_bins)
    by_series = weights.reshape(-1, radar.n_rx)
    return np.asarray(np.einsum("...srb,sr->...sb", profiles.reshape(shape), by_series))
