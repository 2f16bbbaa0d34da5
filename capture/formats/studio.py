"""The waveform files of TI's mmWave Studio (`<name>.mmwave.json`) as `RadarConfig`.

Names and units: mmwavelink's structures of the same names (`rlProfileCfg_t`, ...). Two traps of
these files are avoided: `sceneParameters` are comments that follow from nothing (they are kept as
claims), and the transmit antennas are those of the chirps, whatever `txChannelEn` and
`MIMOScheme` say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from capture.errors import ConfigError
from capture.formats.claims import claims_of_scene
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
    bpm_mask,
    chirp_range,
    define,
    number,
    rx_gain_db,
)
from capture.formats.radar_file import RadarFile, radar_file

LANE_RATES_MBPS = (900, 600, 450, 400, 300, 225, 150)
WAVEFORM_TYPES = ("legacyFrameChirp", "advancedFrameChirp")
_LARGEST = 10**12


def read_studio(path: Path) -> RadarFile:
    """Read a .mmwave.json file; see `capture.formats.load.read_radar_file`."""
    table = read_json(path)
    devices = _list(table, "mmWaveDevices")
    if len(devices) != 1:
        raise ConfigError("only files for a single device are supported", where=path)
    rf, raw = _table(devices[0], "rfConfig"), _table(devices[0], "rawDataCaptureConfig")
    waveforms = _waveforms(rf, raw)
    system = table.get("systemConfig")
    scene = system.get("sceneParameters") if isinstance(system, dict) else None
    return radar_file(path, waveforms, [claims_of_scene(scene)], _remarks(table))


def read_json(path: Path) -> Any:
    """Tables of a JSON file, decimal numbers exactly.

    Raises
    ------
    ConfigError
        The file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except OSError as failure:
        raise ConfigError(f"cannot be read: {failure.strerror}", where=path) from None
    except (ValueError, ArithmeticError, RecursionError) as failure:
        raise ConfigError(f"not readable JSON: {failure}", where=path) from None


def _remarks(table: Any) -> Iterator[str]:
    generator = table.get("configGenerator")
    if isinstance(generator, dict) and generator.get("isConfigIntermediate"):
        yield "isConfigIntermediate: the file was saved before the last settings were made"


def _waveforms(rf: dict[str, Any], raw: dict[str, Any]) -> Waveforms:
    _refuse_unsupported(rf)
    profiles: dict[int, dict[str, Any]] = {}
    for profile in _each(rf, "rlProfiles"):
        define(profiles, [_int(profile, "profileId", 0, 3)], _profile(profile), "profile")
    definitions = _definitions(rf)
    for bpm in _each(rf, "rlBpmChirps") if "rlBpmChirps" in rf else ():
        _invert(definitions, bpm)
    sections, n_frames = _sections(rf)
    adc = _table(rf, "rlAdcOutCfg_t", "fmt")
    tx_mask = _bits(_table(rf, "rlChanCfg_t"), "txChannelEn", 7)
    values = _raw_format(raw) | {
        "rx_mask": _bits(_table(rf, "rlChanCfg_t"), "rxChannelEn", 15),
        "adc_bits": _choice(ADC_BITS, adc, "b2AdcBits"),
        "adc_format": _choice(ADC_FORMATS, adc, "b2AdcOutFmt"),
    }
    low = any(p["start_frequency_hz"] < 70 * 10**9 for p in profiles.values())
    values["device"] = _device(low, values["n_lanes"], tx_mask)
    return Waveforms(profiles, definitions, sections, n_frames, values, tx_mask)


def _at(table: Any, *keys: str) -> Any:
    """Value at nested keys, or an error that names the missing one."""
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            raise ConfigError(
                f"no '{key}' in this file",
                remedy="export the waveform from mmWave Studio as <name>.mmwave.json; setup and "
                "DCA1000 recorder files hold no waveform",
            )
        table = table[key]
    return table


