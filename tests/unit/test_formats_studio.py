"""Waveform and session files of mmWave Studio: values by hand, refusals by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capture.config import Chirp, RadarConfig, Subframe
from capture.errors import ConfigError
from capture.formats.load import load_radar_config, load_radar_configs, read_radar_file
from capture.formats.studio_setup import read_setup

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
PROFILE = (*RF, "rlProfiles", 0, "rlProfileCfg_t")
FRAME = (*RF, "rlFrameCfg_t")
SUBFRAME = {
    "forceProfileIdx": 0, "chirpStartIdx": 0, "numOfChirps": 2, "numLoops": 8,
    "burstPeriodicity_msec": 10.0, "chirpStartIdxOffset": 0, "numOfBurst": 1,
    "numOfBurstLoops": 1, "subFramePeriodicity_msec": 10.0,
}  # fmt: skip


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
        lvds_lane_rate_bps=450e6,
    )  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [
    ((*RF, "waveformType", "continuousWave"), "no continuous mode; got continuousWave"),
    ((*RF, "waveformType", "advancedFrameChirp"), "no 'rlAdvFrameCfg_t'"),
    ((*RF, "rlDynChirpCfgs", [{}]), "change while running"),
    ((*RF, "rlLoopbackBursts", [{}]), "loopback bursts"),
    ((*RF, "rlAdvChirpCfg_t", {"isConfigured": 1}), "advanced chirps"),
    ((*RF, "rlRfPhaseShiftCfgs", [{"x": {"chirpStartIdx": 1, "tx0PhaseShift": 4}}]), "phase shif"),
    ((*RF, "rlChanCfg_t", "cascading", 1), "cascaded"),
    ((*FRAME, "chirpEndIdx", 3), "chirps that are not defined; got 0 to 3, defined .0, 1, 2."),
    ((*FRAME, "numDummyChirpsAtEnd", 2), "not recorded.*numDummyChirpsAtEnd 2"),
    ((*FRAME, "numLoops", 63.5), "'numLoops' is not a whole number; got 63.5"),
    ((*FRAME, "numLoops", None), "'numLoops' is not a whole number; got None"),
    ((*FRAME, "numLoops", True), "'numLoops' is not a whole number; got True"),
    ((*FRAME, "numLoops", 10**4000), "'numLoops' is not a whole number; got 1000"),
    ((*FRAME, "numLoops", 256), "'numLoops' is out of range; got 256; expected 1 to 255"),
    ((*RF, "rlFrameCfg_t", None), "'rlFrameCfg_t' is not a table"),
    ((*PROFILE, "profileId", 0), "profile 3 is not defined; got .0."),
    ((*RF, "rlChirps", 0, "rlChirpCfg_t", "profileId", 1), "profile 1 is not defined"),
    ((*RF, "rlChirps", 0, "rlChirpCfg_t", "txEnable", "0x9"), "'txEnable' is out of range"),
    ((*RF, "rlAdcOutCfg_t", "fmt", "b2AdcOutFmt", 3), "'b2AdcOutFmt' is out of range; got 3"),
    ((*PROFILE, "numAdcSamples", ...), "no 'numAdcSamples'"),
    ((*PROFILE, "idleTimeConst_usec", -1.0), "'idleTimeConst_usec' is negative"),
    ((*PROFILE, "startFreqConst_GHz", "77"), "'startFreqConst_GHz' is not a number"),
    ((*RF, "rlChanCfg_t", "rxChannelEn", "all"), "not a hexadecimal string; got all"),
    ((*RF, "rlChanCfg_t", "rxChannelEn", 15), "not a hexadecimal string; got 15"),
    ((*RAW, "rlDevDataPathCfg_t", "transferFmtPkt0", "0x6"), "transferFmtPkt0 0x6"),
    ((*RAW, "rlDevDataPathCfg_t", "transferFmtPkt1", "0x1"), "transferFmtPkt1 0x1"),
    ((*RAW, "rlDevDataPathCfg_t", "intfSel", 0), "intfSel 0"),
    ((*RAW, "rlDevLaneEnable_t", "laneEn", "0x1"), "2 and 4 LVDS lanes are known; got laneEn 0x1"),
    ((*RAW, "rlDevLaneEnable_t", "laneEn", "0x3"), "2 lanes, chInterleave 0"),
    ((*RAW, "rlDevLvdsLaneCfg_t", "laneParamCfg", "0x0"), "most significant bit first"),
    ((*RAW, "rlDevLvdsLaneCfg_t", "laneFmtMap", 1), "laneFmtMap 1"),
    ((*RAW, "rlDevDataPathClkCfg_t", "dataRate_Mbps", 500), "not an LVDS rate"),
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


def test_bpm_takes_the_phase_that_counts_while_transmitting(tmp_path: Path) -> None:
    # Bit 5 is TX2's phase while on; bit 4, while off, means nothing here. TX1 (bit 3) is off.
    for value in ("0x20", "0x30", "0x28"):
        entry = {"chirpStartIdx": 0, "chirpEndIdx": 0, "constBpmVal": value}
        change = (*RF, "rlBpmChirps", [{"rlBpmChirpCfg_t": entry}])
        config = load_radar_config(studio_file(tmp_path / "a.mmwave.json", *change))
        assert [chirp.bpm_mask for chirp in config.chirps] == [0b100, 0, 0]


def test_advanced_frames_are_one_configuration_a_subframe(tmp_path: Path) -> None:
    # Structure as mmWave Studio's own reader and TI's mmwavelink example take it.
    other = SUBFRAME | {"chirpStartIdx": 2, "numOfChirps": 1, "numLoops": 32}
    frame = {"isConfigured": 1, "frameSeq": {
        "numOfSubFrames": 2, "forceProfile": 0, "numFrames": 3, "subFrameCfg": [
            {"rlSubFrameCfg_t": SUBFRAME}, {"rlSubFrameCfg_t": other}, {"rlSubFrameCfg_t": {}}]}}
    table = json.loads(STUDIO_FILE.read_text())
    rf = table["mmWaveDevices"][0]["rfConfig"]
    rf["waveformType"], rf["rlAdvFrameCfg_t"] = "advancedFrameChirp", frame
    path = tmp_path / "a.mmwave.json"
    path.write_text(json.dumps(table))
    first, second = load_radar_configs(path)
    # Four lanes store 4 antennas: 4 x 256 x 4 B = 4096 B a chirp.
    assert second.subframe == Subframe(
        index=1, n_subframes=2, lead_bytes=16 * 4096, tail_bytes=0, lead_s=0.01
    )
    assert first.subframe is not None
    assert first.subframe.tail_bytes == 32 * 4096
    assert (first.frame_period_s, first.n_frames) == (0.02, 3)
    assert (first.n_chirps, second.n_chirps) == (16, 32)
    other["numOfBurst"] = 2
    path.write_text(json.dumps(table))
    with pytest.raises(ConfigError, match="several bursts are not supported; got numOfBurst 2"):
        load_radar_configs(path)


def test_scene_comments_are_claims_and_an_early_save_is_remarked(tmp_path: Path) -> None:
    path = studio_file(tmp_path / "a.mmwave.json", "configGenerator", "isConfigIntermediate", 1)
    file = read_radar_file(path)
    assert file.claims[0].values() == {"range_resolution_m": 0.05}
    assert any("before the last settings" in remark for remark in file.remarks)


def test_not_json(tmp_path: Path) -> None:
    path = tmp_path / "a.mmwave.json"
    for text in ("", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "[1]"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_radar_config(path)


SETUP: dict[str, Any] = {
    "configUsed": "C:\\Users\\me\\walk.mmwave.json",
    "captureHardware": "DCA1000",
    "DCA1000Config": {"dataLoggingMode": "raw", "packetDelay_us": 25},
    "mmWaveDevice": "awr2243",
    "capturedFiles": {"files": [
        {"rawFileName": "a_Raw_0.bin", "processedFileName": "a.bin",
         "processedFileSummary": {"numZeroFillBytes": 1456}},
        {"rawFileName": "b_Raw_0.bin", "processedFileName": "b.bin"},
        {"rawFileName": "c_Raw_0.bin", "processedFileName": "D:\\x\\c.bin"},
    ]},
}  # fmt: skip


def test_a_session_leads_to_its_waveform_and_its_recordings(tmp_path: Path) -> None:
    path = tmp_path / "walk.setup.json"
    path.write_text(json.dumps(SETUP))
    for name in ("a.bin", "b_Raw_0.bin"):
        (tmp_path / name).touch()
    setup = read_setup(path)
    assert setup.radar == tmp_path / "walk.mmwave.json"
    assert setup.recordings == (tmp_path / "a.bin", tmp_path / "b_Raw_0.bin")
    assert setup.missing == ("c.bin",)
    assert (setup.device, setup.logging, setup.packet_delay_us) == ("AWR2243", "raw", 25.0)
    assert setup.zero_filled_bytes == 1456
    with pytest.raises(ConfigError, match=r"missing; expected walk.mmwave.json beside it"):
        load_radar_config(path)
    studio_file(tmp_path / "walk.mmwave.json")
    assert load_radar_config(path).device == "AWR2243"
    remarks = " ".join(read_radar_file(path).remarks)
    assert "recording c.bin is not there" in remarks
    assert "1456 missing bytes" in remarks


def test_what_is_no_session(tmp_path: Path) -> None:
    path = tmp_path / "walk.setup.json"
    for table in ([], {}, {"configUsed": 3}, {"configUsed": ""}, {"configUsed": "C:\\"},
                  SETUP | {"captureHardware": "TSW1400"}):  # fmt: skip
        path.write_text(json.dumps(table))
        with pytest.raises(ConfigError):
            read_setup(path)
