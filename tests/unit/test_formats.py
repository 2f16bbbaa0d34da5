"""Configuration files of TI's tools: values by hand, refusals by name, round trips."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError
from capture.formats import find_config, load_radar_config, write_cfg
from capture.formats_cfg import format_cfg, parse_cfg
from capture.sidecar import Sidecar, write_sidecar

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

STUDIO_FILE = Path(__file__).with_name("studio_example.json")
"""A small mmWave Studio file, typed by hand: three chirps, the third another one, 4 lanes."""


def studio_file(path: Path, *change: Any) -> Path:
    """A Studio file in which the value at a path of keys is replaced (`...`: removed)."""
    table = json.loads(STUDIO_FILE.read_text())
    if change:
        *keys, last, value = change
        place = table
        for key in keys:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    path.write_text(json.dumps(table))
    return path


RF = ("mmWaveDevices", 0, "rfConfig")
RAW = ("mmWaveDevices", 0, "rawDataCaptureConfig")


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


@pytest.mark.parametrize(("old", "new", "message"), [
    ("profileCfg 0 77", "chirpComnCfg 0 77", "IWRL6432"),
    ("frameCfg 0 1 32 10 33.3", "advFrameCfg 4 0 0 1 0\nframeCfg 0 1 32 10 33.3", "subframes"),
    ("frameCfg 0 1 32 10 33.3", "frameCfg 0 1 32 10 256 33.3", "number of fields"),
    ("frameCfg 0 1", "frameCfg 0 2", "no chirpCfg defines"),
    ("frameCfg 0 1", "frameCfg 0 one", "not a whole number; got one"),
    ("33.3", "fast", "not a finite number; got fast"),
    ("33.3", "nan", "not a finite number; got nan"),
    ("chirpCfg 1 1 0", "chirpCfg 1 999999999 0", "not a range of chirps; got 1 to 999999999"),
    ("frameCfg 0 1", "frameCfg 1 0", "not a range of chirps; got 1 to 0"),
    ("chirpCfg 1 1 0", "chirpCfg 1 1 2", "no profileCfg command for profile 2"),
    ("chirpCfg 1 1 0", "profileCfg 1 77 100 7 40.5 0 0 29.982 1 64 5209 0 0 30\nchirpCfg 1 1 1",
     "several profiles"),
    ("channelCfg 13 5 0\n", "", "no channelCfg command"),
    ("adcbufCfg -1 0 1 1 1\n", "", "no adcbufCfg command"),
    ("adcbufCfg -1 0", "adcbufCfg -1 1", "disagree about complex and real"),
    ("adcbufCfg -1 0 1 1", "adcbufCfg -1 0 1 0", "interleaved on xWR14xx only"),
    ("adcCfg 2 1", "adcCfg 3 1", "unknown ADC format"),
    ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 1 1 0", "no HSI header"),
    ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 4 0", "plain ADC data"),
    ("sensorStart", "bpmCfg -1 1 0 1", "BPM-MIMO is not supported yet"),
    ("frameCfg 0 1 32 10 33.3", "frameCfg 0 1 250 10 33.3", "do not fit into the frame period"),
    ("channelCfg 13", "channelCfg 0", "'rx_mask' must be positive"),
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


def test_sdk1_grammar_means_four_lanes() -> None:
    text = CFG.replace("adcbufCfg -1 0 1 1 1", "adcbufCfg 0 1 0 1").replace("xWR18xx", "xWR14xx")
    config = parse_cfg(text)
    assert (config.device, config.n_lanes, config.iq_order) == ("IWR1443", 4, "QI")


def test_the_device_is_not_guessed_where_nothing_tells() -> None:
    anonymous = CFG.replace("% Platform:xWR18xx", "")
    assert parse_cfg(anonymous).device == "unknown"
    assert parse_cfg(anonymous.replace(" 77 ", " 60 ")).device == "IWR6843"


@pytest.mark.parametrize("config", [
    RadarConfig(),
    RadarConfig(device="my own board", rx_mask=5, adc_bits=12, adc_format="real", n_frames=7),
    RadarConfig(device="IWR1443", n_lanes=4, iq_order="QI", adc_format="complex2x", adc_bits=14),
    RadarConfig(idle_s=7.77e-6, ramp_end_s=0.1 * 3e-4, frame_period_s=1 / 30, n_loops=255,
                slope_hz_per_s=29.982000350952148e12, sample_rate_hz=1e7 / 3,
                chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4, start_frequency_offset_hz=-1e3 / 3,
                slope_offset_hz_per_s=1.5e9, idle_offset_s=-1e-7, adc_start_offset_s=1e-6))),
])  # fmt: skip
def test_a_written_cfg_reads_back_equal_to_the_last_bit(
    tmp_path: Path, config: RadarConfig
) -> None:
    write_cfg(tmp_path / "a.cfg", config)
    assert load_radar_config(tmp_path / "a.cfg") == config


@pytest.mark.parametrize(("config", "key"), [
    (RadarConfig(rx_gain_db=30.5), "rx_gain_db: 30.5 != 30.0"),
    (RadarConfig(n_loops=256), "n_loops: 256"),
    (RadarConfig(device=" padded "), "device"),
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


def test_every_field_of_a_studio_file_arrives_in_si_units(tmp_path: Path) -> None:
    both = Chirp(tx_mask=5)
    assert load_radar_config(studio_file(tmp_path / "a.mmwave.json")) == RadarConfig(
        device="unknown",
        start_frequency_hz=77e9,
        slope_hz_per_s=29.982000350952148e12,
        sample_rate_hz=10e6,
        n_samples=256,
        idle_s=100e-6,
        adc_start_s=6e-6,
        ramp_end_s=60e-6,
        chirps=(both, both, Chirp(tx_mask=2, start_frequency_offset_hz=0.5e6,
                slope_offset_hz_per_s=48e9, idle_offset_s=1e-6, adc_start_offset_s=2e-6)),
        n_loops=64,
        n_frames=8,
        frame_period_s=40e-3,
        rx_mask=0b0101,
        adc_bits=14,
        adc_format="complex2x",
        iq_order="QI",
        n_lanes=4,
        rx_gain_db=30.0,
    )  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [
    ((*RF, "waveformType", "advancedFrameChirp"), "advancedFrameChirp"),
    ((*RF, "rlBpmChirps", [{"rlBpmChirpCfg_t": {"constBpmVal": "0x30"}}]), "BPM-MIMO.*0x30"),
    ((*RF, "rlDynChirpCfgs", [{}]), "change while running"),
    ((*RF, "rlFrameCfg_t", "chirpEndIdx", 3), "no rlChirpCfg_t defines"),
    ((*RF, "rlProfiles", 0, "rlProfileCfg_t", "profileId", 0), "no rlProfileCfg_t for profile 3"),
    ((*RF, "rlChirps", 0, "rlChirpCfg_t", "profileId", 1), "several profiles"),
    ((*RF, "rlAdcOutCfg_t", "fmt", "b2AdcOutFmt", 3), "'b2AdcOutFmt' is not supported; got 3"),
    ((*RF, "rlProfiles", 0, "rlProfileCfg_t", "numAdcSamples", ...), "no 'numAdcSamples'"),
    ((*RF, "rlChanCfg_t", "rxChannelEn", "all"), "not a hexadecimal string; got all"),
    ((*RAW, "rlDevDataPathCfg_t", "transferFmtPkt0", "0x6"), "ADC data only"),
    ((*RAW, "rlDevLaneEnable_t", "laneEn", "0x1"), "n_lanes"),
    ((*RF, "rlFrameCfg_t", "numLoops", 63.5), "'numLoops' is not a whole number; got 63.5"),
    ((*RF, "rlFrameCfg_t", "numLoops", None), "'numLoops' is not a whole number; got None"),
    ((*RF, "rlChirps", 7), "'rlChirps' is not a list; got 7"),
    (("mmWaveDevices", []), "single device"),
    (("mmWaveDevices", ...), "no 'mmWaveDevices'"),
])  # fmt: skip
def test_a_studio_file_that_cannot_be_expressed_is_refused_by_name(
    tmp_path: Path, change: tuple[Any, ...], message: str
) -> None:
    path = studio_file(tmp_path / "a.mmwave.json", *change)
    with pytest.raises(ConfigError, match=message) as caught:
        load_radar_config(path)
    assert str(path) in str(caught.value)


def test_toml_holds_differences_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "radar.toml"
    path.write_text("n_loops = 64\nchirps = [{ tx_mask = 1 }, { tx_mask = 4 }]\n")
    expected = dataclasses.replace(
        RadarConfig(), n_loops=64, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4))
    )
    assert load_radar_config(path) == expected
    path.write_text("n_loop = 64\n")
    with pytest.raises(ConfigError, match="did you mean 'n_loops'"):
        load_radar_config(path)


def test_other_files_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hold no waveform"):
        load_radar_config(tmp_path / "cf.json")
    with pytest.raises(ConfigError, match="Lua scripts are not supported yet"):
        load_radar_config(tmp_path / "setup.lua")
    with pytest.raises(ConfigError, match=r"expected one of .cfg, .mmwave.json, .toml"):
        load_radar_config(tmp_path / "radar.xml")
    for name in ("a.cfg", "a.mmwave.json", "a.toml"):
        with pytest.raises(ConfigError, match="No such file"):
            load_radar_config(tmp_path / name)


def test_find_config_prefers_sidecar_then_stem_then_the_only_one(tmp_path: Path) -> None:
    recording = tmp_path / "walk.bin"
    with pytest.raises(ConfigError, match="no radar configuration belongs to it"):
        find_config(recording)
    (tmp_path / "radar.toml").touch()
    assert find_config(recording) == tmp_path / "radar.toml"
    (tmp_path / "same.toml").touch()
    assert find_config(recording) == tmp_path / "radar.toml"
    (tmp_path / "other.toml").write_text("n_loops = 100\n")
    with pytest.raises(ConfigError, match="got other.toml, radar.toml, same.toml"):
        find_config(recording)
    (tmp_path / "walk.toml").write_text("n_loops = 7\n")
    assert find_config(recording) == tmp_path / "walk.toml"
    write_sidecar(tmp_path / "walk.json", Sidecar(radar="radar.toml"))
    assert find_config(recording) == tmp_path / "radar.toml"
    write_sidecar(tmp_path / "walk.json", Sidecar(radar="gone.toml"))
    with pytest.raises(ConfigError, match="does not exist; got gone.toml"):
        find_config(recording)
