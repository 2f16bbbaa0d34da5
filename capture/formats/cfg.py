"""The command files of TI's mmWave SDK demos (`.cfg`) as `RadarConfig`; SDK 1 to 3.

Grammar and units: mmWave SDK user's guide, "Configuration (.cfg) File Format". One command per
line, `%` starts a comment, `flushCfg` forgets what came before. Commands of the processing
chain (CFAR, GUI, ...) say nothing about the raw data and are passed over.
`capture.formats.cfg_write` writes these files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.formats.claims import claims_of_cfg
from capture.formats.common import (
    ADC_BITS,
    ADC_FORMATS,
    GHZ,
    IQ_ORDERS,
    KHZ_PER_US,
    KSPS,
    MAX_FRAMES,
    MAX_LOOPS,
    MHZ_PER_US,
    MS,
    N_DEFINITIONS,
    US,
    Definition,
    Section,
    Waveforms,
    build,
    calibration,
    chirp_range,
    define,
    number,
    rx_gain_db,
    whole,
)
from capture.formats.radar_file import RadarFile, radar_file

DEVICES = {"xWR14xx": "IWR1443", "xWR16xx": "IWR1642", "xWR18xx": "IWR1843", "xWR68xx": "IWR6843"}
"""Part that stands for each platform name of the demos' header comment."""

REFUSED = {
    "chirpComnCfg": "the grammar of the low-power parts (IWRL6432) is not supported",
    "chirpTimingCfg": "the grammar of the low-power parts (IWRL6432) is not supported",
    "compressionCfg": "the grammar of AWR2944 and AWR2544 is not supported",
    "procChainCfg": "the grammar of AWR2944 and AWR2544 is not supported",
    "ddmPhaseShiftAntOrder": "the grammar of AWR2944 and AWR2544 is not supported",
    "contModeCfg": "continuous streaming mode has no chirps",
}
N_FIELDS = {
    "channelCfg": (3,), "adcCfg": (2,), "adcbufCfg": (4, 5), "profileCfg": (14,), "chirpCfg": (8,),
    "bpmCfg": (4,), "frameCfg": (7,), "advFrameCfg": (5,), "subFrameCfg": (10,),
    "lvdsStreamCfg": (4,), "dfeDataOutputMode": (1,),
    "compRangeBiasAndRxChanPhase": (9, 17, 25), "measureRangeBiasAndRxChanPhase": (3,),
}  # fmt: skip
"""Commands that bear on the raw data, with the number of fields they may have."""

STREAMS_NOTHING = "lvdsStreamCfg has data format 0: the radar streams no raw data as it stands"
Command = list[str]
Commands = dict[str, list[Command]]


