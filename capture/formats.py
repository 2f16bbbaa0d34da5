"""Every configuration file that TI's tools write, and ours, as one `RadarConfig`.

| File | Written by | Reader |
|---|---|---|
| `.cfg` | mmWave SDK demos (1.x to 3.x) | `capture.formats_cfg` |
| `.mmwave.json` | mmWave Studio | `capture.formats_studio` |
| `.toml` | radarid | the fields of `RadarConfig`; missing ones take their defaults |

The values are those of the file. The radar itself rounds them to its registers (53.6 Hz,
48.3 kHz/us, 10 ns; mmwavelink), which is not imitated here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.formats_cfg import read_cfg, write_cfg
from capture.formats_studio import read_studio
from capture.schema import from_mapping, read_toml
from capture.sidecar import Sidecar, read_sidecar

__all__ = ["SUFFIXES", "find_config", "load_radar_config", "write_cfg"]


def _read_toml(path: Path) -> RadarConfig:
    return from_mapping(RadarConfig, read_toml(path), where=path)


READERS: dict[str, Callable[[Path], RadarConfig]] = {
    ".cfg": read_cfg,
    ".mmwave.json": read_studio,
    ".toml": _read_toml,
}
SUFFIXES = tuple(READERS)


def load_radar_config(path: Path | str) -> RadarConfig:
    """Read a radar configuration of any supported kind.

    Parameters
    ----------
    path : a .cfg, .mmwave.json or .toml file

    Returns
    -------
    RadarConfig; nothing that a .cfg or .mmwave.json leaves open is filled from our defaults

    Raises
    ------
    ConfigError
        Unknown suffix, unreadable or incomplete file, a contradiction inside it, or a feature
        that `RadarConfig` cannot express (several profiles, advanced subframes, BPM, HSI
        headers, the grammars of IWRL6432 and AWR2944).
    """
    path = Path(path)
    suffix = next((s for s in SUFFIXES if path.name.endswith(s)), None)
    if suffix is None:
        raise _unknown_kind(path)
    try:
        return READERS[suffix](path)
    except ConfigError as failure:
        if failure.where is None:
            failure.where = path
        raise


def _unknown_kind(path: Path) -> ConfigError:
    """Say what the file is, for the kinds that are easily mistaken for a waveform."""
    remedy = {
        ".json": "give the waveform that mmWave Studio exports as <name>.mmwave.json; setup and "
        "DCA1000 recorder files (.setup.json, cf.json) hold no waveform",
        ".lua": "export the configuration from mmWave Studio as .mmwave.json; Lua scripts are not "
        "supported yet",
    }.get(path.suffix)
    return ConfigError(
        "not a known kind of radar configuration",
        where=path,
        got=f"suffix '{path.suffix}'",
        expected=f"one of {', '.join(SUFFIXES)}",
        remedy=remedy,
    )


def find_config(recording: Path) -> Path:
    """Find the radar configuration that belongs to a recording.

    Looked for in this order: the name in the recording's sidecar, a configuration with the
    recording's own stem, the only configuration in its folder.

    Parameters
    ----------
    recording : path of the .bin file

    Returns
    -------
    Path

    Raises
    ------
    ConfigError
        There is none, the sidecar names a file that does not exist, or several files that say
        different things fit equally well.
    """
    sidecar = Sidecar.path_for(recording)
    if sidecar.is_file():
        named = read_sidecar(sidecar).radar
        if named is not None:
            path = sidecar.parent / named
            if path.is_file():
                return path
            raise ConfigError("the radar configuration does not exist", where=sidecar, got=named)
    own = [recording.with_name(recording.stem + suffix) for suffix in SUFFIXES]
    beside = [p for p in sorted(recording.parent.glob("*")) if p.name.endswith(SUFFIXES)]
    for candidates in ([p for p in own if p.is_file()], beside):
        if len(candidates) > 1 and len({load_radar_config(path) for path in candidates}) > 1:
            raise ConfigError(
                "several different radar configurations could belong to this recording",
                where=recording,
                got=", ".join(p.name for p in candidates),
                remedy="name one in the sidecar (key 'radar') or on the command line",
            )
        if candidates:
            return candidates[0]
    raise ConfigError(
        "no radar configuration belongs to it",
        where=recording,
        remedy="name one (--radar), or put the .cfg, .mmwave.json or .toml beside it",
    )
