"""Real configuration files: numbers read by eye from the files and worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.formats.dca1000_json import read_dca1000
from capture.formats.load import load_radar_config, load_radar_configs, read_radar_file
from capture.formats.report import Report, report
from capture.formats.studio_setup import read_setup
from capture.mimo import tx_patterns

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
    "dca1000/cf.json": "holds no waveform",
    "dca1000/cf_studio.json": "holds no waveform",
    "dca1000/dca1000_iwr1843.json": "holds no waveform",
}
OTHERS = {
    "cli/xwr1642_profile_2d_bpm.cfg", "cli/xwr1642_profile_advanced_subframe.cfg",
    "studio/iwr1843_test_25_03.mmwave.json", "studio/mmwave_BPM_TDM_config.mmwave.json",
    "studio/BPM_TDM_setup.setup.json", "studio/1843_mmwavestudio_config.lua",
}  # fmt: skip
"""Files with a test of their own below."""


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
    assert names == {f"cli/{name}.cfg" for name in CLI} | set(REFUSED) | OTHERS


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


def test_tis_bpm_file() -> None:
    # bpmCfg -1 1 0 1 over two chirps with both antennas; lvdsStreamCfg -1 0 0 0.
    file = read_radar_file(RADAR / "configs" / "cli" / "xwr1642_profile_2d_bpm.cfg")
    assert tx_patterns(file.configs[0]) == ("TX0+TX1", "TX0-TX1")
    assert any("streams no raw data" in remark for remark in file.remarks)


def test_tis_file_with_four_subframes() -> None:
    path = RADAR / "configs" / "cli" / "xwr1642_profile_advanced_subframe.cfg"
    configs = load_radar_configs(path)
    # 4 RX x samples x 4 B x chirps, by subFrameCfg: 2 chirps x 16, 16, 64, 32 loops.
    sizes = [4 * 240 * 4 * 32, 4 * 960 * 4 * 32, 4 * 104 * 4 * 128, 4 * 416 * 4 * 64]
    assert [config.frame_bytes for config in configs] == sizes
    assert {config.stored_frame_bytes for config in configs} == {sum(sizes)} == {1_253_376}
    assert {config.frame_period_s for config in configs} == {0.4}
    places = [config.subframe for config in configs if config.subframe]
    assert [place.lead_bytes for place in places] == [0, 122_880, 614_400, 827_392]
    assert [place.lead_s for place in places] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    # Its header: 1.792, 6.528, 4.352, 6.08 ms active; nothing in it contradicts the commands, but
    # 6 us of idle time after 3.84 GHz are less than the 7 us of SWRA553A.
    assert [c.active_s for c in configs] == pytest.approx([1.792e-3, 6.528e-3, 4.352e-3, 6.08e-3])
    file = read_radar_file(path)
    found = [[each.about for each in report(file, k).contradictions] for k in range(4)]
    assert found == [["idle_time"], ["idle_time"], [], []]
    assert load_radar_config(f"{path}#2") == configs[2]


def contradicted(name: str) -> dict[str, float | None]:
    found: Report = report(read_radar_file(RADAR / "configs" / name))
    return {each.about: each.derived for each in found.contradictions}


def test_header_comments_that_the_commands_do_not_bear_out() -> None:
    # 1843_vel_sr: says 1 m/s, 0.13 m/s, 100 ms. lambda at 77 GHz + 35e12 (7 + 47.46) us =
    # 78.906 GHz is 3.7994 mm; two chirps of 234.29 us; 40 loops every 50 ms.
    found = contradicted("cli/1843_vel_sr.cfg")
    assert set(found) == {"max_velocity_mps", "velocity_resolution_mps", "frame_period_s"}
    assert found["max_velocity_mps"] == pytest.approx(3.7994e-3 / 4 / 468.58e-6, rel=1e-4)
    assert found["velocity_resolution_mps"] == pytest.approx(3.7994e-3 / 80 / 468.58e-6, rel=1e-4)
    assert found["frame_period_s"] == 0.05
    assert contradicted("cli/xwr1642_profile_2d.cfg") == {}


def test_scene_comments_of_studio_are_contradicted() -> None:
    # Facts B.7: says 5 cm, 10 m, 26 km/h, 2 km/h and 10 Hz; it is 19.5 cm, 50 m, 6.04 m/s,
    # 3.8651 mm / (2 x 128 x 160 us) = 0.0944 m/s and 25 Hz.
    found = contradicted("studio/iwr1843_test_25_03.mmwave.json")
    assert found["range_resolution_m"] == pytest.approx(0.1953, abs=5e-5)
    assert found["max_range_m"] == pytest.approx(49.996, abs=5e-3)
    assert found["frame_rate_hz"] == 25.0
    assert found["velocity_resolution_mps"] == pytest.approx(0.09436, abs=5e-5)
    file = read_radar_file(RADAR / "configs" / "studio" / "iwr1843_test_25_03.mmwave.json")
    assert "TX1, TX2 switched on, but no chirp that is sent uses it" in file.remarks


def test_studio_file_with_bpm() -> None:
    config = load_radar_config(RADAR / "configs" / "studio" / "mmwave_BPM_TDM_config.mmwave.json")
    # Chirps 0 and 1 send 0x5, chirp 2 sends 0x2; chirp 1 has constBpmVal 0x30: TX2 inverted.
    assert tx_patterns(config) == ("TX0+TX2", "TX0-TX2", "TX1")
    assert (config.n_lanes, config.lvds_lane_rate_bps) == (4, 600e6)
    assert config.frame_bytes == 4 * 3 * 88 * 256 * 4 == 1_081_344
    # 88 loops of 3 x 150 us = 39.6 ms of 40 ms; 80 MHz/us x 256 / 5.688 Msps = 3600.6 MHz.
    assert config.gap_s == pytest.approx(0.4e-3)
    assert config.sampled_bandwidth_hz == pytest.approx(3600.56e6, rel=1e-5)


def test_studio_session() -> None:
    path = RADAR / "configs" / "studio" / "BPM_TDM_setup.setup.json"
    setup = read_setup(path)
    assert setup.radar.name == "mmwave_BPM_TDM_config.mmwave.json"
    assert (setup.device, setup.recordings, setup.missing) == ("AWR2243", (), ("ASL_bpm_tdm.bin",))
    config = load_radar_config(path)
    assert config.device == "AWR2243"
    assert config.frame_bytes == 1_081_344


def test_studio_script() -> None:
    config = load_radar_config(RADAR / "configs" / "studio" / "1843_mmwavestudio_config.lua")
    assert (config.device, config.n_lanes, config.iq_order) == ("IWR1843", 2, "IQ")
    assert [chirp.tx_mask for chirp in config.chirps] == [1, 4, 2]
    # 77 GHz, 60.012 MHz/us, 100 + 62 us, 6 us, 128 samples at 2500 ksps, 30 dB.
    assert (config.start_frequency_hz, config.slope_hz_per_s) == (77e9, 60.012e12)
    assert (config.idle_s, config.ramp_end_s, config.adc_start_s) == (100e-6, 62e-6, 6e-6)
    assert (config.n_samples, config.sample_rate_hz, config.rx_gain_db) == (128, 2.5e6, 30.0)
    # 128 loops of 3 x 162 us = 62.208 ms of 70 ms; 4 x 3 x 128 x 128 x 4 B.
    assert (config.n_frames, config.n_loops, config.frame_period_s) == (0, 128, 70e-3)
    assert config.active_s == pytest.approx(62.208e-3)
    assert config.frame_bytes == 786_432
    assert config.lvds_lane_rate_bps == 600e6


def test_dca1000_files() -> None:
    folder = RADAR / "configs" / "dca1000"
    default, studio, own = (
        read_dca1000(folder / f"{name}.json") for name in ("cf", "cf_studio", "dca1000_iwr1843")
    )
    for config in (default, studio, own):
        assert (config.lvds_lanes, config.adc_bits, config.logging) == (2, 16, "raw")
        assert (config.link.dca1000, config.link.packet_delay_us) == ("192.168.33.180", 25.0)
    assert (default.reorder, studio.reorder, own.reorder) == (True, False, True)
    assert studio.data_types == ("real", "complex", "real", "real", "complex")
    assert (own.stop, own.stop_duration_s, own.stop_bytes) == ("duration", 1.0, 7_864_320)
    four_lanes = read_radar_file(RADAR / "configs" / "cli" / "RadarHD.cfg")
    said = [each.text for each in report(four_lanes, 0, default).contradictions]
    assert any("listens to 2 LVDS lanes, the radar sends on 4" in each for each in said)
    assert any("layout IQIQ" in each for each in said)
