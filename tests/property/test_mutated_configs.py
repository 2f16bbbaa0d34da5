"""Damaged configuration files are read or refused by name; nothing else happens."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.formats import load_radar_config
from capture.formats_cfg import format_cfg, parse_cfg

FIELDS = format_cfg(RadarConfig()).split(" ")
JUNK = st.sampled_from(
    ["", "0", "-1", "1e9", "1e400", "-7.5", "nan", "inf", "0x3", "word", "99999999999", "\n", "%"]
)
LEAVES = st.sampled_from(
    [None, True, 0, -1, 3, 2.5, 10**12, 1e300, "0x7", "0xFFFFF", "", "word", [], [1], {}, {"a": 1}]
)
QUIET = [HealthCheck.function_scoped_fixture]


def is_sane(config: RadarConfig) -> bool:
    numbers = (config.idle_s, config.adc_start_s, config.rx_gain_db, config.center_frequency_hz)
    return config.frame_bytes > 0 and all(math.isfinite(number) for number in numbers)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(FIELDS) - 1), junk=JUNK)
def test_a_cfg_with_one_field_replaced(place: int, junk: str) -> None:
    text = " ".join([*FIELDS[:place], junk, *FIELDS[place + 1 :]])
    with contextlib.suppress(ConfigError):
        assert is_sane(parse_cfg(text))


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(raw=st.binary(max_size=80))
def test_bytes_that_are_no_configuration(raw: bytes, tmp_path: Path) -> None:
    for suffix in (".cfg", ".mmwave.json"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(raw)
        with pytest.raises(ConfigError):
            load_radar_config(path)


def places(table: Any, *keys: Any) -> list[tuple[Any, ...]]:
    """Key paths of every value in nested tables and lists."""
    inner = (
        table.items()
        if isinstance(table, dict)
        else enumerate(table)
        if isinstance(table, list)
        else ()
    )
    return [found for key, value in inner for found in [(*keys, key), *places(value, *keys, key)]]


STUDIO_FILE = Path(__file__).parents[1] / "unit" / "studio_example.json"
STUDIO = json.loads(STUDIO_FILE.read_text())
PLACES = places(STUDIO)


@settings(max_examples=250, deadline=None, suppress_health_check=QUIET)
@given(place=st.sampled_from(PLACES), leaf=LEAVES)
def test_a_studio_file_with_one_value_replaced(
    place: tuple[Any, ...], leaf: Any, tmp_path: Path
) -> None:
    table = json.loads(STUDIO_FILE.read_text())
    inner = table
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = leaf
    path = tmp_path / "a.mmwave.json"
    path.write_text(json.dumps(table))
    with contextlib.suppress(ConfigError):
        assert is_sane(load_radar_config(path))
