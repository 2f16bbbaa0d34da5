"""Simulated walks reach the store the same way, with files in between or without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from capture.config import RadarConfig
from capture.schema import write_toml
from radarid.cli import app
from radarid.data.store import GaitStore

SCENARIO = {"n_subjects": 2, "n_walks": 1, "seconds": 1.6, "seed": 5}
SMALL = ["--set=clip_s=1.0", "--set=image_size=64", "--set=window_chirps=32", "-j", "1", "--json"]


def run(*command: str) -> dict[str, list[dict[str, object]]]:
    done = CliRunner().invoke(app, list(command))
    assert done.exit_code == 0, done.output
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return found


def test_with_and_without_files_is_the_same(tmp_path: Path) -> None:
    radar = tmp_path / "radar.toml"
    write_toml(radar, RadarConfig(n_samples=64, rx_mask=1, n_loops=64, frame_period_s=20e-3,
                                  sample_rate_hz=1.25e6, chirps=RadarConfig().chirps))
    settings = [f"--simulate={key}={value}" for key, value in SCENARIO.items()]
    direct, files = tmp_path / "direct.h5", tmp_path / "files.h5"
    told = run("ingest", *settings, "--radar", str(radar), "--out", str(direct), *SMALL)
    assert [o["name"] for o in told["done"]] == ["p01_s1_t01", "p02_s1_t01"]
    raw = tmp_path / "raw"
    run("simulate", str(raw), "--subjects", "2", "--walks", "1", "--seconds", "1.6", "--seed", "5",
        "--radar", str(radar), "--camera", "--json")
    run("ingest", *sorted(map(str, raw.glob("*.bin"))), "--out", str(files), *SMALL)
    with GaitStore.open(direct) as one, GaitStore.open(files) as two:
        assert one.n_clips == two.n_clips >= 2
        every = np.arange(one.n_clips)
        assert np.array_equal(one.read_clips(every), two.read_clips(every))
        assert one.table().groups == two.table().groups
        assert one.n_faces == two.n_faces >= 2
        assert np.array_equal(one.read_faces(range(one.n_faces)),
                              two.read_faces(range(two.n_faces)))
        assert {e.content_id.split(":")[0] for e in one.recordings()} == {"simulated"}
    again = run("ingest", *settings, "--radar", str(radar), "--out", str(direct), *SMALL)
    assert (len(again["skipped"]), again["done"]) == (2, [])
    more = [*settings, "--simulate=seed=6"]
    louder = run("ingest", *more, "--radar", str(radar), "--out", str(direct), "--no-faces", *SMALL)
    assert (len(louder["done"]), louder["skipped"]) == (2, [])


@pytest.mark.parametrize("arguments", [
    [], ["x.bin", "--simulate", "seed=1"], ["x.bin", "--jobs", "0"], ["--simulate", "sed=1"],
    ["x.bin", "--dsp", "no-such"], ["x.bin", "--set", "clip=3"],
])
def test_wrong_use_is_refused(arguments: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["ingest", *arguments, "--out", str(tmp_path / "gait.h5")])
    explained = type(done.exception).__name__ == "ConfigError"  # `main` turns it into exit code 2
    assert done.exit_code == 2 or explained, done.output
    assert list(tmp_path.iterdir()) == []
