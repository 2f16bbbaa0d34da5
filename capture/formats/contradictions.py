"""Where claims and a waveform contradict each other, by how much, and what was miscounted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from capture.config import C_MPS, RadarConfig
from capture.constraints import ethernet_payload_bps
from capture.formats.claims import Claims
from capture.formats.units import text

TOLERANCE = 0.05
"""Relative difference that is none: TI divides the wavelength at the ramp's start, for example."""
ORIGIN_TOLERANCE = 0.001
"""Relative difference within which a claim may come from a wrong formula."""
_ROUNDING_LIMIT = 0.15


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements that cannot both hold.

    Attributes
    ----------
    about : a claim's name, a waveform rule's or 'dca1000'
    text : both statements, what the first would need, and how it came about where that is known
    claimed, derived : the numbers, in the SI unit of the claim; None where there are none
    """

    about: str
    text: str
    claimed: float | None = None
    derived: float | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a claim is judged: its right value, what it would need, and known wrong formulas."""

    unit: str
    right: Callable[[RadarConfig], float]
    needs: Callable[[RadarConfig, float], str]
    wrong: tuple[tuple[str, Callable[[RadarConfig], float]], ...]
    also_right: tuple[float, ...] = ()


def _bandwidth_needs(config: RadarConfig, claimed: float) -> str:
    time_s = claimed / config.slope_hz_per_s
    n_samples = time_s * config.sample_rate_hz
    return (
        f"{text(time_s, 's')} of samples at this slope ({n_samples:.0f} at this rate; "
        f"it takes {config.n_samples})"
    )


def _range_needs(config: RadarConfig, claimed: float) -> str:
    bandwidth_hz = C_MPS / (2 * claimed)
    more = ", more than the whole ramp sweeps" if bandwidth_hz > config.ramp_bandwidth_hz else ""
    return (
        f"{text(bandwidth_hz, 'Hz')} while the ADC samples{more}; "
        f"the samples cover {text(config.sampled_bandwidth_hz, 'Hz')}"
    )


def _max_range_needs(config: RadarConfig, claimed: float) -> str:
    rate_hz = config.sample_rate_hz * claimed / config.max_range_m
    own = text(config.sample_rate_hz, "sps")
    return f"{text(rate_hz, 'sps')} at this slope; it samples at {own}"


def _velocity_needs(config: RadarConfig, claimed: float) -> str:
    dwell_s = config.wavelength_m / (2 * claimed)
    own = text(config.active_s, "s")
    return f"chirps during {text(dwell_s, 's')} of a frame; they run for {own}"


def _max_velocity_needs(config: RadarConfig, claimed: float) -> str:
    interval_s = config.wavelength_m / (4 * claimed)
    return (
        f"{text(interval_s, 's')} between chirps of one series; "
        f"there are {text(config.slow_time_interval_s, 's')}"
    )


def _period_needs(config: RadarConfig, period_s: float) -> str:
    said = f"a frame period of {text(period_s, 's')}; it is {text(config.frame_period_s, 's')}"
    if config.active_s > period_s:
        said += f", and the chirps alone last {text(config.active_s, 's')}"
    rate_bps = 8 * config.stored_frame_bytes / period_s
    limits = {
        "Gigabit Ethernet": ethernet_payload_bps(0),
        f"{config.n_lanes} LVDS lanes": config.n_lanes * config.lvds_lane_rate_bps,
    }
    if too_slow := [f"{name} ({text(b, 'bit/s')})" for name, b in limits.items() if rate_bps > b]:
        said += (
            f", and {text(rate_bps, 'bit/s')} of samples are more than {' or '.join(too_slow)} "
            "can carry"
        )
    return said


