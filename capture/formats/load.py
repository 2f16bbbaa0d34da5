"""Every configuration file that TI's tools write, and ours, as one `RadarConfig`.

| File | Written by | Reader |
|---|---|---|
| `.cfg` | mmWave SDK demos (1.x to 3.x) | `capture.formats.cfg` |
| `.mmwave.json` | mmWave Studio | `capture.formats.studio` |
| `.setup.json` | mmWave Studio; leads to the `.mmwave.json` | `capture.formats.studio_setup` |
| `.lua` | people, for mmWave Studio; read, never executed | `capture.formats.studio_lua` |
| `.toml` | radarid | the fields of `RadarConfig`, and `[claims]`; missing fields are defaults |

The DCA1000 recorder's `cf.json` holds no waveform (`capture.formats.dca1000_json`). A file of
several subframes gives one configuration each; `file.cfg#1` names the second.

The values are those of the file. The radar itself rounds them to its registers (53.6 Hz,
48.3 kHz/us, 10 ns; mmwavelink); `capture.formats.report` says to what.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable
from pathlib import Path

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.file.sidecar import Sidecar, read_sidecar
from capture.formats.cfg import read_cfg
from capture.formats.cfg_write import write_cfg
from capture.formats.claims import Claims
from capture.formats.radar_file import RadarFile
from capture.formats.studio import read_json, read_studio
from capture.formats.studio_lua import read_lua
from capture.formats.studio_setup import read_setup
from capture.schema import from_mapping, read_toml

__all__ = [
    "SUFFIXES", "find_config", "load_radar_config", "load_radar_configs",
    "pick_subframe", "read_claims", "read_radar_file", "split_subframe", "write_cfg",
]  # fmt: skip


log = logging.getLogger(__name__)


def _read_toml(path: Path) -> RadarFile:
    table = read_toml(path)
    claims = from_mapping(Claims, table.pop("claims", {}), where=f"{path}, [claims]")
    return RadarFile(path, (from_mapping(RadarConfig, table, where=path),), (claims,))


def _read_setup(path: Path) -> RadarFile:
    setup = read_setup(path)
    if not setup.radar.is_file():
        raise ConfigError(
            "the waveform that this session used is missing",
            where=path,
            expected=f"{setup.radar.name} beside it",
            remedy="copy it from the computer that recorded",
        )
    file = read_studio(setup.radar)
    remarks = [*file.remarks, *(f"recording {name} is not there" for name in setup.missing)]
    if setup.zero_filled_bytes:
        remarks.append(f"Studio filled {setup.zero_filled_bytes} missing bytes with zeros")
    if setup.logging == "multi":
        remarks.append("the DCA1000 logged in multi mode: streams lie apart, by their headers")
    configs = file.configs
    if setup.device:
        configs = tuple(dataclasses.replace(c, device=setup.device) for c in configs)
    return dataclasses.replace(file, configs=configs, remarks=tuple(remarks))


READERS: dict[str, Callable[[Path], RadarFile]] = {
    ".cfg": read_cfg,
    ".mmwave.json": read_studio,
    ".toml": _read_toml,
    ".setup.json": _read_setup,
    ".lua": read_lua,
}
SUFFIXES = tuple(READERS)
_SECOND_CHOICE = (".setup.json", ".lua")


def read_radar_file(path: Path | str) -> RadarFile:
    """Read everything that a radar configuration of any supported kind says.

    Parameters
    ----------
    path : a file of one of the kinds above, without '#k'

    Returns
    -------
    RadarFile; nothing that one of TI's files leaves open is filled from our defaults, but for
    the LVDS rate and the alignment of HSI headers, which no .cfg says

    Raises
    ------
    ConfigError
        Unknown kind, unreadable or incomplete file, a contradiction inside it, or something that
        `RadarConfig` cannot express; it is named (several bursts in a subframe, profiles with
        different numbers of samples in one frame, chirp profiles or user data on the lanes, the
        grammars of IWRL6432 and AWR2944, a script whose values are no constants, ...).
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


