"""The Lua scripts of TI's mmWave Studio as `RadarConfig`; they are read, never executed.

Argument orders: the function descriptions of mmWave Studio 2 (its Lua shell shows them), for the
single-chip parts xWR12xx to xWR68xx. Parts with four transmitters (xWR2944) take other numbers of
arguments and are refused, as are cascades (functions that end with `_mult`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from capture.errors import ConfigError
from capture.formats.claims import Claims
from capture.formats.common import (
    ADC_BITS,
    ADC_FORMATS,
    GHZ,
    IQ_ORDERS,
    KHZ_PER_US,
    KSPS,
    MAX_FRAMES,
    MAX_LOOPS,
    MBPS,
    MHZ,
    MHZ_PER_US,
    MS,
    N_DEFINITIONS,
    US,
    Definition,
    Section,
    Waveforms,
    chirp_range,
    define,
    number,
    rx_gain_db,
)
from capture.formats.lua_script import Call, calls
from capture.formats.radar_file import RadarFile, radar_file
from capture.formats.studio import LANE_RATES_MBPS

N_ARGUMENTS: Mapping[str, tuple[int, ...]] = {
    "ChanNAdcConfig": (10,), "DataPathConfig": (3,), "LvdsClkConfig": (2,), "LVDSLaneConfig": (8,),
    "ProfileConfig": (18,), "ChirpConfig": (10,), "FrameConfig": (7, 8),
    "SelectChipVersion": (1,), "CaptureCardConfig_Mode": (6,),
}  # fmt: skip
"""Functions that say something about the raw data, with the numbers of arguments they may have."""

_REFUSED = (
    (r".*bpm.*", "BPM"),
    (r"AdvanceFrameConfig|AdvChirpConfig", "advanced frames and chirps"),
    (r"ContStr.*", "continuous streaming"),
    (r"(Chan|Profile|Chirp|Frame|Lvds|DataPath).*_mult", "cascades of several devices"),
    (r".*(DynChirp|DynamicChirp|PhaseShift|LoopBackBurst).*", "chirps that change while running"),
    (r"EnableTestSource", "test sources"),
)
_FUNCTION = re.compile(r"\bar1\s*\.\s*(\w+)", re.ASCII)
_REMEDY = "export the waveform from mmWave Studio as <name>.mmwave.json"


def read_lua(path: Path) -> RadarFile:
    """Read a script of mmWave Studio; see `capture.formats.load.read_radar_file`."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as failure:
        raise ConfigError(f"cannot be read: {failure.strerror}", where=path) from None
    try:
        found = _calls(text)
        waveforms = _waveforms(found)
        return radar_file(path, waveforms, [Claims()], _remarks(found, waveforms, text))
    except ConfigError as failure:
        if isinstance(failure.where, str):
            failure.where = f"{path}, {failure.where}"
        raise


def _calls(text: str) -> dict[str, list[Call]]:
    """Calls that say something about the raw data, by name."""
    wanted = dict(N_ARGUMENTS) | {name: () for name in _refused_names(text)}
    found: dict[str, list[Call]] = {}
    for call in calls(text, wanted):
        _check_count(call)
        found.setdefault(call.name, []).append(call)
    return found


def _waveforms(found: dict[str, list[Call]]) -> Waveforms:
    adc = _Arguments(_last(found, "ChanNAdcConfig"))
    profiles: dict[int, dict[str, Any]] = {}
    for call in found.get("ProfileConfig", []):
        index, profile = _profile(_Arguments(call))
        define(profiles, [index], profile, "profile")
    section, n_frames = _frame(_Arguments(_last(found, "FrameConfig")))
    tx_mask = sum(adc.flag(k) << k for k in range(3))
    values = _raw_format(found) | {
        "rx_mask": sum(adc.flag(3 + k) << k for k in range(4)),
        "adc_bits": ADC_BITS[adc.whole(7, 0, 2)],
        "adc_format": ADC_FORMATS[adc.whole(8, 0, 2)],
        "iq_order": IQ_ORDERS[adc.whole(9, 0, 1)],
    }
    values["device"] = _device(found, values["n_lanes"])
    return Waveforms(profiles, _definitions(found), [section], n_frames, values, tx_mask)


