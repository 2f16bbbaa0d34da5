"""The whole chain, words to pixels, against closed forms: energy, line shape, noise, motion."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from naive.dsp import hann
from naive.tones import C_MPS, Path, Tones, moving, tiny_radar
from scipy.special import ellipj, ellipk

from capture.config import Chirp
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.spectrogram import SpectrogramStream, process

GRAVITY_MPS2 = 9.81
WHOLE = DspParams(
    min_range_m=0.0, max_range_m=math.inf, gate_m=math.inf, clutter="none",
    max_velocity_mps=math.inf, image_size=513, slices_per_frame=1, window_chirps=64,
)  # fmt: skip
"""All range bins, nothing removed, and pixels over one whole period of Doppler (the last pixel
is the first again)."""


@pytest.mark.parametrize("taper", ["boxcar", "hann"])
@pytest.mark.parametrize(
    "change",
    [
        {"rx_mask": 0b101},
        {"n_loops": 100, "frame_period_s": 12e-3},
        {"n_loops": 80, "chirps": (Chirp(tx_mask=1), Chirp(tx_mask=2))},
    ],
    ids=["two-antennas", "continuous", "tdm"],
)
def test_energy_of_the_words_is_the_energy_of_the_pixels(
    change: dict[str, object], taper: str
) -> None:
    # Parseval twice. Both transforms have tapers of unit energy, so the mean over one period of
    # Doppler is the mean energy of the window's chirps, weighted with the squared slow taper.
    radar = tiny_radar(**change)
    params = replace(WHOLE, range_window="boxcar", doppler_window=taper)
    source = Tones(radar, 6, [(500.0, moving(3.3, 1.7)), (900.0, moving(5.0, 0.0))], noise=200.0)
    slices, axes = process(source, params)
    assert len(slices) >= 6
    words = np.concatenate([frame.words for frame in source]).astype(np.float64)
    energy = (words**2).sum(axis=1).reshape(-1, len(radar.chirps)).sum(axis=1)
    weight = np.full(64, 1 / 64) if taper == "boxcar" else hann(64) ** 2
    n, hop = radar.n_loops, params.hop_chirps
    starts = [hop * k for k in range(len(slices))]
    if axes.regime == "frame":
        starts = [n * k + (n - 64) // 2 for k in range(len(slices))]
    expected = [float(weight @ energy[start : start + 64]) for start in starts]
    np.testing.assert_allclose(slices.power[:, :-1].mean(axis=1), expected, rtol=1e-4)


@pytest.mark.parametrize("velocity", [0.31, -1.234, 2.6])
@pytest.mark.parametrize(("window", "oversampling"), [(64, 2), (64, 4), (230, 2)])
def test_every_pixel_of_a_line_is_what_the_taper_says(
    velocity: float, window: int, oversampling: int
) -> None:
    # Phase 4 pi R (f + S t) / c: each fast-time sample t has its own Doppler frequency, and by
    # Parseval the sum over all range bins is the sum over the samples, weighted with the squared
    # range taper. Nothing here is approximate but the rounding of the words.
    radar = tiny_radar()
    params = replace(
        WHOLE, max_velocity_mps=4.0, window_chirps=window, velocity_oversampling=oversampling
    )
    slices, axes = process(Tones(radar, 3, [(9000.0, moving(3.3, velocity))]), params)
    fast_s = np.arange(64) / radar.sample_rate_hz + radar.adc_start_s
    hz = radar.start_frequency_hz + radar.slope_hz_per_s * fast_s
    line_hz, pixel_hz = 2 * velocity * hz / C_MPS, 2 * axes.velocity_mps / radar.wavelength_m
    turns, taper = 2j * np.pi * 120e-6 * np.arange(window), hann(window)
    response = [abs(np.exp((line_hz[:, None] - f) * turns) @ taper) ** 2 for f in pixel_hz]
    expected = 9000.0**2 * 64 * np.array(response) @ hann(64) ** 2
    seen = expected > expected.max() * 10**-4.5
    assert 20 < seen.sum() < 120
    off_db = 10 * np.log10(slices.power[:, seen] / expected[seen])
    assert np.abs(off_db).max() < 0.02
    assert (slices.power >= 0).all()


def test_noise_level_does_not_depend_on_how_many_chirps_came() -> None:
    # 2 s^2 per bin and antenna, of which there are 64 and 2. 120 windows of 64 chirps are a million
    # squares: standard error 0.004 dB.
    radar = tiny_radar(rx_mask=3)
    frames = list(Tones(radar, 120, [], noise=40.0))
    rng = np.random.default_rng(3)
    for share in (0.0, 0.2, 0.5):
        broken = [replace(frame, valid=rng.random(230) >= share) for frame in frames]
        stream = SpectrogramStream(radar, WHOLE)
        slices = Slices.concatenate([stream.push(broken), stream.flush()])
        assert slices.valid.mean() == pytest.approx(1 - share, abs=0.03)
        level = slices.power.mean() / (64 * 2)
        assert 10 * np.log10(level / (2 * 40.0**2)) == pytest.approx(0, abs=0.02)
        # White: no velocity is preferred. 120 windows x 128 squares: 0.035 dB, 4.5 sigma.
        flat_db = 10 * np.log10(slices.power.mean(axis=0) / slices.power.mean())
        assert np.abs(flat_db).max() < 0.16


def outer_lines_mps(slices: Slices, axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Slowest and fastest local maximum within 6 dB of each slice's peak."""
    power = slices.power
    inner = power[:, 1:-1]
    top = (inner > power[:, :-2]) & (inner >= power[:, 2:])
    top &= inner > power.max(axis=1, keepdims=True) / 4
    speeds = axes.velocity_mps[1:-1]
    low = np.where(top, speeds, np.inf).min(axis=1)
    return low, np.where(top, speeds, -np.inf).max(axis=1)


