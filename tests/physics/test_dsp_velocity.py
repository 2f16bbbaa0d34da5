"""Velocity: sign, aliasing, clutter, gaps, losses and antennas, against closed forms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
from naive.tones import Tones, echo, iiqq, moving, tiny_radar

from capture.config import Chirp, RadarConfig
from capture.types import AdcFrame
from radarid.dsp import slowtime
from radarid.dsp.clips import clip_at, cut_clips
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.spectrogram import SpectrogramStream, process


def run(frames: Iterable[AdcFrame], radar: RadarConfig, params: DspParams) -> tuple[Slices, Axes]:
    stream = SpectrogramStream(radar, params)
    return Slices.concatenate([stream.push(frames), stream.flush()]), stream.axes


def peaks_mps(slices: Slices, axes: Axes) -> np.ndarray:
    return axes.velocity_mps[np.argmax(slices.power, axis=1)]


def pixel_mps(axes: Axes) -> float:
    return float(axes.velocity_mps[1] - axes.velocity_mps[0])


@pytest.mark.parametrize("velocity", [1.3, -1.3, 0.4])
@pytest.mark.parametrize(
    "change",
    [{}, {"n_loops": 100, "frame_period_s": 12e-3}, {"n_loops": 1, "frame_period_s": 120e-6}],
    ids=["gapped", "continuous", "one-chirp-frames"],
)
def test_velocity_and_its_sign(velocity: float, change: dict[str, float]) -> None:
    radar = tiny_radar(**change)
    n_frames = 8 if radar.n_loops > 1 else 500
    source = Tones(radar, n_frames, [(1000.0, moving(3.0, velocity))], noise=20.0)
    slices, axes = process(source, DspParams())
    assert len(slices) > 10
    assert np.abs(peaks_mps(slices, axes) - velocity).max() <= pixel_mps(axes)


def test_aliasing_is_where_the_radar_says() -> None:
    # lambda / 4 T = 3.87 mm / (4 x 120 us) = 8.06 m/s; 0.5 m/s beyond it wraps to -7.56 m/s.
    radar = tiny_radar()
    limit = radar.max_velocity_mps
    assert limit == pytest.approx(8.06, abs=0.01)
    params = DspParams(max_velocity_mps=limit)
    for velocity, seen in [(limit - 0.5, limit - 0.5), (limit + 0.5, 0.5 - limit)]:
        slices, axes = process(Tones(radar, 4, [(1000.0, moving(3.0, velocity))]), params)
        assert np.abs(peaks_mps(slices, axes) - seen).max() <= pixel_mps(axes)


def test_axis_ends_at_the_unambiguous_velocity(caplog: pytest.LogCaptureFixture) -> None:
    slowtime._tell_once.cache_clear()
    radar = tiny_radar(idle_s=440e-6, n_loops=60)  # 500 us: 1.935 m/s
    stream = SpectrogramStream(radar, DspParams(max_velocity_mps=4.0))
    assert stream.velocity_mps[-1] == pytest.approx(radar.max_velocity_mps, rel=1e-6)
    assert stream.velocity_mps[-1] == pytest.approx(1.94, abs=0.01)
    assert "unambiguous" in caplog.text


def test_clutter_goes_and_the_mover_stays() -> None:
    radar = tiny_radar()
    wall, walker = (8000.0, moving(3.0, 0.0)), (1000.0, moving(3.0, 1.3))
    off, on = DspParams(clutter="none"), DspParams(clutter="mean")

    def peak_db(scatterers: list[object], params: DspParams) -> float:
        slices, _ = process(Tones(radar, 10, scatterers), params)  # type: ignore[arg-type]
        return float(10 * np.log10(np.max(slices.power)))

    assert peak_db([wall], off) - peak_db([wall], on) > 60
    # Words are integers: a static echo is the same in all chirps, so what is left is rounding.
    assert peak_db([wall, walker], on) == pytest.approx(peak_db([walker], off), abs=1.0)


def worst_spur_db(power: np.ndarray, velocity: np.ndarray, at: float, beyond: float) -> float:
    """Highest level further than `beyond` from the true velocity, under its slice's peak."""
    outside = np.abs(velocity - at) > beyond
    return float(10 * np.log10((power[:, outside].max(axis=1) / power.max(axis=1)).max()))


def spurs_of_strung_chirps_db(radar: RadarConfig, velocity: float, beyond: float) -> float:
    """The usual chain: all chirps strung together as if there were no gap, Hann 512, hop 16."""
    time_s = (np.arange(24)[:, None] * radar.frame_period_s + radar.chirp_start_s).ravel()
    strung = np.exp(4j * np.pi * velocity * time_s / radar.wavelength_m)
    doppler_hz, _, spectrum = scipy.signal.stft(
        strung, fs=1 / 120e-6, nperseg=512, noverlap=496, nfft=4096, boundary=None,
        return_onesided=False,
    )  # fmt: skip
    axis = doppler_hz * radar.wavelength_m / 2
    return worst_spur_db(np.abs(spectrum.T) ** 2, axis, velocity, beyond)


