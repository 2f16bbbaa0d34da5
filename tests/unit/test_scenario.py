"""Scenarios of many walks, and the command that writes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from capture.config import RadarConfig
from capture.file.sidecar import read_sidecar
from capture.simulate.scenario import ScenarioParams, plan, scenario
from capture.simulate.source import SimulatedRecording
from capture.simulate.truth import read_truth

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SMALL = RadarConfig(sample_rate_hz=1.25e6, n_samples=32, n_loops=20, rx_mask=1)


def words(recording: SimulatedRecording) -> np.ndarray:
    return np.stack([frame.words for frame in recording])


def test_walks_spread_over_sessions_and_alternate_in_direction() -> None:
    walks = plan(ScenarioParams(n_subjects=2, n_walks=6, n_sessions=2))
    first = [(w.stem, w.direction) for w in walks if w.subject == "p01"]
    assert sorted(first) == [
        ("p01_s1_t01", "away"), ("p01_s1_t02", "towards"), ("p01_s1_t03", "away"),
        ("p01_s2_t01", "away"), ("p01_s2_t02", "towards"), ("p01_s2_t03", "away"),
    ]  # fmt: skip
    assert len({w.stem for w in walks}) == 12


def test_a_larger_scenario_contains_the_smaller_one_unchanged() -> None:
    small = ScenarioParams(radar=SMALL, n_subjects=1, n_walks=2, n_sessions=2, seconds=0.5)
    large = ScenarioParams(radar=SMALL, n_subjects=2, n_walks=4, n_sessions=2, seconds=0.5)
    few = {r.name: words(r) for r in scenario(small)}
    many = {r.name: words(r) for r in scenario(large)}
    assert few.keys() < many.keys()
    for name, expected in few.items():
        np.testing.assert_array_equal(many[name], expected)
    other = next(iter(scenario(ScenarioParams(radar=SMALL, n_subjects=1, seconds=0.5, seed=1))))
    assert other.motion.mean_speed_mps != next(iter(scenario(small))).motion.mean_speed_mps


def test_a_person_stays_the_same_from_day_to_day_but_not_exactly() -> None:
    params = ScenarioParams(radar=SMALL, n_subjects=2, n_walks=2, n_sessions=2, seconds=0.5)
    traits = {r.name: r.traits for r in scenario(params)}
    one, next_day = traits["p01_s1_t01"], traits["p01_s2_t01"]
    someone = traits["p02_s1_t01"]
    assert one["height_m"] == next_day["height_m"] != someone["height_m"]
    assert one["speed_mps"] != next_day["speed_mps"]
    # two standard deviations of 3 % each way at the most
    assert abs(one["speed_mps"] / next_day["speed_mps"] - 1) < 0.13


def test_long_walks_end_where_the_room_ends() -> None:
    params = ScenarioParams(radar=SMALL, n_subjects=1, n_walks=2, n_sessions=1, seconds=9.0)
    for recording in scenario(params):
        pelvis = recording.placed.joint("pelvis")[:, :2]
        range_m = np.linalg.norm(pelvis, axis=1)
        assert 1.1 < range_m.min() < 1.5
        assert 7.5 < range_m.max() < 8.5
        nearest_first = np.argmin(range_m) < len(range_m) / 2
        assert nearest_first == (recording.scene.direction == "away")


def test_views_of_a_walk_differ_in_all_but_the_walk() -> None:
    params = ScenarioParams(
        radar=SMALL, n_subjects=1, n_walks=2, n_sessions=1, seconds=0.5, n_views=3,
        snr_db=5.0, snr_spread_db=4.0, lateral_m=0.9,
    )
    walks = plan(params)
    assert [(w.stem, w.take, w.direction) for w in walks[:4]] == [
        ("p01_s1_t01", "t01", "away"), ("p01_s1_t01_v2", "t01", "towards"),
        ("p01_s1_t01_v3", "t01", "away"), ("p01_s1_t02", "t02", "towards"),
    ]  # fmt: skip
    recordings = [walk.simulate() for walk in walks]
    first, second, third, other = recordings[:4]
    for view in (second, third):
        np.testing.assert_array_equal(view.motion.position_m, first.motion.position_m)
        assert not np.array_equal(words(view), words(first))
    assert not np.array_equal(other.motion.position_m, first.motion.position_m)
    scenes = [recording.scene for recording in recordings]
    for key, middle, spread in (("snr_db", 5.0, 4.0), ("lateral_m", 0.0, 0.9)):
        values = [getattr(scene, key) for scene in scenes]
        assert len(set(values)) == 6
        assert all(abs(value - middle) <= spread for value in values)
        assert max(values) - min(values) > 0.3 * spread
    alone = plan(ScenarioParams(radar=SMALL, n_subjects=1, n_walks=2, n_sessions=1, seconds=0.5))
    assert alone[0].simulate().scene.snr_db == ScenarioParams().snr_db


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
def test_captured_walks_keep_their_people_and_days() -> None:
    params = ScenarioParams(
        radar=SMALL, n_subjects=3, n_walks=4, n_sessions=2, mocap=str(SHARED / "mocap")
    )
    walks = plan(params)
    assert len({w.subject for w in walks}) == 3
    for subject in {w.subject for w in walks}:
        own = [w for w in walks if w.subject == subject]
        assert len(own) == 4
        assert {w.session for w in own} in ({"d1", "d2"}, {"d1"})
        assert len({(w.session, w.take) for w in own}) == 4
    assert all(w.stem.count(f"_{w.session}_") == 1 for w in walks)
    recording = walks[1].simulate()
    assert recording.sidecar.subject == walks[1].subject
    assert 0.5 < recording.motion.mean_speed_mps < 2.5
    assert len(words(recording)) > 30


def test_the_command_writes_what_it_says(tmp_path: Path) -> None:
    from radarid.cli import app

    out = tmp_path / "raw"
    arguments = ["simulate", str(out), "--subjects", "1", "--walks", "2", "--sessions", "1"]
    done = CliRunner().invoke(app, [*arguments, "--seconds", "0.5", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["recordings"]
    assert [row["file"] for row in rows] == ["p01_s1_t01.bin", "p01_s1_t02.bin"]
    for row in rows:
        # demo: 1 RX x 138 chirps x 64 samples x 4 bytes a frame; 0.5 s hold 15 frames of 33 ms
        assert row["bytes"] == row["frames"] * 138 * 64 * 4
        assert row["bytes"] == (out / row["file"]).stat().st_size
        assert row["frames"] == 15
        assert read_truth(out / f"{Path(row['file']).stem}.truth.npz").time_s.size == 15
    assert read_sidecar(out / "p01_s1_t02.json").radar == "radar.toml"


def test_the_command_films_the_walkers(tmp_path: Path) -> None:
    from capture.camera.reader import open_camera
    from radarid.cli import app

    arguments = ["simulate", str(tmp_path), "--subjects", "1", "--walks", "1", "--seconds", "1"]
    done = CliRunner().invoke(app, [*arguments, "--camera"])
    assert done.exit_code == 0, done.output
    camera = read_sidecar(tmp_path / "p01_s1_t01.json").camera
    assert camera == "p01_s1_t01.avi"
    times = [time_s for time_s, _ in open_camera(tmp_path / camera)]
    # 30 frames of 33 ms at 2 pictures a second
    assert len(times) == 2
