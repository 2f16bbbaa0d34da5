"""The waveform files of TI's mmWave Studio (`<name>.mmwave.json`) as `RadarConfig`.

Names and units: mmwavelink's structures of the same names (`rlProfileCfg_t`, ...). Two traps of
these files are avoided: `sceneParameters` are comments that follow from nothing, and the
transmit antennas are those of the chirps, whatever `txChannelEn` and `MIMOScheme` say.
"""

from __future__ import annotations

import json
import logging
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.formats_cfg import (
    ADC_BITS,
    ADC_FORMATS,
    GHZ,
    KHZ_PER_US,
    KSPS,
    MHZ_PER_US,
    MS,
    US,
    chirp_range,
    rx_gain_db,
    si,
)
from capture.schema import from_mapping

MHZ = 6
log = logging.getLogger(__name__)


def read_studio(path: Path) -> RadarConfig:
    """Read a .mmwave.json file; see `capture.formats.load_radar_config`."""
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as failure:
        raise ConfigError(f"not readable JSON: {failure}", where=path) from None
    devices = _list(table, "mmWaveDevices")
    if len(devices) != 1:
        raise ConfigError("only files for a single device are supported", where=path)
    generator = table.get("configGenerator")
    if isinstance(generator, dict) and generator.get("isConfigIntermediate"):
        log.warning("%s is marked as saved before the last settings were made", path)
    rf, raw = _at(devices[0], "rfConfig"), _at(devices[0], "rawDataCaptureConfig")
    _refuse_unsupported(rf, raw)
    return from_mapping(RadarConfig, _values(rf, raw), where=path)


def _values(rf: Any, raw: Any) -> dict[str, Any]:
    frame = _at(rf, "rlFrameCfg_t")
    definitions = _definitions(rf, _int(frame, "chirpStartIdx"), _int(frame, "chirpEndIdx"))
    profile = _profile(rf, sorted({_int(chirp, "profileId") for chirp in definitions}))
    adc = _at(rf, "rlAdcOutCfg_t", "fmt")
    n_lanes = _bits(_at(raw, "rlDevLaneEnable_t", "laneEn")).bit_count()
    return profile | {
        "device": _device(profile["start_frequency_hz"], n_lanes, rf),
        "chirps": [_chirp(chirp) for chirp in definitions],
        "n_loops": _int(frame, "numLoops"),
        "n_frames": _int(frame, "numFrames"),
        "frame_period_s": si(_at(frame, "framePeriodicity_msec"), MS),
        "rx_mask": _bits(_at(rf, "rlChanCfg_t", "rxChannelEn")),
        "adc_bits": _choice(ADC_BITS, adc, "b2AdcBits"),
        "adc_format": _choice(ADC_FORMATS, adc, "b2AdcOutFmt"),
        "iq_order": _choice(("IQ", "QI"), _at(raw, "rlDevDataFmtCfg_t"), "iqSwapSel"),
        "n_lanes": n_lanes,
    }


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


def _list(table: Any, key: str) -> list[Any]:
    found = _at(table, key)
    if not isinstance(found, list):
        raise ConfigError(f"'{key}' is not a list", got=str(found))
    return found


def _int(table: Any, key: str) -> int:
    value = _at(table, key)
    if not isinstance(value, (int, Decimal)) or not math.isfinite(value) or value != int(value):
        raise ConfigError(f"'{key}' is not a whole number", got=str(value))
    return int(value)


def _bits(text: str) -> int:
    """A mask or code that the file holds as a hexadecimal string."""
    try:
        return int(str(text), 16)
    except ValueError:
        raise ConfigError("not a hexadecimal string", got=text) from None


def _choice(choices: tuple[Any, ...], table: Any, key: str) -> Any:
    code = _at(table, key)
    if code not in range(len(choices)):
        raise ConfigError(
            f"'{key}' is not supported", got=code, expected=f"0 to {len(choices) - 1}"
        )
    return choices[int(code)]


