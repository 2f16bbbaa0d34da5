"""What `radarid radar show` says of a configuration: derived values, rules, contradictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from capture.config import C_MPS, RadarConfig
from capture.constraints import Check, check_waveform, ethernet_payload_bps
from capture.formats.claims import Claims
from capture.formats.contradictions import Contradiction, check_claims
from capture.formats.dca1000_json import Dca1000Config
from capture.formats.radar_file import RadarFile
from capture.formats.units import text
from capture.mimo import scheme, tx_patterns

PAYLOAD_BYTES = 1456
USABLE_IF = 0.9
"""Part of the IF band that the ADC's filters pass undamped (mmwavelink)."""
DELAYS_US = (5.0, 25.0)
_COUNTER_BITS = 26


@dataclass(frozen=True, slots=True)
class Registers:
    """What the radar makes of a waveform: every number rounded to its register.

    Attributes
    ----------
    start_frequency_hz, slope_hz_per_s, idle_s, adc_start_s, ramp_end_s, frame_period_s : as sent
    slope_codes : value of the slope register
    """

    start_frequency_hz: float
    slope_hz_per_s: float
    idle_s: float
    adc_start_s: float
    ramp_end_s: float
    frame_period_s: float
    slope_codes: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that can be said of one waveform.

    Attributes
    ----------
    config : the waveform
    derived : name (with unit) to value, SI units
    checks : waveform rules
    contradictions : statements that cannot all hold
    remarks : what is odd in the file
    """

    config: RadarConfig
    derived: dict[str, Any]
    checks: list[Check]
    contradictions: list[Contradiction]
    remarks: tuple[str, ...]


def registers(config: RadarConfig) -> Registers:
    """Round a waveform as mmwavelink does.

    Steps: 3.6 GHz / 2^26 of frequency and 3.6e6 x 900 kHz / 2^26 per us of slope at 77 GHz, three
    quarters of both at 60 GHz; 10 ns of time; 5 ns of the frame period (mmwavelink,
    `rlProfileCfg_t`, `rlFrameCfg_t`).
    """
    reference_hz = 2.7e9 if config.start_frequency_hz < 70e9 else 3.6e9
    frequency_step_hz = reference_hz / 2**_COUNTER_BITS
    slope_step = frequency_step_hz * 900e6
    slope_codes = round(config.slope_hz_per_s / slope_step)
    return Registers(
        start_frequency_hz=round(config.start_frequency_hz / frequency_step_hz) * frequency_step_hz,
        slope_hz_per_s=slope_codes * slope_step,
        idle_s=round(config.idle_s / 10e-9) * 10e-9,
        adc_start_s=round(config.adc_start_s / 10e-9) * 10e-9,
        ramp_end_s=round(config.ramp_end_s / 10e-9) * 10e-9,
        frame_period_s=round(config.frame_period_s / 5e-9) * 5e-9,
        slope_codes=slope_codes,
    )


def if_limit_hz(config: RadarConfig) -> float:
    """Highest usable beat frequency: 0.9 fs for complex1x, 0.9 fs / 2 otherwise."""
    whole = config.sample_rate_hz if config.adc_format == "complex1x" else config.sample_rate_hz / 2
    return USABLE_IF * whole


def derive(config: RadarConfig) -> dict[str, Any]:
    """Every value that follows from a waveform, by name with unit; SI units, fractions as such."""
    interval_s = config.slow_time_interval_s
    return {
        "sampled_bandwidth_hz": config.sampled_bandwidth_hz,
        "ramp_bandwidth_hz": config.ramp_bandwidth_hz,
        "range_resolution_m": config.range_resolution_m,
        "range_resolution_of_whole_ramp_m": C_MPS / (2 * config.ramp_bandwidth_hz),
        "max_range_m": config.max_range_m,
        "usable_range_m": USABLE_IF * config.max_range_m,
        "if_limit_hz": if_limit_hz(config),
        "center_frequency_hz": config.center_frequency_hz,
        "wavelength_m": config.wavelength_m,
        "chirp_s": config.chirp_s(config.chirps[0]),
        "slow_time_interval_s": interval_s,
        "slow_time_rate_hz": 1 / interval_s,
        "n_series": len(config.slow_time_groups),
        "n_slow": config.n_slow,
        "n_chirps": config.n_chirps,
        "max_velocity_mps": config.max_velocity_mps,
        "velocity_resolution_mps": config.velocity_resolution_mps,
        "frame_rate_hz": 1 / config.frame_period_s,
        "active_s": config.active_s,
        "duty": config.duty,
        "gap_s": config.gap_s,
        "gap_in_intervals": config.gap_s / interval_s,
        "frame_period_in_intervals": config.frame_period_s / interval_s,
        "gap_is_whole": is_whole(config.frame_period_s / interval_s),
        "tx_patterns": list(tx_patterns(config)),
        "mimo_scheme": scheme(config),
        **_rates(config),
        **_rounded(config),
    }


def _rates(config: RadarConfig) -> dict[str, Any]:
    rate_bps = config.data_rate_bps
    lanes_bps = config.n_lanes * config.lvds_lane_rate_bps
    shares = {
        f"ethernet_share_at_{delay_us:g}_us": rate_bps / ethernet_payload_bps(delay_us)
        for delay_us in DELAYS_US
    }
    return {
        "frame_bytes": config.frame_bytes,
        "stored_frame_bytes": config.stored_frame_bytes,
        "recording_bytes": config.n_frames * config.stored_frame_bytes or None,
        "recording_s": config.n_frames * config.frame_period_s or None,
        "data_rate_bps": rate_bps,
        "packets_per_s": rate_bps / 8 / PAYLOAD_BYTES,
        **shares,
        "lvds_rate_bps": lanes_bps,
        "lvds_share": rate_bps / lanes_bps,
    }


def _rounded(config: RadarConfig) -> dict[str, Any]:
    real = registers(config)
    names = ("start_frequency_hz", "slope_hz_per_s", "idle_s", "adc_start_s", "ramp_end_s",
             "frame_period_s", "slope_codes")  # fmt: skip
    return {f"register_{name}": getattr(real, name) for name in names}


def is_whole(count: float) -> bool:
    """Whether a number of intervals is whole, to a thousandth of one."""
    return abs(count - round(count)) < 1e-3


def report(file: RadarFile, index: int = 0, dca: Dca1000Config | None = None) -> Report:
    """Say all there is to say of one waveform of a file.

    Parameters
    ----------
    file : from `capture.formats.load.read_radar_file`
    index : which of its waveforms
    dca : how the DCA1000 was set, to be held against it
    """
    config = file.configs[index]
    checks = check_waveform(config)
    contradictions = list(find_contradictions(config, file.claims[index], checks, dca))
    return Report(config, derive(config), checks, contradictions, file.remarks)


def find_contradictions(
    config: RadarConfig, claims: Claims, checks: list[Check], dca: Dca1000Config | None = None
) -> Iterator[Contradiction]:
    """Claims that the waveform does not bear out, broken rules, and a DCA1000 set for another."""
    yield from check_claims(claims, config)
    for check in checks:
        if check.outcome == "fail":
            yield Contradiction(check.rule, f"{check.rule.replace('_', ' ')}: {check.text}")
    if dca is not None:
        for said in _against_dca1000(config, dca):
            yield Contradiction("dca1000", f"DCA1000: {said}")


def _against_dca1000(config: RadarConfig, dca: Dca1000Config) -> Iterator[str]:
    if dca.lvds_lanes != config.n_lanes:
        yield f"listens to {dca.lvds_lanes} LVDS lanes, the radar sends on {config.n_lanes}"
    if dca.adc_bits != config.adc_bits:
        yield f"takes samples to have {dca.adc_bits} bits, the radar sends {config.adc_bits}"
    if dca.transfer != "LVDSCapture":
        yield f"is set to {dca.transfer}, not to capture"
    if dca.logging == "multi" and not config.hsi_header:
        yield "logs in multi mode, which needs headers that the radar does not send"
    if dca.logging == "raw" and config.hsi_header:
        yield "logs in raw mode: the radar's HSI headers end up between the samples"
    kind = "complex" if config.is_complex else "real"
    if dca.reorder and dca.data_types[0] != kind:
        yield f"puts samples in order as {dca.data_types[0]} ones, the radar sends {kind} ones"
    elif dca.reorder and config.is_complex:
        yield (
            "puts samples in the order I Q I Q (reorderEnable 1): its files have the layout IQIQ, "
            "not that of the LVDS lanes"
        )
    if dca.msb_toggle:
        yield "inverts the top bit of every sample (MSBToggle 1)"
    rate_bps, delay_us = config.data_rate_bps, dca.link.packet_delay_us
    if rate_bps > ethernet_payload_bps(delay_us):
        yield (
            f"sends at most {text(ethernet_payload_bps(delay_us), 'bit/s')} at a packet delay of "
            f"{delay_us:g} us, the radar makes {text(rate_bps, 'bit/s')}"
        )
