"""A real person, sitting and breathing in front of an IWR6843: range and breath of the capture.

How the numbers were derived: the capture's makers say frame period 50 ms, 4 Msps, 60 MHz/us, so a
bin of the 100-point transform is c fs / (2 S N) = 2.998e8 x 4e6 / (2 x 60e12 x 100) = 0.0999 m,
and the person, said to sit at about 0.7 m, belongs in bin 7. 15 breaths a minute in 20 s are five
maxima of the unwrapped phase, counted in its plot.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from capture.file.recording import FileRecording, open_recording
from capture.formats.load import load_radar_config
from radarid.config import find
from radarid.dsp import phase
from radarid.dsp.params import DspParams
from radarid.dsp.spectrogram import process

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")


@pytest.fixture(scope="module")
def recording() -> FileRecording:
    radar = load_radar_config(find("radar", "iwr6843_seated"))
    return open_recording(SHARED / "radar" / "iwr6843_seated" / "adc_data.bin", radar)


def test_person_sits_in_bin_7(recording: FileRecording) -> None:
    motion = phase.range_time(recording, DspParams())
    assert motion.profile.shape[:2] == (400, 4)
    assert motion.first_bin + motion.strongest == 7
    assert motion.range_m[motion.strongest] == pytest.approx(0.7, abs=0.05)
    power_db = 10 * np.log10(np.mean(np.abs(motion.profile) ** 2, axis=(0, 1)))
    others = np.delete(power_db, [motion.strongest - 1, motion.strongest, motion.strongest + 1])
    assert power_db[motion.strongest] - others.max() > 6


def test_fifteen_breaths_per_minute(recording: FileRecording) -> None:
    radar = recording.info.config
    motion = phase.range_time(recording, DspParams())
    moved_m = phase.displacement_m(radar, motion, motion.strongest)
    assert phase.breaths_per_minute(moved_m, radar.frame_period_s) == pytest.approx(15, abs=1)
    # A chest moves by millimetres; and counting maxima, 1.5 s apart or more, says the same.
    assert 1e-3 < np.ptp(moved_m) < 12e-3
    smooth = np.convolve(moved_m, np.hanning(21) / np.hanning(21).sum(), mode="same")
    breaths, _ = scipy.signal.find_peaks(smooth, distance=30, prominence=3e-4)
    assert 4 <= len(breaths) <= 6


def test_the_other_way_of_reading_mirrors_the_range(recording: FileRecording) -> None:
    # Read as QQII the echoes lie at negative beat frequencies: bin 100 - 7 = 93, at 9.3 m.
    radar = recording.info.config
    wrong = open_recording(recording.info.paths, radar, layout="QQII")
    motion = phase.range_time(wrong, DspParams(min_range_m=0.5, max_range_m=9.5))
    assert motion.first_bin + motion.strongest == 93


def test_few_chirps_per_frame_make_slow_time_at_the_frame_rate(recording: FileRecording) -> None:
    slices, axes = process(recording, DspParams())
    radar = recording.info.config
    assert axes.regime == "burst"
    # lambda / 4 T with 4.92 mm and 50 ms: 24.6 mm/s.
    assert axes.velocity_mps[-1] == pytest.approx(0.0246, abs=0.0003)
    assert axes.velocity_mps[-1] == pytest.approx(radar.wavelength_m / (4 * 50e-3), rel=1e-6)
    assert np.abs(slices.range_m - 0.7).max() < 0.1
    # A chest that moves by A at 15 / min has speed of some mm/s: most power below 15 mm/s.
    slow = np.abs(axes.velocity_mps) < 0.015
    assert slices.power[:, slow].sum() > 0.8 * slices.power.sum()
