"""Parameters, conversions and slow-time grids, against hand arithmetic; errors that explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from naive.tones import Tones, moving, tiny_radar

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError
from capture.schema import from_mapping, to_mapping
from radarid.config import load, shipped
from radarid.dsp import convert
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.slowtime import plan
from radarid.dsp.spectrogram import SpectrogramStream
from radarid.errors import ParameterError

PAPER = RadarConfig()


@pytest.mark.parametrize("name", [*shipped("dsp")])
def test_shipped_configurations_load_as_they_are(name: str) -> None:
    params = load(DspParams, "dsp", name)
    assert from_mapping(DspParams, to_mapping(params)) == params


def test_unknown_and_impossible_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'window_chirps'"):
        from_mapping(DspParams, {"window_chrips": 64})
    with pytest.raises(ParameterError, match="'gate_m' must be positive"):
        DspParams(gate_m=0)
    with pytest.raises(ParameterError, match="'min_valid' must lie in 0 to 1"):
        DspParams(min_valid=1.5)
    with pytest.raises(ParameterError, match="'min_range_m' must not be negative"):
        DspParams(min_range_m=-1)
    with pytest.raises(ParameterError, match="at least 256 samples"):
        DspParams(n_fft_range=128).range_fft_length(PAPER)
    with pytest.raises(ParameterError, match="fewer than three range bins"):
        RangeStage(PAPER, DspParams(min_range_m=3.0, max_range_m=3.1))


def test_range_bins_by_hand() -> None:
    # c fs / (2 S N) = 299792458 x 5e6 / (2 x 15.015e12 x 256) = 0.19498 m.
    assert convert.range_bin_m(PAPER, 256) == pytest.approx(0.19498, abs=1e-5)
    # 0.5 m is bin 2.56, 10 m bin 51.3: bins 3 to 51.
    assert convert.kept_bins(PAPER, 256, 0.5, 10.0) == slice(3, 52)
    assert convert.kept_bins(PAPER, 256, 0.0, np.inf) == slice(0, 256)
    real = RadarConfig(adc_format="real")
    assert convert.kept_bins(real, 256, 0.0, np.inf) == slice(0, 128)


def test_velocity_by_hand() -> None:
    # 77 GHz + 15.015 MHz/us x (6 + 25.6) us = 77.4745 GHz: lambda 3.8696 mm, 1 m/s is 516.9 Hz.
    assert convert.velocity_to_doppler_hz(PAPER, np.array(1.0)) == pytest.approx(516.9, abs=0.1)
    assert convert.doppler_to_velocity_mps(PAPER, np.array(516.9)) == pytest.approx(1, abs=1e-3)
    assert convert.phase_to_displacement_m(PAPER, np.array(2 * np.pi)) == pytest.approx(
        3.8696e-3 / 2, abs=1e-7
    )


def test_four_windows_evenly_placed_in_the_papers_frame() -> None:
    grid = plan(PAPER, DspParams())
    assert grid.regime == "frame"
    assert grid.starts == (0, 34, 68, 102)  # (230 - 128) / 3 = 34
    # 33 ms - 102 x 120 us from the last slice of a frame to the first of the next.
    assert grid.slice_interval_s == pytest.approx(33e-3 - 102 * 120e-6)
    one = plan(PAPER, DspParams(slices_per_frame=1))
    assert one.starts == (51,)
    whole = plan(PAPER, DspParams(window_chirps=500))
    assert (whole.window, whole.starts) == (230, (0,))


@pytest.mark.parametrize(
    ("change", "regime", "interval_s"),
    [
        ({}, "frame", 120e-6),
        ({"n_loops": 275}, "continuous", 120e-6),
        ({"n_loops": 1, "frame_period_s": 120e-6}, "continuous", 120e-6),
        ({"n_loops": 15}, "burst", 33e-3),
        ({"n_loops": 115, "chirps": (Chirp(tx_mask=1), Chirp(tx_mask=2))}, "frame", 240e-6),
    ],
)
def test_regime_follows_the_timing(
    change: dict[str, object], regime: str, interval_s: float
) -> None:
    grid = plan(RadarConfig(**change), DspParams())  # type: ignore[arg-type]
    assert grid.regime == regime
    assert grid.interval_s == pytest.approx(interval_s)


def test_regimes_that_the_timing_forbids_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"gap of 5\.4 ms"):
        plan(PAPER, DspParams(slow_time="continuous"))
    with pytest.raises(ParameterError, match="2 chirps per frame"):
        plan(RadarConfig(n_loops=2), DspParams(slow_time="frame"))


def test_slices_lie_at_the_centres_of_their_windows() -> None:
    # Chirp k starts at 60 us + k x 120 us (its idle time first); windows of 128 chirps from
    # chirp 0, 34, 68, 102 have their centres 63.5 chirps later.
    radar = tiny_radar()
    stream = SpectrogramStream(radar, DspParams())
    stream.push(Tones(radar, 3, [(100.0, moving(3.0, 1.0))]))
    slices = stream.flush()
    starts = np.array([0, 34, 68, 102])
    inside = 60e-6 + (starts + 63.5) * 120e-6
    expected = (np.arange(3)[:, None] * 33e-3 + inside).ravel()
    np.testing.assert_allclose(slices.time_s, expected, atol=1e-9)


def test_frames_that_do_not_belong_are_refused() -> None:
    radar = tiny_radar(n_loops=32)
    first, second = Tones(radar, 2, [(100.0, moving(3.0, 1.0))])
    with pytest.raises(ParameterError, match="frame 0 after frame 1"):
        SpectrogramStream(radar, DspParams()).push([second, first])
    with pytest.raises(ParameterError, match="another waveform"):
        SpectrogramStream(tiny_radar(), DspParams()).push([first])
    with pytest.raises(ParameterError, match="wrong shape"):
        SpectrogramStream(radar, DspParams()).push([replace(first, words=first.words[:5])])