@pytest.mark.parametrize("velocity", [0.5, 1.3, 2.0])
@pytest.mark.parametrize(("window", "beyond_hz"), [(230, 80.0), (128, 130.0)])
def test_no_spurs_from_the_gap_between_frames(
    velocity: float, window: int, beyond_hz: float
) -> None:
    # 230 chirps of 120 us every 33 ms. The main lobe of Hann ends 2 / (window x 120 us) off,
    # at 72 or 130 Hz; its own highest sidelobe is 31.5 dB down.
    radar = tiny_radar()
    params = DspParams(clutter="none", window_chirps=window, velocity_oversampling=8)
    slices, axes = process(Tones(radar, 24, [(5000.0, moving(3.0, velocity))]), params)
    beyond = beyond_hz * radar.wavelength_m / 2
    assert worst_spur_db(slices.power, axes.velocity_mps, velocity, beyond) < -30
    # Facts E.3: -15 dB outside +-80 Hz for chirps strung together, whatever the velocity.
    theirs_db = spurs_of_strung_chirps_db(radar, velocity, 80.0 * radar.wavelength_m / 2)
    assert theirs_db == pytest.approx(-15.2, abs=1.0)


def test_pendulum_shows_its_amplitude_and_period() -> None:
    # R = 3 m + A sin(2 pi t / P) has v = (2 pi A / P) cos(2 pi t / P): 2 m/s for A = 0.318 m.
    radar, period_s, speed = tiny_radar(), 1.0, 2.0
    swing = speed * period_s / (2 * np.pi)
    source = Tones(
        radar, 91, [(2000.0, lambda t: 3 + swing * np.sin(2 * np.pi * t / period_s))], noise=20.0
    )
    slices, axes = process(source, DspParams())
    fast = np.abs(np.cos(2 * np.pi * slices.time_s / period_s)) > 0.3  # not at the turning points
    time_s, seen = slices.time_s[fast], peaks_mps(slices, axes)[fast]
    periods = np.linspace(0.8, 1.25, 451)
    misfit = []
    for trial in periods:
        wave = np.exp(2j * np.pi * time_s / trial)
        basis = np.stack([wave.real, wave.imag], axis=1)
        weights, residual, *_ = np.linalg.lstsq(basis, seen, rcond=None)
        misfit.append((float(residual[0]), float(np.hypot(*weights)), trial))
    _, amplitude, best = min(misfit)
    assert best == pytest.approx(period_s, abs=0.005)
    assert amplitude == pytest.approx(speed, abs=0.03)


def test_tdm_series_are_never_strung_together() -> None:
    # TX1's echo has the opposite sign: strung together, the line would move by half a PRF. Per
    # TX, slow time has 240 us, and v_max is 8.06 / 2 = 4.03 m/s.
    radar = tiny_radar(chirps=(Chirp(tx_mask=1), Chirp(tx_mask=2)), n_loops=115)
    sign = np.tile([1, -1], 115)[:, None, None]
    frames = [
        AdcFrame(
            radar, "IIQQ", k, k * 33e-3,
            iiqq(sign * echo(radar, 3 + 1.3 * (k * 33e-3 + radar.chirp_start_s), 2000.0)),
            np.ones(230, bool),
        )
        for k in range(6)
    ]  # fmt: skip
    params = DspParams(clutter="none", max_velocity_mps=4.0, window_chirps=115)
    slices, axes = run(frames, radar, params)
    assert np.abs(peaks_mps(slices, axes) - 1.3).max() <= pixel_mps(axes)
    lobe = radar.wavelength_m / (115 * 240e-6)  # 2 / (N T) of Doppler
    assert worst_spur_db(slices.power, axes.velocity_mps, 1.3, lobe) < -30


