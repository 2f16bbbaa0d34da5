"""Range: scatterers lie where they are, and power is what the closed forms say."""

from __future__ import annotations

import numpy as np
import pytest
from naive.tones import C_MPS, Tones, moving, tiny_radar

from radarid.dsp import convert
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.spectrogram import process

ALL_BINS = {"min_range_m": 0.0, "max_range_m": np.inf}


@pytest.mark.parametrize("n_samples", [64, 100])
@pytest.mark.parametrize("n_fft", [0, 256])
def test_scatterer_at_3_m_lies_in_the_bin_at_3_m(n_samples: int, n_fft: int) -> None:
    radar = tiny_radar(n_samples=n_samples, sample_rate_hz=2e6, n_loops=16)
    # Bins are c fs / (2 S N) apart, by hand: 64 samples at 2 Msps of 15.015 MHz/us: 0.312 m.
    width_m = C_MPS * 2e6 / (2 * 15.015e12 * (n_fft or n_samples))
    stage = RangeStage(radar, DspParams(n_fft_range=n_fft, **ALL_BINS))
    frame = next(iter(Tones(radar, 1, [(1000.0, moving(3.0, 0.0))])))
    power = np.abs(stage(frame)[0][0, 0]) ** 2
    peak = int(np.argmax(power))
    assert abs(peak * width_m - 3.0) <= width_m / 2
    assert abs(stage.range_m[peak] - 3.0) <= width_m / 2
    # Hann: unit-energy taper gains 10 log10(N / 1.5); half a bin off the centre costs 1.42 dB.
    full_db = 10 * np.log10(1000.0**2 * n_samples / 1.5)
    assert full_db - 1.45 <= 10 * np.log10(power[peak]) <= full_db + 0.05


@pytest.mark.parametrize("range_m", [0.9, 2.2, 4.7, 7.1])
def test_track_finds_a_walker_at_its_range(range_m: float) -> None:
    radar = tiny_radar()
    source = Tones(radar, 12, [(100.0, moving(range_m, 1.0)), (3000.0, moving(1.5, 0.0))], 10.0)
    slices, _ = process(source, DspParams())
    off = slices.range_m - (range_m + 1.0 * slices.time_s)
    assert np.abs(off).max() <= radar.range_resolution_m / 2
    assert slices.presence_db.min() > 6


def test_processing_gain_is_the_number_of_samples() -> None:
    # Boxcar, tone on a bin: signal A^2 N, noise 2 s^2, so the gain is 10 log10 N = 18.06 dB.
    radar = tiny_radar()
    params = DspParams(range_window="boxcar", **ALL_BINS)
    stage = RangeStage(radar, params)
    on_bin_m = 12 * convert.range_bin_m(radar, 64)
    (tone,) = Tones(radar, 1, [(200.0, moving(on_bin_m, 0.0))])
    (noise,) = Tones(radar, 1, [], noise=200.0)
    signal = np.mean(np.abs(stage(tone)[0][:, 0, 12]) ** 2)
    floor = np.mean(np.abs(stage(noise)[0][:, 0]) ** 2)
    gain_db = 10 * np.log10((signal / floor) / (200.0**2 / (2 * 200.0**2)))
    # 230 x 64 noise samples: standard error 0.04 dB.
    assert gain_db == pytest.approx(10 * np.log10(64), abs=0.15)


def test_parseval() -> None:
    radar = tiny_radar(n_loops=8)
    stage = RangeStage(radar, DspParams(range_window="boxcar", **ALL_BINS))
    (frame,) = Tones(radar, 1, [(500.0, moving(3.3, 0.5))], noise=300.0)
    energy = (frame.words.astype(float) ** 2).sum()
    assert (np.abs(stage(frame)[0]) ** 2).sum() == pytest.approx(energy, rel=1e-5)


def test_noise_keeps_its_variance_through_the_whole_chain() -> None:
    # Per bin and antenna the power is 2 s^2, less the mean's share (1 of 230 chirps, times the
    # window's zero-Doppler response): compare off zero Doppler, summed over all kept bins.
    radar = tiny_radar(rx_mask=3)
    slices, axes = process(Tones(radar, 30, [], noise=50.0), DspParams(gate_m=np.inf))
    off_zero = np.abs(axes.velocity_mps) > 0.5
    per_bin = slices.power[:, off_zero].mean() / (len(axes.range_m) * radar.n_virtual)
    assert 10 * np.log10(per_bin / (2 * 50.0**2)) == pytest.approx(0, abs=0.1)


def test_the_boards_range_bias_is_taken_off() -> None:
    # An echo at 3.4 m of a board that reads 0.4 m too far comes from 3.0 m; kept bins move along.
    plain, biased = tiny_radar(), tiny_radar(range_bias_m=0.4)
    params = DspParams(clutter="none", min_range_m=1.0, max_range_m=6.0)
    stage = RangeStage(biased, params)
    (frame,) = Tones(biased, 1, [(1000.0, moving(3.4, 0.0))])
    found_m = stage.range_m[np.argmax(np.abs(stage(frame)[0][0, 0]))]
    width_m = convert.range_bin_m(plain, 64)
    assert found_m == pytest.approx(3.0, abs=width_m / 2)
    assert 1.0 <= stage.range_m[0] < 1.0 + width_m
    assert 6.0 - width_m < stage.range_m[-1] <= 6.0
    # On the same bins, the axis is 0.4 m nearer.
    shifted = convert.bins_to_range_m(biased, 64, np.arange(20))
    assert shifted == pytest.approx(np.arange(20) * width_m - 0.4)
