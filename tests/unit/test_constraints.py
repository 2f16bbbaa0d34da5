"""Waveform rules: the arithmetic by hand, on both sides of each limit and exactly on it."""

from __future__ import annotations

import pytest

from capture.config import Chirp, RadarConfig
from capture.constraints import RULES, Check, check_waveform


def judge(rule: str, **changes: object) -> Check:
    return next(c for c in check_waveform(RadarConfig(**changes)) if c.rule == rule)  # type: ignore[arg-type]


def test_the_papers_waveform_by_hand() -> None:
    value = {check.rule: check.value for check in check_waveform(RadarConfig())}
    # 4 RX x 256 x 2 words x 16 bit = 32768 bit in 120 us.
    assert value["lvds_rate"] == pytest.approx(32768 / 120e-6)
    # 6 us + 256 / 5 Msps = 57.2 us of 60.
    assert value["ramp_time"] == pytest.approx(57.2e-6)
    assert value["adc_buffer"] == 4096
    # 942 080 B x 8 / 33 ms = 228.4 Mb/s.
    assert value["ethernet_rate"] == pytest.approx(228.4e6, rel=1e-3)
    # 33 ms - 230 x 120 us = 5.4 ms.
    assert value["frame_gap"] == pytest.approx(5.4e-3)
    assert {check.outcome for check in check_waveform(RadarConfig())} == {"pass"}


@pytest.mark.parametrize(("rule", "changes", "outcome"), [
    # 16 x 2048 bit / 1.2 Gb/s = 27.307 us.
    ("lvds_rate", {"idle_s": 7e-6, "ramp_end_s": 20.4e-6}, "pass"),
    ("lvds_rate", {"idle_s": 7e-6, "ramp_end_s": 20.2e-6}, "fail"),
    ("lvds_rate", {"idle_s": 7e-6, "ramp_end_s": 20.2e-6, "n_lanes": 4}, "pass"),
    ("lvds_rate", {"idle_s": 7e-6, "ramp_end_s": 20.4e-6,
                   "chirps": (Chirp(), Chirp(idle_offset_s=-1e-6)), "n_loops": 9}, "fail"),
    ("ramp_time", {"ramp_end_s": 57.2e-6}, "pass"),
    ("ramp_time", {"ramp_end_s": 57.1e-6}, "fail"),
    ("ramp_time", {"chirps": (Chirp(adc_start_offset_s=3e-6),)}, "fail"),
    ("idle_time", {"idle_s": 2e-6}, "pass"),  # 768.8 MHz
    ("idle_time", {"idle_s": 1.9e-6}, "fail"),
    ("idle_time", {"slope_hz_per_s": 20e12, "idle_s": 3.4e-6}, "fail"),  # 1.024 GHz
    ("idle_time", {"slope_hz_per_s": 20e12, "idle_s": 3.5e-6}, "pass"),
    ("idle_time", {"slope_hz_per_s": 50e12, "idle_s": 5e-6}, "pass"),  # 2.56 GHz
    ("idle_time", {"slope_hz_per_s": 70e12, "idle_s": 5e-6}, "fail"),  # 3.584 GHz
    ("adc_buffer", {"n_samples": 2048}, "pass"),  # 4 x 2048 x 4 B = 32 KB
    ("adc_buffer", {"n_samples": 2050}, "fail"),
    ("adc_buffer", {"n_samples": 2050, "device": "AWR2243"}, "not applicable"),
    ("ethernet_rate", {"frame_period_s": 28e-3}, "pass"),  # 269.2 Mb/s
    ("ethernet_rate", {"n_samples": 512, "frame_period_s": 48.1e-3}, "pass"),  # 313.4 Mb/s
    ("ethernet_rate", {"n_samples": 512, "frame_period_s": 47.9e-3}, "fail"),  # 314.7 Mb/s
    ("frame_gap", {"frame_period_s": 27.9e-3}, "pass"),
    ("frame_gap", {"frame_period_s": 27.89e-3}, "fail"),
    ("frame_period", {"frame_period_s": 1.342}, "pass"),
    ("frame_period", {"frame_period_s": 1.4}, "fail"),
    ("frame_period", {"frame_period_s": 250e-6, "n_loops": 1}, "fail"),
])  # fmt: skip
def test_on_both_sides_of_the_limits(
    rule: str, changes: dict[str, object], outcome: str
) -> None:
    assert judge(rule, **changes).outcome == outcome


def test_every_rule_reports_its_own_name_and_says_what_it_compared() -> None:
    for rule, check in zip(RULES, check_waveform(RadarConfig()), strict=True):
        assert check.rule == rule.__name__
        assert rule.__doc__
    assert judge("frame_gap").text == "5400 us between frames, at least 300 (duty 83.6%)"
