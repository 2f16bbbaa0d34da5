"""Command files of the mmWave demos: values by hand, refusals by name, round trips."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.config import Chirp, RadarConfig, Subframe
from capture.errors import ConfigError
from capture.formats.cfg import parse_cfg
from capture.formats.cfg_write import format_cfg
from capture.formats.load import load_radar_config, load_radar_configs, read_radar_file, write_cfg

CFG = """% Platform:xWR18xx
profileCfg 0 60 1 1 1 0 0 1 1 64 2000 0 0 30   % forgotten by flushCfg
flushCfg
channelCfg 13 5 0
adcCfg 2 1
adcbufCfg -1 0 1 1 1
profileCfg 0 77 100 7 40.5 0 0 29.982 1 128 5209 0 0 158
chirpCfg 0 0 0 0 0 0 0 1
chirpCfg 1 1 0 250 -3 1.5 0.5 4
frameCfg 0 1 32 10 33.3 1 0
cfarCfg -1 0 2 8 4 3 0 15 0
lvdsStreamCfg -1 0 1 0
sensorStart
"""

ADVANCED = """channelCfg 15 3 0
dfeDataOutputMode 3
adcCfg 2 1
adcbufCfg -1 0 0 1 1
adcbufCfg 1 0 1 1 1
profileCfg 0 77 6 2 50 0 0 80 1 240 5000 0 0 30
profileCfg 1 77 5 5 29 0 0 7.2 1 104 5000 0 0 48
chirpCfg 0 0 0 0 0 0 0 1
chirpCfg 1 1 0 0 0 0 0 2
chirpCfg 2 2 1 0 0 0 0 1
advFrameCfg 2 0 7 1 0
subFrameCfg 0 0 0 2 16 20 0 1 1 20
subFrameCfg 1 0 2 1 64 30 0 1 1 30
lvdsStreamCfg -1 0 1 0
"""


def test_every_field_of_a_cfg_arrives_in_si_units() -> None:
    assert parse_cfg(CFG) == RadarConfig(
        device="IWR1843",
        start_frequency_hz=77e9,
        slope_hz_per_s=29.982e12,
        sample_rate_hz=5.209e6,
        n_samples=128,
        idle_s=100e-6,
        adc_start_s=7e-6,
        ramp_end_s=40.5e-6,
        chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4, start_frequency_offset_hz=250.0,
                slope_offset_hz_per_s=-3e9, idle_offset_s=1.5e-6, adc_start_offset_s=0.5e-6)),
        n_loops=32,
        n_frames=10,
        frame_period_s=33.3e-3,
        rx_mask=0b1101,
        adc_bits=16,
        adc_format="complex1x",
        iq_order="QI",
        n_lanes=2,
        rx_gain_db=30.0,  # 158 = 0b10_011110: bits 0 to 5 are 30 dB
    )  # fmt: skip


PROFILE_1 = "profileCfg 1 77.5 103 8 42.5 0 0 30.982 1 128 5209 0 0 30\nchirpCfg 1 1 1"


@pytest.mark.parametrize(("old", "new", "message"), [
    ("profileCfg 0 77", "chirpComnCfg 0 77", "IWRL6432"),
    ("cfarCfg", "compressionCfg", "AWR2944"),
    ("cfarCfg", "contModeCfg", "continuous streaming"),
    ("adcCfg", "dfeDataOutputMode 2\nadcCfg", "continuous streaming"),
    ("adcCfg", "dfeDataOutputMode 3\nadcCfg", "dfeDataOutputMode 3 with frameCfg"),
    ("frameCfg 0 1 32 10 33.3", "advFrameCfg 4 0 0 1 0\nframeCfg 0 1 32 10 33.3", "subframes"),
    ("frameCfg", "subFrameCfg 0 0 0 2 16 100 0 1 1 100\nframeCfg", "without advFrameCfg"),
    ("frameCfg 0 1 32 10 33.3", "frameCfg 0 1 32 10 256 33.3", "number of fields.*AWR2944"),
    ("frameCfg 0 1", "frameCfg 0 2", "chirps that are not defined; got 0 to 2, defined .0, 1."),
    ("frameCfg 0 1", "frameCfg 0 one", "not a whole number; got one"),
    ("frameCfg 0 1", "frameCfg 0 0x1", "not a whole number; got 0x1"),
    ("frameCfg 0 1 32", "frameCfg 0 1 3_2", "not a whole number; got 3_2"),
    ("frameCfg 0 1 32", "frameCfg 0 1 256", "number of loops is out of range; got 256"),
    ("frameCfg 0 1 32 10", "frameCfg 0 1 32 -1", "number of frames is out of range; got -1"),
    ("33.3 1 0", "33.3 3 0", "trigger of frameCfg is out of range; got 3"),
    ("33.3", "fast", "not a finite number; got fast"),
    ("33.3", "nan", "not a finite number; got nan"),
    ("33.3", "1e400", "not a finite number; got 1e400"),
    ("chirpCfg 1 1 0", "chirpCfg 1 999999999 0", "not a range of chirps; got 1 to 999999999"),
    ("frameCfg 0 1", "frameCfg 1 0", "not a range of chirps; got 1 to 0"),
    ("chirpCfg 1 1 0", "chirpCfg 1 1 2", "profile 2 is not defined; got .0."),
    ("chirpCfg 1 1 0", PROFILE_1.replace("128", "64"), "n_samples: 128 != 64"),
    ("chirpCfg 1 1 0", PROFILE_1.replace("5209", "5000"), "sample_rate_hz: 5209000.0 != 5000000.0"),
    ("chirpCfg 1 1 0", PROFILE_1.replace("0 0 30\n", "0 0 40\n"), "rx_gain_db: 30.0 != 40.0"),
    ("100 7 40.5", "-100 7 40.5", "idle time of profileCfg is negative"),
    ("-3 1.5 0.5", "-3 -150 0.5", "a chirp lasts no time; got -9.5 us"),
    ("chirpCfg 0 0", PROFILE_1.partition("\n")[0].replace("Cfg 1", "Cfg 0") + "\nchirpCfg 0 0",
     "profile 0 is defined twice, and differently"),
    ("chirpCfg 1 1", "chirpCfg 0 1", "chirp 0 is defined twice, and differently"),
    ("1.5 0.5 4", "1.5 0.5 8", "transmit antenna mask of chirpCfg is out of range"),
    ("channelCfg 13 5 0", "channelCfg 13 5 1", "cascading"),
    ("channelCfg 13 5 0\n", "", "no channelCfg command"),
    ("adcbufCfg -1 0 1 1 1\n", "", "no adcbufCfg command"),
    ("adcbufCfg -1 0 1 1 1\n", "adcbufCfg 1 0 1 1 1\n", "no adcbufCfg command for subframe 0"),
    ("adcbufCfg -1 0", "adcbufCfg 0 1 1 1\nadcbufCfg -1 0", "grammar of SDK 1 and in that"),
    ("adcbufCfg -1 0", "adcbufCfg -1 1", "disagree about complex and real"),
    ("adcbufCfg -1 0 1 1", "adcbufCfg -1 0 1 0", "interleaved on xWR14xx only"),
    ("adcCfg 2 1", "adcCfg 3 1", "bits of adcCfg is out of range; got 3"),
    ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 4 0", "lvdsStreamCfg -1 0 4 0"),
    ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 1 1", "no chirp profile or user data"),
    ("sensorStart", "bpmCfg -1 1 0 1", "chirp 0 with mask 1"),
    ("sensorStart", "bpmCfg -1 1 0 2", "two chirps of the frame"),
    ("sensorStart", "bpmCfg -1 2 0 1", "switch of bpmCfg is out of range"),
    ("sensorStart", "bpmCgf -1 0 0 1", "unknown command bpmCgf; remedy did you mean bpmCfg"),
    ("frameCfg 0 1 32 10 33.3", "frameCfg 0 1 250 10 33.3", "do not fit into the frame period"),
    ("channelCfg 13", "channelCfg 0", "receive antenna mask of channelCfg is out of range"),
])  # fmt: skip
def test_a_cfg_that_cannot_be_expressed_is_refused_by_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "radar.cfg"
    assert old in CFG
    path.write_text(CFG.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        load_radar_config(path)
    assert str(path) in str(caught.value)


def test_another_profile_of_the_loop_is_expressed_by_offsets() -> None:
    # Profile 1 against profile 0: +0.5 GHz, +3 us idle, +1 us ADC start, +2 us ramp, +1 MHz/us;
    # chirp 1 adds 250 Hz, -3 kHz/us, 1.5 us and 0.5 us of its own.
    first, second = parse_cfg(CFG.replace("chirpCfg 1 1 0", PROFILE_1)).chirps
    assert first == Chirp(tx_mask=1)
    assert second == Chirp(
        tx_mask=4,
        start_frequency_offset_hz=0.5e9 + 250,
        slope_offset_hz_per_s=0.997e12,
        idle_offset_s=4.5e-6,
        adc_start_offset_s=1.5e-6,
        ramp_end_offset_s=2e-6,
    )


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "radar.cfg"
    text = CFG.partition("flushCfg\n")[2]
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_radar_config(path) == parse_cfg(text)


def test_sdk1_grammar_means_four_lanes() -> None:
    text = CFG.replace("adcbufCfg -1 0 1 1 1", "adcbufCfg 0 1 0 1").replace("xWR18xx", "xWR14xx")
    config = parse_cfg(text)
    assert (config.device, config.n_lanes, config.iq_order) == ("IWR1443", 4, "QI")


def test_the_device_is_not_guessed_where_nothing_tells() -> None:
    anonymous = CFG.replace("% Platform:xWR18xx", "")
    assert parse_cfg(anonymous).device == "unknown"
    assert parse_cfg(anonymous.replace(" 77 ", " 60 ")).device == "IWR6843"


def test_bpm_inverts_the_second_antenna_of_the_second_chirp() -> None:
    both = CFG.replace("0 0 0 1\n", "0 0 0 5\n").replace("0.5 4", "0.5 5")
    chirps = parse_cfg(both + "bpmCfg -1 1 0 1\n").chirps
    assert [(c.tx_mask, c.bpm_mask) for c in chirps] == [(5, 0), (5, 4)]
    chirps = parse_cfg(both + "bpmCfg -1 1 1 0\n").chirps
    assert [(c.tx_mask, c.bpm_mask) for c in chirps] == [(5, 4), (5, 0)]
    assert {c.bpm_mask for c in parse_cfg(both + "bpmCfg -1 0 0 1\n").chirps} == {0}


def test_headers_on_the_lanes_and_silence_on_them(tmp_path: Path) -> None:
    path = tmp_path / "radar.cfg"
    with_header = "lvdsStreamCfg -1 1 1 0"
    config = parse_cfg(CFG.replace("lvdsStreamCfg -1 0 1 0", with_header))
    assert config.hsi_header
    # 3 RX x 128 samples x 4 B = 1536 B; with 52 B of header the next multiple of 16 is 1600.
    assert config.stored_chirp_bytes == 1600
    path.write_text(CFG)
    assert read_radar_file(path).remarks == ()
    path.write_text(CFG.replace("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 0 0"))
    assert "streams no raw data" in read_radar_file(path).remarks[0]
    path.write_text(CFG.replace("lvdsStreamCfg -1 0 1 0", ""))
    assert "no lvdsStreamCfg command" in read_radar_file(path).remarks[0]


def test_an_advanced_frame_is_one_configuration_a_subframe(tmp_path: Path) -> None:
    path = tmp_path / "radar.cfg"
    path.write_text(ADVANCED)
    first, second = load_radar_configs(path)
    # 4 RX x 240 samples x 4 B x 32 chirps, and 4 x 104 x 4 x 64; 20 ms and 30 ms.
    assert first.frame_bytes == 122_880
    assert second.frame_bytes == 106_496
    assert first.frame_period_s == second.frame_period_s == 0.05
    assert first.subframe == Subframe(
        index=0, n_subframes=2, lead_bytes=0, tail_bytes=106_496, lead_s=0.0
    )
    assert second.subframe == Subframe(
        index=1, n_subframes=2, lead_bytes=122_880, tail_bytes=0, lead_s=0.02
    )
    assert (first.iq_order, second.iq_order) == ("IQ", "QI")
    assert (first.ramp_end_s, second.ramp_end_s) == (50e-6, 29e-6)
    assert (first.n_frames, len(first.chirps), len(second.chirps)) == (7, 2, 1)
    assert load_radar_config(f"{path}#1") == second
    with pytest.raises(ConfigError, match="several subframes.*radar.cfg#0, radar.cfg#1"):
        load_radar_config(path)
    with pytest.raises(ConfigError, match="no such subframe; got #2"):
        load_radar_config(f"{path}#2")


@pytest.mark.parametrize(("old", "new", "message"), [
    ("16 20 0 1 1 20", "16 20 0 2 1 20", "several bursts.*got subFrameCfg 0"),
    ("16 20 0 1 1 20", "16 20 0 1 3 20", "several bursts"),
    ("subFrameCfg 1 ", "subFrameCfg 2 ", "no subFrameCfg for subframe 1"),
    ("advFrameCfg 2", "advFrameCfg 5", "number of subframes is out of range"),
    ("advFrameCfg 2 0", "advFrameCfg 2 2", "forceProfile"),
    ("0 2 16 20", "0 2 255 20", "do not fit into their subframe"),
    ("2 1 64", "2 2 64", "chirps that are not defined"),
    ("dfeDataOutputMode 3", "dfeDataOutputMode 1", "dfeDataOutputMode 1 with advFrameCfg"),
])  # fmt: skip
def test_an_advanced_frame_that_cannot_be_expressed(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "radar.cfg"
    assert old in ADVANCED
    path.write_text(ADVANCED.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_radar_configs(path)


def test_subframes_that_are_not_streamed_take_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "radar.cfg"
    silent = "lvdsStreamCfg 0 0 0 0\nlvdsStreamCfg 1 0 1 0"
    path.write_text(ADVANCED.replace("lvdsStreamCfg -1 0 1 0", silent))
    second = load_radar_config(f"{path}#1")
    assert second.stored_frame_bytes == second.frame_bytes
    assert "some subframes only" in read_radar_file(path).remarks[0]


def test_a_forced_profile_replaces_those_of_the_chirps(tmp_path: Path) -> None:
    path = tmp_path / "radar.cfg"
    forced = ADVANCED.replace("advFrameCfg 2 0", "advFrameCfg 2 1").replace(
        "subFrameCfg 0 0", "subFrameCfg 0 1"
    )
    path.write_text(forced.replace("subFrameCfg 1 0", "subFrameCfg 1 1"))
    assert [config.n_samples for config in load_radar_configs(path)] == [104, 104]


@pytest.mark.parametrize("config", [
    RadarConfig(),
    RadarConfig(device="my own board", rx_mask=5, adc_bits=12, adc_format="real", n_frames=7),
    RadarConfig(device="IWR1443", n_lanes=4, iq_order="QI", adc_format="complex2x", adc_bits=14),
    RadarConfig(idle_s=7.77e-6, ramp_end_s=0.1 * 3e-4, frame_period_s=1 / 30, n_loops=255,
                slope_hz_per_s=29.982000350952148e12, sample_rate_hz=1e7 / 3,
                chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4, start_frequency_offset_hz=-1e3 / 3,
                slope_offset_hz_per_s=1.5e9, idle_offset_s=-1e-7, adc_start_offset_s=1e-6))),
    RadarConfig(hsi_header=True, n_loops=99, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4,
                ramp_end_offset_s=1.3e-6))),
    RadarConfig(n_loops=50, chirps=(Chirp(tx_mask=6, bpm_mask=4), Chirp(tx_mask=1),
                Chirp(tx_mask=6))),
])  # fmt: skip
def test_a_written_cfg_reads_back_equal_to_the_last_bit(
    tmp_path: Path, config: RadarConfig
) -> None:
    write_cfg(tmp_path / "a.cfg", config)
    assert load_radar_config(tmp_path / "a.cfg") == config


@pytest.mark.parametrize(("config", "key"), [
    (RadarConfig(rx_gain_db=30.5), "rx_gain_db: 30.5 != 30.0"),
    (RadarConfig(n_loops=256), "n_loops: 256"),
    (RadarConfig(n_frames=70_000), "n_frames: 70000"),
    (RadarConfig(device=" padded "), "device"),
    (RadarConfig(lvds_lane_rate_bps=450e6), "lvds_lane_rate_bps: 450000000.0"),
    (RadarConfig(hsi_header=True, hsi_alignment_bytes=256), "hsi_alignment_bytes: 256 != 16"),
    (RadarConfig(chirps=(Chirp(tx_mask=3, bpm_mask=1), Chirp(tx_mask=3)), n_loops=9), "chirps"),
    (RadarConfig(chirps=(Chirp(tx_mask=3, bpm_mask=2),)), "chirps"),
    (RadarConfig(chirps=(Chirp(tx_mask=8),)), "transmit antenna mask"),
    (RadarConfig(chirps=tuple(Chirp(ramp_end_offset_s=k * 1e-6) for k in range(5)), n_loops=9),
     "ramp_end_offset_s: 5 values, at most 4 profiles"),
    (RadarConfig(subframe=Subframe(index=0, n_subframes=2, lead_bytes=0, tail_bytes=8,
                                   lead_s=0.0)), "subframe"),
])  # fmt: skip
def test_what_a_cfg_cannot_carry_is_refused_and_named(
    tmp_path: Path, config: RadarConfig, key: str
) -> None:
    with pytest.raises(ConfigError, match=key):
        write_cfg(tmp_path / "a.cfg", config)
    assert not (tmp_path / "a.cfg").exists()


def test_a_written_cfg_holds_tis_units() -> None:
    lines = format_cfg(RadarConfig()).splitlines()
    assert "profileCfg 0 77 60 6 60 0 0 15.015 0 256 5000 0 0 30" in lines
    assert "frameCfg 0 0 230 0 33 1 0" in lines
    assert "adcbufCfg -1 0 0 1 1" in lines


def test_calibration_of_the_antennas(tmp_path: Path) -> None:
    # Range bias, then (real, imaginary) for TX0 RX0 to RX3, TX1 RX0 ...; as the demo prints them.
    factors = "0.5 0 0.25 -0.5 -1 0 0 1 " * 2 + "1 0 1 0 1 0 1 0"
    found = parse_cfg(CFG + f"compRangeBiasAndRxChanPhase 0.075 {factors}\n")
    first = ((0.5, 0.0), (0.25, -0.5), (-1.0, 0.0), (0.0, 1.0))
    assert found.range_bias_m == 0.075
    assert found.rx_calibration == (*first, *first, *((1.0, 0.0),) * 4)
    write_cfg(tmp_path / "a.cfg", found)
    assert load_radar_config(tmp_path / "a.cfg") == found


def test_calibration_that_says_nothing_is_none_and_one_for_all_antennas_is_kept_once() -> None:
    none = parse_cfg(CFG)
    assert parse_cfg(CFG + "compRangeBiasAndRxChanPhase 0" + " 1 0" * 12) == none
    same = parse_cfg(CFG + "compRangeBiasAndRxChanPhase 0" + " 1 0 -1 0 1 0 -1 0" * 3)
    assert same.rx_calibration == ((1.0, 0.0), (-1.0, 0.0)) * 2


@pytest.mark.parametrize("device", ["IWR1843", "IWR1642"])
def test_a_calibration_for_all_transmit_antennas_is_written_for_each(
    tmp_path: Path, device: str
) -> None:
    config = RadarConfig(
        device=device, range_bias_m=-0.03, rx_calibration=((0.5, 0.5), (1, 0), (1, 0), (1, 0))
    )
    write_cfg(tmp_path / "a.cfg", config)
    assert load_radar_config(tmp_path / "a.cfg") == config
    n_tx = {"IWR1843": 3, "IWR1642": 2}[device]
    assert f"compRangeBiasAndRxChanPhase -0.03{' 0.5 0.5 1 0 1 0 1 0' * n_tx}" in format_cfg(config)


@pytest.mark.parametrize("change", [
    {"rx_calibration": ((1.0, 0.0),) * 3}, {"rx_calibration": ((0.0, 0.0),) * 4},
    {"rx_calibration": ((float("nan"), 0.0),) * 4}, {"range_bias_m": float("inf")},
])  # fmt: skip
def test_a_calibration_that_cannot_be(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"rx_calibration|range_bias_m"):
        RadarConfig(**change)  # type: ignore[arg-type]
