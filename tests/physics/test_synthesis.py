"""The simulated beat signal against closed forms: range, Doppler, angle, power, noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive.synthesis import beat_sample

from capture.config import C_MPS, Chirp, RadarConfig
from capture.errors import SimulationError
from capture.simulate.synthesis import beat_signal

SMALL = RadarConfig(n_loops=8)


def at(*point: float, n: int = SMALL.n_chirps) -> np.ndarray:
    return np.tile(np.asarray(point, float), (n, 1, 1))


def one(n: int = SMALL.n_chirps) -> np.ndarray:
    return np.ones((n, 1))


@pytest.mark.parametrize("range_m", [1.2, 3.0, 8.0])
def test_a_static_scatterer_is_the_closed_form_tone(range_m: float) -> None:
    signal = beat_signal(SMALL, at(0, range_m, 0), one())[0, 0]
    tau = 2 * range_m / C_MPS
    t = SMALL.adc_start_s + np.arange(256) / SMALL.sample_rate_hz
    turns = 77e9 * tau + 15.015e12 * t * tau - 15.015e12 * tau**2 / 2
    expected = np.exp(2j * np.pi * turns) / range_m**2
    np.testing.assert_allclose(signal, expected, rtol=0, atol=2e-7 / range_m**2)


def test_the_tone_lies_at_2_s_r_over_c_on_the_positive_side() -> None:
    # 15.015e12 * 2 * 3 / 299792458 = 300.508 kHz; bins of 5 MHz / 4096 = 1220.7 Hz
    spectrum = np.abs(np.fft.fft(beat_signal(SMALL, at(0, 3, 0), one())[0, 0], 4096))
    peak_hz = np.argmax(spectrum) * 5e6 / 4096
    assert abs(peak_hz - 300_508) < 1220.7 / 2
    assert spectrum[:2048].max() > 20 * spectrum[2100:].max()


def test_power_falls_with_the_fourth_power_of_range() -> None:
    near, far = (beat_signal(SMALL, at(0, r, 0), one())[0, 0] for r in (2.0, 4.0))
    drop_db = 10 * math.log10(np.mean(np.abs(near) ** 2) / np.mean(np.abs(far) ** 2))
    assert drop_db == pytest.approx(40 * math.log10(2), abs=1e-4)


def test_power_rises_with_cross_section() -> None:
    weak, strong = (beat_signal(SMALL, at(0, 2, 0), s * one()) for s in (0.01, 1.0))
    np.testing.assert_allclose(np.abs(strong / weak), 10.0, rtol=1e-5)


@pytest.mark.parametrize("velocity_mps", [1.3, -2.0])
def test_phase_step_per_chirp_is_4_pi_v_t_over_lambda_and_away_is_positive(
    velocity_mps: float,
) -> None:
    range_m = 3.0 + velocity_mps * SMALL.chirp_start_s
    position = np.zeros((SMALL.n_chirps, 1, 3))
    position[:, 0, 1] = range_m
    middle = beat_signal(SMALL, position, one())[:, 0, 128]
    step = np.angle(middle[1:] * middle[:-1].conj())
    # the instantaneous frequency at sample 128, the middle of the sampled band
    expected = 4 * np.pi * velocity_mps * 120e-6 / SMALL.wavelength_m
    # S tau^2 / 2 adds -2 pi S tau d tau: 15e12 * 2e-8 = 0.3 MHz against 77.5 GHz
    np.testing.assert_allclose(step, expected, rtol=2e-5)


@pytest.mark.parametrize("angle_deg", [-30.0, 0.0, 10.0, 40.0])
def test_phase_from_rx_to_rx_is_minus_pi_sine_of_the_angle(angle_deg: float) -> None:
    angle = math.radians(angle_deg)
    far = 400.0  # so far that the wavefront is plane: sagitta d^2 / 2R is 0.1 um
    point = at(far * math.sin(angle), far * math.cos(angle), 0)
    middle = beat_signal(SMALL, point, one())[0, :, 128]
    step = np.angle(middle[1:] * middle[:-1].conj())
    # a scatterer to the right is nearer to the antennas further right: less phase
    np.testing.assert_allclose(step, -np.pi * math.sin(angle), atol=2e-3)


def test_two_tx_together_double_the_amplitude_straight_ahead_and_cancel_aside() -> None:
    both = RadarConfig(n_loops=1, chirps=(Chirp(tx_mask=0b101),))
    ahead = beat_signal(both, at(0, 400, 0, n=1), one(1)) * 400**2
    # 2 lambda apart: half a turn of difference at sin(angle) = 1 / 4
    aside_m = (400 * 0.25, 400 * math.sqrt(1 - 0.25**2), 0)
    aside = beat_signal(both, at(*aside_m, n=1), one(1)) * 400**2
    np.testing.assert_allclose(np.abs(ahead), 2.0, rtol=1e-3)
    assert np.abs(aside[0, 0, 128]) < 0.01


def test_each_chirp_definition_has_its_own_tx() -> None:
    tdm = RadarConfig(n_loops=2, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4)))
    angle = math.radians(20)
    point = at(400 * math.sin(angle), 400 * math.cos(angle), 0, n=4)
    middle = beat_signal(tdm, point, one(4))[:, :, 128]
    # TX3 sits 2 lambda, four RX spacings, to the right of TX1: the virtual array runs on
    series = np.concatenate([middle[0], middle[1]])
    step = np.angle(series[1:] * series[:-1].conj())
    np.testing.assert_allclose(step, -np.pi * math.sin(angle), atol=5e-3)
    np.testing.assert_array_equal(middle[:2], middle[2:])


@pytest.mark.parametrize("n_samples", [1, 16, 37, 250])
def test_equals_the_naive_twin(n_samples: int) -> None:
    config = RadarConfig(
        n_samples=n_samples, n_loops=2, rx_mask=0b1010,
        chirps=(Chirp(tx_mask=0b011), Chirp(tx_mask=0b100, start_frequency_offset_hz=1e6,
                                            slope_offset_hz_per_s=1e10, adc_start_offset_s=1e-6)),
    )  # fmt: skip
    rng = np.random.default_rng(n_samples)
    points = rng.uniform([-2, 1, 0], [2, 8, 2], (4, 3, 3))
    rcs = rng.uniform(0.01, 1, (4, 3))
    signal = beat_signal(config, points, rcs, (0.1, 0.2, 1.0))
    half = config.wavelength_m / 2
    tx_all = [[0.1, 0.2, 1.0], [0.1 + 2 * half, 0.2, 1.0 + half], [0.1 + 4 * half, 0.2, 1.0]]
    expected = np.empty_like(signal)
    for chirp in range(4):
        second = chirp % 2 == 1
        tx = [tx_all[2]] if second else tx_all[:2]
        f0, slope, adc = (77.001e9, 15.025e12, 7e-6) if second else (77e9, 15.015e12, 6e-6)
        for row, antenna in enumerate((1, 3)):
            rx = [0.1 + antenna * half, 0.2, 1.0]
            for n in range(n_samples):
                expected[chirp, row, n] = beat_sample(
                    tx, rx, points[chirp].tolist(), rcs[chirp].tolist(), f0, slope, adc + n / 5e6
                )
    np.testing.assert_allclose(signal, expected, atol=5e-7 * float(np.abs(expected).max()))


def test_a_long_chirp_stays_exact_to_its_last_sample() -> None:
    config = RadarConfig(n_samples=4096, n_loops=1, sample_rate_hz=80e6)
    signal = beat_signal(config, at(0.3, 7.77, 0, n=1), one(1))[0, 3]
    half = config.wavelength_m / 2
    t_s = config.adc_start_s + 4095 / 80e6
    expected = beat_sample([[0, 0, 0]], [3 * half, 0, 0], [[0.3, 7.77, 0]], [1.0], 77e9,
                           15.015e12, t_s)
    assert abs(signal[-1] - expected) < 2e-7 * abs(expected) + 1e-9


def test_shapes_and_antennas_that_cannot_be_are_refused() -> None:
    with pytest.raises(SimulationError, match="do not fit"):
        beat_signal(SMALL, at(0, 3, 0), np.ones((8, 2)))
    two = RadarConfig(n_loops=1, chirps=(Chirp(), Chirp(tx_mask=2)))
    with pytest.raises(SimulationError, match="whole number of loops"):
        beat_signal(two, at(0, 3, 0, n=3), one(3))
    with pytest.raises(SimulationError, match="TX 0 to 2"):
        beat_signal(RadarConfig(chirps=(Chirp(tx_mask=8),)), at(0, 3, 0), one())
    with pytest.raises(SimulationError, match="inside the radar"):
        beat_signal(SMALL, at(0, 0.01, 0), one())
    with pytest.raises(SimulationError, match="inside the radar, or nowhere"):
        beat_signal(SMALL, at(0, math.nan, 0), one())
    with pytest.raises(SimulationError, match="negative"):
        beat_signal(SMALL, at(0, 3, 0), -one())
