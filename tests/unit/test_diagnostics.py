"""`radarid diagnose`: a student beside itself, beside another, and beside faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_store import ToyTeacher, make_store
from typer.testing import CliRunner

from radarid import config as configs
from radarid.cli import app
from radarid.data.store import GaitStore
from radarid.errors import RadaridError, RunError
from radarid.learn.config import TrainConfig
from radarid.learn.degrade import DegradeParams, as_tested
from radarid.learn.diagnostics import PLACES, diagnose
from radarid.learn.evaluate import evaluate
from radarid.learn.feature_stats import linear_cka, pearson
from radarid.learn.openset import templates
from radarid.learn.probes import probe, read_predictions
from radarid.learn.reliability import negative_log_likelihood
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import load_student
from radarid.learn.trainer import train
from radarid.learn.training_data import split_and_label

QUICK = ('recipe="baseline"', "model.input.size=32", "optim.batch_size=16", "optim.n_epochs=1",
         "optim.lr=1e-3", "average.enabled=false")  # fmt: skip
COARSE = ("degrade.doppler=[8]", "degrade.time=[4]")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "gait.h5", n_people=3, n_walks=5)


def trained(store: Path, out: Path, *changes: str) -> Path:
    train(store, out, configs.load(TrainConfig, "train", None, [*QUICK, *changes]))
    return out


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(store, tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def coarse(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(store, tmp_path_factory.mktemp("runs") / "coarse", *COARSE)


def test_a_student_is_like_itself(run: Path) -> None:
    found = diagnose(run, teacher_run=run)
    assert found == json.loads((run / "diagnostics.json").read_text())
    assert (found["n_clips"], found["n_walks"], found["part"]) == (9, 3, "test")
    assert tuple(found["layers"]) == PLACES
    for layer in found["layers"].values():
        assert layer["cka"] == pytest.approx(1)
        assert layer["pearson"] == layer["pearson_over_clips"] == pytest.approx(1)
        assert layer["norms"]["t"] == pytest.approx(0)
        assert not layer["norms"]["differ"]
    assert found["layers"]["embedding"]["shape"] == [512]


def test_two_students_are_compared_on_the_same_clips(
    run: Path, store: Path, tmp_path: Path
) -> None:
    other = trained(store, tmp_path / "other", "seed=1")
    found = diagnose(run, teacher_run=other, part="val")["layers"]["embedding"]
    rows = json.loads((run / "split.json").read_text())["rows"]["val"]
    with GaitStore.open(store) as opened:
        clips = opened.read_clips(rows)
    own, theirs = (load_student(each).embed(clips)[0] for each in (run, other))
    assert found["cka"] == pytest.approx(linear_cka(own, theirs), rel=1e-5)
    assert found["pearson"] == pytest.approx(pearson(own, theirs), rel=1e-4)
    lengths = np.linalg.norm(own, axis=1).mean(), np.linalg.norm(theirs, axis=1).mean()
    assert (found["norms"]["mean_x"], found["norms"]["mean_y"]) == pytest.approx(lengths, rel=1e-5)


def test_faces_are_those_of_the_clips_people(run: Path, store: Path) -> None:
    teacher = ToyTeacher()
    found = diagnose(run, teacher=teacher)["layers"]
    assert found["layer1"]["teacher_shape"] == [512]
    assert found["layer1"]["pearson"] is found["layer1"]["norms"] is None
    assert found["embedding"]["norms"] is None  # the teacher's embeddings are of length 1
    assert 0 < found["embedding"]["cka"] <= 1
    # Toy faces hardly differ within a person: their CKA is that of one face a person.
    evaluate(run, control=False)
    test, _ = read_predictions(run)
    with GaitStore.open(store) as opened:
        faces = opened.faces()
        first = [int(np.flatnonzero(faces.subject == name)[0]) for name in test.subjects]
        one_each = teacher.embed(opened.read_faces(first))
    expected = linear_cka(test.embeddings, one_each[test.labels])
    assert found["embedding"]["cka"] == pytest.approx(expected, abs=0.03)


def test_a_student_of_degraded_clips_is_scored_on_such(run: Path, coarse: Path) -> None:
    plain, lesser = evaluate(run, control=False), evaluate(coarse, control=False)
    assert "undegraded" not in plain
    test, _ = read_predictions(coarse)
    with GaitStore.open(Path(json.loads((coarse / "config.json").read_text())["store"])) as opened:
        _, logits = load_student(coarse).embed(opened.read_clips(test.rows))
    assert not np.allclose(logits, test.logits)
    accuracy = float((logits.argmax(1) == test.labels).mean())
    assert lesser["undegraded"]["clips"]["accuracy"] == pytest.approx(accuracy)
    degraded = float((test.logits.argmax(1) == test.labels).mean())
    assert lesser["clips"]["accuracy"] == pytest.approx(degraded)


def test_validation_and_templates_see_degraded_clips_too(coarse: Path, store: Path) -> None:
    student = load_student(coarse)
    config = RunFolder(coarse).read_config()
    chosen = student.facts["candidates"][student.facts["selected"]]
    with GaitStore.open(store) as opened:
        table, split = split_and_label(opened, config)
        found = {
            name: probe(student, opened, table, split.val, student.subjects, lesser)
            for name, lesser in (("degraded", config.degrade), ("plain", DegradeParams()))
        }
        seen = probe(student, opened, table, split.train, student.subjects, config.degrade)
    losses = {
        name: negative_log_likelihood(each.logits, each.labels) for name, each in found.items()
    }
    assert chosen["cross_entropy"] == pytest.approx(losses["degraded"], rel=1e-4)
    assert chosen["cross_entropy"] != pytest.approx(losses["plain"], rel=1e-3)
    people = templates(seen.embeddings, seen.labels, 3)
    assert np.allclose(student.templates, people, atol=1e-5)


def test_degraded_the_same_way_every_time() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (300, 32, 32), np.uint8))
    params = DegradeParams(doppler=(1, 4), noise_db=(10.0,))
    assert torch.equal(as_tested(images, params), as_tested(images, params))
    assert as_tested(images, DegradeParams()) is images


def test_degraded_features_differ_from_the_clean_ones(coarse: Path) -> None:
    found = diagnose(coarse, teacher_run=coarse)["layers"]  # the teacher sees clean clips
    assert found["layer1"]["pearson"] < 0.98
    assert found["layer1"]["cka"] < 1


def test_as_many_clips_as_asked_for(run: Path) -> None:
    assert diagnose(run, teacher_run=run, part="train", n_clips=7)["n_clips"] == 7
    with pytest.raises(RunError, match="too few clips"):
        diagnose(run, teacher_run=run, n_clips=3)


def test_a_store_without_faces_is_refused(run: Path, tmp_path: Path) -> None:
    bare = make_store(tmp_path / "bare.h5", n_people=3, n_walks=5, faceless=(0, 1, 2))
    with pytest.raises(RadaridError, match="no face"):
        diagnose(run, bare, teacher=ToyTeacher())


def test_the_command(run: Path) -> None:
    words = ["diagnose", str(run), "--teacher", str(run), "--clips", "8"]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_clips"] == 8
    done = CliRunner().invoke(app, words)
    assert "layer4" in done.stdout