RULES = {
    "bandwidth_hz": _Rule(
        "Hz", lambda c: c.sampled_bandwidth_hz, _bandwidth_needs,
        (("slope times the whole ramp", lambda c: c.ramp_bandwidth_hz),),
    ),
    "ramp_bandwidth_hz": _Rule(
        "Hz", lambda c: c.ramp_bandwidth_hz,
        lambda c, v: f"a ramp of {text(v / c.slope_hz_per_s, 's')} at this slope",
        (("slope times the samples only", lambda c: c.sampled_bandwidth_hz),),
    ),
    "range_resolution_m": _Rule(
        "m", lambda c: c.range_resolution_m, _range_needs,
        (
            ("c/2B with the whole ramp's bandwidth", lambda c: C_MPS / 2 / c.ramp_bandwidth_hz),
            ("c/B, twice the right value", lambda c: 2 * c.range_resolution_m),
        ),
    ),
    "max_range_m": _Rule(
        "m", lambda c: c.max_range_m, _max_range_needs,
        (
            ("half of it, as for real samples", lambda c: c.max_range_m / 2),
            ("twice of it, as for complex1x samples", lambda c: c.max_range_m * 2),
        ),
        also_right=(0.9, 0.8),
    ),
    "velocity_resolution_mps": _Rule(
        "m/s", lambda c: c.velocity_resolution_mps, _velocity_needs,
        (
            ("lambda/2T with the whole frame period as T, silence included",
             lambda c: c.wavelength_m / (2 * c.frame_period_s)),
            ("lambda/2T with the chirps of one series strung together",
             lambda c: c.wavelength_m / (2 * c.n_slow * c.chirp_s(c.chirps[0]))),
        ),
    ),
    "max_velocity_mps": _Rule(
        "m/s", lambda c: c.max_velocity_mps, _max_velocity_needs,
        (
            ("lambda/4T with the interval of any two chirps as T, though definitions alternate",
             lambda c: c.wavelength_m / (4 * c.chirp_s(c.chirps[0]))),
            ("lambda/2T, the span from the lowest to the highest speed",
             lambda c: 2 * c.max_velocity_mps),
            ("chirps per frame / frame period as if they were evenly spread",
             lambda c: c.wavelength_m * c.n_slow / (4 * c.frame_period_s)),
        ),
    ),
    "frame_rate_hz": _Rule(
        "Hz", lambda c: 1 / c.frame_period_s, lambda c, v: _period_needs(c, 1 / v),
        (
            ("the number of chirps per frame", lambda c: c.n_chirps),
            ("the number of frames of a recording", lambda c: c.n_frames),
            ("1 / the time during which chirps run", lambda c: 1 / c.active_s),
        ),
    ),
    "frame_period_s": _Rule(
        "s", lambda c: c.frame_period_s, _period_needs,
        (("the time during which chirps run", lambda c: c.active_s),),
    ),
    "active_s": _Rule(
        "s", lambda c: c.active_s, lambda c, v: f"{v / c.chirp_s(c.chirps[0]):.0f} chirps",
        (
            ("the ramps without the idle times", lambda c: c.n_chirps * c.ramp_end_s),
            ("the frame period", lambda c: c.frame_period_s),
        ),
    ),
}  # fmt: skip
"""How each claim is judged."""


def check_claims(claims: Claims, config: RadarConfig) -> Iterator[Contradiction]:
    """Claims that the waveform does not bear out.

    A claim is taken to be rounded to the digits that it is given with.

    Parameters
    ----------
    claims : what is stated
    config : what is sent
    """
    by = f" by {claims.source}" if claims.source else ""
    for name, claimed in claims.values().items():
        rule = RULES[name]
        derived = rule.right(config)
        if any(agree(claimed, derived * part) for part in (1.0, *rule.also_right)):
            continue
        said = (
            f"{_label(name)}: {text(claimed, rule.unit)} is claimed{by}, "
            f"{text(derived, rule.unit)} follows from the waveform; the claim needs "
            f"{rule.needs(config, claimed)}"
        )
        origins = (how for how, value in rule.wrong if _comes_from(claimed, value(config)))
        if origin := next(origins, None):
            said += f". It equals {origin}"
        yield Contradiction(name, said, claimed, derived)


def agree(claimed: float, value: float) -> bool:
    """Whether a claim is a value, rounded to the claim's digits or within 5 %."""
    rounding = min(_half_digit(claimed), _ROUNDING_LIMIT * value)
    return value > 0 and abs(claimed - value) <= max(TOLERANCE * value, rounding)


def _comes_from(claimed: float, value: float) -> bool:
    """Whether a claim is a value, rounded to the claim's digits or hardly different from it."""
    rounding = min(_half_digit(claimed), TOLERANCE * value)
    return value > 0 and abs(claimed - value) <= max(ORIGIN_TOLERANCE * value, rounding)


def _half_digit(claimed: float) -> float:
    """Half of the last digit that a claim is given with."""
    exponent = Decimal(repr(claimed)).normalize().as_tuple().exponent
    return 0.5 * 10.0**exponent if isinstance(exponent, int) else 0.0


def _label(name: str) -> str:
    """Name of a claim without its unit, for people."""
    return name.rpartition("_")[0].replace("_", " ").replace("active", "active time")