def test_a_rotating_pair_that_drifts() -> None:
    # Two points at the ends of a rotor, its hub 4 m ahead and moving away: lines at
    # u +- w r cos(w t), whose mean is the hub's speed and whose distance has the rotor's beat.
    radar, hub_mps, radius_m, turn_hz = tiny_radar(), 0.6, 0.2, 1.4
    spin = 2 * np.pi * turn_hz

    def end(sign: float) -> Path:
        return lambda t: np.hypot(
            4 + hub_mps * t + sign * radius_m * np.sin(spin * t), radius_m * np.cos(spin * t)
        )

    pair = [(2000.0, end(1.0)), (2000.0, end(-1.0))]
    slices, axes = process(Tones(radar, 61, pair, noise=20.0), DspParams())
    low, high = outer_lines_mps(slices, axes)
    rotor = spin * radius_m * np.cos(spin * slices.time_s)
    apart = np.abs(rotor) > 0.3  # main lobes of Hann (+-0.25 m/s) do not touch
    assert apart.mean() > 0.7
    # Across the line of sight the arm's end moves too: up to w r^2 / (2 x 4 m) = 0.04 m/s.
    tolerance = 0.04 + float(axes.velocity_mps[1] - axes.velocity_mps[0])
    assert np.abs((low + high)[apart] / 2 - hub_mps).max() < tolerance
    assert np.abs((high - low)[apart] / 2 - np.abs(rotor[apart])).max() < tolerance
    assert high.max() == pytest.approx(hub_mps + spin * radius_m, abs=tolerance)
    assert low.min() == pytest.approx(hub_mps - spin * radius_m, abs=tolerance)


def test_a_pendulum_of_large_swing() -> None:
    # Exact, not small-angle: sin(a / 2) = k sn(K - sqrt(g / L) t, k), k = sin(a0 / 2). Period
    # 4 K sqrt(L / g), speed at the bottom 2 k sqrt(g L) (energy). 70 degrees, 0.5 m: 1.563 s
    # (a small swing: 1.419 s) and 2.541 m/s.
    radar, length_m, k = tiny_radar(), 0.5, math.sin(math.radians(70) / 2)
    quarter, pace = ellipk(k**2), math.sqrt(GRAVITY_MPS2 / length_m)
    period_s, bottom_mps = 4 * quarter / pace, 2 * k * math.sqrt(GRAVITY_MPS2 * length_m)
    assert period_s == pytest.approx(1.563, abs=1e-3)
    assert bottom_mps == pytest.approx(2.541, abs=1e-3)

    def bob(time_s: np.ndarray) -> np.ndarray:
        angle = 2 * np.arcsin(k * ellipj(quarter - pace * time_s, k**2)[0])
        return np.hypot(5 + length_m * np.sin(angle), length_m * (1 - np.cos(angle)))

    slices, axes = process(Tones(radar, 120, [(2000.0, bob)], noise=20.0), DspParams())
    line = axes.velocity_mps[np.argmax(slices.power, axis=1)]
    pixel = float(axes.velocity_mps[1] - axes.velocity_mps[0])
    assert line.max() == pytest.approx(bottom_mps, abs=pixel)
    assert line.min() == pytest.approx(-bottom_mps, abs=pixel)
    swing = line > 0
    up = np.flatnonzero(~swing[:-1] & swing[1:] & (np.abs(line[1:]) < 1))
    down = np.flatnonzero(swing[:-1] & ~swing[1:] & (np.abs(line[1:]) < 1))
    assert len(up) >= 2
    assert len(down) >= 2
    slice_s = axes.slice_interval_s
    np.testing.assert_allclose(np.diff(slices.time_s[up]), period_s, atol=2 * slice_s)
    np.testing.assert_allclose(np.diff(slices.time_s[down]), period_s, atol=2 * slice_s)
