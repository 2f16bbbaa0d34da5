"""What the readers of TI's configuration files share: numbers, codes, and the way to `RadarConfig`.

All of TI's formats say the same thing in other words: profiles, chirp definitions that vary one of
them, and frames (or subframes) that send a range of definitions several times. A reader turns its
file into a `Waveforms`; `build` makes the configurations of it, one a subframe.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from capture.config import RadarConfig, Subframe
from capture.errors import ConfigError
from capture.schema import from_mapping

ADC_BITS = (12, 14, 16)
ADC_FORMATS = ("real", "complex1x", "complex2x")
IQ_ORDERS = ("IQ", "QI")

# Powers of ten from the files' units to SI.
GHZ, MHZ, MHZ_PER_US, KHZ_PER_US, KSPS, MBPS, MS, US = 9, 6, 12, 9, 3, 6, -3, -6

N_TX = 3
N_DEFINITIONS = 512
MAX_LOOPS, MAX_FRAMES = 255, 65535
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_SHARED = ("n_samples", "sample_rate_hz", "rx_gain_db")
_OFFSETS = {
    "start_frequency_offset_hz": "start_frequency_hz",
    "slope_offset_hz_per_s": "slope_hz_per_s",
    "idle_offset_s": "idle_s",
    "adc_start_offset_s": "adc_start_s",
    "ramp_end_offset_s": "ramp_end_s",
}


def number(text: object, exponent: int = 0) -> Decimal:
    """A decimal number times a power of ten, exactly.

    Raises
    ------
    ConfigError
        Not a number as TI's tools write them, or too large for any unit.
    """
    if isinstance(text, bool) or not _NUMBER.fullmatch(str(text)):
        raise ConfigError("not a finite number", got=text)
    value = Decimal(str(text)).scaleb(exponent)
    if not math.isfinite(float(value)):
        raise ConfigError("not a finite number", got=text)
    return value


def si(text: object, exponent: int) -> float:
    """A decimal number times a power of ten, rounded once: 7 us is exactly the float 7e-06."""
    return float(number(text, exponent))


def calibration(fields: Sequence[str]) -> dict[str, Any]:
    """`RadarConfig` values of a compRangeBiasAndRxChanPhase command; none without fields.

    Range bias in metres, then the factors, real before imaginary part, RX by RX for each TX
    (mmWave SDK user's guide). Equal factors for all TX are kept once, factors of 1 not at all.
    """
    if not fields:
        return {}
    bias_m, *parts = (float(number(field)) for field in fields)
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    if pairs == pairs[:4] * (len(pairs) // 4):
        pairs = [] if pairs[:4] == [(1.0, 0.0)] * 4 else pairs[:4]
    return {"range_bias_m": bias_m, "rx_calibration": pairs}


def whole(text: object, lowest: int, highest: int, what: str) -> int:
    """A whole number in a closed range, or an error that names `what`."""
    if isinstance(text, bool) or not _WHOLE.fullmatch(str(text)):
        raise ConfigError(f"{what} is not a whole number", got=text)
    value = int(str(text))
    if not lowest <= value <= highest:
        raise ConfigError(f"{what} is out of range", got=text, expected=f"{lowest} to {highest}")
    return value


def chirp_range(first: int, last: int) -> range:
    """Indices `first` to `last` (inclusive) of chirp definitions; the radar has room for 512."""
    if not 0 <= first <= last < N_DEFINITIONS:
        raise ConfigError("not a range of chirps", got=f"{first} to {last}", expected="in 0 to 511")
    return range(first, last + 1)


def rx_gain_db(code: int) -> float:
    """Receive gain of mmwavelink's rxGain code: bits 0 to 5; the upper two choose the RF stage."""
    return float(code & 0x3F)


def bpm_mask(const_bpm_val: int) -> int:
    """Inverted antennas of a constBpmVal: bit 2k + 1 is antenna k's phase while it transmits.

    Bit 2k is its phase while it is off (mmwavelink, `rlBpmChirpCfg_t`).
    """
    return sum(1 << tx for tx in range(N_TX) if const_bpm_val >> (2 * tx + 1) & 1)


@dataclass(frozen=True, slots=True)
class Definition:
    """One chirp definition of a file.

    Attributes
    ----------
    profile : index of the profile that it varies
    offsets : field of `Chirp` to the exact SI value that is added
    tx_mask, bpm_mask : see `Chirp`
    """

    profile: int
    offsets: Mapping[str, Decimal]
    tx_mask: int
    bpm_mask: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """What is sent in one frame, or in one subframe of an advanced frame.

    Attributes
    ----------
    chirps : indices of the chirp definitions of one loop
    n_loops : loops
    period_s : time until the next section begins, exactly
    profile : profile that replaces the definitions' own; None to keep those
    streamed : whether its samples go over the LVDS lanes
    values : fields of `RadarConfig` that only this section has
    inverted : chirp definition to the antennas that it inverts here, where not its own
    """

    chirps: range
    n_loops: int
    period_s: Decimal
    profile: int | None = None
    streamed: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)
    inverted: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waveforms:
    """The content of one configuration file of TI's, in SI units.

    Attributes
    ----------
    profiles : index to fields of `RadarConfig`, exact where they are decimal numbers
    definitions : chirp definitions by index
    sections : the frame, or the subframes of an advanced frame in order
    n_frames : 0 means until stopped
    values : fields of `RadarConfig` that all sections share
    tx_mask : antennas that the file switches on; None where it does not say
    """

    profiles: Mapping[int, Mapping[str, Any]]
    definitions: Mapping[int, Definition]
    sections: Sequence[Section]
    n_frames: int
    values: Mapping[str, Any]
    tx_mask: int | None = None


