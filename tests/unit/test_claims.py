"""Claims against waveforms: which are wrong, by how much, and what was miscounted."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from capture.config import Chirp, RadarConfig
from capture.formats.claims import Claims, claims_of_cfg, claims_of_scene
from capture.formats.contradictions import RULES, Contradiction, agree, check_claims
from capture.formats.units import text

PAPER = RadarConfig(chirps=(Chirp(tx_mask=3),))
TDM = RadarConfig(chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4)), n_loops=100)

VISUALIZER = """% Range Resolution(m):0.044
% Maximum unambiguous Range(m):9.02
% Maximum Radial Velocity(m/s):1
% Radial velocity resolution(m/s):0.13
% Frame Duration(msec):100
% Range Detection Threshold (dB):15
profileCfg 0 77   % Range Resolution(m):9
"""
SPREADSHEET = """% Sweep BW (useful) MHz                                      3840.00 149.76
% Total BW  MHz                                              4000    208.8
% Range resolution (meter per 1D-FFT bin)   m/bin            0.037   0.814
% Range resolution  m                                        0.039   1.002
% Max distance (80%)    m                                    9.71
% Velocity resolution (m/s per 2D-FFT bin)  m/s/bin          9       9
% Velocity resolution   m/s                                  1.09    0.45
% Extended Maximum Velocity m/s                              14.99   14.99
% Velocity Maximum  m/s                                      8.70    14.32
% Frame time (active)   ms                                   3.712
% Frame time (total)    ms                                   4.16
% Max beat freq MHz                                          n/a
"""


def only(config: RadarConfig, **claims: float) -> Contradiction:
    (found,) = check_claims(Claims(**claims), config)  # type: ignore[arg-type]
    return found


def test_comments_of_tis_visualizer_and_of_its_spreadsheet() -> None:
    (claims,) = claims_of_cfg(VISUALIZER)
    assert claims.values() == {
        "range_resolution_m": 0.044, "max_range_m": 9.02, "max_velocity_mps": 1.0,
        "velocity_resolution_mps": 0.13, "frame_period_s": 0.1,
    }  # fmt: skip
    first, second = claims_of_cfg(SPREADSHEET)
    assert first.values() == {
        "bandwidth_hz": 3.84e9, "ramp_bandwidth_hz": 4e9, "range_resolution_m": 0.039,
        "max_range_m": 9.71, "velocity_resolution_mps": 1.09, "max_velocity_mps": 8.7,
        "active_s": 4.16e-3,
    }  # fmt: skip
    assert second.values() == {
        "bandwidth_hz": 149.76e6, "ramp_bandwidth_hz": 208.8e6, "range_resolution_m": 1.002,
        "velocity_resolution_mps": 0.45, "max_velocity_mps": 14.32,
    }  # fmt: skip
    assert claims_of_cfg("sensorStart\n")[0].values() == {}


def test_scene_parameters_of_mmwave_studio() -> None:
    scene = {"rangeResolution_cm": 5, "maxVelocity_kmph": Decimal("36"), "measurementRate": True,
             "maxDetectableRange_m": "far", "velocityResolution_kmph": 0}  # fmt: skip
    assert claims_of_scene(scene).values() == {"range_resolution_m": 0.05, "max_velocity_mps": 10.0}
    assert claims_of_scene(None).values() == {}


def test_right_values_are_no_contradictions() -> None:
    for config in (PAPER, TDM, dataclasses.replace(PAPER, adc_format="real")):
        right = {name: rule.right(config) for name, rule in RULES.items()}
        assert list(check_claims(Claims(**right), config)) == []  # type: ignore[arg-type]
        off = {name: 1.2345678 * value for name, value in right.items()}
        found = list(check_claims(Claims(**off), config))  # type: ignore[arg-type]
        assert [c.about for c in found] == list(right)
    assert {f.name for f in dataclasses.fields(Claims)} == {*RULES, "source"}


def test_claims_are_rounded_to_their_digits() -> None:
    assert agree(0.07, 0.0701)
    assert agree(0.05, 0.0546)  # 9 % more, but one digit
    assert not agree(0.05, 0.056)
    assert not agree(0.050001, 0.0546)
    assert not agree(200.0, 30.3)
    assert not agree(1.0, 0.0)


def test_the_papers_claims_and_where_they_come_from() -> None:
    # Facts B.9: 15.015 MHz/us x 256 / 5 Msps = 768.8 MHz; x 60 us = 900.9 MHz.
    said = only(PAPER, bandwidth_hz=900.9e6)
    assert said.derived == pytest.approx(768.768e6)
    assert "60 us of samples at this slope (300 at this rate; it takes 256)" in said.text
    assert said.text.endswith("It equals slope times the whole ramp")
    # c / 2 / 4 cm = 3.747 GHz.
    said = only(PAPER, range_resolution_m=0.04)
    assert said.derived == pytest.approx(0.19498, rel=1e-4)
    assert "3.747 GHz while the ADC samples, more than the whole ramp sweeps" in said.text
    # lambda = c / 77.4745 GHz = 3.8695 mm; / 2 / 33 ms = 0.0586; / 2 / 27.6 ms = 0.0701.
    said = only(PAPER, velocity_resolution_mps=0.06)
    assert said.derived == pytest.approx(0.0701, abs=5e-5)
    assert "the whole frame period as T, silence included" in said.text
    # 230 chirps of 120 us; 942 080 B x 8 x 200 = 1.507 Gb/s.
    said = only(PAPER, frame_rate_hz=200.0)
    assert "a frame period of 5 ms; it is 33 ms, and the chirps alone last 27.6 ms" in said.text
    assert "1.507 Gbit/s of samples are more than Gigabit Ethernet (965.5 Mbit/s) or 2 LVDS" in (
        said.text
    )
    assert "It equals" not in said.text
    printed = dataclasses.replace(PAPER, n_samples=230, n_loops=200)
    assert only(printed, frame_rate_hz=200.0).text.endswith("number of chirps per frame")
    recorded = dataclasses.replace(PAPER, n_frames=200)
    assert only(recorded, frame_rate_hz=200.0).text.endswith("number of frames of a recording")


@pytest.mark.parametrize(("config", "name", "value", "origin"), [
    # 900.9 MHz: c / 2B = 16.64 cm.
    (PAPER, "range_resolution_m", 0.1664, "whole ramp's bandwidth"),
    (PAPER, "range_resolution_m", 0.39, "twice the right value"),
    (PAPER, "max_range_m", 24.96, "half of it, as for real samples"),
    # Two definitions of 120 us each: 240 us between chirps of one series.
    (TDM, "max_velocity_mps", 8.06, "any two chirps"),
    (PAPER, "max_velocity_mps", 16.12, "the span from the lowest"),
    # 230 / 33 ms = 6970 Hz instead of 8333 Hz: 3.8695 mm x 6970 / 4.
    (PAPER, "max_velocity_mps", 6.742, "as if they were evenly spread"),
    (PAPER, "active_s", 13.8e-3, "the ramps without the idle times"),
    (PAPER, "frame_period_s", 27.6e-3, "the time during which chirps run"),
])  # fmt: skip
def test_known_mistakes_are_recognised(
    config: RadarConfig, name: str, value: float, origin: str
) -> None:
    assert origin in only(config, **{name: value}).text


def test_usable_parts_of_the_range_are_no_mistakes() -> None:
    for part in (1.0, 0.9, 0.8):
        assert not list(check_claims(Claims(max_range_m=part * PAPER.max_range_m), PAPER))


@pytest.mark.parametrize(("value", "unit", "expected"), [
    (0.9999e-3, "s", "999.9 us"), (999.96e-6, "s", "1 ms"), (12.0, "s", "12 s"),
    (2.5e-9, "s", "2.5 ns"), (1.2e9, "bit/s", "1.2 Gbit/s"), (-5e-6, "s", "-5 us"),
    (0.004, "m", "4 mm"), (0.195, "m", "19.5 cm"), (49.9, "m", "49.9 m"), (8.06, "m/s", "8.06 m/s"),
    (0.0, "m", "0 m"), (123456.0, "m", "123456 m"),
])  # fmt: skip
def test_values_with_units(value: float, unit: str, expected: str) -> None:
    assert text(value, unit) == expected