def _remarks(found: dict[str, list[Call]], waveforms: Waveforms, text: str) -> Iterator[str]:
    if re.search(r"\b(dofile|require|loadfile)\b", text):
        yield "the script runs other files; what they set is not known here"
    n_lanes = waveforms.values["n_lanes"]
    for call in map(_Arguments, found.get("CaptureCardConfig_Mode", [])[-1:]):
        listens = 4 if call.whole(1, 1, 2) == 1 else 2
        if listens != n_lanes:
            yield f"the DCA1000 listens to {listens} LVDS lanes, the radar sends on {n_lanes}"


def _refused_names(text: str) -> set[str]:
    """Functions in the text that must not be passed over, should they be called."""
    names = set(_FUNCTION.findall(text)) - set(N_ARGUMENTS)
    return {name for name in names if _reason(name)}


def _reason(name: str) -> str | None:
    patterns = ((pattern, why) for pattern, why in _REFUSED)
    return next((why for p, why in patterns if re.fullmatch(p, name, re.IGNORECASE)), None)


def _check_count(call: Call) -> None:
    where = f"line {call.line}"
    if call.name not in N_ARGUMENTS:
        raise ConfigError(
            f"{_reason(call.name)} in scripts is not supported",
            where=where,
            got=f"ar1.{call.name}",
            remedy=_REMEDY,
        )
    if len(call.arguments) not in N_ARGUMENTS[call.name]:
        raise ConfigError(
            f"ar1.{call.name} has another number of arguments than for xWR12xx to xWR68xx",
            where=where,
            got=len(call.arguments),
            expected=" or ".join(map(str, N_ARGUMENTS[call.name])),
            remedy=_REMEDY,
        )


def _last(found: dict[str, list[Call]], name: str) -> Call:
    if name not in found:
        raise ConfigError(f"the script has no call of ar1.{name}", remedy=_REMEDY)
    return found[name][-1]


