"""A configuration of one format in another: exactly, or not at all."""

from __future__ import annotations

from pathlib import Path

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.formats.cfg_write import write_cfg
from capture.formats.load import pick_subframe
from capture.schema import differing_keys, from_mapping, to_mapping, write_tables


def write_radar_config(path: Path | str, out: Path) -> list[str]:
    """Write the configuration of one file to another, as .cfg or .toml.

    Parameters
    ----------
    path : what to read; '#k' picks a subframe
    out : a .cfg or .toml file to write

    Returns
    -------
    what the new file does not say any more, for people; never part of the waveform

    Raises
    ------
    ConfigError
        Unreadable, another suffix, or something that the format cannot carry; the keys are named.
    """
    file, index = pick_subframe(path)
    config, claims = file.configs[index], file.claims[index]
    if out.suffix == ".cfg":
        write_cfg(out, config)
        return ["claims are left out, a .cfg has no place for them"] if claims.values() else []
    if out.suffix != ".toml":
        raise ConfigError(
            "cannot be written", where=out, got=f"suffix '{out.suffix}'", expected=".cfg or .toml"
        )
    tables = to_mapping(config)
    lost = differing_keys(config, from_mapping(RadarConfig, tables))
    if lost:
        raise ConfigError("cannot be carried by a .toml", where=out, got="; ".join(lost))
    if claims.values():
        tables["claims"] = to_mapping(claims)
    write_tables(out, tables)
    return []
