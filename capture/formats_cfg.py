"""The command files of TI's mmWave SDK demos (`.cfg`) as `RadarConfig`, and back.

Grammar and units: mmWave SDK user's guide, "Configuration (.cfg) File Format". One command per
line, `%` starts a comment, `flushCfg` forgets what came before. Commands of the processing
chain (CFAR, GUI, ...) say nothing about the raw data and are passed over.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.schema import differing_keys, from_mapping

DEVICES = {"xWR14xx": "IWR1443", "xWR16xx": "IWR1642", "xWR18xx": "IWR1843", "xWR68xx": "IWR6843"}
"""Part that stands for each platform name of the demos' header comment."""
ADC_BITS = (12, 14, 16)
ADC_FORMATS = ("real", "complex1x", "complex2x")

# Powers of ten from the file's units to SI.
GHZ, MHZ_PER_US, KHZ_PER_US, KSPS, MS, US = 9, 12, 9, 3, -3, -6

REFUSED = {
    "chirpComnCfg": "the grammar of the low-power parts (IWRL6432) is not supported",
    "chirpTimingCfg": "the grammar of the low-power parts (IWRL6432) is not supported",
    "advFrameCfg": "advanced frames with subframes are not supported yet",
    "subFrameCfg": "advanced frames with subframes are not supported yet",
    "contModeCfg": "continuous streaming mode has no chirps",
}
Command = list[str]


def si(text: str | float, exponent: int) -> float:
    """A decimal number times a power of ten, rounded once: 7 us is exactly the float 7e-06."""
    try:
        value = float(Decimal(str(text)).scaleb(exponent))
    except ArithmeticError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError("not a finite number", got=text)
    return value


