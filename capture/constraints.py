"""Named rules that a waveform must keep, each with the number that it is judged by.

| Rule | Keeps |
|---|---|
| lvds_rate | a chirp's samples leave over the LVDS lanes before the next chirp's come |
| ramp_time | the ramp lasts as long as the samples |
| idle_time | the synthesizer has time to return |
| adc_buffer | a chirp fits into the ADC buffer |
| ethernet_rate | the mean rate fits through the DCA1000 |
| band | the ramps stay in the part's frequency band |
| frame_gap | the radar has time between frames |
| frame_period | the frame timer can count it |

A rule says *not applicable* where it cannot be judged; it never guesses. None of them stops a
file from being read: what was recorded, was recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from capture.config import ADC_BUFFER_BYTES, RadarConfig

Outcome = Literal["pass", "fail", "not applicable"]

DEFAULT_DELAY_US = 25.0
"""Packet delay of the DCA1000 as its programs set it."""

_PAYLOAD_BITS, _WIRE_BITS, _WIRE_BPS = 1456 * 8, 1508 * 8, 1e9

MIN_IDLE_S = ((1e9, 2e-6), (2e9, 3.5e-6), (3e9, 5e-6), (float("inf"), 7e-6))
"""(bandwidth below which, shortest idle time); TI SWRA553A."""

BANDS_HZ = ((57e9, 64e9), (76e9, 81e9))
BAND_MARGIN_HZ = 1e6
"""Files round their slopes: TI's own end up to 0.15 MHz above the band."""
MIN_FRAME_GAP_S = 300e-6
FRAME_PERIOD_S = (300e-6, 1.342)


def ethernet_payload_bps(packet_delay_us: float) -> float:
    """Bits of samples per second that the DCA1000 sends at a packet delay.

    A packet of 1456 sample bytes is 1508 bytes on the wire and is followed by the delay; the wire
    rates that follow (706, 545, 325, 193 Mb/s at 5, 10, 25, 50 us) are those TI measured
    (DCA1000EVM_CLI user's guide).

    Examples
    --------
    >>> [round(ethernet_payload_bps(delay_us) / 1e6) for delay_us in (5, 25)]
    [683, 314]
    """
    return _PAYLOAD_BITS / (_WIRE_BITS / _WIRE_BPS + packet_delay_us * 1e-6)


@dataclass(frozen=True, slots=True)
class Check:
    """How a waveform stands to one rule.

    Attributes
    ----------
    rule : name of the rule
    outcome : 'pass', 'fail' or 'not applicable'
    value, limit : what is compared, in the unit that `text` names; None where not applicable
    text : the comparison in words
    """

    rule: str
    outcome: Outcome
    value: float | None
    limit: float | None
    text: str


def _at_most(rule: str, value: float, limit: float, text: str) -> Check:
    return Check(rule, "pass" if value <= limit * (1 + 1e-9) else "fail", value, limit, text)


def _at_least(rule: str, value: float, limit: float, text: str) -> Check:
    return Check(rule, "pass" if value >= limit * (1 - 1e-9) else "fail", value, limit, text)


def lvds_rate(config: RadarConfig) -> Check:
    """Bits of a chirp / its duration <= lanes x lane rate (DDR clock; DCA1000EVM user's guide).

    The shortest chirp of the loop counts.
    """
    chirp_s = min(config.chirp_s(chirp) for chirp in config.chirps)
    rate = 8 * config.stored_chirp_bytes / chirp_s
    limit = config.n_lanes * config.lvds_lane_rate_bps
    text = f"{rate / 1e6:.0f} Mb/s over {config.n_lanes} LVDS lanes of at most {limit / 1e6:.0f}"
    return _at_most("lvds_rate", rate, limit, text)


def ramp_time(config: RadarConfig) -> Check:
    """ADC start + samples / rate <= ramp end; the latest ADC start of the loop counts."""
    start_s = config.adc_start_s + max(
        c.adc_start_offset_s - c.ramp_end_offset_s for c in config.chirps
    )
    end_s = start_s + config.n_samples / config.sample_rate_hz
    text = f"samples end {end_s * 1e6:.2f} us into a ramp of {config.ramp_end_s * 1e6:.2f} us"
    return _at_most("ramp_time", end_s, config.ramp_end_s, text)


