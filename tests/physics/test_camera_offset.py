"""Walkers seen by a simulated radar and filmed from its place: when did the film start?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from capture.config import RadarConfig
from capture.file.sidecar import read_sidecar, write_sidecar
from capture.simulate.motion import BodyMotion
from capture.simulate.parametric import draw_traits, walk
from capture.simulate.scene import Scene
from capture.simulate.source import SimulatedRecording
from capture.simulate.walk_film import write_film
from radarid.cli import app

RADAR = RadarConfig(n_samples=64, rx_mask=1, n_loops=128, sample_rate_hz=1.25e6)
LENGTH_S = 10.0


def stops_and_goes(motion: BodyMotion, rng: np.random.Generator) -> BodyMotion:
    """The same walk with pauses in it: time itself stops for the walker."""
    time_s = np.arange(0, LENGTH_S, 1 / 60)
    pace, start_s = np.zeros_like(time_s), rng.uniform(0.5, 1.5)
    while start_s < LENGTH_S:
        stop_s = start_s + rng.uniform(0.8, 2.0)
        pace[(time_s >= start_s) & (time_s < stop_s)] = 1
        start_s = stop_s + rng.uniform(0.4, 1.2)
    smooth = np.hanning(25) / np.hanning(25).sum()
    gone_s = np.cumsum(np.convolve(pace, smooth, "same")) / 60
    return BodyMotion(time_s, motion.at(np.clip(gone_s, 0, motion.time_s[-1])))


def film_walk(folder: Path, seed: int, *, steady: bool = False) -> tuple[Path, float]:
    """A recording and its film; the offset of the film."""
    rng = np.random.default_rng(seed)
    motion = walk(draw_traits(rng), LENGTH_S, rng)
    motion = motion.between(0, 5.0) if steady else stops_and_goes(motion, rng)
    scene = Scene(direction="towards" if seed % 2 else "away", near_m=1.4, clutter_seed=seed)
    recording = SimulatedRecording(RADAR, motion, scene, seed=seed, name=f"w{seed}")
    path, sidecar, _ = recording.save(folder, camera=f"w{seed}.avi")
    offset_s = float(rng.uniform(-1.5, 1.5))
    write_film(folder / f"w{seed}.avi", recording.placed, f"p{seed}", seed, start_s=offset_s,
               n_images=round(15 * motion.duration_s))  # fmt: skip
    write_sidecar(sidecar, dataclasses.replace(read_sidecar(sidecar), camera_offset_s=None))
    return path, offset_s


@pytest.mark.slow
def test_the_offset_of_a_film_is_found_drawn_and_written(tmp_path: Path) -> None:
    for seed in (1, 2):
        path, true_s = film_walk(tmp_path, seed)
        command = ["plot", str(path), "--sync", "--out", str(tmp_path / "plots"), "--json"]
        done = CliRunner().invoke(app, [*command, *["--write-offset"] * (seed == 2)])
        assert done.exit_code == 0, done.output + str(done.exception)
        told = json.loads(done.stdout)
        assert abs(told["offset_s"] - true_s) <= told["uncertainty_s"] < 0.25
        assert Image.open(told["pictures"][0]).height > 900
        written_s = read_sidecar(path.with_suffix(".json")).camera_offset_s
        assert written_s == (told["offset_s"] if seed == 2 else None)
    again = json.loads(CliRunner().invoke(app, command).stdout)  # now the offset is known
    assert (again["known_offset_s"], again["known_from"]) == (written_s, "given")


def test_a_steady_walk_cannot_be_told_but_is_drawn(tmp_path: Path) -> None:
    path, _ = film_walk(tmp_path, 0, steady=True)
    done = CliRunner().invoke(app, ["plot", str(path), "--sync", "--out", str(tmp_path)])
    assert done.exit_code != 0
    assert "nobody can tell when the camera started" in str(done.exception)
    assert "w0.sync.png shows the search" in str(done.exception)
    assert (tmp_path / "w0.sync.png").is_file()
    assert read_sidecar(path.with_suffix(".json")).camera_offset_s is None


def test_wrong_use_of_sync(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(100))
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "x.bin"), "--write-offset"])
    assert done.exit_code == 2
    assert "belong to --sync" in done.output
