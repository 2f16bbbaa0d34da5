"""`radarid splits`: what it shows is what a training uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_store import make_store
from typer.testing import CliRunner, Result

from radarid.cli import app
from radarid.data.split_file import data_fingerprint
from radarid.data.splits import PARTS, SplitParams, make_split
from radarid.data.store import GaitStore
from radarid.errors import SplitError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "gait.h5"
    return make_store(path, n_people=3, n_walks=5, n_clips=2, n_sessions=2, n_faces=0)


def splits(store: Path, *words: str) -> Result:
    done = CliRunner().invoke(app, ["splits", str(store), *words])
    assert done.exit_code == 0, done.output
    return done


def answer(store: Path, *words: str) -> dict[str, Any]:
    return dict(json.loads(splits(store, *words, "--json").stdout))


def test_all_protocols_beside_each_other(store: Path) -> None:
    found = answer(store)
    assert list(found) == ["capture", "session", "subject", "window"]
    # 5 walks a person: one tests, one validates. Walks 0, 2, 4 are of day s0; 1 and 3 of s1.
    assert [found["capture"]["parts"][part]["n_clips"] for part in PARTS] == [18, 6, 6, 0, 0, 0]
    assert found["session"]["parts"]["test"]["n_groups"] == 3 * 2
    # One of three people tests, enrolled with a walk.
    assert found["subject"]["parts"]["enroll"]["n_clips"] == 2
    assert found["subject"]["parts"]["test"]["n_clips"] == 8
    assert [name for name in found if found[name]["leaking"]] == ["window"]
    shown = " ".join(splits(store).stdout.split())
    assert "18 / 9 / 3" in shown
    assert "leaks" in shown


def test_one_protocol_shows_everybody(store: Path) -> None:
    found = answer(store, "--protocol", "capture", "--set", 'unknown_subjects=["p1"]')
    assert found["per_subject"]["p0"] == {
        "train": {"n_clips": 6, "n_groups": 3}, "val": {"n_clips": 2, "n_groups": 1},
        "test": {"n_clips": 2, "n_groups": 1},
    }  # fmt: skip
    assert found["per_subject"]["p1"] == {"unknown": {"n_clips": 10, "n_groups": 5}}
    shown = splits(store, "--protocol", "capture").stdout
    assert found["data"] not in shown  # another split has another fingerprint
    assert "3 (6)" in shown
    assert "9 (18)" in shown  # all


def test_a_protocol_that_cannot_be_says_why(tmp_path: Path) -> None:
    one_day = make_store(tmp_path / "day.h5", n_people=2, n_walks=3, n_clips=1, n_faces=0)
    assert "no clip is left for test" in answer(one_day)["session"]["refused"]
    assert "refused" not in answer(one_day)["capture"]
    assert "no clip is left" in " ".join(splits(one_day).stdout.split())


def test_the_file_holds_the_split_that_trains(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "split.json"
    words = ("--protocol", "session", "--seed", "7", "--set", "val_fraction=0.3")
    splits(store, *words, "--save", str(path))
    saved = json.loads(path.read_text())
    with GaitStore.open(store) as opened:
        table = opened.table()
        split = make_split(table, SplitParams(protocol="session", val_fraction=0.3), 7)
        names = [entry.name for entry in opened.recordings()]
    assert saved["rows"] == {part: getattr(split, part).tolist() for part in PARTS}
    assert saved["data"] == data_fingerprint(table, split)
    assert (saved["seed"], saved["params"]["val_fraction"]) == (7, 0.3)
    tested = {names[row] for row in table.recording[split.test]}
    assert saved["recordings"]["test"] == sorted(tested)
    together = [name for part in PARTS for name in saved["recordings"][part]]
    assert sorted(together) == sorted(names)
    done = CliRunner().invoke(app, ["splits", str(store), *words, "--save", str(path)])
    assert isinstance(done.exception, SplitError)
    assert "exists already" in str(done.exception)


def test_the_fingerprint_sees_rows_and_labels(store: Path) -> None:
    with GaitStore.open(store) as opened:
        table = opened.table()
    first, other = (make_split(table, SplitParams(), seed) for seed in (0, 1))
    assert not np.array_equal(first.test, other.test)
    assert data_fingerprint(table, first) != data_fingerprint(table, other)
    before = data_fingerprint(table, first)
    table.subject[0] = "p2"
    assert data_fingerprint(table, first) != before


def test_saving_needs_one_protocol(store: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["splits", str(store), "--save", str(tmp_path / "x.json")])
    assert isinstance(done.exception, SplitError)
    assert "--protocol capture" in str(done.exception)
    assert not (tmp_path / "x.json").exists()
