"""What `radarid radar show` derives, rounds and finds wrong; the two radar commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capture.config import Chirp, RadarConfig
from capture.constraints import check_waveform
from capture.dca1000.link import LinkParams
from capture.errors import ConfigError
from capture.formats.claims import Claims
from capture.formats.dca1000_json import Dca1000Config
from capture.formats.load import load_radar_config
from capture.formats.report import derive, find_contradictions, if_limit_hz, registers
from radarid.cli import app

PAPER = RadarConfig(chirps=(Chirp(tx_mask=3),))


def board(**changes: object) -> Dca1000Config:
    fields: dict[str, object] = {
        "link": LinkParams(), "logging": "raw", "transfer": "LVDSCapture",
        "capture": "ethernetStream", "lvds_lanes": 2, "adc_bits": 16, "folder": "", "prefix": "a",
        "max_file_mb": 1024, "sequence_numbers": True, "stop": "infinite", "stop_bytes": 0,
        "stop_duration_s": 0.0, "stop_frames": 0, "reorder": False, "msb_toggle": False,
        "lane_format_map": 0, "data_types": ("complex",) * 5,
    }  # fmt: skip
    return Dca1000Config(**(fields | changes))  # type: ignore[arg-type]


def test_derived_values_of_the_papers_waveform() -> None:
    # Facts B.9, by hand: 942 080 B x 8 / 33 ms = 228.4 Mb/s; / 8 / 1456 = 19 607 packets/s;
    # 228.4 / 314.3 = 72.7 %; / 682.6 = 33.5 %; 5.4 ms / 120 us = 45; 33 ms / 120 us = 275.
    d = derive(PAPER)
    assert d["sampled_bandwidth_hz"] == pytest.approx(768.768e6)
    assert d["ramp_bandwidth_hz"] == pytest.approx(900.9e6)
    assert d["range_resolution_of_whole_ramp_m"] == pytest.approx(0.16639, rel=1e-4)
    assert d["usable_range_m"] == pytest.approx(44.925, rel=1e-4)
    assert d["if_limit_hz"] == 4.5e6
    assert d["gap_in_intervals"] == pytest.approx(45)
    assert d["frame_period_in_intervals"] == pytest.approx(275)
    assert d["gap_is_whole"]
    assert d["packets_per_s"] == pytest.approx(19_607, abs=1)
    assert d["ethernet_share_at_25_us"] == pytest.approx(0.727, abs=5e-4)
    assert d["ethernet_share_at_5_us"] == pytest.approx(0.335, abs=5e-4)
    assert d["lvds_share"] == pytest.approx(228.4 / 1200, abs=5e-4)
    assert (d["tx_patterns"], d["mimo_scheme"]) == (["TX0+TX1"], "simultaneous")
    assert (d["recording_bytes"], d["recording_s"]) == (None, None)
    recorded = derive(RadarConfig(n_frames=200))
    assert recorded["recording_bytes"] == 188_416_000
    assert recorded["recording_s"] == pytest.approx(6.6)
    assert not derive(RadarConfig(frame_period_s=33.05e-3))["gap_is_whole"]


def test_usable_if_by_adc_format() -> None:
    limits = [if_limit_hz(RadarConfig(adc_format=f)) for f in ("complex1x", "complex2x", "real")]  # type: ignore[arg-type]
    assert limits == [4.5e6, 2.25e6, 2.25e6]


def test_registers_as_in_mmwavelink() -> None:
    # 3.6 GHz / 2^26 = 53.644 Hz; 48.2798 kHz/us: 15.015 MHz/us is 311 steps, 29.982 is 621.
    real = registers(PAPER)
    assert real.slope_codes == 311
    assert real.slope_hz_per_s == pytest.approx(311 * 48.279762e9, rel=1e-8)
    assert abs(real.start_frequency_hz - 77e9) <= 53.644 / 2
    assert registers(RadarConfig(slope_hz_per_s=29.982e12)).slope_codes == 621
    # 60 GHz parts: 2.7 GHz / 2^26 = 40.233 Hz, 36.21 kHz/us.
    low = registers(RadarConfig(start_frequency_hz=60e9, slope_hz_per_s=36.21e9 * 100.4))
    assert low.slope_codes == 100
    odd = registers(RadarConfig(idle_s=7.004e-6, ramp_end_s=57.146e-6, frame_period_s=33.000003e-3))
    assert odd.idle_s == pytest.approx(7.00e-6)
    assert odd.ramp_end_s == pytest.approx(57.15e-6)
    assert odd.frame_period_s == pytest.approx(33.000005e-3, rel=1e-9)


@pytest.mark.parametrize(("config", "changes", "message"), [
    (PAPER, {"lvds_lanes": 4}, "listens to 4 LVDS lanes, the radar sends on 2"),
    (PAPER, {"adc_bits": 12}, "12 bits, the radar sends 16"),
    (PAPER, {"transfer": "playback"}, "set to playback"),
    (PAPER, {"logging": "multi"}, "needs headers"),
    (RadarConfig(hsi_header=True), {}, "HSI headers end up between"),
    (PAPER, {"reorder": True}, "layout IQIQ"),
    (PAPER, {"reorder": True, "data_types": ("real",) * 5}, "as real ones, the radar sends compl"),
    (PAPER, {"msb_toggle": True}, "top bit"),
    # 314.3 Mb/s at 25 us; 187.7 at 50 us: the paper's 228 do not fit.
    (PAPER, {"link": LinkParams(packet_delay_us=50.0)}, "at most 187.7 Mbit/s at a packet delay"),
])  # fmt: skip
def test_a_board_that_is_set_for_another_radar(
    config: RadarConfig, changes: dict[str, object], message: str
) -> None:
    checks = check_waveform(config)
    (said,) = find_contradictions(config, Claims(), checks, board(**changes))
    assert said.about == "dca1000"
    assert message in said.text
    assert not list(find_contradictions(PAPER, Claims(), checks, board()))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["radar", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_show_explains_the_papers_contradictions() -> None:
    for name, bandwidth in (("paper", "768.8 MHz"), ("paper-printed", "690.7 MHz")):
        shown = run("show", name)
        assert f"900.9 MHz is claimed by the paper's table, {bandwidth} follows from" in shown
        assert "3.747 GHz while the ADC samples, more than the whole ramp sweeps" in shown
        assert "with the whole frame period as T" in shown
        assert "200 Hz is claimed by the paper's table, 30.3 Hz follows from" in shown
        assert "15.015006 MHz/us (311 steps" in shown
    assert "no contradictions found" in run("show", "demo")


def test_show_as_json(tmp_path: Path) -> None:
    shown = json.loads(run("show", "paper", "--json"))
    assert set(shown) == {"config", "derived", "checks", "contradictions", "remarks"}
    assert shown["config"]["n_loops"] == 230
    assert [each["about"] for each in shown["contradictions"]] == [
        "bandwidth_hz", "range_resolution_m", "velocity_resolution_mps", "frame_rate_hz",
    ]  # fmt: skip
    assert {check["outcome"] for check in shown["checks"]} == {"pass"}
    cfg = tmp_path / "two.cfg"
    cfg.write_text(
        "channelCfg 15 1 0\nadcCfg 2 1\nadcbufCfg -1 0 0 1 1\nlvdsStreamCfg -1 0 1 0\n"
        "profileCfg 0 77 60 6 60 0 0 15 0 256 5000 0 0 30\nchirpCfg 0 0 0 0 0 0 0 1\n"
        "advFrameCfg 2 0 0 1 0\nsubFrameCfg 0 0 0 1 8 20 0 1 1 20\n"
        "subFrameCfg 1 0 0 1 64 20 0 1 1 20\n"
    )
    both = json.loads(run("show", str(cfg), "--json"))["subframes"]
    assert [each["config"]["n_loops"] for each in both] == [8, 64]
    assert json.loads(run("show", f"{cfg}#1", "--json")) == both[1]
    assert "two.cfg#0" in run("show", str(cfg)).replace("\n", "")


def test_convert(tmp_path: Path) -> None:
    out = tmp_path / "out.toml"
    assert run("convert", "paper", str(out)).strip() == str(out)
    assert load_radar_config(out) == PAPER
    run("convert", str(out), str(tmp_path / "out.cfg"))
    assert load_radar_config(tmp_path / "out.cfg") == PAPER
    with pytest.raises(ConfigError, match="no such configuration file"):
        run("show", str(tmp_path / "gone.cfg#1"))
    with pytest.raises(ConfigError, match="one of demo"):
        run("show", "papers")