def read_cfg(path: Path) -> RadarFile:
    """Read a .cfg file; see `capture.formats.load.read_radar_file`."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as failure:
        raise ConfigError(f"cannot be read: {failure.strerror}", where=path) from None
    commands = _commands(text)
    waveforms = _waveforms(commands, text)
    return radar_file(path, waveforms, claims_of_cfg(text), _remarks(commands, waveforms))


def parse_cfg(text: str, where: object = None) -> RadarConfig:
    """Radar configuration of the text of a .cfg file with plain frames.

    Raises
    ------
    ConfigError
        See `capture.formats.load.read_radar_file`; the message names the command at fault.
    """
    configs = build(_waveforms(_commands(text), text), where)
    if len(configs) > 1:
        raise ConfigError("has several subframes", where=where, got=len(configs), expected=1)
    return configs[0]


def _commands(text: str) -> Commands:
    """Fields of every command that matters or is refused, in order, by name."""
    found: Commands = {}
    for line in text.splitlines():
        name, *fields = line.partition("%")[0].split() or [""]
        if name == "flushCfg":
            found.clear()
        elif name in N_FIELDS:
            found.setdefault(name, []).append(_checked(name, fields))
        elif name in REFUSED:
            raise ConfigError(REFUSED[name], got=name, expected="profileCfg, chirpCfg, frameCfg")
        elif near := difflib.get_close_matches(name, N_FIELDS, n=1, cutoff=0.8):
            raise ConfigError(f"unknown command {name}", remedy=f"did you mean {near[0]}?")
    return found


def _checked(name: str, fields: Command) -> Command:
    if len(fields) not in N_FIELDS[name]:
        raise ConfigError(
            f"{name} has another number of fields than the grammar of mmWave SDK 1 to 3",
            got=f"{len(fields)}: {name} {' '.join(fields)}",
            expected=" or ".join(map(str, N_FIELDS[name])),
            remedy="files of AWR2944 and of the low-power parts (IWRL6432) are not supported"
            if name in ("frameCfg", "channelCfg") else None,
        )
    return fields


def _last(commands: Commands, name: str) -> Command:
    """Fields of a command that must be there; the last one wins."""
    if name not in commands:
        raise ConfigError(f"no {name} command", remedy="give the complete file")
    return commands[name][-1]


def _of_subframe(commands: Commands, name: str, subframe: int) -> Command | None:
    """Fields of the last command for a subframe (its first field; -1 means all)."""
    found = None
    for fields in commands.get(name, []):
        if whole(fields[0], -1, 3, f"subframe of {name}") in (-1, subframe):
            found = fields
    return found


def _waveforms(commands: Commands, text: str) -> Waveforms:
    _, rx, tx, cascading = ("channelCfg", *_last(commands, "channelCfg"))
    whole(cascading, 0, 0, "cascading of channelCfg")
    bits, adc_format = _last(commands, "adcCfg")
    values: dict[str, Any] = {
        "rx_mask": whole(rx, 1, 15, "receive antenna mask of channelCfg"),
        "adc_bits": ADC_BITS[whole(bits, 0, 2, "bits of adcCfg")],
        "adc_format": ADC_FORMATS[whole(adc_format, 0, 2, "format of adcCfg")],
        **calibration(commands.get("compRangeBiasAndRxChanPhase", [[]])[-1]),
    }
    profiles = _profiles(commands)
    sections, n_frames = _sections(commands, values["adc_format"])
    n_lanes = sections[0].values["n_lanes"]
    values["device"] = _device(text, n_lanes == 4, profiles)
    return Waveforms(
        profiles=profiles,
        definitions=_definitions(commands),
        sections=sections,
        n_frames=n_frames,
        values=values,
        tx_mask=whole(tx, 0, 7, "transmit antenna mask of channelCfg"),
    )


def _profiles(commands: Commands) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for fields in commands.get("profileCfg", []):
        index, start, idle, adc_start, ramp_end, *_ = fields
        _, _, slope, _, n_samples, rate, _, _, gain = fields[5:]
        profile = {
            "start_frequency_hz": number(start, GHZ),
            "idle_s": _time(idle, "idle time"),
            "adc_start_s": _time(adc_start, "ADC start"),
            "ramp_end_s": _time(ramp_end, "ramp end"),
            "slope_hz_per_s": number(slope, MHZ_PER_US),
            "n_samples": whole(n_samples, 1, 65535, "samples of profileCfg"),
            "sample_rate_hz": number(rate, KSPS),
            "rx_gain_db": rx_gain_db(whole(gain, 0, 255, "gain of profileCfg")),
        }
        define(found, [whole(index, 0, 3, "index of profileCfg")], profile, "profile")
    return found


def _time(text: str, what: str) -> Decimal:
    time_s = number(text, US)
    if time_s < 0:
        raise ConfigError(f"{what} of profileCfg is negative", got=text)
    return time_s


def _definitions(commands: Commands) -> dict[int, Definition]:
    found: dict[int, Definition] = {}
    for start, end, profile, frequency, slope, idle, adc_start, tx in commands.get("chirpCfg", []):
        definition = Definition(
            profile=whole(profile, 0, 3, "profile of chirpCfg"),
            offsets={
                "start_frequency_offset_hz": number(frequency),
                "slope_offset_hz_per_s": number(slope, KHZ_PER_US),
                "idle_offset_s": number(idle, US),
                "adc_start_offset_s": number(adc_start, US),
            },
            tx_mask=whole(tx, 0, 7, "transmit antenna mask of chirpCfg"),
        )
        define(found, chirp_range(_index(start), _index(end)), definition, "chirp")
    return found


def _index(text: str) -> int:
    return whole(text, -1, 999_999_999, "chirp index")


def _sections(commands: Commands, adc_format: str) -> tuple[list[Section], int]:
    """The frame, or the subframes of an advanced frame, and the number of frames."""
    advanced = "advFrameCfg" in commands
    if advanced and "frameCfg" in commands:
        raise ConfigError(
            "both plain frames and frames with subframes",
            got="frameCfg and advFrameCfg",
            remedy="keep the one that the radar is given",
        )
    _check_output_mode(commands, advanced)
    if not advanced:
        if "subFrameCfg" in commands:
            raise ConfigError("subFrameCfg without advFrameCfg", remedy="give the complete file")
        first, last, n_loops, n_frames, period, trigger, delay = _last(commands, "frameCfg")
        whole(trigger, 1, 2, "trigger of frameCfg")
        number(delay, MS)
        section = _section(
            commands, 0, chirp_range(_index(first), _index(last)), n_loops, period, adc_format
        )
        return [section], whole(n_frames, 0, MAX_FRAMES, "number of frames")
    count, force_profile, n_frames, trigger, delay = _last(commands, "advFrameCfg")
    whole(trigger, 1, 2, "trigger of advFrameCfg")
    number(delay, MS)
    forced = whole(force_profile, 0, 1, "forceProfile of advFrameCfg")
    sections = [
        _subframe(commands, k, bool(forced), adc_format)
        for k in range(whole(count, 1, 4, "number of subframes"))
    ]
    return sections, whole(n_frames, 0, MAX_FRAMES, "number of frames")


def _check_output_mode(commands: Commands, advanced: bool) -> None:
    if "dfeDataOutputMode" not in commands:
        return
    mode = whole(_last(commands, "dfeDataOutputMode")[0], 1, 3, "dfeDataOutputMode")
    if mode == 2:
        raise ConfigError(REFUSED["contModeCfg"], got="dfeDataOutputMode 2")
    if (mode == 3) != advanced:
        raise ConfigError(
            "dfeDataOutputMode and the frame commands disagree",
            got=f"dfeDataOutputMode {mode} with {'advFrameCfg' if advanced else 'frameCfg'}",
            expected="1 with frameCfg, 3 with advFrameCfg",
        )


def _subframe(commands: Commands, index: int, forced: bool, adc_format: str) -> Section:
    found = [f for f in commands.get("subFrameCfg", []) if f[0] == str(index)]
    if not found:
        raise ConfigError(f"no subFrameCfg for subframe {index}", remedy="give the complete file")
    _, profile, first, n_chirps, n_loops, burst, _, n_bursts, burst_loops, period = found[-1]
    if (n_bursts, burst_loops) != ("1", "1"):
        raise ConfigError(
            "subframes of several bursts are not supported",
            got=f"subFrameCfg {' '.join(found[-1])}",
            expected="1 burst and 1 burst loop",
        )
    number(burst, MS)
    start = _index(first)
    chirps = chirp_range(start, start + whole(n_chirps, 1, N_DEFINITIONS, "chirps") - 1)
    override = whole(profile, 0, 3, "profile of subFrameCfg") if forced else None
    return _section(commands, index, chirps, n_loops, period, adc_format, override)


def _section(
    commands: Commands,
    index: int,
    chirps: range,
    n_loops: str,
    period: str,
    adc_format: str,
    profile: int | None = None,
) -> Section:
    swap, n_lanes, threshold = _adc_buffer(commands, index, adc_format)
    header, streamed = _streaming(commands, index)
    return Section(
        chirps=chirps,
        n_loops=whole(n_loops, 1, MAX_LOOPS, "number of loops"),
        period_s=number(period, MS),
        profile=profile,
        streamed=streamed is not False,
        values={
            "iq_order": IQ_ORDERS[swap], "n_lanes": n_lanes, "hsi_header": header,
            "chirps_per_block": threshold,
        },
        inverted=dict(_inverted(commands, index, chirps)),
    )


def _adc_buffer(commands: Commands, subframe: int, adc_format: str) -> tuple[int, int, int]:
    """(Q first, LVDS lanes, chirp threshold) of adcbufCfg; SDK 1 has no subframe field.

    Only the four-lane xWR14xx interleaves its antennas.
    """
    fields = _last(commands, "adcbufCfg")
    if any(len(each) != len(fields) for each in commands["adcbufCfg"]):
        raise ConfigError("adcbufCfg in the grammar of SDK 1 and in that of later ones")
    if len(fields) == 5:
        found = _of_subframe(commands, "adcbufCfg", subframe)
        if found is None:
            raise ConfigError(f"no adcbufCfg command for subframe {subframe}", remedy="add it")
        fields = found[1:]
    real, swap, separate = (whole(field, 0, 1, "field of adcbufCfg") for field in fields[:3])
    threshold = whole(fields[3], 0, 8, "chirp threshold of adcbufCfg")
    if bool(real) != (adc_format == "real"):
        raise ConfigError(
            "adcCfg and adcbufCfg disagree about complex and real samples",
            got=f"adcCfg: {adc_format}, adcbufCfg: {'real' if real else 'complex'}",
        )
    return swap, 2 if separate else 4, threshold


def _streaming(commands: Commands, subframe: int) -> tuple[bool, bool | None]:
    """(HSI headers, whether samples are streamed or None where no command says so)."""
    fields = _of_subframe(commands, "lvdsStreamCfg", subframe)
    if fields is None:
        return False, None
    _, header, data, software = fields
    if header not in ("0", "1") or data not in ("0", "1") or software != "0":
        raise ConfigError(
            "only ADC data on the LVDS lanes can be decoded, no chirp profile or user data",
            got=f"lvdsStreamCfg {' '.join(fields)}",
            expected="lvdsStreamCfg -1 0 1 0, or -1 1 1 0 with HSI headers",
        )
    return header == "1", data == "1"


def _inverted(commands: Commands, subframe: int, chirps: range) -> Iterator[tuple[int, int]]:
    """BPM-MIMO: both antennas in the first chirp, the second of them inverted in the other.

    mmWave SDK user's guide, bpmCfg: "TXA+ TXB+", then "TXA+ TXB-".
    """
    fields = _of_subframe(commands, "bpmCfg", subframe)
    if fields is None or not whole(fields[1], 0, 1, "switch of bpmCfg"):
        return
    first, second = (_index(field) for field in fields[2:])
    if first == second or {first, second} - set(chirps):
        raise ConfigError(
            "bpmCfg must name two chirps of the frame",
            got=f"bpmCfg {' '.join(fields)}",
            expected=f"two of {chirps[0]} to {chirps[-1]}",
        )
    definitions = _definitions(commands)
    for index in (first, second):
        mask = definitions[index].tx_mask if index in definitions else 0
        if mask.bit_count() != 2:
            raise ConfigError(
                "a BPM chirp must have two transmit antennas",
                got=f"chirp {index} with mask {mask}",
                expected="chirpCfg with mask 3, 5 or 6",
            )
        upper = 1 << (mask.bit_length() - 1)
        yield index, upper if index == second else 0


def _device(text: str, interleaved: bool, profiles: dict[int, dict[str, Any]]) -> str:
    """Device name; nothing is guessed but the band that leaves one part."""
    platform = re.search(r"^%\s*Platform:\s*(\S+)", text, re.MULTILINE)
    if platform and (platform[1] == "xWR14xx") != interleaved:
        raise ConfigError(
            "adcbufCfg and the platform disagree: antennas are interleaved on xWR14xx only",
            got=f"{platform[1]}, chanInterleave {int(not interleaved)}",
        )
    if named := re.search(r"^%\s*Device:[ \t]*(.*\S)", text, re.MULTILINE):
        return named[1]
    if platform:
        return DEVICES.get(platform[1], platform[1])
    if interleaved:
        return DEVICES["xWR14xx"]
    low = any(profile["start_frequency_hz"] < 70 * 10**9 for profile in profiles.values())
    return DEVICES["xWR68xx"] if low else "unknown"


def _remarks(commands: Commands, waveforms: Waveforms) -> Iterator[str]:
    streamed = [_streaming(commands, k)[1] for k in range(len(waveforms.sections))]
    if all(each is False for each in streamed):
        yield STREAMS_NOTHING
    elif all(each is None for each in streamed):
        yield "no lvdsStreamCfg command: whether raw data is streamed is the firmware's choice"
    elif not all(streamed):
        yield "raw data is streamed in some subframes only"
    threshold = _last(commands, "adcbufCfg")[-1]
    if threshold not in ("0", "1") and any(streamed):
        yield f"adcbufCfg has chirp threshold {threshold}; the SDK's demos stream with 1 only"
