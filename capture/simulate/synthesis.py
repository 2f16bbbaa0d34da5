"""Scatterers to beat signal: the dechirped FMCW signal, sample by sample.

This is the simulator's only door to Numba. Antennas are laid out as on the IWR1843BOOST, with the
first TX and the first RX in one place so that closed forms stay short: RX k sits k lambda/2 to the
right, TX1 and TX3 are 2 lambda apart, TX2 half way between them and raised by lambda/2.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from capture.config import C_MPS, RadarConfig
from capture.errors import SimulationError

TX_POSITION_WAVELENGTHS = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.5], [2.0, 0.0, 0.0]])
RX_POSITION_WAVELENGTHS = np.array([[0.5 * k, 0.0, 0.0] for k in range(4)])
NEAREST_M = 0.05
_BLOCK = 16
_TURN = 2 * math.pi


def beat_signal(
    config: RadarConfig,
    position_m: ArrayLike,
    rcs_m2: ArrayLike,
    radar_position_m: ArrayLike = (0.0, 0.0, 0.0),
) -> NDArray[np.complex64]:
    """Beat signal of point scatterers, without noise.

    `signal[c, r, n]` is what RX `r` delivers `n` samples after the ADC start of chirp `c`, in
    units of a 1 square metre target at 1 m.

    Parameters
    ----------
    config : waveform; chirp `c` uses definition `c % len(config.chirps)`
    position_m : float64 array, shape (n_chirps, n_points, 3), metres
        Where the scatterers are when each chirp's ramp starts; they stand still within a chirp.
    rcs_m2 : float64 array, shape (n_chirps, n_points), square metres
    radar_position_m : float64 array, shape (3,), metres

    Returns
    -------
    complex64 array, shape (n_chirps, n_rx, n_samples)

    Raises
    ------
    SimulationError
        Shapes that do not fit, part of a loop, an unknown TX, a scatterer within `NEAREST_M` of
        the radar, or values that are not finite.

    Notes
    -----
    A scatterer with delay tau = (|tx - s| + |s - rx|) / c adds
    sqrt(rcs) / (R_tx R_rx) exp(2 pi j (f0 tau + S t tau - S tau^2 / 2)) with t = t_adc + n / fs
    after the ramp start: the transmitted phase at t minus the one at t - tau. TX antennas of one
    chirp definition send together and add up. Range migration is in tau; no approximation for
    small arrays or slow targets is made. Antenna patterns are left out.

    Examples
    --------
    >>> config = RadarConfig(n_loops=1)
    >>> signal = beat_signal(config, [[[0.0, 3.0, 0.0]]], [[1.0]])
    >>> signal.shape, round(float(abs(signal[0, 0, 0])), 4)
    ((1, 4, 256), 0.1111)
    """
    position = np.ascontiguousarray(position_m, np.float64)
    rcs = np.ascontiguousarray(rcs_m2, np.float64)
    radar = np.asarray(radar_position_m, np.float64)
    tx_on = np.array([[c.tx_mask >> k & 1 for k in range(3)] for c in config.chirps], np.bool_)
    _check(config, position - radar, rcs)
    tx = radar + config.wavelength_m * TX_POSITION_WAVELENGTHS
    rx = radar + config.wavelength_m * RX_POSITION_WAVELENGTHS[list(config.rx_antennas)]
    ramp = np.array(
        [
            (
                config.start_frequency_hz + chirp.start_frequency_offset_hz,
                config.slope_hz_per_s + chirp.slope_offset_hz_per_s,
                config.adc_start_s + chirp.adc_start_offset_s,
            )
            for chirp in config.chirps
        ]
    )
    out = np.empty((len(position), config.n_rx, config.n_samples), np.complex64)
    _synthesise(position, rcs, tx, tx_on, rx, ramp, 1 / config.sample_rate_hz, out)
    return out


def _check(config: RadarConfig, from_radar_m: np.ndarray, rcs: np.ndarray) -> None:
    """Refuse what the kernel cannot take."""
    where = "beat_signal"
    if from_radar_m.ndim != 3 or from_radar_m.shape[2] != 3 or rcs.shape != from_radar_m.shape[:2]:
        raise SimulationError(
            "positions and cross-sections do not fit", where=where,
            got=f"{from_radar_m.shape} and {rcs.shape}",
            expected="(chirps, points, 3) and (chirps, points)",
        )
    if len(rcs) % len(config.chirps):
        raise SimulationError(
            "not a whole number of loops", where=where, got=f"{len(rcs)} chirps",
            expected=f"a multiple of {len(config.chirps)}",
        )
    masks = [chirp.tx_mask for chirp in config.chirps]
    if not all(1 <= mask <= 0b111 for mask in masks):
        raise SimulationError(
            "the simulated board has TX 0 to 2", where="chirps.tx_mask", got=masks,
            expected="1 to 7",
        )
    nearest = float(np.linalg.norm(from_radar_m, axis=-1).min(initial=np.inf))
    if not nearest >= NEAREST_M:
        raise SimulationError(
            "a scatterer is inside the radar, or nowhere", where=where, got=f"{nearest:.3g} m",
            expected=f"at least {NEAREST_M} m from it",
        )
    if not (np.isfinite(rcs).all() and (rcs >= 0).all()):
        raise SimulationError("a cross-section is negative or not finite", where=where)


@njit(cache=True, nogil=True)
def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_tone(
    signal: np.ndarray, table: np.ndarray, phase: float, step: float, amplitude: float
) -> None:
    """Add amplitude exp(2 pi j (phase + n step)), phases in turns; rows are real, imaginary.

    The first block of phasors is a table made by doubling; every later block is the same table
    turned by one factor, so that no long recurrence builds up error and the inner loop is flat.
    """
    turn_re, turn_im = math.cos(_TURN * step), math.sin(_TURN * step)
    table[0, 0], table[1, 0] = 1.0, 0.0
    width = 1
    while width < _BLOCK:
        for k in range(width):
            re, im = table[0, k], table[1, k]
            table[0, width + k] = re * turn_re - im * turn_im
            table[1, width + k] = re * turn_im + im * turn_re
        turn_re, turn_im = turn_re * turn_re - turn_im * turn_im, 2 * turn_re * turn_im
        width *= 2
    re = amplitude * math.cos(_TURN * phase)
    im = amplitude * math.sin(_TURN * phase)
    for block in range(signal.shape[1] // _BLOCK):
        at = block * _BLOCK
        for k in range(_BLOCK):
            signal[0, at + k] += re * table[0, k] - im * table[1, k]
            signal[1, at + k] += re * table[1, k] + im * table[0, k]
        re, im = re * turn_re - im * turn_im, re * turn_im + im * turn_re


@njit(cache=True, nogil=True)
def _synthesise(
    position: np.ndarray, rcs: np.ndarray, tx: np.ndarray, tx_on: np.ndarray, rx: np.ndarray,
    ramp: np.ndarray, sample_s: float, out: np.ndarray,
) -> None:
    """See `beat_signal`."""
    n_samples = out.shape[2]
    n_padded = (n_samples + _BLOCK - 1) // _BLOCK * _BLOCK
    signal = np.empty((2, n_padded))
    table = np.empty((2, _BLOCK))
    for chirp in range(position.shape[0]):
        kind = chirp % ramp.shape[0]
        start_hz, slope, adc_s = ramp[kind]
        for antenna in range(rx.shape[0]):
            signal[:] = 0.0
            for point in range(position.shape[1]):
                back_m = _distance(position[chirp, point], rx[antenna])
                for sender in range(tx.shape[0]):
                    if not tx_on[kind, sender]:
                        continue
                    out_m = _distance(position[chirp, point], tx[sender])
                    delay_s = (out_m + back_m) / C_MPS
                    step = slope * delay_s * sample_s
                    phase = (start_hz + slope * (adc_s - delay_s / 2)) * delay_s
                    amplitude = math.sqrt(rcs[chirp, point]) / (out_m * back_m)
                    _add_tone(signal, table, phase - math.floor(phase), step, amplitude)
            for n in range(n_samples):
                out[chirp, antenna, n] = complex(signal[0, n], signal[1, n])
