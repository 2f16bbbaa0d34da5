"""Comparisons: same clips and budget, one weight tuned on validation, resumable, swept."""

from __future__ import annotations

import json
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_store import ToyTeacher, make_store
from typer.testing import CliRunner

from radarid import config as configs
from radarid.cli import app
from radarid.errors import RunError, TrainError
from radarid.learn import compare as module
from radarid.learn.compare import compare
from radarid.learn.config import TrainConfig
from radarid.learn.recipes import RECIPES, build_recipe, needs
from radarid.learn.report import write_report
from radarid.learn.students import build_student

QUICK = (
    "model.input.size=32", "optim.n_epochs=1", "optim.batch_size=16", "optim.lr=1e-3",
    "faces.n_augmentations=0", "identitykd.begin=1", "model.student=mobilenet_v2",
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "gait.h5"
    return make_store(path, n_people=3, n_walks=4, n_clips=2, n_faces=1)


def run(store: Path, out: Path, **more: Any) -> dict[str, Any]:
    return compare(
        ["baseline", "identitykd"], store, out, seeds=(0, 1), changes=QUICK, tune=(1.0, 3.0),
        teacher=ToyTeacher(), control=False, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stopped_and_finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped before its fourth training, then gone on with."""
    out = tmp_path_factory.mktemp("runs") / "both"
    whole, n_calls = module.train, 0

    def stopping(*arguments: Any, **options: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 4:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(store, out)
        assert n_calls == 4
        assert not (out / "compare.json").exists()
        run(store, out)
        assert n_calls == 4 + 2  # what was finished is not trained again
    return out


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_the_tuned_weight_is_the_one_that_validates_best(stopped_and_finished: Path) -> None:
    out = stopped_and_finished
    result = read(out / "compare.json")
    baseline, kd = result["methods"]
    assert baseline["tuning"] is None
    assert baseline["runs"] == ["baseline/x1/seed0", "baseline/x1/seed1"]
    reached = {}
    for factor in ("1", "3"):
        student = read(out / f"identitykd/x{factor}/seed0/student.json")["facts"]
        reached[factor] = student["candidates"][student["selected"]]["macro_recall"]
    assert kd["tuning"]["val_macro_recall"] == reached
    best = "3" if reached["3"] > reached["1"] else "1"
    assert kd["runs"] == [f"identitykd/x{best}/seed0", f"identitykd/x{best}/seed1"]
    key = RECIPES["identitykd"].tuned
    tried = reduce(getitem, key.split("."), read(out / "identitykd/x3/seed0/config.json")["config"])
    assert (kd["tuning"]["key"], 3 * kd["tuning"]["default"]) == (key, tried)
    assert not (out / f"identitykd/x{'1' if best == '3' else '3'}/seed1").exists()


def test_means_go_over_seeds_and_splits_are_one(stopped_and_finished: Path) -> None:
    out = stopped_and_finished
    result = read(out / "compare.json")
    tested = set()
    for row in result["methods"]:
        own = [read(out / path / "evaluation.json") for path in row["runs"]]
        values = [each["clips"]["accuracy"] for each in own]
        assert row["scores"]["accuracy"]["values"] == values
        assert row["scores"]["accuracy"]["mean"] == pytest.approx(np.mean(values))
        assert row["scores"]["accuracy"]["std"] == pytest.approx(np.std(values, ddof=1))
        assert [each["seed"] for each in own] == [0, 1]
        tested |= {str(read(out / path / "split.json")["rows"]) for path in row["runs"]}
    assert len(tested) == 1
    (pair,) = result["pairs"]
    means = [row["scores"]["accuracy"]["mean"] for row in result["methods"]]
    assert pair["difference"] == pytest.approx(means[0] - means[1])


def test_tables_and_picture_show_the_numbers(stopped_and_finished: Path) -> None:
    out = stopped_and_finished
    result = read(out / "compare.json")
    text = (out / "compare.md").read_text()
    for row in result["methods"]:
        score = row["scores"]["macro_recall"]
        assert f"{100 * score['mean']:.1f} ± {100 * score['std']:.1f}" in text
    assert RECIPES["identitykd"].tuned in text
    assert "not run" in text  # the control
    assert (out / "compare.png").read_bytes()[:4] == b"\x89PNG"
    page = write_report(out).read_text()
    assert all(name in page for name in ("baseline", "identitykd", "McNemar"))
    assert page.count("data:image/") == 3  # scores, people, training


def test_a_folder_of_another_comparison_is_refused(
    store: Path, stopped_and_finished: Path
) -> None:
    with pytest.raises(RunError, match="another configuration.*batch_size"):
        compare(["baseline"], store, stopped_and_finished, seeds=(0,),
                changes=[*QUICK, "optim.batch_size=8"])  # fmt: skip
    other = make_store(stopped_and_finished.parent / "other.h5", n_people=3, n_walks=5, n_clips=2)
    with pytest.raises(RunError, match="changed"):
        compare(["baseline"], other, stopped_and_finished, seeds=(0,), changes=QUICK)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"recipes": []}, "needs a recipe"),
    ({"recipes": ["baseline", "baseline"]}, "two recipes of one name"),
    ({"recipes": ["baseline"], "seeds": (1, 1)}, "all different"),
    ({"recipes": ["baseline"], "sweep": {"optim.lr": ["1e-3", "1e-3"]}}, "all different"),
    ({"recipes": ["baseline"], "sweep": {"store": ["a/b"]}}, "name folders"),
    ({"recipes": ["baseline"]}, "weight of 0"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(
    store: Path, tmp_path: Path, arguments: dict[str, Any], message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(RECIPES["baseline"], "tuned", "optim.weight_decay")  # 0 unless configured
    with pytest.raises(TrainError, match=message):
        compare(**{"store_path": store, "out": tmp_path, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"baseline"}))
def test_every_method_starts_from_the_same_student(name: str) -> None:
    def first_weights(recipe: str) -> dict[str, torch.Tensor]:
        overrides = [*QUICK, "mkd.quality=false"]
        config = configs.load(TrainConfig, "train", recipe, overrides)
        wants = needs(config).radar_teacher
        teacher = build_student("mobilenet_v2", "repeat", 3) if wants else None
        torch.manual_seed(4)
        return build_recipe(config, 3, 512, teacher).student.state_dict()

    one, other = first_weights("baseline"), first_weights(name)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_methods_must_have_the_same_budget(store: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.toml"
    longer.write_text('recipe = "baseline"\n[average]\nenabled = false\n[optim]\nn_epochs = 2\n')
    with pytest.raises(TrainError, match=r"share.*optim\.n_epochs"):
        compare(["baseline", str(longer)], store, tmp_path / "out")


def test_a_sweep_from_the_command_line(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    arguments = [
        "compare", "baseline", "--store", str(store), "--out", str(out), "--seeds", "1",
        "--sweep", "optim.weight_decay=0.0,0.1", "--json",
    ]  # fmt: skip
    for change in QUICK:
        arguments += ["--set", change]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result == read(out / "compare.json")
    assert [row["settings"] for row in result["methods"]] == [
        {"optim.weight_decay": "0.0"}, {"optim.weight_decay": "0.1"}
    ]  # fmt: skip
    for row in result["methods"]:
        config = read(out / row["runs"][0] / "config.json")["config"]
        assert config["optim"]["weight_decay"] == float(row["settings"]["optim.weight_decay"])
    assert result["control"]["walk_accuracy"] >= 0  # trained with the first row only
    assert len(list(out.glob("*/*/*/control"))) == 1
    again = CliRunner().invoke(app, [part for part in arguments if part != "--json"])
    assert again.exit_code == 0, again.output
    assert "compare.md" in again.stdout
    assert "optim.weight_decay=0.1" in (out / "compare.md").read_text()


def test_a_weight_that_does_not_train_is_out(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RECIPES["baseline"], "tuned", "optim.lr")
    result = compare(
        ["baseline"], store, tmp_path / "out", seeds=(0,), tune=(1.0, 1e25), control=False,
        changes=[*QUICK, "optim.batch_size=4"],
    )  # fmt: skip
    tuning = result["methods"][0]["tuning"]
    assert tuning["factor"] == 1
    assert tuning["val_macro_recall"]["1e+25"] is None
    assert "not finite" in (tmp_path / "out" / "compare.md").read_text()


@pytest.mark.parametrize(("option", "value"), [("--tune", "1,x"), ("--tune", "0"),
                                               ("--sweep", "optim.lr")])  # fmt: skip
def test_commands_explain_what_they_do_not_understand(
    option: str, value: str, tmp_path: Path
) -> None:
    arguments = ["compare", "baseline", "--out", str(tmp_path / "out"), option, value]
    failure = CliRunner().invoke(app, arguments).exception
    assert isinstance(failure, TrainError)
    assert option in str(failure)
