"""Range profiles of words as files hold them: behind HSI headers, real, complex2x, few antennas."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from naive.tones import iiqq, tiny_radar

from capture.config import Chirp, RadarConfig
from capture.file.framing import adc_frame, stored_words
from capture.file.recording import open_recording
from capture.layouts import default_layout, encode
from capture.types import AdcFrame
from radarid.dsp import convert
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.errors import ParameterError

ALL_BINS = DspParams(range_window="boxcar", min_range_m=0.0, max_range_m=1e6)


def beat(radar: RadarConfig, range_m: float, amplitude: float = 1000.0) -> np.ndarray:
    """IF samples of a target, (n_chirps, n_rx, n_samples): beat frequency 2 S R / c."""
    t = np.arange(radar.n_samples) / radar.sample_rate_hz
    phase = 2 * np.pi * (2 * radar.slope_hz_per_s * range_m / 299_792_458.0) * t
    tone = amplitude * (np.cos(phase) if radar.adc_format == "real" else np.exp(1j * phase))
    return np.broadcast_to(tone, (radar.n_chirps, radar.n_rx, radar.n_samples))


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("n_samples", [64, 60])
def test_headers_between_the_chirps_change_nothing(bits: int, n_samples: int) -> None:
    plain = tiny_radar(n_samples=n_samples, rx_mask=5, adc_bits=bits)
    headed = replace(plain, hsi_header=True)
    rng = np.random.default_rng(2)
    words = rng.integers(-2000, 2000, (230, plain.words_per_chirp)).astype(np.int16)
    frame = adc_frame(stored_words(words, headed), [], headed, "IIQQ", 0)
    assert not frame.words.flags.c_contiguous
    expected, _ = RangeStage(plain, ALL_BINS)(adc_frame(words.reshape(-1), [], plain, "IIQQ", 0))
    profiles, valid = RangeStage(headed, ALL_BINS)(frame)
    np.testing.assert_array_equal(profiles, expected)
    assert valid.all()


@pytest.mark.parametrize(("adc_format", "part"), [
    ("complex1x", 1.0), ("complex2x", 0.5), ("real", 0.5),
])  # fmt: skip
@pytest.mark.parametrize("n_lanes", [2, 4])
def test_a_target_is_at_its_range_in_every_format(
    adc_format: str, part: float, n_lanes: int
) -> None:
    radar = tiny_radar(adc_format=adc_format, n_lanes=n_lanes, rx_mask=0b1010, n_loops=4)
    # c fs / 2S = 299792458 x 1.25e6 / (2 x 15.015e12) = 12.479 m for complex1x, half otherwise.
    assert radar.max_range_m == pytest.approx(12.479 * part, abs=1e-3)
    stage = RangeStage(radar, ALL_BINS)
    assert len(stage.range_m) == 64 * part
    assert stage.range_m[-1] < radar.max_range_m
    layout = default_layout(radar)
    for range_m in (1.1, 3.0, 5.5):
        words = encode(beat(radar, range_m), layout, radar)
        frame = AdcFrame(radar, layout, 0, 0.0, words, np.ones(4, np.bool_))
        power = np.abs(stage(frame)[0]) ** 2
        assert power.shape[1] == 2
        peak_m = stage.range_m[power.sum(axis=(0, 1)).argmax()]
        assert abs(peak_m - range_m) <= convert.range_bin_m(radar, 64) / 2 + 1e-9


@pytest.mark.parametrize("rx_mask", [0b0001, 0b1001, 0b1110, 0b1111])
def test_antennas_stay_apart_from_the_file_to_the_profile(rx_mask: int) -> None:
    radar = tiny_radar(rx_mask=rx_mask, n_loops=4)
    gains = np.arange(1, radar.n_rx + 1)[:, None]
    words = iiqq(beat(radar, 3.0, 100.0) * gains)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "walk.bin"
        path.write_bytes(words.tobytes())
        (frame,) = open_recording(path, radar)
    profiles, _ = RangeStage(radar, ALL_BINS)(frame)
    strength = np.abs(profiles[0]).max(axis=1)
    np.testing.assert_allclose(strength / strength[0], gains[:, 0], rtol=0.02)


def test_chirps_of_different_slopes_share_no_range_axis() -> None:
    def radar(offset: float) -> RadarConfig:
        loop = (Chirp(), Chirp(slope_offset_hz_per_s=offset))
        return tiny_radar(chirps=loop, n_loops=100)

    RangeStage(radar(0.14e12), ALL_BINS)  # 0.93 % of 15.015 MHz/us
    with pytest.raises(ParameterError, match=r"different slopes.*got 15.015, 15.175 MHz/us"):
        RangeStage(radar(0.16e12), ALL_BINS)  # 1.05 %