def _table(table: Any, *keys: str) -> dict[str, Any]:
    found = _at(table, *keys)
    if not isinstance(found, dict):
        raise ConfigError(f"'{keys[-1]}' is not a table", got=str(found)[:40])
    return found


def _list(table: Any, key: str) -> list[Any]:
    found = _at(table, key)
    if not isinstance(found, list):
        raise ConfigError(f"'{key}' is not a list", got=str(found)[:40])
    return found


_ENTRIES = {
    "rlProfiles": "rlProfileCfg_t", "rlChirps": "rlChirpCfg_t", "rlBpmChirps": "rlBpmChirpCfg_t",
    "subFrameCfg": "rlSubFrameCfg_t",
}  # fmt: skip


def _each(table: Any, key: str) -> Iterator[dict[str, Any]]:
    """Entries of a list, each below the name of its structure."""
    for entry in _list(table, key):
        yield _table(entry, _ENTRIES[key])


def _int(table: Any, key: str, lowest: int, highest: int) -> int:
    value = _at(table, key)
    if not _is_number(value) or value != int(value):
        raise ConfigError(f"'{key}' is not a whole number", got=str(value)[:40])
    if not lowest <= value <= highest:
        raise ConfigError(
            f"'{key}' is out of range", got=int(value), expected=f"{lowest} to {highest}"
        )
    return int(value)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return is_number and -_LARGEST <= value <= _LARGEST


def _number(table: Any, key: str, exponent: int, *, signed: bool = True) -> Decimal:
    value = _at(table, key)
    if not _is_number(value):
        raise ConfigError(f"'{key}' is not a number", got=str(value)[:40])
    found = number(value, exponent)
    if found < 0 and not signed:
        raise ConfigError(f"'{key}' is negative", got=value)
    return found


def _bits(table: Any, key: str, highest: int) -> int:
    """A mask or code that the file holds as a hexadecimal string."""
    text = _at(table, key)
    try:
        value = int(text, 16) if isinstance(text, str) and len(text) <= 18 else None
    except ValueError:
        value = None
    if value is None:
        raise ConfigError(f"'{key}' is not a hexadecimal string", got=str(text)[:40])
    if not 0 <= value <= highest:
        raise ConfigError(f"'{key}' is out of range", got=text, expected=f"0x0 to {highest:#x}")
    return value


def _choice(choices: tuple[Any, ...], table: Any, key: str) -> Any:
    return choices[_int(table, key, 0, len(choices) - 1)]


def _refuse_unsupported(rf: Any) -> None:
    """Refuse by name what `RadarConfig` cannot express."""
    waveform = _at(rf, "waveformType")
    if waveform not in WAVEFORM_TYPES:
        raise ConfigError(
            "only plain and advanced frames are supported, no continuous mode",
            got=str(waveform),
            expected=f"waveformType {' or '.join(WAVEFORM_TYPES)}",
        )
    for key in ("rlDynChirpCfgs", "rlDynPerChirpPhShftCfgs"):
        if rf.get(key):
            raise ConfigError("chirps that change while running are not supported", got=key)
    if rf.get("rlLoopbackBursts"):
        raise ConfigError("loopback bursts are not supported", got="rlLoopbackBursts")
    if _is_set(rf.get("rlRfPhaseShiftCfgs")):
        raise ConfigError("phase shifters per chirp are not supported", got="rlRfPhaseShiftCfgs")
    advanced = rf.get("rlAdvChirpCfg_t")
    if isinstance(advanced, dict) and advanced.get("isConfigured"):
        raise ConfigError("advanced chirps are not supported", got="rlAdvChirpCfg_t")
    if _table(rf, "rlChanCfg_t").get("cascading"):
        raise ConfigError("cascaded devices are not supported", got="cascading")


