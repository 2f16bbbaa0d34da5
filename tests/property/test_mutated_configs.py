"""Damaged configuration files: read as they say or refused by name; nothing else happens."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError
from capture.formats.cfg_write import format_cfg, write_cfg
from capture.formats.dca1000_json import read_dca1000
from capture.formats.load import SUFFIXES, load_radar_configs, read_radar_file
from capture.formats.report import report
from capture.schema import write_toml
from tests.unit.test_formats_cfg import ADVANCED, CFG
from tests.unit.test_formats_dca1000 import TABLE
from tests.unit.test_formats_lua import LUA
from tests.unit.test_formats_studio import STUDIO_FILE

QUIET = [HealthCheck.function_scoped_fixture]
JUNK = (
    "", "0", "1", "2", "-1", "1e9", "1e400", "1e99999999999", "-7.5", "0.5", "nan", "inf", "0x3",
    "word", "99999999999", "9" * 5000, "\n", "%", "--", "[[", "'", "(", "\0", "\u0663", "1_0",
)  # fmt: skip
LEAVES: tuple[Any, ...] = (
    None, True, False, 0, -1, 3, 2.5, 10**12, 10**400, 1e300, float("nan"), float("inf"), "0x7",
    "0xFFFFF", "", "word", "\0", [], [1], [[]], {}, {"a": 1},
)  # fmt: skip


def sane_or_refused(path: Path) -> None:
    """Read a file; when it is accepted, everything that follows from it is a number."""
    with contextlib.suppress(ConfigError):
        file = read_radar_file(path)
        for k, config in enumerate(file.configs):
            derived = report(file, k).derived
            numbers = [v for v in derived.values() if isinstance(v, float)]
            assert config.frame_bytes > 0
            assert 0 < config.active_s <= config.frame_period_s * (1 + 1e-9)
            assert all(math.isfinite(number) for number in numbers), derived


def spoiled(text: str, seed: int, count: int) -> Iterator[str]:
    """A text with one or two of its words replaced, or characters removed."""
    rng = random.Random(seed)
    words = re.split(r"(\s+|[(),=\[\]{}\":])", text)
    for _ in range(count):
        broken = list(words)
        for _ in range(rng.choice((1, 1, 2))):
            broken[rng.randrange(len(broken))] = rng.choice(JUNK)
        whole = "".join(broken)
        if rng.random() < 0.2:
            start = rng.randrange(len(whole))
            whole = whole[:start] + whole[start + rng.randrange(40) :]
        yield whole


TOML = "n_loops = 64\nchirps = [{ tx_mask = 3, bpm_mask = 1 }]\n[claims]\nframe_rate_hz = 200.0\n"
TEXTS = {
    "a.cfg": CFG, "b.cfg": ADVANCED, "c.cfg": format_cfg(RadarConfig()), "d.lua": LUA,
    "e.toml": TOML, "f.mmwave.json": STUDIO_FILE.read_text(),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_spoiled_texts_by_the_thousand(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for text in spoiled(TEXTS[name], seed=7, count=700):
        path.write_text(text, encoding="utf-8")
        sane_or_refused(path)


@settings(max_examples=80, deadline=None, suppress_health_check=QUIET)
@given(raw=st.binary(max_size=80))
def test_bytes_that_are_no_configuration(raw: bytes, tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        if suffix != ".toml" or raw.strip():
            path = tmp_path / f"a{suffix}"
            path.write_bytes(raw)
            with contextlib.suppress(ConfigError):
                read_radar_file(path)
                assert suffix == ".toml"


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


def replaced(text: str, place: tuple[Any, ...], leaf: Any) -> str:
    """JSON with the value at a place replaced."""
    table = json.loads(text)
    inner = table
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = leaf
    return json.dumps(table)


@pytest.mark.parametrize(("name", "text", "read"), [
    ("a.mmwave.json", STUDIO_FILE.read_text(), sane_or_refused),
    ("cf.json", json.dumps(TABLE), read_dca1000),
])  # fmt: skip
def test_json_with_any_one_value_replaced(
    name: str, text: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / name
    for place, leaf in itertools.product(places(json.loads(text)), LEAVES):
        path.write_text(replaced(text, place, leaf))
        with contextlib.suppress(ConfigError):
            read(path)


# -- one number changed: what the file says changes, or it is refused -----------------------


def said(path: Path) -> tuple[Any, ...]:
    """Everything that is read from a file."""
    file = read_radar_file(path)
    return file.configs, file.claims, file.remarks



CFG_IGNORED = {
    "flushCfg": None, "sensorStart": None, "cfarCfg": None, "adcbufCfg": {0, 4}, "chirpCfg": set(),
    # Power, phase, TX start and the two filters; the subframe of commands for all of them.
    "profileCfg": {5, 6, 8, 11, 12}, "frameCfg": {5, 6},
    "advFrameCfg": {3, 4}, "subFrameCfg": {1, 5, 6}, "lvdsStreamCfg": {0, 2},
}  # fmt: skip
"""Fields that say nothing about the raw data, by command; None: none of them does."""


def changed(word: str) -> str:
    """Another number, of the same kind, that could stand there."""
    return str(int(word) + 1) if re.fullmatch(r"-?\d+", word) else f"{float(word) + 0.125}"


@pytest.mark.parametrize("text", [CFG.partition("flushCfg\n")[2], ADVANCED])
def test_no_number_of_a_cfg_is_passed_over(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_text(text)
    before = said(path)
    lines = text.splitlines()
    for row, line in enumerate(lines):
        name, *fields = line.split()
        for k, field in enumerate(fields):
            ignored = CFG_IGNORED.get(name, set())
            if ignored is None or k in ignored:
                continue
            other = " ".join([name, *fields[:k], changed(field), *fields[k + 1 :]])
            path.write_text("\n".join([*lines[:row], other, *lines[row + 1 :]]))
            with contextlib.suppress(ConfigError):
                assert said(path) != before, other


LUA_IGNORED = {
    "LvdsClkConfig": {0},
    "LVDSLaneConfig": {6}, "ProfileConfig": {5, 6, 7, 8, 9, 10, 12, 15, 16},
    "FrameConfig": {5, 7}, "CaptureCardConfig_Mode": None, "LPModConfig": None,
    "CaptureCardConfig_StartRecord": None,
}  # fmt: skip


def test_no_number_of_a_script_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.lua"
    path.write_text(LUA)
    before = said(path)
    calls = re.compile(r"^(?:.*?)ar1\.(\w+)\(([^()\"]*)\)", re.MULTILINE)
    for found in calls.finditer(LUA, LUA.index("]]"), LUA.index("print(")):
        ignored = LUA_IGNORED.get(found[1], set())
        arguments = found[2].split(", ")
        for k, argument in enumerate(arguments):
            if ignored is None or k in ignored or not re.fullmatch(r"-?[\d.]+", argument):
                continue
            other = ", ".join([*arguments[:k], changed(argument), *arguments[k + 1 :]])
            path.write_text(LUA[: found.start(2)] + other + LUA[found.end(2) :])
            with contextlib.suppress(ConfigError):
                assert said(path) != before, f"{found[1]}({other})"


STUDIO_IGNORED = {"laneClkCfg"}


def test_no_number_of_a_studio_file_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.mmwave.json"
    text = STUDIO_FILE.read_text()
    path.write_text(text)
    before = said(path)
    for place in places(json.loads(text)):
        value = json.loads(text)
        for key in place:
            value = value[key]
        if isinstance(value, dict | list) or place[-1] in STUDIO_IGNORED:
            continue
        is_number = isinstance(value, int | float)
        if is_number or value.startswith("0x"):
            leaf = value + 1 if is_number else hex(int(value, 16) + 1)
            path.write_text(replaced(text, place, leaf))
            with contextlib.suppress(ConfigError):
                assert said(path) != before, place


# -- what is written reads back -------------------------------------------------------------

TIMES = st.integers(0, 30_000).map(lambda n: n * 1e-8)
CHIRPS = st.builds(
    Chirp,
    tx_mask=st.integers(0, 7),
    bpm_mask=st.sampled_from([0, 0, 0, 1, 2, 4]),
    start_frequency_offset_hz=st.sampled_from([0.0, 1e6, -0.25e6, 53.644]),
    slope_offset_hz_per_s=st.sampled_from([0.0, 48.279762e9]),
    idle_offset_s=TIMES,
    adc_start_offset_s=TIMES,
    ramp_end_offset_s=st.sampled_from([0.0, 0.0, 1e-6, 2.34e-6]),
)
CONFIGS = st.builds(
    RadarConfig,
    device=st.sampled_from(["IWR1843", "IWR6843", "unknown", "mine"]),
    start_frequency_hz=st.floats(60e9, 81e9),
    slope_hz_per_s=st.floats(1e12, 100e12),
    sample_rate_hz=st.floats(1e6, 37.5e6),
    n_samples=st.integers(1, 1024),
    idle_s=TIMES,
    adc_start_s=TIMES,
    ramp_end_s=st.integers(1, 30_000).map(lambda n: n * 1e-8),
    chirps=st.lists(CHIRPS, min_size=1, max_size=4).map(tuple),
    n_loops=st.integers(1, 300),
    n_frames=st.integers(0, 70_000),
    frame_period_s=st.just(1.3),
    rx_mask=st.integers(1, 15),
    adc_bits=st.sampled_from([12, 14, 16]),
    adc_format=st.sampled_from(["complex1x", "complex2x", "real"]),
    iq_order=st.sampled_from(["IQ", "QI"]),
    rx_gain_db=st.integers(0, 63).map(float),
    hsi_header=st.booleans(),
)


@settings(max_examples=250, deadline=None, suppress_health_check=QUIET)
@given(config=CONFIGS)
def test_a_written_file_reads_back_equal_or_is_not_written(
    config: RadarConfig, tmp_path: Path
) -> None:
    for name, write in {"a.cfg": write_cfg, "a.toml": write_toml}.items():
        path = tmp_path / name
        path.unlink(missing_ok=True)
        with contextlib.suppress(ConfigError):
            write(path, config)
        if path.exists():
            assert load_radar_configs(path) == (config,)
        else:
            assert name == "a.cfg"
