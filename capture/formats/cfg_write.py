"""Write a `RadarConfig` as a command file (`.cfg`) for TI's mmWave SDK demos."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError
from capture.formats.cfg import DEVICES, parse_cfg
from capture.formats.common import (
    ADC_BITS,
    ADC_FORMATS,
    GHZ,
    KHZ_PER_US,
    KSPS,
    MAX_FRAMES,
    MAX_LOOPS,
    MHZ_PER_US,
    MS,
    US,
    used_tx_mask,
)
from capture.schema import differing_keys

_MAX_PROFILES = 4
_REMEDY = "write a .toml file instead"


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
    lost = _out_of_range(config)
    try:
        lost = lost or differing_keys(config, parse_cfg(text, path))
    except ConfigError as failure:
        raise ConfigError(
            f"a .cfg file cannot carry this configuration: {failure.what}",
            where=path,
            got=failure.got,
            expected=failure.expected,
            remedy=_REMEDY,
        ) from None
    if lost:
        raise ConfigError(
            "a .cfg file cannot carry this configuration",
            where=path,
            got="; ".join(lost),
            remedy=_REMEDY,
        )
    path.write_text(text, encoding="utf-8")


def _out_of_range(config: RadarConfig) -> list[str]:
    """Keys whose values the radar has no room for, with the values."""
    ramps = {chirp.ramp_end_offset_s for chirp in config.chirps}
    found = {
        f"n_loops: {config.n_loops}, at most {MAX_LOOPS}": config.n_loops > MAX_LOOPS,
        f"n_frames: {config.n_frames}, 0 to {MAX_FRAMES}": not 0 <= config.n_frames <= MAX_FRAMES,
        f"chirps.ramp_end_offset_s: {len(ramps)} values, at most {_MAX_PROFILES} profiles":
            len(ramps) > _MAX_PROFILES,
    }  # fmt: skip
    return [key for key, is_out in found.items() if is_out]


def format_cfg(config: RadarConfig) -> str:
    """Text of a .cfg file: the commands that define the raw data, for streaming it."""
    platform = {device: name for name, device in DEVICES.items()}.get(config.device)
    bits = ADC_BITS.index(config.adc_bits)
    adc_format = ADC_FORMATS.index(config.adc_format)
    header = [f"% Device:{config.device}"] + ([f"% Platform:{platform}"] if platform else [])
    ramps = _ramps(config)
    lines = [
        "sensorStop",
        "flushCfg",
        "dfeDataOutputMode 1",
        f"channelCfg {config.rx_mask} {used_tx_mask([config])} 0",
        f"adcCfg {bits} {adc_format}",
        f"adcbufCfg -1 {int(not config.is_complex)} {int(config.iq_order == 'QI')} "
        f"{int(config.n_lanes == 2)} {config.chirps_per_block}",
        *(_profile(config, k, ramp_end) for k, ramp_end in enumerate(ramps.values())),
        *(_chirp(k, chirp, list(ramps)) for k, chirp in enumerate(config.chirps)),
        *_bpm(config),
        *_calibration(config),
        f"frameCfg 0 {len(config.chirps) - 1} {config.n_loops} {config.n_frames} "
        f"{_text(config.frame_period_s, MS)} 1 0",
        f"lvdsStreamCfg -1 {int(config.hsi_header)} 1 0",
        "sensorStart",
    ]
    return "\n".join([*header, *lines, ""])


def _ramps(config: RadarConfig) -> dict[float, Decimal]:
    """Ramp end of the profile for every ramp end offset, in the order of the chirps."""
    base = Decimal(repr(config.ramp_end_s))
    offsets = dict.fromkeys(chirp.ramp_end_offset_s for chirp in config.chirps)
    return {offset: base + Decimal(repr(offset)) for offset in offsets}


def _profile(config: RadarConfig, index: int, ramp_end_s: Decimal) -> str:
    return (
        f"profileCfg {index} {_text(config.start_frequency_hz, GHZ)} {_text(config.idle_s, US)} "
        f"{_text(config.adc_start_s, US)} {_text(ramp_end_s, US)} 0 0 "
        f"{_text(config.slope_hz_per_s, MHZ_PER_US)} 0 {config.n_samples} "
        f"{_text(config.sample_rate_hz, KSPS)} 0 0 {int(config.rx_gain_db)}"
    )


def _chirp(index: int, chirp: Chirp, ramps: list[float]) -> str:
    return (
        f"chirpCfg {index} {index} {ramps.index(chirp.ramp_end_offset_s)} "
        f"{_text(chirp.start_frequency_offset_hz, 0)} "
        f"{_text(chirp.slope_offset_hz_per_s, KHZ_PER_US)} {_text(chirp.idle_offset_s, US)} "
        f"{_text(chirp.adc_start_offset_s, US)} {chirp.tx_mask}"
    )


def _bpm(config: RadarConfig) -> list[str]:
    """The one pair of chirps that bpmCfg can name: the same two antennas, one inverted once."""
    inverted = [k for k, chirp in enumerate(config.chirps) if chirp.bpm_mask]
    if not inverted:
        return []
    mask = config.chirps[inverted[0]].tx_mask
    plain = [k for k, c in enumerate(config.chirps) if c.tx_mask == mask and not c.bpm_mask]
    return [f"bpmCfg -1 1 {plain[0]} {inverted[0]}"] if plain else []


def _calibration(config: RadarConfig) -> list[str]:
    """Nothing for a board that needs no correction."""
    if not config.rx_calibration and not config.range_bias_m:
        return []
    pairs = config.rx_calibration or ((1.0, 0.0),) * 4
    if len(pairs) == 4:
        pairs *= 2 if config.device == DEVICES["xWR16xx"] else 3
    numbers = (config.range_bias_m, *(part for pair in pairs for part in pair))
    return [" ".join(["compRangeBiasAndRxChanPhase", *(_text(number, 0) for number in numbers)])]


def _text(value: float | Decimal, exponent: int) -> str:
    """Shortest decimal text of an SI value in the file's unit; `si` reads it back exactly."""
    decimal = value if isinstance(value, Decimal) else Decimal(repr(value))
    return f"{decimal.scaleb(-exponent).normalize():f}"