def _is_set(phase_shifts: Any) -> bool:
    """Whether any entry turns a phase, besides naming chirps."""
    for entry in phase_shifts if isinstance(phase_shifts, list) else ():
        inner: Any = next(iter(entry.values()), {}) if isinstance(entry, dict) else {}
        values = inner.items() if isinstance(inner, dict) else ()
        if any(v not in (0, "0x0") for key, v in values if not key.startswith("chirp")):
            return True
    return False


def _raw_format(raw: Any) -> dict[str, Any]:
    """How samples leave the device."""
    path = _table(raw, "rlDevDataPathCfg_t")
    content = _bits(path, "transferFmtPkt0", 255)
    if content != 1 or _bits(path, "transferFmtPkt1", 255) or _int(path, "intfSel", 0, 1) != 1:
        raise ConfigError(
            "only plain ADC data on the LVDS lanes can be decoded",
            got=", ".join(f"{k} {path[k]}" for k in ("intfSel", "transferFmtPkt0",
                                                     "transferFmtPkt1")),
            expected="intfSel 1 (LVDS), transferFmtPkt0 0x1 (ADC data), transferFmtPkt1 0x0",
        )
    lanes = _bits(_at(raw, "rlDevLaneEnable_t"), "laneEn", 15)
    if lanes not in (0b0011, 0b1111):
        raise ConfigError("only 2 and 4 LVDS lanes are known", got=f"laneEn {lanes:#x}")
    n_lanes = lanes.bit_count()
    data_format = _table(raw, "rlDevDataFmtCfg_t")
    if _int(data_format, "chInterleave", 0, 1) != (n_lanes == 2):
        raise ConfigError(
            "antennas are interleaved with four LVDS lanes, and only then",
            got=f"{n_lanes} lanes, chInterleave {data_format['chInterleave']}",
            expected=f"chInterleave {int(n_lanes == 2)} (0 means interleaved)",
        )
    _check_lane_format(_table(raw, "rlDevLvdsLaneCfg_t"))
    rate = _int(_at(raw, "rlDevDataPathClkCfg_t"), "dataRate_Mbps", 1, 900)
    if rate not in LANE_RATES_MBPS:
        raise ConfigError("not an LVDS rate", got=f"dataRate_Mbps {rate}", expected=LANE_RATES_MBPS)
    return {
        "iq_order": _choice(IQ_ORDERS, data_format, "iqSwapSel"),
        "n_lanes": n_lanes,
        "lvds_lane_rate_bps": float(number(rate, MBPS)),
    }


def _check_lane_format(lanes: Any) -> None:
    """Format map 0, most significant bit first, no CRC; a pulse after a packet changes nothing."""
    parameters = _bits(lanes, "laneParamCfg", 255)
    if _int(lanes, "laneFmtMap", 0, 1) or parameters & ~2 != 1:
        raise ConfigError(
            "this order of bits and lanes is not supported",
            got=f"laneFmtMap {lanes['laneFmtMap']}, laneParamCfg {parameters:#x}",
            expected="laneFmtMap 0, laneParamCfg 0x1 (most significant bit first, no CRC)",
        )


def _profile(profile: Any) -> dict[str, Any]:
    return {
        "start_frequency_hz": _number(profile, "startFreqConst_GHz", GHZ),
        "idle_s": _number(profile, "idleTimeConst_usec", US, signed=False),
        "adc_start_s": _number(profile, "adcStartTimeConst_usec", US, signed=False),
        "ramp_end_s": _number(profile, "rampEndTime_usec", US, signed=False),
        "slope_hz_per_s": _number(profile, "freqSlopeConst_MHz_usec", MHZ_PER_US),
        "n_samples": _int(profile, "numAdcSamples", 1, 65535),
        "sample_rate_hz": _number(profile, "digOutSampleRate", KSPS),
        "rx_gain_db": rx_gain_db(_bits(profile, "rxGain_dB", 255)),
    }


def _indices(table: Any) -> range:
    highest = N_DEFINITIONS - 1
    start = _int(table, "chirpStartIdx", 0, highest)
    return chirp_range(start, _int(table, "chirpEndIdx", 0, highest))


