"""OpenRadar as a second opinion, where it is right; refused where it is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from naive import packet_file as naive

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.file.recording import open_recording
from capture.formats.load import load_radar_config
from capture.layouts import decode
from capture.types import AdcFrame
from capture.vendor import openradar_samples, openradar_strip_packets

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "radar"


@pytest.mark.parametrize(("rx_mask", "n_samples"), [(0b1111, 256), (0b0101, 100), (1, 64)])
@pytest.mark.parametrize("hsi_header", [False, True])
def test_organize_agrees(rx_mask: int, n_samples: int, hsi_header: bool) -> None:
    config = RadarConfig(rx_mask=rx_mask, n_samples=n_samples, n_loops=6, hsi_header=hsi_header)
    rng = np.random.default_rng(7)
    words = rng.integers(-(2**15), 2**15, (6, config.words_per_chirp)).astype(np.int16)
    frame = AdcFrame(config, "IIQQ", 0, 0.0, words, np.ones(6, np.bool_))
    np.testing.assert_array_equal(openradar_samples(frame), decode(words, "IIQQ", config))


def test_what_it_would_decode_wrongly_is_refused() -> None:
    config = RadarConfig(n_loops=6)
    frame = AdcFrame(config, "QQII", 0, 0.0, np.zeros((6, 2048), np.int16), np.ones(6, np.bool_))
    with pytest.raises(LayoutError, match="got QQII, 16 bit; expected IIQQ, 16 bit"):
        openradar_samples(frame)
    short = dataclasses.replace(config, adc_bits=12)
    with pytest.raises(LayoutError, match="12 bit"):
        openradar_samples(dataclasses.replace(frame, config=short, layout="IIQQ"))


def test_packet_headers_are_stripped_alike(tmp_path: Path) -> None:
    config = RadarConfig(n_samples=16, n_loops=5, rx_mask=0b0111, frame_period_s=10e-3)
    words = np.random.default_rng(1).integers(-400, 400, 728 * 20).astype("<i2")
    records = naive.records_of(words.tobytes())
    raw, stripped = tmp_path / "adc_data_Raw_0.bin", tmp_path / "adc_data.bin"
    raw.write_bytes(b"".join(records))
    openradar_strip_packets(raw, stripped)
    ours, theirs = open_recording(raw, config, "IIQQ"), open_recording(stripped, config, "IIQQ")
    # 20 packets of 1456 B hold 30 frames of 960 B, and 320 B.
    assert (len(ours), ours.info.trailing_bytes) == (30, 320)
    assert (len(theirs), theirs.info.trailing_bytes) == (30, 320)
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.words, two.words)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
def test_a_real_capture_is_decoded_alike() -> None:
    folder = SHARED / "awr1642_frame"
    config = load_radar_config(folder / "awr1642.cfg")
    (frame,) = open_recording(folder / "adc_data.bin", config)
    np.testing.assert_array_equal(openradar_samples(frame), decode(frame.words, "IIQQ", config))
