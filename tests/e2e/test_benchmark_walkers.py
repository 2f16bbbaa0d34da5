"""`radarid benchmark walkers` on three invented people: simulated, trained, told, gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_store import ToyTeacher
from typer.testing import CliRunner

from capture.config import RadarConfig
from capture.schema import write_toml
from capture.simulate.scenario import ScenarioParams
from radarid.data.process import IngestParams
from radarid.data.store import GaitStore
from radarid.dsp.params import DspParams
from radarid.errors import IngestError, RunError
from radarid.learn.benchmark import BenchmarkParams, Comparison, run_benchmark

RADAR = RadarConfig(n_samples=64, sample_rate_hz=1.25e6, rx_mask=1, n_loops=100, idle_s=216e-6)
PARAMS = BenchmarkParams(
    scenes=ScenarioParams(
        radar=RADAR, n_subjects=3, n_walks=3, n_sessions=1, n_views=2, seconds=3.0, snr_db=20.0
    ),
    dsp=DspParams(image_size=32, hop_s=1.0),
    ingest=IngestParams(max_faces=2, looks_per_face=1),
    changes=("optim.n_epochs=1", "optim.batch_size=8", "model.input.size=32", "device=cpu"),
    comparisons=(
        Comparison(name="methods", recipes=("baseline", "identitykd"), beside="table3", n_seeds=2),
        Comparison(
            name="contrast", recipes=("identitykd",), beside="table5", n_seeds=1,
            sweep={"identitykd.contrast.contrast": ("nce", "kl")},
        ),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark") / "out"
    run_benchmark(PARAMS, folder, only=["methods"], teacher=ToyTeacher())
    return folder


def test_tables_come_one_after_the_other_and_nothing_is_done_twice(out: Path) -> None:
    first = json.loads((out / "benchmark.json").read_text())
    assert [table["name"] for table in first["tables"]] == ["methods"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("student.json")}
    made = (out / "walkers.h5").stat().st_mtime_ns
    assert len(before) == 4
    again = run_benchmark(replace(PARAMS, n_parallel=2), out, teacher=ToyTeacher())
    assert (out / "walkers.h5").stat().st_mtime_ns == made
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(out.rglob("student.json"))) == 6
    assert [table["name"] for table in again["tables"]] == ["methods", "contrast"]
    assert again["tables"][0] == first["tables"][0]
    assert "training" in (out / "contrast" / "log.txt").read_text()
    text = (out / "benchmark.md").read_text()
    assert "98.58 / 99.01 / 98.43" in text
    assert "97.24 / 97.05 / 96.98" in text


def test_the_store_holds_what_was_asked_for(out: Path) -> None:
    counts = json.loads((out / "benchmark.json").read_text())["walkers"]
    assert (counts["n_subjects"], counts["n_walks"], counts["n_recordings"]) == (3, 9, 18)
    assert counts["n_subjects_with_two_days"] == 0
    with GaitStore.open(out / "walkers.h5") as store:
        table = store.table()
        assert counts["n_clips"] == len(table) > 18
        assert counts["n_faces"] == store.n_faces > 9
        assert {direction for direction in table.direction.tolist()} == {"away", "towards"}


def test_both_directions_of_a_walk_stay_on_one_side_of_the_split(out: Path) -> None:
    run = next((out / "methods").rglob("split.json"))
    parts = json.loads(run.read_text())["recordings"]
    place = {name: part for part, names in parts.items() for name in names}
    views = [name for name in place if name.endswith("_v2")]
    assert len(views) == 9
    assert all(place[name] == place[name.removesuffix("_v2")] for name in views)


def test_other_walks_do_not_go_into_the_same_folder(out: Path) -> None:
    louder = replace(PARAMS, scenes=replace(PARAMS.scenes, snr_db=15.0))
    with pytest.raises(RunError, match="other walks") as failure:
        run_benchmark(louder, out, teacher=ToyTeacher())
    assert "scenes.snr_db: 20.0 != 15.0" in str(failure.value)


def test_walks_that_fail_stop_the_benchmark(tmp_path: Path) -> None:
    short = replace(PARAMS, scenes=replace(PARAMS.scenes, n_subjects=1, n_walks=1, seconds=0.01))
    with pytest.raises(IngestError, match="2 of 2 walks failed"):
        run_benchmark(short, tmp_path, teacher=ToyTeacher())


def test_the_command_finds_everything_done(out: Path, tmp_path: Path) -> None:
    from radarid.cli import app

    scale = tmp_path / "tiny.toml"
    write_toml(scale, replace(PARAMS, comparisons=PARAMS.comparisons[:1]))
    words = ["benchmark", "walkers", "--scale", str(scale), "--out", str(out), "-j", "1"]
    done = CliRunner().invoke(app, [*words, "--invented", "--json"])
    assert done.exit_code == 0, done.output
    assert [each["name"] for each in json.loads(done.stdout)["tables"]] == ["methods"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "--invented" in refused.output
