"""Named configurations: TOML files hold the differences from the dataclass defaults.

A configuration is named by a path or by the stem of a shipped file (`configs/<kind>/<name>.toml`).
Of a radar configuration with several subframes, `file.cfg#1` names the second.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from capture.errors import ConfigError
from capture.formats.load import split_subframe
from capture.schema import from_mapping, read_toml

T = TypeVar("T")
CONFIG_SUFFIXES = (".toml", ".cfg")


def shipped(kind: str) -> dict[str, Path]:
    """Names and paths of the configurations of one kind (`radar`, `dsp`, `train`) we ship."""
    folder = Path(str(resources.files("radarid.configs"))) / kind
    files = sorted(p for p in folder.iterdir() if p.suffix in CONFIG_SUFFIXES)
    return {path.stem: path for path in files}


def find(kind: str, name: str) -> Path:
    """Path of the configuration called `name`: an existing file, or a shipped one.

    Raises
    ------
    ConfigError
        Neither a file nor a shipped name.
    """
    path = Path(name)
    plain = split_subframe(path)[0]
    if plain.suffix in (*CONFIG_SUFFIXES, ".json", ".lua") or plain.is_file():
        if plain.is_file():
            return path
        raise ConfigError("no such configuration file", where=name)
    known = shipped(kind)
    if name not in known:
        raise ConfigError(
            f"no {kind} configuration of this name",
            got=name,
            expected=f"a file, or one of {', '.join(known)}",
        )
    return known[name]


def load(
    cls: type[T],
    kind: str,
    name: str | Sequence[str] | None = None,
    overrides: Sequence[str] = (),
) -> T:
    """Build a configuration from its defaults, named files and `a.b=c` overrides.

    Parameters
    ----------
    cls : a `config_class`
    kind : folder below configs/
    name : path or shipped name; several are laid over each other, the last on top; None for the
        defaults alone
    overrides : `key.path=value`, the value in TOML syntax (a bare word is a string)

    Raises
    ------
    ConfigError
        Unknown name, key or a value of the wrong type.
    """
    names = [name] if isinstance(name, str) else name or []
    paths = [find(kind, each) for each in names]
    table: dict[str, Any] = {}
    for path in paths:
        _lay_over(table, read_toml(path))
    for override in overrides:
        _set(table, override)
    return from_mapping(cls, table, where=", ".join(map(str, paths)) or "defaults")


def _lay_over(table: dict[str, Any], upper: dict[str, Any]) -> None:
    """Replace what `upper` also has, table by table."""
    for key, value in upper.items():
        below = table.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            _lay_over(below, value)
        else:
            table[key] = value


def _set(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError("not an override", got=override, expected="key.path=value")
    *parents, last = key.strip().split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise ConfigError(f"'{parent}' is a value, not a table", where=f"--set {override}")
    table[last] = _value(text.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