def split_subframe(path: Path | str) -> tuple[Path, int | None]:
    """Path and subframe that `file.cfg#1` names; None where no subframe is named."""
    path = Path(path)
    named = re.fullmatch(r"(.+)#(\d{1,3})", path.name, re.ASCII)
    if named is None or path.is_file():
        return path, None
    return path.with_name(named[1]), int(named[2])


def pick_subframe(path: Path | str) -> tuple[RadarFile, int]:
    """Read a configuration file and say which of its waveforms is meant.

    Parameters
    ----------
    path : see `read_radar_file`; '#k' picks a subframe ('radar.cfg#1')

    Raises
    ------
    ConfigError
        See `read_radar_file`; no such subframe; several of them, and none is named.
    """
    plain, index = split_subframe(path)
    file = read_radar_file(plain)
    count = len(file.configs)
    choices = ", ".join(f"{plain.name}#{k}" for k in range(count))
    if index is None and count > 1:
        raise ConfigError(
            "has several subframes", where=plain, got=count, remedy=f"name one: {choices}"
        )
    if index is not None and index >= count:
        raise ConfigError("no such subframe", where=plain, got=f"#{index}", expected=choices)
    return file, index or 0


def load_radar_config(path: Path | str) -> RadarConfig:
    """Read the one waveform of a configuration file; what is odd about the file is logged.

    Parameters
    ----------
    path : see `read_radar_file`; '#k' picks a subframe ('radar.cfg#1')

    Raises
    ------
    ConfigError
        See `pick_subframe`.
    """
    file, index = pick_subframe(path)
    for remark in file.remarks:
        log.info("%s: %s", file.path, remark)
    return file.configs[index]


def load_radar_configs(path: Path | str) -> tuple[RadarConfig, ...]:
    """Read all waveforms of a configuration file: one, or one a subframe.

    Parameters
    ----------
    path : see `read_radar_file`; with '#k' only that subframe

    Raises
    ------
    ConfigError
        See `read_radar_file`; no such subframe.
    """
    plain, index = split_subframe(path)
    if index is None:
        return read_radar_file(plain).configs
    return (load_radar_config(path),)


def read_claims(path: Path | str) -> Claims:
    """Read what a configuration file says about values that follow from its waveform.

    Raises
    ------
    ConfigError
        See `pick_subframe`.
    """
    file, index = pick_subframe(path)
    return file.claims[index]


def _unknown_kind(path: Path) -> ConfigError:
    """Say what the file is, for the kinds that are easily mistaken for a waveform."""
    remedy = None
    if path.suffix == ".json":
        remedy = "give the waveform that mmWave Studio exports as <name>.mmwave.json"
        if path.is_file() and _holds(path, "DCA1000Config"):
            remedy = (
                "this is a DCA1000 configuration, which holds no waveform; give the radar's .cfg, "
                ".mmwave.json, .lua or .toml (and this one as --dca, where a command takes it)"
            )
    return ConfigError(
        "not a known kind of radar configuration",
        where=path,
        got=f"suffix '{path.suffix}'",
        expected=f"one of {', '.join(SUFFIXES)}",
        remedy=remedy,
    )


def _holds(path: Path, key: str) -> bool:
    try:
        table = read_json(path)
    except ConfigError:
        return False
    return isinstance(table, dict) and key in table


def find_config(recording: Path) -> Path:
    """Find the radar configuration that belongs to a recording.

    Looked for in this order: the name in the recording's sidecar, a configuration with the
    recording's own stem, the only configuration in its folder. Scripts and session files count
    where there is no other.

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
            if split_subframe(path)[0].is_file():
                return path
            raise ConfigError("the radar configuration does not exist", where=sidecar, got=named)
    own = [recording.with_name(recording.stem + suffix) for suffix in SUFFIXES]
    beside = [p for p in sorted(recording.parent.glob("*")) if p.name.endswith(SUFFIXES)]
    for named_so in ([p for p in own if p.is_file()], beside):
        candidates = [p for p in named_so if not p.name.endswith(_SECOND_CHOICE)] or named_so
        if len(candidates) > 1 and len({load_radar_configs(path) for path in candidates}) > 1:
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