@pytest.mark.parametrize("burst", [False, True], ids=["scattered", "burst"])
def test_lost_chirps_do_not_change_valid_slices(burst: bool) -> None:
    radar = tiny_radar()
    frames = list(Tones(radar, 10, [(2000.0, moving(3.0, 1.3))], noise=20.0))
    whole, axes = run(frames, radar, DspParams())
    rng = np.random.default_rng(6)
    broken = []
    for frame in frames:
        lost = np.zeros(230, bool)
        lost[rng.integers(0, 207) + np.arange(23) if burst else rng.permutation(230)[:35]] = True
        words = frame.words.copy()
        words[lost] = rng.integers(-32768, 32767, words[lost].shape)
        broken.append(replace(frame, words=words, valid=~lost))
    slices, _ = run(broken, radar, DspParams())
    good = slices.valid >= 0.8
    assert 0.5 < good.mean() <= 1
    assert slices.valid.min() < 1
    change_db = 10 * np.log10(slices.power.max(axis=1) / whole.power.max(axis=1))
    # 20 % lost where Hann is highest: (sum w)^2 / sum w^2 falls by 1.3 dB; scattered: 1 dB.
    assert np.abs(change_db[good]).max() < 1.5
    assert np.abs(peaks_mps(slices, axes)[good] - 1.3).max() <= pixel_mps(axes)


def test_lost_frames_are_masked_time() -> None:
    radar = tiny_radar()
    frames = list(Tones(radar, 64, [(2000.0, moving(2.0, 1.3))], noise=20.0))
    kept = frames[:30] + frames[33:]  # lost: 0.99 to 1.089 s
    slices, axes = run(kept, radar, DspParams())
    assert len(slices) == 64 * 4
    lost = (slices.time_s > 30 * 33e-3) & (slices.time_s < 33 * 33e-3)
    assert lost.sum() == 12
    assert (slices.valid[lost] == 0).all()
    assert (slices.power[lost] == 0).all()
    assert (slices.valid[~lost] == 1).all()
    assert np.isnan(slices.range_energy[30:33]).all()
    assert np.isfinite(slices.range_energy[33:]).all()
    clip = clip_at(slices, axes, DspParams(), 0.0)
    column_s = (np.arange(256) + 0.5) * 2 / 256
    inside = (column_s > 0.99) & (column_s < 1.089)
    outside = (column_s < 0.96) | (column_s > 1.12)
    assert not clip.valid[inside].any()
    assert (clip.image[:, inside] == 0).all()
    assert clip.valid[outside].all()
    assert clip.quality == pytest.approx(clip.valid.mean())
    # The track coasts, and goes on where the walker is.
    off = slices.range_m - (2.0 + 1.3 * slices.time_s)
    assert np.abs(off[~lost]).max() <= radar.range_resolution_m


def test_a_long_loss_leaves_a_hole_in_time() -> None:
    radar = tiny_radar()
    frames = list(Tones(radar, 84, [(2000.0, moving(2.0, 0.5))], noise=20.0))
    slices, axes = run(frames[:20] + frames[64:], radar, DspParams())
    assert len(slices) == 40 * 4
    hole = (slices.time_s > 20 * 33e-3) & (slices.time_s < 64 * 33e-3)
    assert not hole.any()
    assert not clip_at(slices, axes, DspParams(), 0.0).valid[100:].any()


def test_who_walks_across_or_sits_is_told_apart() -> None:
    # Body at rest, one limb swinging at up to 1 m/s: across. A chest that breathes: no clip.
    radar, params = tiny_radar(), DspParams()
    limb = (60.0, lambda t: 4 + np.sin(2 * np.pi * t) / (2 * np.pi))
    body = (400.0, moving(4.0, 0.1))
    slices, axes = process(Tones(radar, 92, [body, limb], noise=20.0), params)
    found = cut_clips(slices, axes, params)
    assert {clip.direction for clip in found} == {"across"}
    chest = (400.0, lambda t: 4 + 4e-3 * np.sin(2 * np.pi * 0.25 * t))
    slices, axes = process(Tones(radar, 92, [chest], noise=20.0), params)
    assert np.median(slices.presence_db) > params.min_presence_db
    assert cut_clips(slices, axes, params) == []


def test_noise_alone_makes_no_clip_and_walkers_do() -> None:
    radar, params = tiny_radar(), DspParams()
    noise, axes = process(Tones(radar, 92, [(5000.0, moving(3.0, 0.0))], noise=20.0), params)
    assert cut_clips(noise, axes, params) == []
    for velocity, direction in [(0.8, "away"), (-0.8, "towards")]:
        source = Tones(radar, 92, [(100.0, moving(4.0, velocity))], noise=20.0)
        slices, axes = process(source, params)
        found = cut_clips(slices, axes, params)
        assert [clip.direction for clip in found] == [direction] * len(found)
        assert len(found) >= 2
        for clip in found:
            assert clip.quality == 1
            assert clip.velocity_mps == pytest.approx(velocity, abs=pixel_mps(axes))
            middle_m = 4.0 + velocity * (clip.start_s + 1.0)
            assert clip.range_m == pytest.approx(middle_m, abs=radar.range_resolution_m)
            row = np.argmax(clip.image.sum(axis=1))
            assert axes.velocity_mps[row] == pytest.approx(velocity, abs=2 * pixel_mps(axes))
