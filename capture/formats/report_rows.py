"""A `Report` in words and numbers for people: (name, value) rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from capture.config import RadarConfig
from capture.formats.common import antennas
from capture.formats.report import Report
from capture.formats.units import text

Row = tuple[str, str]


def config_rows(config: RadarConfig) -> list[Row]:
    """The configuration itself, every number with its unit."""
    rx = ", ".join(f"RX{k}" for k in config.rx_antennas)
    rows = [
        ("device", config.device),
        ("start frequency", f"{config.start_frequency_hz / 1e9:.9g} GHz"),
        ("slope", f"{config.slope_hz_per_s / 1e12:.9g} MHz/us"),
        ("samples", f"{config.n_samples} at {text(config.sample_rate_hz, 'sps', 6)}, "
                    f"{config.adc_bits} bit, {config.adc_format}, {config.iq_order}"),
        ("idle, ADC start, ramp end", ", ".join(
            text(t, "s", 6) for t in (config.idle_s, config.adc_start_s, config.ramp_end_s))),
        ("loops", f"{config.n_loops} of {len(config.chirps)} chirp definitions"),
        ("frames", str(config.n_frames or "until stopped")),
        ("frame period", text(config.frame_period_s, "s", 6)),
        ("receive antennas", f"{rx}, gain {config.rx_gain_db:g} dB"),
        ("LVDS", f"{config.n_lanes} lanes at {text(config.lvds_lane_rate_bps, 'bit/s')}"
                 + (", HSI headers" if config.hsi_header else "")),
    ]  # fmt: skip
    if config.subframe:
        place = config.subframe
        rows.append((
            "subframe",
            f"{place.index} of 0 to {place.n_subframes - 1}, {text(place.lead_s, 's')} after the "
            f"frame's start, behind {place.lead_bytes} B, before {place.tail_bytes} B",
        ))
    return rows


def derived_rows(report: Report) -> list[Row]:
    """What follows from the configuration."""
    d = report.derived
    rows = (_range_rows(d), _velocity_rows(d), _time_rows(d), _data_rows(d), _real_rows(report))
    return [row for part in rows for row in part]


def _range_rows(d: dict[str, Any]) -> Iterator[Row]:
    yield "bandwidth while sampling", text(d["sampled_bandwidth_hz"], "Hz")
    yield "bandwidth of the whole ramp", text(d["ramp_bandwidth_hz"], "Hz")
    whole = text(d["range_resolution_of_whole_ramp_m"], "m")
    yield "range resolution", f"{text(d['range_resolution_m'], 'm')} (the whole ramp's: {whole})"
    usable = text(d["usable_range_m"], "m")
    yield "unambiguous range", f"{text(d['max_range_m'], 'm')} (usable, 90 %: {usable})"
    yield "IF limit", text(d["if_limit_hz"], "Hz")
    yield "centre frequency", f"{d['center_frequency_hz'] / 1e9:.5g} GHz"
    yield "wavelength", text(d["wavelength_m"], "m")


def _velocity_rows(d: dict[str, Any]) -> Iterator[Row]:
    yield "transmission", f"{d['mimo_scheme']}: {', '.join(d['tx_patterns'])}"
    interval = text(d["slow_time_interval_s"], "s")
    yield "slow time", (
        f"{d['n_series']} series of {d['n_slow']} chirps, one every {interval} "
        f"({text(d['slow_time_rate_hz'], 'Hz')})"
    )
    yield "unambiguous velocity", f"+-{text(d['max_velocity_mps'], 'm/s')}"
    yield "velocity resolution", text(d["velocity_resolution_mps"], "m/s")


def _time_rows(d: dict[str, Any]) -> Iterator[Row]:
    yield "chirp", text(d["chirp_s"], "s")
    yield "frame rate", text(d["frame_rate_hz"], "Hz")
    yield "active time", f"{text(d['active_s'], 's')}, {d['duty']:.1%} of the frame"
    fit = "a whole number" if d["gap_is_whole"] else "not a whole number"
    yield "gap", (
        f"{text(d['gap_s'], 's')} = {d['gap_in_intervals']:.6g} chirp intervals; the frame period "
        f"is {d['frame_period_in_intervals']:.6g}, {fit} of them"
    )


def _data_rows(d: dict[str, Any]) -> Iterator[Row]:
    stored = d["stored_frame_bytes"]
    more = "" if stored == d["frame_bytes"] else f" ({stored} B stored with what lies between)"
    yield "samples of a frame", f"{d['frame_bytes']} B{more}"
    if d["recording_bytes"]:
        recording = text(d["recording_bytes"], "B")
        yield "recording", f"{recording} in {text(d['recording_s'], 's')}"
    yield "mean data rate", (
        f"{text(d['data_rate_bps'], 'bit/s')} = {text(d['data_rate_bps'] / 8, 'B/s')}, "
        f"{d['packets_per_s']:.0f} packets/s"
    )
    yield "share of the DCA1000", (
        f"{d['ethernet_share_at_25_us']:.1%} at 25 us packet delay, "
        f"{d['ethernet_share_at_5_us']:.1%} at 5 us"
    )
    yield "share of the LVDS lanes", f"{d['lvds_share']:.1%} of {text(d['lvds_rate_bps'], 'bit/s')}"


def _real_rows(report: Report) -> Iterator[Row]:
    d, config = report.derived, report.config
    slope, wanted = d["register_slope_hz_per_s"], config.slope_hz_per_s
    yield "slope as the radar rounds it", (
        f"{slope / 1e12:.8g} MHz/us ({d['register_slope_codes']} steps, "
        f"{(slope / wanted - 1) * 1e6:+.0f} ppm)"
    )
    start = d["register_start_frequency_hz"]
    yield "start as the radar rounds it", (
        f"{start / 1e9:.9f} GHz ({start - config.start_frequency_hz:+.1f} Hz)"
    )
    moved = {
        name: d[f"register_{name}"] - getattr(config, name)
        for name in ("idle_s", "adc_start_s", "ramp_end_s", "frame_period_s")
    }
    shifts = [f"{name[:-2]} {shift * 1e9:+.1f} ns".replace("_", " ")
              for name, shift in moved.items() if abs(shift) > 1e-10]  # fmt: skip
    yield "times as the radar rounds them", ", ".join(shifts) or "as given"


def chirp_rows(config: RadarConfig, patterns: list[str]) -> list[tuple[str, ...]]:
    """One row a chirp definition: index, antennas, and how it differs from the profile."""
    rows: list[tuple[str, ...]] = []
    for k, (chirp, pattern) in enumerate(zip(config.chirps, patterns, strict=True)):
        offsets = [
            f"start {text(chirp.start_frequency_offset_hz, 'Hz')}"
            if chirp.start_frequency_offset_hz else "",
            f"slope {chirp.slope_offset_hz_per_s / 1e12:g} MHz/us"
            if chirp.slope_offset_hz_per_s else "",
            f"idle {text(chirp.idle_offset_s, 's')}" if chirp.idle_offset_s else "",
            f"ADC start {text(chirp.adc_start_offset_s, 's')}" if chirp.adc_start_offset_s else "",
            f"ramp end {text(chirp.ramp_end_offset_s, 's')}" if chirp.ramp_end_offset_s else "",
        ]  # fmt: skip
        inverted = f", {antennas(chirp.bpm_mask)} inverted" if chirp.bpm_mask else ""
        added = ", ".join(filter(None, offsets))
        rows.append((str(k), pattern + inverted, added or "as the profile"))
    return rows