def _refuse_unsupported(rf: Any, raw: Any) -> None:
    """Refuse by name what `RadarConfig` cannot express or the reader cannot decode."""
    waveform = _at(rf, "waveformType")
    if waveform != "legacyFrameChirp":
        raise ConfigError(
            "only plain frames are supported, no advanced frames or continuous mode",
            got=waveform,
            expected="waveformType legacyFrameChirp",
        )
    bpm = _list(rf, "rlBpmChirps") if "rlBpmChirps" in rf else []
    phases = [_at(entry, "rlBpmChirpCfg_t", "constBpmVal") for entry in bpm]
    if any(_bits(phase) for phase in phases):
        raise ConfigError(
            "BPM-MIMO is not supported yet", got=f"constBpmVal {', '.join(map(str, phases))}"
        )
    for key in ("rlDynChirpCfgs", "rlDynPerChirpPhShftCfgs"):
        if rf.get(key):
            raise ConfigError("chirps that change while running are not supported", got=key)
    content = _at(raw, "rlDevDataPathCfg_t", "transferFmtPkt0")
    if _bits(content) != 1:
        raise ConfigError(
            "only plain ADC data on the LVDS lanes can be decoded",
            got=f"transferFmtPkt0 {content}",
            expected="0x1 (ADC data only)",
        )


def _definitions(rf: Any, first: int, last: int) -> list[Any]:
    """The definition of every chirp of the loop, in transmission order."""
    by_index: dict[int, Any] = {}
    for entry in _list(rf, "rlChirps"):
        chirp = _at(entry, "rlChirpCfg_t")
        start, end = _int(chirp, "chirpStartIdx"), _int(chirp, "chirpEndIdx")
        by_index |= dict.fromkeys(chirp_range(start, end), chirp)
    wanted = chirp_range(first, last)
    if any(k not in by_index for k in wanted):
        raise ConfigError(
            "the frame uses chirps that no rlChirpCfg_t defines",
            got=f"{first} to {last}, defined {sorted(by_index)}",
        )
    return [by_index[k] for k in wanted]


def _profile(rf: Any, used: list[int]) -> dict[str, Any]:
    """The waveform of the one profile that the frame's chirps use."""
    profiles = [_at(entry, "rlProfileCfg_t") for entry in _list(rf, "rlProfiles")]
    by_id = {_int(profile, "profileId"): profile for profile in profiles}
    if len(used) > 1:
        raise ConfigError("frames with several profiles are not supported yet", got=used)
    if used[0] not in by_id:
        raise ConfigError(f"no rlProfileCfg_t for profile {used[0]}", got=sorted(by_id))
    profile = by_id[used[0]]
    return {
        "start_frequency_hz": si(_at(profile, "startFreqConst_GHz"), GHZ),
        "idle_s": si(_at(profile, "idleTimeConst_usec"), US),
        "adc_start_s": si(_at(profile, "adcStartTimeConst_usec"), US),
        "ramp_end_s": si(_at(profile, "rampEndTime_usec"), US),
        "slope_hz_per_s": si(_at(profile, "freqSlopeConst_MHz_usec"), MHZ_PER_US),
        "n_samples": _int(profile, "numAdcSamples"),
        "sample_rate_hz": si(_at(profile, "digOutSampleRate"), KSPS),
        "rx_gain_db": rx_gain_db(_bits(_at(profile, "rxGain_dB"))),
    }


def _chirp(chirp: Any) -> dict[str, Any]:
    return {
        "start_frequency_offset_hz": si(_at(chirp, "startFreqVar_MHz"), MHZ),
        "slope_offset_hz_per_s": si(_at(chirp, "freqSlopeVar_KHz_usec"), KHZ_PER_US),
        "idle_offset_s": si(_at(chirp, "idleTimeVar_usec"), US),
        "adc_start_offset_s": si(_at(chirp, "adcStartTimeVar_usec"), US),
        "tx_mask": _bits(_at(chirp, "txEnable")),
    }


def _device(start_frequency_hz: float, n_lanes: int, rf: Any) -> str:
    """The file does not name the part; two lanes and three transmitters leave one per band."""
    three_tx = _bits(_at(rf, "rlChanCfg_t", "txChannelEn")) >= 0b100
    if n_lanes == 2 and start_frequency_hz < 70e9:
        return "IWR6843"
    return "IWR1843" if n_lanes == 2 and three_tx else "unknown"
