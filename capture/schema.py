"""Frozen dataclasses as the only configuration schema: strict reading, exact fingerprints."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import pydantic
import tomli_w

from capture.errors import ConfigError

T = TypeVar("T")
_CONFIG = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config_class(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass that refuses unknown keys and wrong types."""
    make: Callable[[type[T]], type[T]] = pydantic.dataclasses.dataclass(  # type: ignore[assignment]
        frozen=True, kw_only=True, config=_CONFIG
    )
    return make(cls)


@functools.cache
def _adapter(cls: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(cls)


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: object = None) -> T:
    """Build `cls` from nested tables, strictly.

    Parameters
    ----------
    cls : a `config_class`
    mapping : nested tables, as `tomllib` gives them
    where : what to call the source in an error (a path, usually)

    Raises
    ------
    ConfigError
        Unknown key (with the nearest known one), wrong type or value out of its domain.
    """
    try:
        # JSON mode is the strict mode that still takes lists as tuples and tables as dataclasses.
        adapter: pydantic.TypeAdapter[T] = _adapter(cls)  # type: ignore[arg-type]
        return adapter.validate_json(json.dumps(mapping), strict=True)
    except pydantic.ValidationError as failure:
        raise _explain(cls, failure, where) from None


def _explain(cls: type[Any], failure: pydantic.ValidationError, where: object) -> ConfigError:
    first = failure.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys_at(cls, path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        return ConfigError(
            f"unknown key '{key}'",
            where=where,
            expected=f"one of {', '.join(known)}",
            remedy=f"did you mean '{near[0]}'?" if near else "remove the key",
        )
    if first["type"] == "missing":
        return ConfigError(f"missing key '{key}'", where=where, remedy="add the key")
    return ConfigError(
        f"key '{key}': {first['msg']}", where=where, got=repr(first["input"])
    )


def _keys_at(cls: Any, path: list[str]) -> list[str]:
    """Names of the fields of the dataclass that `path` leads to inside `cls`."""
    for part in path:
        candidates = [cls, *_nested(cls)]
        for candidate in candidates:
            if dataclasses.is_dataclass(candidate) and part in typing.get_type_hints(candidate):
                cls = typing.get_type_hints(candidate)[part]
                break
    for candidate in [cls, *_nested(cls)]:
        if dataclasses.is_dataclass(candidate):
            return [field.name for field in dataclasses.fields(candidate)]
    return []


def _nested(hint: Any) -> list[Any]:
    """Every type named inside a hint such as `tuple[Chirp, ...]` or `Gate | None`."""
    found: list[Any] = []
    for argument in typing.get_args(hint):
        if isinstance(argument, (type, types.GenericAlias)):
            found += [argument, *_nested(argument)]
    return found


def to_mapping(config: Any) -> dict[str, Any]:
    """Nested plain tables of a configuration; `from_mapping` gives it back unchanged."""
    adapter = _adapter(type(config))  # type: ignore[arg-type]
    return typing.cast(dict[str, Any], adapter.dump_python(config, mode="json"))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into nested tables.

    Raises
    ------
    ConfigError
        The file is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise ConfigError(f"cannot be read: {failure.strerror}", where=path) from None
    except (ValueError, RecursionError) as failure:
        raise ConfigError(f"not valid TOML: {failure}", where=path) from None


def write_toml(path: Path, config: Any) -> None:
    """Write a configuration as TOML (keys without a value are left out)."""
    write_tables(path, to_mapping(config))


def write_tables(path: Path, tables: dict[str, Any]) -> None:
    """Write nested tables as TOML (keys without a value are left out)."""
    path.write_text(tomli_w.dumps(_without_none(tables)), encoding="utf-8")


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def fingerprint(config: Any) -> str:
    """First 16 hex digits of the SHA-256 of the configuration's canonical JSON.

    Parameters
    ----------
    config : a configuration, or its nested tables
    """
    tables = config if isinstance(config, dict) else to_mapping(config)
    canonical = json.dumps(tables, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def differing_keys(first: Any, second: Any, prefix: str = "") -> list[str]:
    """Dotted names of the keys in which two configurations differ, with both values."""
    one = first if isinstance(first, dict) else to_mapping(first)
    two = second if isinstance(second, dict) else to_mapping(second)
    found: list[str] = []
    for key in sorted(one.keys() | two.keys()):
        a, b = one.get(key), two.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differing_keys(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key}: {a!r} != {b!r}")
    return found