def idle_time(config: RadarConfig) -> Check:
    """Idle time >= 2, 3.5, 5, 7 us for a sampled bandwidth below 1, 2, 3 GHz and above.

    TI SWRA553A; the shortest idle time of the loop counts.
    """
    limit = next(idle for below, idle in MIN_IDLE_S if config.sampled_bandwidth_hz < below)
    idle_s = config.idle_s + min(c.idle_offset_s for c in config.chirps)
    text = (
        f"idle {idle_s * 1e6:.2f} us, at least {limit * 1e6:g} us for "
        f"{config.sampled_bandwidth_hz / 1e9:.2f} GHz"
    )
    return _at_least("idle_time", idle_s, limit, text)


def adc_buffer(config: RadarConfig) -> Check:
    """Bytes of a chirp <= 32 KB; parts without a processor (AWR1243, AWR2243) have no buffer."""
    n_bytes = 2 * config.words_per_chirp
    if config.device[-4:] in ("1243", "2243"):
        text = f"{config.device} streams its samples without an ADC buffer"
        return Check("adc_buffer", "not applicable", None, None, text)
    text = f"{n_bytes} bytes a chirp, at most {ADC_BUFFER_BYTES}"
    return _at_most("adc_buffer", n_bytes, ADC_BUFFER_BYTES, text)


def ethernet_rate(config: RadarConfig) -> Check:
    """Mean bits of samples per second <= 314 Mb/s (packet delay 25 us); bursts wait in DDR3."""
    rate, limit = config.data_rate_bps, ethernet_payload_bps(DEFAULT_DELAY_US)
    text = f"{rate / 1e6:.0f} Mb/s mean, at most {limit / 1e6:.0f} at 25 us delay"
    return _at_most("ethernet_rate", rate, limit, text)


def band(config: RadarConfig) -> Check:
    """Ramps of every chirp lie in the part's band: 57 to 64 or 76 to 81 GHz (data sheets)."""
    starts = [config.start_frequency_hz + c.start_frequency_offset_hz for c in config.chirps]
    ends = [
        start
        + (config.slope_hz_per_s + c.slope_offset_hz_per_s)
        * (config.ramp_end_s + c.ramp_end_offset_s)
        for start, c in zip(starts, config.chirps, strict=True)
    ]
    lowest, highest = min(*starts, *ends), max(*starts, *ends)
    low, high = BANDS_HZ[0] if lowest < 70e9 else BANDS_HZ[1]
    text = (
        f"ramps from {lowest / 1e9:.3f} to {highest / 1e9:.3f} GHz, band {low / 1e9:g} to "
        f"{high / 1e9:g} GHz"
    )
    if lowest < low:
        return _at_least("band", lowest, low - BAND_MARGIN_HZ, text)
    return _at_most("band", highest, high + BAND_MARGIN_HZ, text)


def frame_gap(config: RadarConfig) -> Check:
    """Frame period - active time >= 300 us (mmwavelink, `rlFrameCfg_t`)."""
    text = (
        f"{config.gap_s * 1e6:.0f} us between frames, at least {MIN_FRAME_GAP_S * 1e6:.0f} "
        f"(duty {config.duty:.1%})"
    )
    return _at_least("frame_gap", config.gap_s, MIN_FRAME_GAP_S, text)


def frame_period(config: RadarConfig) -> Check:
    """300 us <= frame period <= 1.342 s (mmwavelink: 28 bits of 5 ns)."""
    low, high = FRAME_PERIOD_S
    period_s = config.frame_period_s
    text = f"frame period {period_s * 1e3:g} ms, {low * 1e3:g} to {high * 1e3:g} ms"
    if period_s < low:
        return _at_least("frame_period", period_s, low, text)
    return _at_most("frame_period", period_s, high, text)


RULES: tuple[Callable[[RadarConfig], Check], ...] = (
    lvds_rate,
    ramp_time,
    idle_time,
    adc_buffer,
    ethernet_rate,
    band,
    frame_gap,
    frame_period,
)


def check_waveform(config: RadarConfig) -> list[Check]:
    """Judge a waveform by every rule, in the order of the table above.

    Examples
    --------
    >>> [check.outcome for check in check_waveform(RadarConfig())] == ["pass"] * 8
    True
    """
    return [rule(config) for rule in RULES]