def read_cfg(path: Path) -> RadarConfig:
    """Read a .cfg file; see `capture.formats.load_radar_config`."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as failure:
        raise ConfigError(f"cannot be read: {failure.strerror}", where=path) from None
    return parse_cfg(text, path)


def parse_cfg(text: str, where: object = None) -> RadarConfig:
    """Radar configuration of the text of a .cfg file.

    Raises
    ------
    ConfigError
        See `capture.formats.load_radar_config`; the message names the command at fault.
    """
    commands = _commands(text)
    _refuse_unsupported(commands)
    first, last, n_loops, n_frames, period, *_ = _only(commands, "frameCfg", 7)
    definitions = _definitions(commands, _integer(first), _integer(last))
    profile = _profile(commands, {command[2] for command in definitions})
    bits, adc_format = _adc(commands)
    swap, interleaved = _adc_buffer(commands, adc_format)
    rx_mask = _integer(_only(commands, "channelCfg", 3)[0])
    device, n_lanes = _device(text, interleaved, profile["start_frequency_hz"])
    values: dict[str, Any] = profile | {
        "device": device,
        "chirps": [_chirp(command) for command in definitions],
        "n_loops": _integer(n_loops),
        "n_frames": _integer(n_frames),
        "frame_period_s": si(period, MS),
        "rx_mask": rx_mask,
        "adc_bits": bits,
        "adc_format": adc_format,
        "iq_order": "QI" if swap else "IQ",
        "n_lanes": n_lanes,
    }
    return from_mapping(RadarConfig, values, where=where)


def _commands(text: str) -> dict[str, list[Command]]:
    found: dict[str, list[Command]] = {}
    for line in text.splitlines():
        name, *fields = line.partition("%")[0].split() or [""]
        if name == "flushCfg":
            found.clear()
        elif name:
            found.setdefault(name, []).append(fields)
    return found


def _refuse_unsupported(commands: dict[str, list[Command]]) -> None:
    """Refuse by name what `RadarConfig` cannot express or the reader cannot decode."""
    for name, reason in REFUSED.items():
        if name in commands:
            raise ConfigError(reason, got=name, expected="profileCfg, chirpCfg and frameCfg")
    for fields in commands.get("bpmCfg", []):
        if len(fields) > 1 and fields[1] != "0":
            raise ConfigError("BPM-MIMO is not supported yet", got=f"bpmCfg {' '.join(fields)}")
    for fields in commands.get("lvdsStreamCfg", []):
        _, header, data, software = (*fields, "", "", "", "")[:4]
        if header != "0" or data not in ("0", "1") or software != "0":
            raise ConfigError(
                "only plain ADC data on the LVDS lanes can be decoded",
                got=f"lvdsStreamCfg {' '.join(fields)}",
                expected="lvdsStreamCfg -1 0 1 0 (no HSI header, no chirp profile, no user data)",
            )


def _only(commands: dict[str, list[Command]], name: str, n_fields: int) -> Command:
    """Fields of a command that must be there once (the last one wins) with enough fields."""
    if name not in commands:
        raise ConfigError(f"no {name} command", remedy="give the complete file")
    return _checked(name, commands[name][-1], n_fields)


def _checked(name: str, fields: Command, n_fields: int) -> Command:
    if len(fields) != n_fields:
        raise ConfigError(
            f"{name} has another number of fields than the grammar of mmWave SDK 1 to 3",
            got=f"{len(fields)}: {name} {' '.join(fields)}",
            expected=n_fields,
        )
    return fields


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError("not a whole number", got=text) from None


def _definitions(commands: dict[str, list[Command]], first: int, last: int) -> list[Command]:
    """Fields of the chirpCfg command of every chirp of the loop, in transmission order."""
    by_index: dict[int, Command] = {}
    for fields in commands.get("chirpCfg", []):
        start, end, *_ = _checked("chirpCfg", fields, 8)
        by_index |= dict.fromkeys(chirp_range(_integer(start), _integer(end)), fields)
    wanted = chirp_range(first, last)
    if any(k not in by_index for k in wanted):
        raise ConfigError(
            "the frame uses chirps that no chirpCfg defines",
            got=f"frameCfg {first} {last}, defined {sorted(by_index)}",
        )
    return [by_index[k] for k in wanted]


def chirp_range(first: int, last: int) -> range:
    """Indices `first` to `last` (inclusive) of chirp definitions; the radar has room for 512."""
    if not 0 <= first <= last < 512:
        raise ConfigError("not a range of chirps", got=f"{first} to {last}", expected="in 0 to 511")
    return range(first, last + 1)


def _profile(commands: dict[str, list[Command]], used: set[str]) -> dict[str, Any]:
    """The waveform of the one profile that the frame's chirps use."""
    profiles = [_checked("profileCfg", fields, 14) for fields in commands.get("profileCfg", [])]
    by_id = {_integer(fields[0]): fields[1:] for fields in profiles}
    wanted = sorted({_integer(index) for index in used})
    missing = [index for index in wanted if index not in by_id]
    if missing:
        raise ConfigError(f"no profileCfg command for profile {missing[0]}", got=sorted(by_id))
    if any(by_id[index] != by_id[wanted[0]] for index in wanted):
        raise ConfigError("frames with several profiles are not supported yet", got=wanted)
    start, idle, adc_start, ramp_end, _, _, slope, _, n_samples, rate, _, _, gain = by_id[wanted[0]]
    return {
        "start_frequency_hz": si(start, GHZ),
        "idle_s": si(idle, US),
        "adc_start_s": si(adc_start, US),
        "ramp_end_s": si(ramp_end, US),
        "slope_hz_per_s": si(slope, MHZ_PER_US),
        "n_samples": _integer(n_samples),
        "sample_rate_hz": si(rate, KSPS),
        "rx_gain_db": rx_gain_db(_integer(gain)),
    }


def rx_gain_db(code: int) -> float:
    """Receive gain of mmwavelink's rxGain code: bits 0 to 5; the upper two choose the RF stage."""
    return float(code & 0x3F)


def _chirp(fields: Command) -> dict[str, Any]:
    _, _, _, start, slope, idle, adc_start, tx_mask = fields
    return {
        "start_frequency_offset_hz": si(start, 0),
        "slope_offset_hz_per_s": si(slope, KHZ_PER_US),
        "idle_offset_s": si(idle, US),
        "adc_start_offset_s": si(adc_start, US),
        "tx_mask": _integer(tx_mask),
    }


def _adc(commands: dict[str, list[Command]]) -> tuple[int, str]:
    fields = _only(commands, "adcCfg", 2)
    bits, adc_format = (_integer(field) for field in fields)
    if bits not in range(3) or adc_format not in range(3):
        raise ConfigError("unknown ADC format", got=f"adcCfg {' '.join(fields)}", expected="0 to 2")
    return ADC_BITS[bits], ADC_FORMATS[adc_format]


