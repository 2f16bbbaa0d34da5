"""Radar configurations by kind of file, found beside recordings, and converted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from capture.config import Chirp, RadarConfig, Subframe
from capture.errors import ConfigError
from capture.file.sidecar import Sidecar, write_sidecar
from capture.formats.convert import write_radar_config
from capture.formats.load import (
    find_config,
    load_radar_config,
    read_claims,
    split_subframe,
    write_cfg,
)
from capture.schema import write_toml

KINDS = "expected one of .cfg, .mmwave.json, .toml, .setup.json, .lua"


def test_toml_holds_differences_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "radar.toml"
    path.write_text("n_loops = 64\nchirps = [{ tx_mask = 1 }, { tx_mask = 4 }]\n")
    expected = dataclasses.replace(
        RadarConfig(), n_loops=64, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4))
    )
    assert load_radar_config(path) == expected
    path.write_text("n_loop = 64\n")
    with pytest.raises(ConfigError, match="did you mean 'n_loops'"):
        load_radar_config(path)


def test_toml_may_hold_claims(tmp_path: Path) -> None:
    path = tmp_path / "radar.toml"
    path.write_text("n_loops = 64\n[claims]\nrange_resolution_m = 0.04\nsource = 'a paper'\n")
    assert load_radar_config(path) == dataclasses.replace(RadarConfig(), n_loops=64)
    assert read_claims(path).values() == {"range_resolution_m": 0.04}
    for line, message in {
        "range_res_m = 1.0": "unknown key 'range_res_m'",
        "range_resolution_m = 0.0": "must be positive",
        "range_resolution_m = 'fine'": "range_resolution_m",
    }.items():
        path.write_text(f"[claims]\n{line}\n")
        with pytest.raises(ConfigError, match=message):
            load_radar_config(path)
    path.write_text("claims = 3\n")
    with pytest.raises(ConfigError):
        load_radar_config(path)


def test_other_files_are_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "cf.json"
    with pytest.raises(ConfigError, match="exports as <name>.mmwave.json"):
        load_radar_config(path)
    path.write_text('{"DCA1000Config": {}}')
    with pytest.raises(ConfigError, match="DCA1000 configuration, which holds no waveform"):
        load_radar_config(path)
    with pytest.raises(ConfigError, match=KINDS):
        load_radar_config(tmp_path / "radar.xml")
    for name in ("a.cfg", "a.mmwave.json", "a.setup.json", "a.toml", "a.lua"):
        with pytest.raises(ConfigError, match="No such file"):
            load_radar_config(tmp_path / name)


def test_a_subframe_is_named_behind_the_path(tmp_path: Path) -> None:
    assert split_subframe("x/radar.cfg#12") == (Path("x/radar.cfg"), 12)
    assert split_subframe("x/radar.cfg") == (Path("x/radar.cfg"), None)
    odd = tmp_path / "take#3"
    odd.touch()
    assert split_subframe(odd) == (odd, None)


def test_find_config_prefers_sidecar_then_stem_then_the_only_one(tmp_path: Path) -> None:
    recording = tmp_path / "walk.bin"
    with pytest.raises(ConfigError, match="no radar configuration belongs to it"):
        find_config(recording)
    (tmp_path / "radar.toml").touch()
    assert find_config(recording) == tmp_path / "radar.toml"
    (tmp_path / "same.toml").touch()
    assert find_config(recording) == tmp_path / "radar.toml"
    (tmp_path / "other.toml").write_text("n_loops = 100\n")
    with pytest.raises(ConfigError, match="got other.toml, radar.toml, same.toml"):
        find_config(recording)
    (tmp_path / "walk.toml").write_text("n_loops = 7\n")
    assert find_config(recording) == tmp_path / "walk.toml"
    write_sidecar(tmp_path / "walk.json", Sidecar(radar="radar.toml"))
    assert find_config(recording) == tmp_path / "radar.toml"
    write_sidecar(tmp_path / "walk.json", Sidecar(radar="radar.toml#0"))
    assert find_config(recording) == tmp_path / "radar.toml#0"
    assert load_radar_config(find_config(recording)) == RadarConfig()
    write_sidecar(tmp_path / "walk.json", Sidecar(radar="gone.toml"))
    with pytest.raises(ConfigError, match="does not exist; got gone.toml"):
        find_config(recording)


def test_a_script_beside_the_recording_counts_where_there_is_nothing_else(tmp_path: Path) -> None:
    recording = tmp_path / "walk.bin"
    (tmp_path / "unrelated.lua").write_text("print('hello')\n")
    assert find_config(recording) == tmp_path / "unrelated.lua"
    (tmp_path / "radar.toml").touch()
    assert find_config(recording) == tmp_path / "radar.toml"


CONVERTED = [
    RadarConfig(),
    RadarConfig(device="IWR1443", n_lanes=4, iq_order="QI", adc_format="real", n_frames=9),
    RadarConfig(n_loops=60, hsi_header=True, frame_period_s=1 / 30,
                chirps=(Chirp(tx_mask=3), Chirp(tx_mask=3, bpm_mask=2, idle_offset_s=1e-6))),
]  # fmt: skip


@pytest.mark.parametrize("config", CONVERTED)
def test_there_and_back_is_exactly_the_same(tmp_path: Path, config: RadarConfig) -> None:
    write_toml(tmp_path / "a.toml", config)
    assert write_radar_config(tmp_path / "a.toml", tmp_path / "b.cfg") == []
    assert write_radar_config(tmp_path / "b.cfg", tmp_path / "c.toml") == []
    assert load_radar_config(tmp_path / "b.cfg") == config
    assert load_radar_config(tmp_path / "c.toml") == config


def test_toml_carries_what_a_cfg_cannot_and_claims_too(tmp_path: Path) -> None:
    place = Subframe(index=1, n_subframes=2, lead_bytes=4096, tail_bytes=0, lead_s=0.01)
    config = RadarConfig(subframe=place, n_loops=200, rx_gain_db=30.25, lvds_lane_rate_bps=450e6)
    write_toml(tmp_path / "a.toml", config)
    with (tmp_path / "a.toml").open("a") as file:
        file.write("[claims]\nframe_rate_hz = 200.0\n")
    write_radar_config(tmp_path / "a.toml", tmp_path / "b.toml")
    assert load_radar_config(tmp_path / "b.toml") == config
    assert read_claims(tmp_path / "b.toml").frame_rate_hz == 200.0
    with pytest.raises(ConfigError, match="subframe"):
        write_radar_config(tmp_path / "a.toml", tmp_path / "b.cfg")
    with pytest.raises(ConfigError, match=r"expected .cfg or .toml"):
        write_radar_config(tmp_path / "a.toml", tmp_path / "b.json")
    (tmp_path / "c.toml").write_text("[claims]\nframe_rate_hz = 200.0\n")
    remarks = write_radar_config(tmp_path / "c.toml", tmp_path / "c.cfg")
    assert remarks == ["claims are left out, a .cfg has no place for them"]


def test_a_failed_conversion_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n_loops: 300"):
        write_cfg(tmp_path / "a.cfg", RadarConfig(n_loops=300, frame_period_s=0.05))
    assert list(tmp_path.iterdir()) == []
