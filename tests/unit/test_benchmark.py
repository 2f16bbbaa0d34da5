"""The benchmark's settings and tables; its run is in tests/e2e/test_benchmark_walkers.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capture.errors import ConfigError
from radarid import config
from radarid.errors import StoreError, TrainError
from radarid.learn.benchmark import BenchmarkParams, Comparison
from radarid.learn.benchmark_tables import PAPER, as_tables, markdown
from radarid.learn.compare import compare
from radarid.learn.recipes import RECIPES


def method(name: str, accuracy: float, **more: Any) -> dict[str, Any]:
    scores = {
        "accuracy": {"values": [accuracy], "mean": accuracy, "std": 0.01},
        "macro_recall": {"values": [accuracy - 0.1], "mean": accuracy - 0.1, "std": None},
    }
    return {"name": name, "recipe": name, "settings": {}, "tuning": None, "scores": scores,
            "seconds": [10.0, 20.0], **more}  # fmt: skip


def pair(first: str, second: str, difference: float, low: float, high: float,
         p: float) -> dict[str, Any]:  # fmt: skip
    return {"first": first, "second": second, "difference": difference, "interval": [low, high],
            "p_walks": p, "p_walks_holm": p, "p_seeds": None}  # fmt: skip


def compared(methods: list[dict[str, Any]], pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "n_subjects": 4, "n_test_clips": 60, "n_test_walks": 12, "protocol": "capture",
        "leaking": False, "seeds": [0, 1], "preset": "walkers", "changes": [],
        "chance": {"guessing": 0.25, "most_frequent": 0.3}, "control": "not trained",
        "methods": methods, "pairs": pairs,
    }  # fmt: skip


@pytest.fixture
def table3() -> dict[str, Any]:
    methods = [method("baseline", 0.5), method("identitykd", 0.6), method("kd", 0.55)]
    tuning = {"key": "kd.kd_weight", "default": 0.9, "factor": 3.0, "value": 2.7}
    methods[2]["tuning"] = tuning
    pairs = [
        pair("baseline", "identitykd", -0.1, -0.18, -0.02, 0.01),
        pair("baseline", "kd", -0.05, -0.11, 0.01, 0.2),
        pair("identitykd", "kd", 0.05, -0.03, 0.13, 0.4),
    ]
    return as_tables("walk-disjoint", "table3", compared(methods, pairs))


def test_gains_are_over_the_first_method_in_points(table3: dict[str, Any]) -> None:
    first, second, third = table3["rows"]
    assert first["gain"] is first["interval"] is first["p"] is None
    assert second["gain"] == pytest.approx(10)
    assert second["interval"] == pytest.approx([2, 18])
    assert third["interval"] == pytest.approx([-1, 11])
    assert (second["p"], third["p"]) == (0.01, 0.2)
    assert second["scores"] == {"accuracy": [60, 1], "macro_recall": [50, None]}
    assert table3["seconds"] == 90


def test_the_paper_stands_beside(table3: dict[str, Any]) -> None:
    # Table 3: 98.58 - 92.17 = 6.41, 94.91 - 92.17 = 2.74 points
    gains = {row["name"]: row["paper"]["gain"] for row in table3["rows"]}
    assert gains == {"baseline": 0, "identitykd": 6.41, "kd": 2.74}
    order = table3["order"]
    assert order["paper"] == order["measured"] == ["baseline", "kd", "identitykd"]
    assert order["is_the_same"]


def test_another_order_is_told() -> None:
    methods = [method("baseline", 0.5), method("kd", 0.4)]
    found = as_tables("t", "table3", compared(methods, [pair("baseline", "kd", 0.1, 0, 0.2, 0.3)]))
    assert found["order"] == {
        "paper": ["baseline", "kd"], "measured": ["kd", "baseline"], "is_the_same": False,
    }  # fmt: skip
    text = markdown({"walkers": COUNTS, "tables": [found]})
    assert "the paper has: baseline; kd. This table: kd; baseline. What differs from " in text
    assert text.rstrip().endswith("(p < 0.05): none.")


def test_equal_scores_are_no_order() -> None:
    methods = [method("baseline", 0.5), method("kd", 0.5)]
    found = as_tables("t", "table3", compared(methods, [pair("baseline", "kd", 0, 0, 0.1, 1)]))
    assert not found["order"]["is_the_same"]
    assert "+0.0 (-10.0 to +0.0)" in markdown({"walkers": COUNTS, "tables": [found]})


COUNTS = {
    "n_subjects": 4, "n_subjects_with_two_days": 2, "n_walks": 20, "n_recordings": 40,
    "n_clips": 200, "n_rejected_clips": 3, "n_faces": 99, "seconds": 12,
}  # fmt: skip


def test_the_page_holds_every_number_once(table3: dict[str, Any]) -> None:
    lines = markdown({"walkers": COUNTS, "tables": [table3]}).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
            if line.startswith("|")]  # fmt: skip
    assert rows[0] == ["method", "accuracy", "macro recall", "gain (95 %)", "p",
                       "paper: accuracy / recall / F1", "paper: gain"]  # fmt: skip
    assert rows[2] == ["baseline", "50.0 ± 1.0", "40.0", "", "", "92.17 / 92.77 / 93.13", ""]
    assert rows[3] == ["identitykd", "60.0 ± 1.0", "50.0", "+10.0 (+2.0 to +18.0)", "0.010",
                       "98.58 / 99.01 / 98.43", "+6.41"]  # fmt: skip
    assert rows[4][0] == "kd (kd.kd_weight = 2.7)"
    text = "\n".join(lines)
    assert "So has this table." in text
    assert "by more than luck (p < 0.05): identitykd." in text
    assert "40 simulated recordings: 200 clips" in text


def test_swept_values_name_the_rows_of_the_paper() -> None:
    methods = [
        method(f"identitykd model.student={name}", 0.5, recipe="identitykd",
               settings={"model.student": name})
        for name in ("resnet18", "mobilenet_v2")
    ]  # fmt: skip
    names = [each["name"] for each in methods]
    found = as_tables(
        "students", "table4", compared(methods, [pair(*names, -0.1, -0.2, 0.0, 0.1)])
    )
    assert [row["paper"]["accuracy"] for row in found["rows"]] == [98.58, 88.24]
    assert found["rows"][1]["paper"]["gain"] == -10.34
    assert found["rows"][1]["name"] == "identitykd, student mobilenet_v2"
    assert found["rows"][1]["gain"] == pytest.approx(10)


def test_tables_without_the_paper_have_no_columns_for_it() -> None:
    found = as_tables("window", "nothing", compared([method("baseline", 0.5)], []))
    assert found["order"] is None
    text = markdown({"walkers": COUNTS, "tables": [found]})
    assert "paper" not in text
    assert "gain" not in text


@pytest.mark.parametrize("scale", ["cpu", "full"])
def test_shipped_scales_compare_what_can_be_compared(scale: str, tmp_path: Path) -> None:
    params = config.load(BenchmarkParams, "benchmark", scale)
    for each in params.comparisons:
        with pytest.raises(StoreError):  # all is checked before the store is opened
            compare(
                each.recipes, tmp_path / "none.h5", tmp_path / each.name, preset=params.preset,
                changes=(*params.changes, *each.changes), sweep=each.sweep,
            )  # fmt: skip
    changes = {change for each in params.comparisons for change in each.changes}
    protocols = ("capture", "session", "subject", "window")
    assert {f"split.protocol={name}" for name in protocols} <= changes
    named = {name for each in params.comparisons for name in each.recipes}
    assert named - {"identitykd-best"} == RECIPES.keys()
    for each in params.comparisons:
        rows = [*each.sweep.values()][0] if each.sweep else each.recipes
        left_out = PAPER.get(each.beside, {}).keys() - set(rows)
        assert left_out <= ({"vgg16"} if scale == "cpu" else set())
        if each.beside == "table3":
            assert each.n_seeds >= 3


def test_comparisons_have_names_of_their_own() -> None:
    one = Comparison(name="one", recipes=("baseline",))
    with pytest.raises(TrainError, match="names of their own"):
        BenchmarkParams(comparisons=(one, one))
    with pytest.raises(TrainError, match="names of their own"):
        BenchmarkParams(comparisons=(Comparison(name="../one", recipes=("baseline",)),))
    both = BenchmarkParams(comparisons=(one, Comparison(name="two", recipes=("kd",))))
    assert [each.name for each in both.chosen(["two"])] == ["two"]
    assert both.chosen([]) == both.comparisons
    with pytest.raises(TrainError, match="no such comparison"):
        both.chosen(["three"])


def test_motion_capture_is_not_named_in_a_scale() -> None:
    with pytest.raises((ConfigError, TrainError), match="motion capture"):
        config.load(BenchmarkParams, "benchmark", None, ["scenes.mocap=/somewhere"])