def _definitions(rf: Any) -> dict[int, Definition]:
    found: dict[int, Definition] = {}
    for chirp in _each(rf, "rlChirps"):
        definition = Definition(
            profile=_int(chirp, "profileId", 0, 3),
            offsets={
                "start_frequency_offset_hz": _number(chirp, "startFreqVar_MHz", MHZ),
                "slope_offset_hz_per_s": _number(chirp, "freqSlopeVar_KHz_usec", KHZ_PER_US),
                "idle_offset_s": _number(chirp, "idleTimeVar_usec", US),
                "adc_start_offset_s": _number(chirp, "adcStartTimeVar_usec", US),
            },
            tx_mask=_bits(chirp, "txEnable", 7),
        )
        define(found, _indices(chirp), definition, "chirp")
    return found


def _invert(definitions: dict[int, Definition], bpm: Any) -> None:
    """Give a BPM entry's phases to its chirps."""
    mask = bpm_mask(_bits(bpm, "constBpmVal", 0x3F))
    for index in _indices(bpm):
        if index in definitions:
            old = definitions[index]
            definitions[index] = Definition(old.profile, old.offsets, old.tx_mask, mask)


def _sections(rf: Any) -> tuple[list[Section], int]:
    """The frame, or the subframes of an advanced frame, and the number of frames."""
    if _at(rf, "waveformType") == WAVEFORM_TYPES[1]:
        return _advanced(_at(rf, "rlAdvFrameCfg_t", "frameSeq"))
    frame = _table(rf, "rlFrameCfg_t")
    if "numDummyChirpsAtEnd" in frame:
        _no_dummies(_int(frame, "numDummyChirpsAtEnd", 0, 255))
    section = Section(
        chirps=_indices(frame),
        n_loops=_int(frame, "numLoops", 1, MAX_LOOPS),
        period_s=_number(frame, "framePeriodicity_msec", MS),
    )
    return [section], _int(frame, "numFrames", 0, MAX_FRAMES)


def _no_dummies(n_dummies: int) -> None:
    if n_dummies:
        raise ConfigError(
            "frames whose last chirps are not recorded are not supported",
            got=f"numDummyChirpsAtEnd {n_dummies}",
        )


def _advanced(sequence: Any) -> tuple[list[Section], int]:
    forced = _int(sequence, "forceProfile", 0, 1)
    count = _int(sequence, "numOfSubFrames", 1, 4)
    entries = list(_each(sequence, "subFrameCfg"))
    if len(entries) < count:
        raise ConfigError("fewer subframes than it says", got=len(entries), expected=count)
    sections = [_subframe(entry, bool(forced)) for entry in entries[:count]]
    return sections, _int(sequence, "numFrames", 0, MAX_FRAMES)


def _subframe(entry: Any, forced: bool) -> Section:
    for key in ("numOfBurst", "numOfBurstLoops"):
        if _int(entry, key, 0, 65535) != 1:
            raise ConfigError(
                "subframes of several bursts are not supported", got=f"{key} {entry[key]}"
            )
    first = _int(entry, "chirpStartIdx", 0, N_DEFINITIONS - 1)
    n_chirps = _int(entry, "numOfChirps", 1, N_DEFINITIONS)
    return Section(
        chirps=chirp_range(first, first + n_chirps - 1),
        n_loops=_int(entry, "numLoops", 1, MAX_LOOPS),
        period_s=_number(entry, "subFramePeriodicity_msec", MS),
        profile=_int(entry, "forceProfileIdx", 0, 3) if forced else None,
    )


def _device(low_band: bool, n_lanes: int, tx_mask: int) -> str:
    """The file does not name the part; two lanes and three transmitters leave one per band."""
    if n_lanes == 2 and low_band:
        return "IWR6843"
    return "IWR1843" if n_lanes == 2 and tx_mask >= 0b100 else "unknown"