def build(waveforms: Waveforms, where: object = None) -> tuple[RadarConfig, ...]:
    """Configurations of a file, one a subframe; plain frames give one.

    Raises
    ------
    ConfigError
        Chirps or profiles that are used and not defined, chirps of one frame that differ in what
        `RadarConfig` cannot express, or a contradiction.
    """
    period_s = float(sum((s.period_s for s in waveforms.sections), Decimal(0)))
    shared = {**waveforms.values, "n_frames": waveforms.n_frames, "frame_period_s": period_s}
    configs = [
        from_mapping(RadarConfig, {**shared, **_section_values(waveforms, section)}, where=where)
        for section in waveforms.sections
    ]
    if len(configs) == 1:
        return tuple(configs)
    for config, section in zip(configs, waveforms.sections, strict=True):
        if config.active_s > float(section.period_s) * (1 + 1e-9):
            raise ConfigError(
                "the chirps do not fit into their subframe",
                where=where,
                got=f"{config.n_chirps} chirps lasting {config.active_s * 1e3:.4g} ms",
                expected=f"at most {float(section.period_s) * 1e3:.4g} ms",
            )
    return tuple(_subframes(configs, waveforms.sections))


def _subframes(configs: list[RadarConfig], sections: Sequence[Section]) -> Iterable[RadarConfig]:
    """The same waveforms, each in its place of the advanced frame.

    Subframes that are not streamed take no bytes, unless none is streamed.
    """
    streamed = [section.streamed for section in sections]
    counts = streamed if any(streamed) else [True] * len(sections)
    sizes = [c.stored_frame_bytes * k for c, k in zip(configs, counts, strict=True)]
    for k, config in enumerate(configs):
        place = Subframe(
            index=k,
            n_subframes=len(configs),
            lead_bytes=sum(sizes[:k]),
            tail_bytes=sum(sizes[k + 1 :]),
            lead_s=float(sum((s.period_s for s in sections[:k]), Decimal(0))),
        )
        yield dataclasses.replace(config, subframe=place)


def _section_values(waveforms: Waveforms, section: Section) -> dict[str, Any]:
    missing = [k for k in section.chirps if k not in waveforms.definitions]
    if missing:
        raise ConfigError(
            "the frame uses chirps that are not defined",
            got=f"{section.chirps[0]} to {section.chirps[-1]}, defined "
            f"{sorted(waveforms.definitions)}",
        )
    base = _profile(waveforms, section, section.chirps[0])
    chirps = [_chirp(waveforms, section, k, base) for k in section.chirps]
    values = {name: _plain(value) for name, value in base.items()}
    return {**values, **section.values, "chirps": chirps, "n_loops": section.n_loops}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _profile(waveforms: Waveforms, section: Section, chirp: int) -> Mapping[str, Any]:
    own = waveforms.definitions[chirp].profile
    index = own if section.profile is None else section.profile
    if index not in waveforms.profiles:
        raise ConfigError(f"profile {index} is not defined", got=sorted(waveforms.profiles))
    return waveforms.profiles[index]


def _chirp(
    waveforms: Waveforms, section: Section, index: int, base: Mapping[str, Any]
) -> dict[str, Any]:
    """A chirp of the loop: its own offsets, and those of its profile from the loop's first."""
    definition = waveforms.definitions[index]
    profile = _profile(waveforms, section, index)
    different = [name for name in _SHARED if profile[name] != base[name]]
    if different:
        raise ConfigError(
            "the profiles of one frame differ in what all its chirps must share",
            got="; ".join(f"{n}: {_plain(base[n])} != {_plain(profile[n])}" for n in different),
            expected="profiles that differ in frequency, slope and times only",
        )
    offsets = {
        name: float(definition.offsets.get(name, Decimal(0)) + profile[key] - base[key])
        for name, key in _OFFSETS.items()
    }
    inverted = section.inverted.get(index, definition.bpm_mask) & definition.tx_mask
    return {"tx_mask": definition.tx_mask, "bpm_mask": inverted, **offsets}


T = TypeVar("T")


def define(found: dict[int, T], indices: Iterable[int], value: T, what: str) -> None:
    """Add a definition under its indices.

    Raises
    ------
    ConfigError
        An index has another definition already: which of them a recording was made with, the
        file does not tell.
    """
    for index in indices:
        if found.setdefault(index, value) != value:
            raise ConfigError(f"{what} {index} is defined twice, and differently")


def used_tx_mask(configs: Iterable[RadarConfig]) -> int:
    """Every antenna that some chirp uses."""
    mask = 0
    for config in configs:
        for chirp in config.chirps:
            mask |= chirp.tx_mask
    return mask


def antennas(mask: int) -> str:
    """Names of the transmit antennas of a mask: 'TX0, TX2'."""
    return ", ".join(f"TX{tx}" for tx in range(mask.bit_length()) if mask >> tx & 1) or "none"


def tx_remarks(waveforms: Waveforms, configs: Sequence[RadarConfig]) -> list[str]:
    """Antennas that are switched on and never used, or used and not switched on."""
    if waveforms.tx_mask is None:
        return []
    used = used_tx_mask(configs)
    remarks = []
    if idle := waveforms.tx_mask & ~used:
        remarks.append(f"{antennas(idle)} switched on, but no chirp that is sent uses it")
    if dark := used & ~waveforms.tx_mask:
        remarks.append(f"{antennas(dark)} used by chirps, but not switched on")
    return remarks


def unused_remarks(waveforms: Waveforms) -> list[str]:
    """Chirp definitions that no frame sends."""
    sent = {k for section in waveforms.sections for k in section.chirps}
    unused = sorted(set(waveforms.definitions) - sent)
    if not unused:
        return []
    listed = ", ".join(map(str, unused[:8])) + (", ..." if len(unused) > 8 else "")
    return [f"chirp definition {listed} is never sent"]
