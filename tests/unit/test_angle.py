"""Azimuth, beams and nulls against plane waves, the simulator's geometry and naive sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capture.config import Chirp, RadarConfig
from capture.simulate.synthesis import beat_signal
from radarid.dsp import angle
from radarid.errors import ParameterError

RADAR = RadarConfig(n_loops=2, n_samples=64)
TDM = replace(RADAR, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4)))
BOTH = replace(RADAR, chirps=(Chirp(tx_mask=0b101),))
GAINS = np.array([1.0, 0.8 * np.exp(0.7j), 1.3 * np.exp(-2.0j), 0.6j])


def echo_from(radar: RadarConfig, azimuth_deg: float, range_m: float = 40.0) -> np.ndarray:
    """What the antennas receive from a point, by the simulator: (n_loops, n_virtual)."""
    azimuth = np.radians(azimuth_deg)
    point = range_m * np.array([np.sin(azimuth), np.cos(azimuth), 0.0])
    points = np.tile(point, (radar.n_chirps, 1, 1))
    signal = beat_signal(radar, points, np.ones((radar.n_chirps, 1)))
    return signal[..., 0].reshape(radar.n_loops, radar.n_virtual)


def plane_wave(azimuth_deg: float) -> np.ndarray:
    """Antenna k is k half wavelengths nearer to a source on the right: the phase lags by that."""
    return np.array([np.exp(-1j * np.pi * k * np.sin(np.radians(azimuth_deg))) for k in range(4)])


@pytest.mark.parametrize("azimuth_deg", [-50.0, -10.0, 0.0, 3.0, 35.0])
@pytest.mark.parametrize("radar", [RADAR, TDM, BOTH, replace(RADAR, rx_mask=0b1101),
                                   replace(RADAR, rx_mask=0b0110)])  # fmt: skip
def test_the_simulators_azimuth_is_found_on_its_side(
    radar: RadarConfig, azimuth_deg: float
) -> None:
    # The wave front's curvature over the array (6 mm at 40 m) turns phases by under 0.01 rad.
    found = angle.azimuth_rad(radar, echo_from(radar, azimuth_deg))
    assert np.degrees(found) == pytest.approx(azimuth_deg, abs=0.3)


def test_antennas_a_wavelength_apart_wrap() -> None:
    # Two antennas a wavelength apart: sin 45 deg = 0.707 looks like 0.707 - 1 = sin -17 deg.
    radar = replace(RADAR, rx_mask=0b0101)
    assert np.degrees(angle.azimuth_rad(radar, echo_from(radar, 20))) == pytest.approx(20, abs=0.3)
    expected = np.degrees(np.arcsin(np.sin(np.pi / 4) - 1))
    found = np.degrees(angle.azimuth_rad(radar, echo_from(radar, 45)))
    assert found == pytest.approx(expected, abs=0.3)


def test_one_antenna_knows_no_azimuth() -> None:
    radar = replace(RADAR, rx_mask=0b0100)
    assert np.isnan(angle.azimuth_rad(radar, echo_from(radar, 20)))


def test_steering_is_the_plane_wave() -> None:
    found = angle.steering(TDM, np.radians(-25.0))
    assert found == pytest.approx(np.tile(plane_wave(-25.0), 2), abs=1e-12)


def calibrated(radar: RadarConfig, n_tx: int) -> RadarConfig:
    factors = np.concatenate([(tx + 1) / GAINS for tx in range(n_tx)])
    return replace(radar, rx_calibration=tuple((c.real, c.imag) for c in factors.tolist()))


@pytest.mark.parametrize("n_tx", [1, 3])
def test_unequal_antennas_are_put_right_by_the_calibration(n_tx: int) -> None:
    received = echo_from(TDM, 30.0) * np.tile(GAINS, 2)
    assert abs(np.degrees(angle.azimuth_rad(TDM, received)) - 30) > 5
    radar = calibrated(TDM, n_tx)
    assert np.degrees(angle.azimuth_rad(radar, received)) == pytest.approx(30, abs=0.3)


def test_which_factors_belong_to_which_antennas() -> None:
    # TX 0 and TX 2 in turn, RX 1 and RX 3 on: factors 1, 3 of the first and of the third row.
    pairs = tuple((float(k), -float(k)) for k in range(1, 13))
    radar = replace(TDM, rx_mask=0b1010, rx_calibration=pairs)
    expected = np.array([2, 4, 10, 12]) * (1 - 1j)
    assert angle.calibration(radar) == pytest.approx(expected)
    assert angle.calibration(RADAR) == pytest.approx(np.ones(4))


@pytest.mark.parametrize("radar", [RADAR, calibrated(RADAR, 1)], ids=["equal", "calibrated"])
def test_a_beam_has_gain_one_and_a_quarter_of_the_noise(radar: RadarConfig) -> None:
    gains = GAINS if radar.rx_calibration else np.ones(4)
    weights = angle.beam_weights(radar, np.radians(20.0))
    assert weights @ (plane_wave(20.0) * gains) == pytest.approx(1.0, abs=1e-6)
    # Noise before the calibration is equal in all antennas where they are equal.
    if not radar.rx_calibration:
        assert np.sum(np.abs(weights) ** 2) == pytest.approx(0.25, rel=1e-6)


def test_a_beams_pattern_is_that_of_four_elements() -> None:
    # Directivity of 4 elements at half a wavelength: sin(2 pi u) / (4 sin(pi u / 2)); 0 at u = 1/2.
    weights = angle.beam_weights(RADAR, 0.0)
    for u in (0.1, 0.3, 0.5, 0.75):
        pattern = np.sin(2 * np.pi * u) / (4 * np.sin(np.pi * u / 2))
        found = abs(weights @ plane_wave(float(np.degrees(np.arcsin(u)))))
        assert found == pytest.approx(abs(pattern), abs=1e-6)


@pytest.mark.parametrize("others_deg", [[-20.0], [0.0, 55.0], [-40.0, -5.0, 60.0]])
def test_nulls_are_silent_and_the_walker_is_not(others_deg: list[float]) -> None:
    weights = angle.null_weights(RADAR, np.radians(25.0), np.radians(others_deg).tolist())
    assert weights @ plane_wave(25.0) == pytest.approx(1.0, abs=1e-5)
    for other in others_deg:
        assert abs(weights @ plane_wave(other)) < 1e-5
    # Nothing that meets these gains hears less noise: a step along the free directions adds some.
    fixed = np.stack([plane_wave(direction) for direction in (25.0, *others_deg)])
    for free in np.linalg.svd(fixed)[2][len(fixed):].conj():
        assert abs(np.vdot(free.conj(), weights.conj())) < 1e-5


def test_a_null_that_the_array_does_not_resolve_is_left_out() -> None:
    # One degree beside the walker a null would cost some 18 dB of noise.
    near = angle.null_weights(RADAR, 0.0, [np.radians(1.0), np.radians(40.0)])
    assert abs(near @ plane_wave(1.0)) > 0.9
    assert abs(near @ plane_wave(40.0)) < 1e-5
    same = angle.null_weights(RADAR, 0.0, [0.0])
    assert same == pytest.approx(angle.beam_weights(RADAR, 0.0))


def test_more_others_than_the_array_has_nulls_for() -> None:
    others = np.radians([-60.0, -30.0, 30.0, 60.0])
    weights = angle.null_weights(RADAR, 0.0, others.tolist())
    assert weights @ plane_wave(0.0) == pytest.approx(1.0, abs=1e-5)
    assert max(abs(weights @ plane_wave(d)) for d in (-60.0, -30.0, 30.0)) < 1e-5


def test_unknown_directions_are_refused() -> None:
    with pytest.raises(ParameterError, match="known directions"):
        angle.beam_weights(RADAR, float("nan"))
    with pytest.raises(ParameterError, match="known directions"):
        angle.null_weights(RADAR, 0.0, [float("nan")])


def test_a_beam_is_the_weighted_sum_inside_each_series() -> None:
    rng = np.random.default_rng(1)
    profiles = (rng.normal(size=(3, 8, 5)) + 1j * rng.normal(size=(3, 8, 5))).astype(np.complex64)
    weights = (rng.normal(size=8) + 1j * rng.normal(size=8)).astype(np.complex64)
    expected = np.zeros((3, 2, 5), np.complex128)
    for instant in range(3):
        for antenna in range(8):
            expected[instant, antenna // 4] += weights[antenna] * profiles[instant, antenna]
    assert angle.form_beam(TDM, profiles, weights) == pytest.approx(expected, abs=1e-5)
