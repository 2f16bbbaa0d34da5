"""Every radar configuration that we ship loads as shipped and keeps the waveform rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.config import RadarConfig
from capture.constraints import check_waveform
from capture.formats.load import load_radar_config, read_claims, read_radar_file
from capture.formats.report import report
from capture.layouts import default_layout, word_order
from radarid.config import CONFIG_SUFFIXES, shipped

ROOT = Path(__file__).parents[2]
SHIPPED = shipped("radar")


def test_nothing_in_the_folder_is_left_out() -> None:
    files = {p.name for p in (ROOT / "configs" / "radar").iterdir() if p.suffix in CONFIG_SUFFIXES}
    assert {path.name for path in SHIPPED.values()} == files
    names = {"paper", "paper-printed", "demo", "iwr1843_gait", "iwr6843_seated"}
    assert names <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configuration(name: str) -> None:
    config = load_radar_config(SHIPPED[name])
    failed = [c.text for c in check_waveform(config) if c.outcome == "fail"]
    assert not failed
    word_order(default_layout(config), config)


def test_the_papers_file_is_the_default_waveform() -> None:
    config = load_radar_config(SHIPPED["paper"])
    assert [chirp.tx_mask for chirp in config.chirps] == [3]
    assert (config.n_chirps, config.n_samples) == (230, 256)
    assert config.frame_bytes == RadarConfig().frame_bytes == 942_080


def test_the_papers_table_as_printed_is_another_waveform() -> None:
    config = load_radar_config(SHIPPED["paper-printed"])
    assert (config.n_chirps, config.n_samples) == (200, 230)
    assert config.frame_bytes == 4 * 200 * 230 * 4
    assert read_claims(SHIPPED["paper"]) == read_claims(SHIPPED["paper-printed"])


def test_the_gait_set_up_is_almost_gapless_and_says_nothing_wrong() -> None:
    config = load_radar_config(SHIPPED["iwr1843_gait"])
    # 252 x 120 us = 30.24 ms of 30.6; 0.36 ms are 3 chirps; 4 x 128 x 4 B x 252 / 30.6 ms.
    assert config.gap_s == pytest.approx(3 * config.slow_time_interval_s)
    assert config.duty > 0.98
    assert config.data_rate_bps == pytest.approx(8 * 516_096 / 30.6e-3)
    file = read_radar_file(SHIPPED["iwr1843_gait"])
    assert report(file).contradictions == []
    assert file.remarks == ()
    assert len(file.claims[0].values()) == 7


def test_the_seated_captures_file_has_the_recorded_numbers() -> None:
    config = load_radar_config(SHIPPED["iwr6843_seated"])
    # 2 chirps x 4 RX x 100 samples x 4 B; 1 280 000 B are 400 frames.
    assert config.frame_bytes * 400 == 1_280_000
    assert config.start_frequency_hz == 60.36e9
    assert config.sampled_bandwidth_hz == pytest.approx(1.5e9)
