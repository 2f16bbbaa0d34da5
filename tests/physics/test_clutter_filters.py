"""What the clutter filters do to walls and movers: closed forms, gaps, losses and starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
from naive.tones import Tones, moving, tiny_radar

from capture.config import RadarConfig
from capture.types import AdcFrame
from radarid.dsp import slowtime
from radarid.dsp.clutter import make_filter
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.spectrogram import SpectrogramStream

GAPPED = tiny_radar()  # the paper's timing: 27.6 of 33 ms
ENDLESS = tiny_radar(n_loops=100, frame_period_s=12e-3)
FILTERS = {"highpass": {}, "exponential": {"background_s": 0.3}}


def filtered(
    radar: RadarConfig, series: np.ndarray, lost: np.ndarray | None = None, **settings: object
) -> np.ndarray:
    """A series of slow time, complex64 (n,), through the filter, frame by frame."""
    params = DspParams(**settings)  # type: ignore[arg-type]
    found = make_filter(radar, params, slowtime.plan(radar, params))
    assert found is not None
    x = series.astype(np.complex64).reshape(-1, radar.n_chirps, 1, 1).copy()
    valid = np.ones(x.shape[:2], bool) if lost is None else ~lost.reshape(x.shape[:2])
    for k, frame in enumerate(x):
        found(frame, valid[k], k * radar.frame_period_s + radar.chirp_start_s)
    return x.ravel()


def seconds(radar: RadarConfig, n_frames: int) -> np.ndarray:
    return (np.arange(n_frames)[:, None] * radar.frame_period_s + radar.chirp_start_s).ravel()


def worst_spur_db(slices: Slices, axes: Axes, at_mps: float, beyond_mps: float) -> float:
    outside = np.abs(axes.velocity_mps - at_mps) > beyond_mps
    ratio = slices.power[:, outside].max(axis=1) / slices.power.max(axis=1)
    return float(10 * np.log10(ratio.max()))


def run(frames: list[AdcFrame], params: DspParams) -> tuple[Slices, Axes]:
    stream = SpectrogramStream(frames[0].config, params)
    return Slices.concatenate([stream.push(frames), stream.flush()]), stream.axes


@pytest.mark.parametrize("choice", FILTERS)
@pytest.mark.parametrize("radar", [GAPPED, ENDLESS], ids=["gapped", "endless"])
def test_a_wall_is_gone_from_the_first_chirp_on(radar: RadarConfig, choice: str) -> None:
    # Rounding of float32 alone: 24 bits of mantissa are 144 dB; 110 dB leave room for sums.
    wall = np.full(8 * radar.n_chirps, 3000 - 4000j)
    lost = np.random.default_rng(1).random(wall.shape) < 0.3
    lost[3 * radar.n_chirps : 5 * radar.n_chirps] = True
    series = np.where(lost, 30000.0, wall)
    left = filtered(radar, series, lost, clutter=choice, **FILTERS[choice])
    assert np.abs(left[~lost]).max() < 5000 * 10 ** (-110 / 20)


@pytest.mark.parametrize("doppler_hz", [10.0, 30.0, 50.0, 80.0, 200.0, 1500.0])
def test_high_pass_follows_butterworth(doppler_hz: float) -> None:
    # |H|^2 = 1 / (1 + (tan(pi 50 T) / tan(pi f T))^4); settled after 0.3 s.
    interval_s = ENDLESS.slow_time_interval_s
    ratio = np.tan(np.pi * 50 * interval_s) / np.tan(np.pi * doppler_hz * interval_s)
    tone = 1000 * np.exp(2j * np.pi * doppler_hz * seconds(ENDLESS, 50))
    level = np.abs(filtered(ENDLESS, tone, clutter="highpass")[3000:]) / 1000
    np.testing.assert_allclose(level, (1 + ratio**4) ** -0.5, rtol=2e-4)
    if doppler_hz == 50.0:
        assert 20 * np.log10(level[-1]) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("doppler_hz", [0.5, 2.0, 20.0, 500.0])
def test_background_follows_its_first_order_response(doppler_hz: float) -> None:
    # d (1 - 1/z) / (1 - d/z), d = exp(-T / tau): 3 dB at 1 / (2 pi 0.08 s) = 2 Hz.
    tau_s, interval_s = 0.08, ENDLESS.slow_time_interval_s
    d, z = np.exp(-interval_s / tau_s), np.exp(2j * np.pi * doppler_hz * interval_s)
    gain = abs(d * (1 - 1 / z) / (1 - d / z))
    tone = 1000 * np.exp(2j * np.pi * doppler_hz * seconds(ENDLESS, 120))
    settings = {"clutter": "exponential", "background_s": tau_s}
    level = np.abs(filtered(ENDLESS, tone, **settings)[-2000:]) / 1000
    np.testing.assert_allclose(level, gain, rtol=5e-4)


def test_background_bridges_gaps_and_losses_by_true_time() -> None:
    # A wall's phase steps at t = 0. What is left is the step times the old phase's share of all
    # weight, integrals of exp(-age / tau) over the time that was received: before 0, and from 0
    # on but for the frames lost between t1 and t2. Gaps and scattered losses thin out both alike.
    tau_s, period_s = 0.2, GAPPED.frame_period_s
    time_s = seconds(GAPPED, 60) - 40 * period_s
    t1, t2 = 4 * period_s, 7 * period_s
    lost = (time_s > t1) & (time_s < t2)
    lost |= np.random.default_rng(2).random(time_s.shape) < 0.2
    left = filtered(
        GAPPED, np.where(time_s < 0, 1000.0, 1000j), lost,
        clutter="exponential", background_s=tau_s,
    )  # fmt: skip

    def decay(t: np.ndarray) -> np.ndarray:
        return np.exp(-np.maximum(t, 0) / tau_s)

    later = (time_s > 0) & ~lost
    t = time_s[later]
    old = np.exp(-t / tau_s) - np.exp(-(t + 40 * period_s) / tau_s)
    new = np.where(t < t1, 1 - decay(t), decay(t - t1) - decay(t) + 1 - decay(t - t2))
    expected = 1000 * np.sqrt(2) * old / (old + new)
    # The gap of each frame holds 1 - exp(-5.4 ms / tau) = 2.7 % of the weight, unevenly.
    np.testing.assert_allclose(np.abs(left[later]), expected, atol=0.03 * 1414)


@pytest.mark.parametrize("choice", FILTERS)
@pytest.mark.parametrize("velocity", [0.8, -1.3, 2.0])
def test_mover_beside_a_wall_keeps_its_level_and_has_no_spurs(
    choice: str, velocity: float
) -> None:
    mover, wall = (500.0, moving(3.0, velocity)), (8000.0, moving(3.0, 0.0))
    settings = {"window_chirps": 230, "slices_per_frame": 1, "velocity_oversampling": 4}
    alone, axes = run(
        list(Tones(GAPPED, 30, [mover])), DspParams(clutter="none", **settings)  # type: ignore[arg-type]
    )  # fmt: skip
    params = DspParams(clutter=choice, **settings, **FILTERS[choice])  # type: ignore[arg-type]
    both, _ = run(list(Tones(GAPPED, 30, [mover, wall])), params)
    settled = both.time_s > 0.3
    change_db = 10 * np.log10(both.power.max(axis=1) / alone.power.max(axis=1))
    # 413 Hz and more: Butterworth at 50 Hz takes 0.0009 dB, the background less.
    assert np.abs(change_db[settled]).max() < 0.1
    # The lobe of 230 chirps' Hann ends at 2 / 27.6 ms = 72 Hz; its sidelobes are at -31.5 dB.
    # A wall 24 dB above the mover, a filter that starts anew in each frame: no line anywhere.
    later = replace_slices(both, settled)
    assert worst_spur_db(later, axes, velocity, 80 * GAPPED.wavelength_m / 2) < -30


def replace_slices(slices: Slices, kept: np.ndarray) -> Slices:
    return replace(slices, power=slices.power[kept])


def test_a_wall_with_holes_would_ring_in_a_plain_filter() -> None:
    # The negative control: zeros in the gaps of the 275-slot grid are steps for the filter.
    grid = np.zeros((12, 275))
    grid[:, :230] = 5000
    b, a = scipy.signal.butter(2, 50, "highpass", fs=1 / GAPPED.slow_time_interval_s)
    rings = scipy.signal.lfilter(b, a, grid.ravel()).reshape(12, 275)[6:, :230]
    assert np.abs(rings).max() > 0.5 * 5000
    ours = filtered(GAPPED, np.full(12 * 230, 5000.0), clutter="highpass")
    assert np.abs(ours).max() < 5000 * 10 ** (-110 / 20)


@pytest.mark.parametrize("choice", FILTERS)
def test_a_lost_frame_does_not_ring(choice: str) -> None:
    # Slow time without gaps; two frames never came. The wall must not show up again, and the
    # mover comes back at its level as soon as a window lies behind the loss.
    mover, wall = (500.0, moving(3.0, 1.3)), (8000.0, moving(3.0, 0.0))
    frames = list(Tones(ENDLESS, 80, [mover, wall]))
    params = DspParams(clutter=choice, **FILTERS[choice])  # type: ignore[arg-type]
    whole, _ = run(frames, params)
    broken, axes = run(frames[:50] + frames[52:], params)
    behind = (broken.time_s > 52 * 12e-3) & (broken.valid == 1)
    assert behind.sum() > 5
    peaks = [slices.power[behind].max(axis=1) for slices in (broken, whole)]
    assert np.abs(10 * np.log10(peaks[0] / peaks[1])).max() < 0.1
    still = np.abs(axes.velocity_mps) < 0.1
    level_db = 10 * np.log10(broken.power[behind][:, still].max(axis=1) / peaks[0])
    # Below Hann's own sidelobes: neither the wall nor the filter's new start is seen.
    assert level_db.max() < -31.5


@pytest.mark.parametrize("choice", FILTERS)
@pytest.mark.parametrize("radar", [GAPPED, ENDLESS], ids=["gapped", "endless"])
def test_any_grouping_gives_the_same_bits(radar: RadarConfig, choice: str) -> None:
    scatterers = [(500.0, moving(3.0, 1.0)), (4000.0, moving(2.0, 0.0))]
    frames = list(Tones(radar, 24, scatterers, noise=20.0))
    del frames[9:11]
    params = DspParams(clutter=choice, **FILTERS[choice])  # type: ignore[arg-type]
    whole, _ = run(frames, params)
    stream = SpectrogramStream(radar, params)
    parts = [stream.push(frames[a:b]) for a, b in [(0, 1), (1, 8), (8, 9), (9, 22)]]
    cut = Slices.concatenate([*parts, stream.flush()])
    assert cut.power.tobytes() == whole.power.tobytes()
