"""Evaluation: consistent numbers, strangers, and a control that sees a leak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_store import make_store
from typer.testing import CliRunner

from radarid import config as configs
from radarid.cli import app
from radarid.data.store import GaitStore
from radarid.errors import RunError
from radarid.learn.config import TrainConfig
from radarid.learn.evaluate import evaluate
from radarid.learn.probes import read_predictions
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import load_student
from radarid.learn.trainer import train

QUICK = (
    'recipe="baseline"', "model.input.size=32", "optim.batch_size=16", "optim.lr=1e-3",
    "save_every=100", "average.enabled=false",
)  # fmt: skip


def trained(store: Path, out: Path, *changes: str) -> Path:
    train(store, out, configs.load(TrainConfig, "train", None, [*QUICK, *changes]))
    return out


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Within a walk the clips are alike (no noise), between walks of a person they are not.
    path = tmp_path_factory.mktemp("store") / "gait.h5"
    return make_store(path, n_people=4, n_walks=5, n_clips=3)


@pytest.fixture(scope="module")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "one"
    return trained(store, out, "optim.n_epochs=3", 'split.unknown_subjects=["p3"]')


def test_numbers_agree_with_each_other(finished: Path) -> None:
    result = evaluate(finished, control=False)
    assert result == json.loads((finished / "evaluation.json").read_text())
    assert (finished / "confusion.png").read_bytes()[:4] == b"\x89PNG"
    # 3 known people with one test walk of 3 clips each; p3's 5 walks are the strangers'.
    assert (result["n_subjects"], result["n_test_clips"], result["n_test_walks"]) == (3, 9, 3)
    assert result["chance"]["guessing"] == pytest.approx(1 / 3)
    counts = np.array(result["confusion"]["clips"])
    assert counts.sum(axis=1).tolist() == [3, 3, 3]
    assert result["clips"]["accuracy"] == pytest.approx(np.trace(counts) / 9)
    assert result["clips"]["macro_recall"] == pytest.approx(np.trace(counts) / 9)
    assert result["worst_subject"]["recall"] == pytest.approx(min(np.diag(counts) / 3))
    low, high = result["clips"]["accuracy_interval"]
    assert low <= result["clips"]["accuracy"] <= high
    strangers = result["open_set"]
    assert strangers["n_stranger_walks"] == 5
    assert strangers["strangers"] == {"p3": strangers["strangers_accepted"]}
    assert strangers["known_walks_identified"] <= result["retrieval"]["rank_1"]
    assert result["retrieval"]["n_impostor"] == 3 * 2
    assert result["retrieval"]["finest_far"] == pytest.approx(1 / 6)
    assert result["retrieval"]["cmc"][0] == result["retrieval"]["rank_1"]
    assert "not run" in result["control"]


def test_people_and_calibration_agree_with_the_predictions(finished: Path) -> None:
    result = evaluate(finished, control=False)
    test, known = read_predictions(finished)
    assert test.subjects == known == ("p0", "p1", "p2")
    assert (finished / "predictions.npz").stat().st_mode & 0o777 == 0o600
    with GaitStore.open(RunFolder(finished).store_path()) as store:
        table = store.table()
        split = json.loads((finished / "split.json").read_text())
        assert test.rows.tolist() == split["rows"]["test"]
        assert [known[k] for k in test.labels] == table.subject[test.rows].tolist()
        assert test.captures.tolist() == table.recording[test.rows].tolist()
        walk_of = dict(zip(test.groups.tolist(), test.rows.tolist(), strict=True))
        for group, row in zip(test.groups.tolist(), test.rows.tolist(), strict=True):
            assert table.groups[walk_of[group]] == table.groups[row]
        assert len(walk_of) == 3
        embeddings, logits = load_student(finished).embed(store.read_clips(test.rows))
    assert np.array_equal(test.logits, logits)
    assert np.array_equal(test.embeddings, embeddings)
    people, predicted = result["per_subject"], logits.argmax(1)
    assert list(people) == ["p0", "p1", "p2"]
    for k, name in enumerate(known):
        assert (people[name]["n_clips"], people[name]["n_walks"]) == (3, 1)
        assert people[name]["recall"] == pytest.approx(np.mean(predicted[test.labels == k] == k))
        assert people[name]["recall"] == result["recall_per_subject"][name]
    calibration = result["calibration"]
    assert calibration["n_val_clips"] == 9
    assert calibration["before"]["ece"] == result["clips"]["calibration_error"]
    assert calibration["before"]["brier"] == result["clips"]["brier"]
    for name in ("before", "after"):
        assert sum(calibration["reliability"][name]["n"]) == 9
    double = torch.from_numpy(logits).double() / calibration["temperature"]
    expected = torch.nn.functional.cross_entropy(double, torch.from_numpy(test.labels))
    assert calibration["after"]["nll"] == pytest.approx(float(expected))


def test_damaged_predictions_are_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no predictions here"):
        read_predictions(tmp_path)
    whole = (finished / "predictions.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[:100]):
        (tmp_path / "predictions.npz").write_bytes(damaged)
        with pytest.raises(RunError, match="damaged"):
            read_predictions(tmp_path)


def test_people_never_trained_on_are_enrolled(store: Path, tmp_path: Path) -> None:
    run = trained(
        store, tmp_path / "open", "optim.n_epochs=1", 'split.protocol="subject"',
        "split.test_fraction=0.5",
    )  # fmt: skip
    result = evaluate(run, control=False)
    # 2 people train; the other 2 are enrolled with one walk and probed with four.
    assert result["n_subjects"] == 2
    assert result["retrieval"]["n_genuine"] == 8
    assert "clips" not in result
    assert "calibration" not in result
    test, known = read_predictions(run)
    assert test.subjects == tuple(result["split"]["parts"]["test"]["subjects"])
    assert not set(test.subjects) & set(known)
    assert not set(result["split"]["parts"]["test"]["subjects"]) & set(
        result["split"]["parts"]["train"]["subjects"]
    )


@pytest.mark.slow
def test_the_control_sees_a_leak(tmp_path: Path) -> None:
    # Clips of a walk are one picture, so clips drawn one by one (`window`) can be looked up in
    # memory, whoever's name they carry; walks kept apart cannot.
    store = make_store(tmp_path / "gait.h5", n_people=4, n_walks=4, n_clips=5, noise=0.0,
                       still_walks=True)  # fmt: skip
    run = trained(store, tmp_path / "leak", "optim.n_epochs=15", 'split.protocol="window"')
    control = evaluate(run, control=True)["control"]
    assert control["walk_accuracy"] > 0.75
    assert control["scores"]["walks"]["accuracy"] == control["walk_accuracy"]
    assert set(control["scores"]["retrieval"]["tar_at_far"]) == {"0.001", "0.01", "0.1"}
    assert not control["is_at_chance"]
    assert evaluate(run, control=True)["control"] == control  # trained once, used again
    honest = trained(store, tmp_path / "honest", "optim.n_epochs=9", "split.test_fraction=0.5")
    control = evaluate(honest, control=True)["control"]
    # 8 test walks at chance 1/4: at most 5 right but once in 200 shuffles.
    assert control["walk_accuracy"] <= 5 / 8


def test_another_store_is_refused(finished: Path, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other.h5", n_people=4, n_walks=4, n_clips=3)
    with pytest.raises(RunError, match="the store has changed"):
        evaluate(finished, other, control=False)
    with pytest.raises(RunError, match="no training here"):
        evaluate(tmp_path, control=False)


def test_the_commands(store: Path, tmp_path: Path) -> None:
    runner, out = CliRunner(), tmp_path / "run"
    changes = [word for change in QUICK for word in ("--set", change)]
    done = runner.invoke(app, [
        "train", "baseline", "--preset", "cpu", "--store", str(store), "--out", str(out),
        "--seed", "4", "--json", *changes, "--set", "optim.n_epochs=1",
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["subjects"] == ["p0", "p1", "p2", "p3"]
    saved = json.loads((out / "config.json").read_text())["config"]
    assert (saved["seed"], saved["optim"]["n_epochs"], saved["recipe"]) == (4, 1, "baseline")
    assert saved["control"] is True  # from the preset
    done = runner.invoke(app, ["evaluate", str(out), "--no-control", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["control"].startswith("not run")
    done = runner.invoke(app, ["evaluate", str(out), "--no-control"])
    assert "chance" in done.stdout
    assert "not run" in done.stdout
    done = runner.invoke(app, ["train", "--resume", "--out", str(out), "--seed", "5"])
    assert "goes on as it was begun" in str(done.exception)


@pytest.mark.parametrize("name", [n for n in configs.shipped("train") if "preset" not in n])
def test_shipped_recipes_load_with_and_without_preset(name: str) -> None:
    whole = configs.load(TrainConfig, "train", name)
    assert whole.recipe == name.removesuffix("-best")  # a recipe with other weights
    small = configs.load(TrainConfig, "train", [name, "preset-cpu"], ["seed=3"])
    assert (small.recipe, small.seed, small.control) == (whole.recipe, 3, True)
    assert small.optim.n_epochs < whole.optim.n_epochs
    assert small.average.enabled == whole.average.enabled


def test_identitykd_is_the_defaults() -> None:
    assert configs.load(TrainConfig, "train", "identitykd") == TrainConfig()
    published = TrainConfig()
    assert (published.optim.n_epochs, published.optim.batch_size, published.optim.lr) == (
        200, 128, 1e-4
    )  # fmt: skip
    assert published.identitykd.contrast.temperature == 5.0
    assert published.identitykd.gamma == 0.8
    assert published.identitykd.kd.margin == 8 / 255
