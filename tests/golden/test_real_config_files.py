"""Real configuration files: numbers read by eye from the files and worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.formats import load_radar_config

RADAR = Path(__file__).parents[2].parent / "shared" / "data" / "radar"
pytestmark = pytest.mark.skipif(not RADAR.is_dir(), reason="needs the shared data folder")

# file: device, lanes, first word, TX masks of the loop, loops, samples, ksps, bytes per frame.
# Bytes per frame = RX x chirps x samples x 4; four lanes always store 4 RX; all have 4 RX on.
CLI = {
    "1843_RaGNNarok_UAV_10m": ("IWR1843", 2, "QI", (1, 4), 50, 254, 7200, 4 * 100 * 254 * 4),
    "1843_RadVel": ("unknown", 2, "QI", (1, 4), 30, 100, 3500, 4 * 60 * 100 * 4),
    "1843_RadVel_10Hz": ("IWR1843", 2, "QI", (1, 4), 115, 63, 2100, 4 * 230 * 63 * 4),
    "1843_RadVel_20Hz": ("IWR1843", 2, "QI", (1, 4), 100, 63, 2100, 4 * 200 * 63 * 4),
    "1843_human_movement": ("IWR1843", 2, "QI", (1, 4), 127, 63, 2100, 4 * 254 * 63 * 4),
    "1843_vel_sr": ("IWR1843", 2, "QI", (1, 4), 40, 200, 2107, 4 * 80 * 200 * 4),
    "6843_RadVel_ods_10Hz": ("IWR6843", 2, "QI", (1, 2, 4), 100, 63, 2100, 4 * 300 * 63 * 4),
    "6843_hand_ods_30Hz": ("IWR6843", 2, "QI", (1, 2, 4), 40, 70, 2194, 4 * 120 * 70 * 4),
    # frameCfg 0 0: the second chirp definition is never sent.
    "RadCloud": ("IWR1443", 4, "QI", (1,), 40, 64, 2000, 4 * 40 * 64 * 4),
    "RadSAR": ("unknown", 2, "QI", (1, 4), 100, 100, 3500, 4 * 200 * 100 * 4),
    "RadarHD": ("IWR1443", 4, "QI", (1, 4), 8, 512, 9121, 4 * 16 * 512 * 4),
    "iwr1443_sdk1": ("IWR1443", 4, "QI", (1, 4, 2), 16, 64, 2000, 4 * 48 * 64 * 4),
    "xWR1843_profile_3D": ("IWR1843", 2, "QI", (1, 4, 2), 32, 64, 2000, 4 * 96 * 64 * 4),
    "xwr1642_profile_2d": ("unknown", 2, "QI", (1, 2), 32, 256, 5500, 4 * 64 * 256 * 4),
    "xwr1642_profile_VitalSigns_20fps_Front": ("IWR6843", 2, "IQ", (1,), 2, 200, 4000, 6400),
}
REFUSED = {
    "cli/iwrl6432_midbw.cfg": "IWRL6432.*chirpComnCfg",
    "cli/xwr1642_profile_2d_bpm.cfg": "BPM-MIMO",
    "cli/xwr1642_profile_advanced_subframe.cfg": "advanced frames with subframes",
    "studio/mmwave_BPM_TDM_config.mmwave.json": "BPM-MIMO.*0x30",
    "studio/BPM_TDM_setup.setup.json": "hold no waveform",
    "studio/1843_mmwavestudio_config.lua": "Lua scripts",
    "dca1000/cf.json": "hold no waveform",
    "dca1000/cf_studio.json": "hold no waveform",
    "dca1000/dca1000_iwr1843.json": "hold no waveform",
}


@pytest.mark.parametrize("name", CLI)
def test_cli_file(name: str) -> None:
    config = load_radar_config(RADAR / "configs" / "cli" / f"{name}.cfg")
    found = (
        config.device,
        config.n_lanes,
        config.iq_order,
        tuple(chirp.tx_mask for chirp in config.chirps),
        config.n_loops,
        config.n_samples,
        config.sample_rate_hz / 1e3,
        config.frame_bytes,
    )
    assert found == CLI[name]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_file(name: str) -> None:
    with pytest.raises(ConfigError, match=REFUSED[name]):
        load_radar_config(RADAR / "configs" / name)


def test_no_real_file_is_left_out() -> None:
    names = {str(p.relative_to(RADAR / "configs")) for p in (RADAR / "configs").rglob("*.*")}
    seen = {f"cli/{name}.cfg" for name in CLI} | set(REFUSED)
    assert names - seen == {"studio/iwr1843_test_25_03.mmwave.json"}


def test_comments_of_tis_own_file_agree_with_the_derived_values() -> None:
    # Header of xwr1642_profile_2d.cfg: 3165.09 MHz, 0.047 m, 26.97 km/h with two TX, 3.712 ms...
    config = load_radar_config(RADAR / "configs" / "cli" / "xwr1642_profile_2d.cfg")
    assert config.sampled_bandwidth_hz == pytest.approx(3165.09e6, rel=1e-6)
    assert config.range_resolution_m == pytest.approx(0.047, abs=5e-4)
    # ... whose 3.712 ms are 64 ramps of 58 us; with 64 idle times of 7 us it is its 4.16 ms.
    assert config.active_s == pytest.approx(4.16e-3)
    # TI divides the wavelength at 77 GHz, we the one in the middle of the ramp (2.7 % shorter).
    assert config.max_velocity_mps * 3.6 == pytest.approx(26.97, rel=0.03)


def test_studio_file_takes_the_waveform_and_not_the_scene_comments() -> None:
    config = load_radar_config(RADAR / "configs" / "studio" / "iwr1843_test_25_03.mmwave.json")
    # Three TX are enabled, the only chirp uses the first.
    assert [chirp.tx_mask for chirp in config.chirps] == [1]
    # 29.982 MHz/us x 256 / 10 Msps = 767.54 MHz -> 0.1953 m; the file's comment says 5 cm.
    assert config.range_resolution_m == pytest.approx(0.1953, abs=5e-5)
    assert (config.device, config.iq_order, config.n_lanes) == ("IWR1843", "IQ", 2)
    assert config.n_chirps == 128
    assert config.frame_bytes == 4 * 128 * 256 * 4
    # PRI 160 us; lambda at 77 GHz + 29.982e12 (6 + 12.8) us = 77.5637 GHz is 3.8651 mm.
    assert config.max_velocity_mps == pytest.approx(3.8651e-3 / (4 * 160e-6), rel=1e-4)
    assert config.frame_period_s == 40e-3


def test_awr1642_file() -> None:
    config = load_radar_config(RADAR / "awr1642_frame" / "awr1642.cfg")
    assert config.frame_bytes == (RADAR / "awr1642_frame" / "adc_data.bin").stat().st_size
    assert [chirp.tx_mask for chirp in config.chirps] == [1, 2]
    assert config.iq_order == "IQ"
    # 70 MHz/us x 256 / 5.209 Msps = 3440.2 MHz -> 4.357 cm; loop 2 x (429 + 57.14) us.
    assert config.range_resolution_m == pytest.approx(0.043572, abs=1e-6)
    assert config.loop_s == pytest.approx(972.28e-6)