def _adc_buffer(commands: dict[str, list[Command]], adc_format: str) -> tuple[bool, bool]:
    """(Q first, antennas interleaved) of adcbufCfg; SDK 1.x has no subframe field."""
    if "adcbufCfg" not in commands:
        raise ConfigError("no adcbufCfg command", remedy="give the complete file")
    fields = commands["adcbufCfg"][-1]
    if len(fields) == 5:
        fields = fields[1:]
    real, swap, separate, _ = (_integer(field) for field in _checked("adcbufCfg", fields, 4))
    if bool(real) != (adc_format == "real"):
        raise ConfigError(
            "adcCfg and adcbufCfg disagree about complex and real samples",
            got=f"adcCfg: {adc_format}, adcbufCfg: {'real' if real else 'complex'}",
        )
    return bool(swap), not separate


def _device(text: str, interleaved: bool, start_frequency_hz: float) -> tuple[str, int]:
    """Device name and LVDS lanes; only the four-lane xWR14xx interleaves its antennas."""
    n_lanes = 4 if interleaved else 2
    platform = re.search(r"^%\s*Platform:\s*(\S+)", text, re.MULTILINE)
    if platform and (platform[1] == "xWR14xx") != interleaved:
        raise ConfigError(
            "adcbufCfg and the platform disagree: antennas are interleaved on xWR14xx only",
            got=f"{platform[1]}, chanInterleave {int(not interleaved)}",
        )
    named = re.search(r"^%\s*Device:[ \t]*(.*\S)", text, re.MULTILINE)
    if named:
        return named[1], n_lanes
    if platform:
        return DEVICES.get(platform[1], platform[1]), n_lanes
    if interleaved:
        return DEVICES["xWR14xx"], n_lanes
    return (DEVICES["xWR68xx"] if start_frequency_hz < 70e9 else "unknown"), n_lanes


def write_cfg(path: Path, config: RadarConfig) -> None:
    """Write a .cfg file that reads back as an equal configuration.

    Parameters
    ----------
    path : file to write
    config : waveform and raw format

    Raises
    ------
    ConfigError
        The configuration has something that a .cfg cannot carry; the keys are named.
    """
    text = format_cfg(config)
    lost = differing_keys(config, parse_cfg(text, path))
    if lost or not 1 <= config.n_loops <= 255:
        raise ConfigError(
            "a .cfg file cannot carry this configuration",
            where=path,
            got="; ".join(lost) or f"n_loops: {config.n_loops}",
            remedy="write a .toml file instead",
        )
    path.write_text(text, encoding="utf-8")


def format_cfg(config: RadarConfig) -> str:
    """Text of a .cfg file: the commands that define the raw data, for plain ADC streaming."""
    platform = {device: name for name, device in DEVICES.items()}.get(config.device)
    bits = ADC_BITS.index(config.adc_bits)
    adc_format = ADC_FORMATS.index(config.adc_format)
    tx_mask = 0
    for chirp in config.chirps:
        tx_mask |= chirp.tx_mask
    header = [f"% Device:{config.device}"] + ([f"% Platform:{platform}"] if platform else [])
    lines = [
        "sensorStop",
        "flushCfg",
        "dfeDataOutputMode 1",
        f"channelCfg {config.rx_mask} {tx_mask} 0",
        f"adcCfg {bits} {adc_format}",
        f"adcbufCfg -1 {int(not config.is_complex)} {int(config.iq_order == 'QI')} "
        f"{int(config.n_lanes == 2)} 1",
        f"profileCfg 0 {_text(config.start_frequency_hz, GHZ)} {_text(config.idle_s, US)} "
        f"{_text(config.adc_start_s, US)} {_text(config.ramp_end_s, US)} 0 0 "
        f"{_text(config.slope_hz_per_s, MHZ_PER_US)} 0 {config.n_samples} "
        f"{_text(config.sample_rate_hz, KSPS)} 0 0 {int(config.rx_gain_db)}",
    ]
    for k, chirp in enumerate(config.chirps):
        lines.append(
            f"chirpCfg {k} {k} 0 {_text(chirp.start_frequency_offset_hz, 0)} "
            f"{_text(chirp.slope_offset_hz_per_s, KHZ_PER_US)} {_text(chirp.idle_offset_s, US)} "
            f"{_text(chirp.adc_start_offset_s, US)} {chirp.tx_mask}"
        )
    lines += [
        f"frameCfg 0 {len(config.chirps) - 1} {config.n_loops} {config.n_frames} "
        f"{_text(config.frame_period_s, MS)} 1 0",
        "lvdsStreamCfg -1 0 1 0",
        "sensorStart",
    ]
    return "\n".join([*header, *lines, ""])


def _text(value: float, exponent: int) -> str:
    """Shortest decimal text of an SI value in the file's unit; `si` reads it back exactly."""
    return f"{Decimal(repr(value)).scaleb(-exponent).normalize():f}"