class _Arguments:
    """Arguments of a call, read by position."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def number(self, k: int, exponent: int, *, signed: bool = True) -> Decimal:
        """Argument k, a number times a power of ten."""
        value = self._call.arguments[k]
        if not isinstance(value, Decimal) or not value.is_finite() or not signed and value < 0:
            raise self._error(k, "a number" if signed else "a number, not negative")
        return number(str(value), exponent)

    def whole(self, k: int, lowest: int, highest: int) -> int:
        """Argument k, a whole number in a closed range."""
        value = self._call.arguments[k]
        if (
            not isinstance(value, Decimal)
            or not value.is_finite()
            or not lowest <= value <= highest
            or value != int(value)
        ):
            raise self._error(k, f"a whole number, {lowest} to {highest}")
        return int(value)

    def flag(self, k: int) -> int:
        """Argument k, 0 or 1."""
        return self.whole(k, 0, 1)

    def count(self) -> int:
        """How many there are."""
        return len(self._call.arguments)

    def text(self, k: int) -> str:
        """Argument k, a string."""
        value = self._call.arguments[k]
        if not isinstance(value, str):
            raise self._error(k, "a string")
        return value

    def _error(self, k: int, expected: str) -> ConfigError:
        return ConfigError(
            f"argument {k + 1} of ar1.{self._call.name}",
            where=f"line {self._call.line}",
            got=self._call.arguments[k],
            expected=expected,
        )


def _profile(call: _Arguments) -> tuple[int, dict[str, Any]]:
    """Index, start GHz, idle, ADC start, ramp end us, 3 powers, 3 phases, MHz/us, TX start, ..."""
    return call.whole(0, 0, 3), {
        "start_frequency_hz": call.number(1, GHZ),
        "idle_s": call.number(2, US, signed=False),
        "adc_start_s": call.number(3, US, signed=False),
        "ramp_end_s": call.number(4, US, signed=False),
        "slope_hz_per_s": call.number(11, MHZ_PER_US),
        "n_samples": call.whole(13, 1, 65535),
        "sample_rate_hz": call.number(14, KSPS),
        "rx_gain_db": rx_gain_db(call.whole(17, 0, 255)),
    }


def _definitions(found: dict[str, list[Call]]) -> dict[int, Definition]:
    """First, last, profile, start MHz, slope kHz/us, idle us, ADC start us, TX0, TX1, TX2."""
    definitions: dict[int, Definition] = {}
    for call in map(_Arguments, found.get("ChirpConfig", [])):
        definition = Definition(
            profile=call.whole(2, 0, 3),
            offsets={
                "start_frequency_offset_hz": call.number(3, MHZ),
                "slope_offset_hz_per_s": call.number(4, KHZ_PER_US),
                "idle_offset_s": call.number(5, US),
                "adc_start_offset_s": call.number(6, US),
            },
            tx_mask=sum(call.flag(7 + k) << k for k in range(3)),
        )
        define(definitions, _indices(call), definition, "chirp")
    return definitions


def _indices(call: _Arguments) -> range:
    highest = N_DEFINITIONS - 1
    return chirp_range(call.whole(0, 0, highest), call.whole(1, 0, highest))


def _frame(call: _Arguments) -> tuple[Section, int]:
    """First, last chirp, frames, loops, period ms, trigger delay, [dummy chirps,] trigger."""
    if call.count() == 8 and call.whole(6, 0, 65535):
        raise ConfigError(
            "frames whose last chirps are not recorded are not supported",
            got=f"FrameConfig with {call.whole(6, 0, 65535)} dummy chirps",
        )
    call.whole(call.count() - 1, 0, 2)
    section = Section(
        chirps=_indices(call),
        n_loops=call.whole(3, 1, MAX_LOOPS),
        period_s=call.number(4, MS),
    )
    return section, call.whole(2, 0, MAX_FRAMES)


def _raw_format(found: dict[str, list[Call]]) -> dict[str, Any]:
    """How samples leave the device."""
    path = _Arguments(_last(found, "DataPathConfig"))
    # Low bytes: interface, content of the first and of the second packet; above: chirp quality.
    content = [path.whole(k, 0, 2**32 - 1) & 0xFF for k in range(3)]
    if content != [1, 1, 0]:
        raise ConfigError(
            "only plain ADC data on the LVDS lanes can be decoded",
            got=f"DataPathConfig: interface {content[0]}, packets {content[1]} and {content[2]}",
            expected="interface 1 (LVDS), packets 1 (ADC data) and 0",
        )
    lanes = _Arguments(_last(found, "LVDSLaneConfig"))
    enabled = [lanes.flag(k) for k in range(1, 5)]
    if enabled not in ([1, 1, 0, 0], [1, 1, 1, 1]):
        raise ConfigError("only 2 and 4 LVDS lanes are known", got=f"LVDSLaneConfig {enabled}")
    if lanes.whole(0, 0, 1) or not lanes.flag(5) or lanes.flag(7):
        raise ConfigError(
            "this order of bits and lanes is not supported",
            got="LVDSLaneConfig",
            expected="format 0, most significant bit first, no CRC",
        )
    clock = _Arguments(_last(found, "LvdsClkConfig"))
    rate = LANE_RATES_MBPS[clock.whole(1, 0, len(LANE_RATES_MBPS) - 1)]
    return {"n_lanes": sum(enabled), "lvds_lane_rate_bps": float(number(rate, MBPS))}


def _device(found: dict[str, list[Call]], n_lanes: int) -> str:
    """The part that the script selects last, by TI's name for industrial parts."""
    names = [_Arguments(call).text(0).upper() for call in found.get("SelectChipVersion", [])]
    part = re.fullmatch(r"(?:X?WR|AR)(\d{4})", names[-1]) if names else None
    if part is None:
        return "unknown"
    return f"AWR{part[1]}" if part[1] in ("1243", "2243") else f"IWR{part[1]}"
