"""Splits on tables small enough to say by hand who must be where."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from radarid.data.pairs import FacePairs
from radarid.data.splits import PARTS, Split, SplitParams, check_split, make_split
from radarid.data.tables import ClipTable, FaceTable
from radarid.errors import SplitError


def table_of(groups: list[tuple[str, str, str]], n_each: int = 3) -> ClipTable:
    """Clips of recordings, one recording a group, `n_each` clips a recording."""
    subject, session, take = (np.repeat([g[k] for g in groups], n_each) for k in range(3))
    n = len(subject)
    ones = np.ones(n, np.float32)
    return ClipTable(
        subject=subject, session=session, take=take, direction=np.array(["away"] * n),
        recording=np.repeat(np.arange(len(groups)), n_each),
        start_s=np.tile(0.5 * np.arange(n_each), len(groups)),
        quality=ones, velocity_mps=ones, range_m=ones, valid_fraction=ones,
    )


def walks(subject: str, n: int, session: str = "s1") -> list[tuple[str, str, str]]:
    return [(subject, session, f"t{k}") for k in range(n)]


def parts_of(split: Split, table: ClipTable) -> dict[tuple[str, str, str], str]:
    """Part of each group, as told by its clips."""
    names = table.groups
    return {names[row]: part for part in PARTS for row in getattr(split, part)}


def counts(split: Split, table: ClipTable, subject: str) -> dict[str, int]:
    place = [part for group, part in parts_of(split, table).items() if group[0] == subject]
    return {part: place.count(part) for part in PARTS if part in place}


@pytest.mark.parametrize(("n_walks", "expected"), [
    (1, {"train": 1}),
    (2, {"train": 1, "test": 1}),
    (3, {"train": 1, "val": 1, "test": 1}),
    (4, {"train": 2, "val": 1, "test": 1}),
    (10, {"train": 6, "val": 2, "test": 2}),
    (100, {"train": 60, "val": 20, "test": 20}),
])
def test_capture_gives_everybody_their_share(n_walks: int, expected: dict[str, int]) -> None:
    table = table_of([*walks("anna", n_walks), *walks("bob", 5)])
    split = make_split(table, SplitParams())
    assert counts(split, table, "anna") == expected
    assert ("anna" in split.untested) == (n_walks < 2)
    assert ("anna" in split.unvalidated) == (n_walks < 3)


def test_greedy_fractions_still_leave_a_walk_for_each_part() -> None:
    table = table_of(walks("anna", 3))
    split = make_split(table, SplitParams(test_fraction=0.6, val_fraction=0.3))
    assert counts(split, table, "anna") == {"train": 1, "val": 1, "test": 1}


def test_two_recordings_of_one_walk_stay_together() -> None:
    groups = walks("anna", 6)
    table = table_of([*groups, *groups])  # 12 recordings of 6 walks
    split = make_split(table, SplitParams())
    assert split.n_groups == {"train": 4, "val": 1, "test": 1, "enroll": 0, "outsiders": 0,
                              "unknown": 0}
    assert len(split.test) == 2 * 3


def test_session_tests_the_last_day_in_natural_order() -> None:
    anna = [g for day in ("day2", "day10", "day1") for g in walks("anna", 4, day)]
    table = table_of([*anna, *walks("bob", 4, "day1")])
    split = make_split(table, SplitParams(protocol="session"))
    parts = parts_of(split, table)
    assert {group for group, part in parts.items() if part == "test"} == set(
        walks("anna", 4, "day10")
    )
    assert counts(split, table, "anna") == {"train": 6, "val": 2, "test": 4}
    assert counts(split, table, "bob") == {"train": 3, "val": 1}
    assert split.untested == ("bob",)


def test_subject_enrols_test_people_with_their_first_walk() -> None:
    people = [f"p{k}" for k in range(10)]
    table = table_of([(p, "s1", take) for p in people for take in ("t10", "t2", "t9")])
    split = make_split(table, SplitParams(protocol="subject", test_fraction=0.3))
    assert len(split.subjects["test"]) == 3
    assert split.subjects["enroll"] == split.subjects["test"]
    assert not set(split.subjects["train"]) & set(split.subjects["test"])
    parts = parts_of(split, table)
    assert {take for (_, _, take), part in parts.items() if part == "enroll"} == {"t2"}
    assert split.untested == ()


def test_window_draws_clips_and_says_that_it_leaks() -> None:
    table = table_of(walks("anna", 20) + walks("bob", 20), n_each=50)
    split = make_split(table, SplitParams(protocol="window"))
    share = len(split.test) / len(table)  # binomial: 0.2, sigma 0.009
    assert abs(share - 0.2) < 0.045
    shared = {table.groups[k] for k in split.train} & {table.groups[k] for k in split.test}
    assert shared
    assert split.report()["leaking"] is True
    assert make_split(table, SplitParams()).report()["leaking"] is False


@pytest.mark.parametrize("protocol", ["capture", "subject", "window"])
def test_strangers_are_nowhere_else(protocol: str) -> None:
    table = table_of([g for p in "abcde" for g in walks(p, 5)])
    params = SplitParams(
        protocol=protocol, unknown_subjects=("b", "d"), outsider_subjects=("e",)  # type: ignore[arg-type]
    )
    split = make_split(table, params)
    assert split.subjects["unknown"] == ("b", "d")
    assert split.subjects["outsiders"] == ("e",)
    assert (len(split.unknown), len(split.outsiders)) == (2 * 5 * 3, 5 * 3)
    for part in ("train", "val", "test", "enroll"):
        assert not set(split.subjects[part]) & {"b", "d", "e"}


def test_seeds_differ_and_repeat() -> None:
    table = table_of(walks("anna", 30))
    first, again, other = (make_split(table, SplitParams(), seed) for seed in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_new_people_do_not_move_old_walks() -> None:
    small = table_of(walks("anna", 10))
    large = table_of([*walks("aaron", 7), *walks("anna", 10)])
    before = parts_of(make_split(small, SplitParams()), small)
    after = parts_of(make_split(large, SplitParams()), large)
    assert {g: p for g, p in after.items() if g[0] == "anna"} == before


def test_the_report_counts_and_is_plain() -> None:
    table = table_of([*walks("anna", 5), *walks("bob", 1), *walks("eve", 2)])
    report = make_split(table, SplitParams(unknown_subjects=("eve",)), seed=3).report()
    assert json.loads(json.dumps(report)) == report
    assert report["parts"]["train"] == {
        "n_clips": 12, "n_groups": 4, "subjects": ["anna", "bob"]
    }
    assert report["parts"]["unknown"] == {"n_clips": 6, "n_groups": 2, "subjects": ["eve"]}
    assert (report["untested_subjects"], report["unvalidated_subjects"]) == (["bob"], ["bob"])


def test_impossible_wishes_are_refused() -> None:
    table = table_of([*walks("anna", 1), *walks("bob", 1)])
    with pytest.raises(SplitError, match="protocol capture: no clip is left for test"):
        make_split(table, SplitParams())
    with pytest.raises(SplitError, match="got eva; expected some of anna, bob"):
        make_split(table, SplitParams(unknown_subjects=("eva",)))
    with pytest.raises(SplitError, match="an outsider cannot be a test stranger, too; got anna"):
        SplitParams(unknown_subjects=("anna",), outsider_subjects=("anna",))
    with pytest.raises(SplitError, match="no clip is left for train"):
        make_split(table, SplitParams(unknown_subjects=("anna", "bob")))
    with pytest.raises(SplitError, match="nothing is left to train on"):
        SplitParams(val_fraction=0.5, test_fraction=0.5)
    with pytest.raises(SplitError, match="'test_fraction' must lie between 0 and 1"):
        SplitParams(test_fraction=0.0)


def test_the_check_sees_overlap() -> None:
    table = table_of(walks("anna", 5))
    split = make_split(table, SplitParams())
    row = split.test[:1]
    moved = dataclasses.replace(
        split, test=split.test[1:], train=np.sort(np.concatenate([split.train, row]))
    )
    with pytest.raises(SplitError, match="test and train overlap"):
        check_split(moved, table)
    doubled = dataclasses.replace(split, train=np.sort(np.concatenate([split.train, row])))
    with pytest.raises(SplitError, match="in two parts or in none"):
        check_split(doubled, table)


# -- pairs ----------------------------------------------------------------------------------


def faces_of(rows: list[tuple[str, int, float]]) -> FaceTable:
    subject, recording, time_s = zip(*rows, strict=True)
    ones = np.ones(len(rows), np.float32)
    return FaceTable(np.array(subject), np.array(recording), np.array(time_s), ones, ones, ones)


TABLE = table_of([*walks("anna", 2), *walks("bob", 2)])  # recordings 0 1 (anna) 2 3 (bob)
FACES = faces_of([
    ("anna", 0, 0.0), ("bob", 3, 0.0), ("anna", 1, 0.0), ("anna", 0, 1.4), ("bob", 2, 0.0),
    ("anna", 0, 9.0),
])
TRAIN = np.flatnonzero(np.isin(TABLE.recording, [0, 2]))


def test_random_faces_are_of_the_person_and_of_training_walks() -> None:
    pairs = FacePairs(TABLE, FACES, TRAIN)
    drawn = pairs.random(np.tile(TRAIN, 100), np.random.default_rng(0))
    who = TABLE.subject[np.tile(TRAIN, 100)]
    assert set(drawn[who == "anna"].tolist()) == {0, 3, 5}
    assert set(drawn[who == "bob"].tolist()) == {4}
    again = pairs.random(np.tile(TRAIN, 100), np.random.default_rng(0))
    other = pairs.random(np.tile(TRAIN, 100), np.random.default_rng(1))
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)


def test_synchronous_faces_are_nearest_to_the_middle_of_the_clip() -> None:
    pairs = FacePairs(TABLE, FACES, TRAIN)
    # clips of recording 0 start at 0.0, 0.5, 1.0 s and last 1 s: middles 0.5, 1.0, 1.5 s;
    # its faces are at 0.0 (row 0), 1.4 (row 3) and 9.0 s (row 5)
    assert pairs.synchronous(np.array([0, 1, 2]), clip_s=1.0).tolist() == [0, 3, 3]
    with pytest.raises(SplitError, match="no face was seen during this recording"):
        pairs.synchronous(np.array([3]), clip_s=1.0)


def test_people_without_a_training_face_are_named() -> None:
    with pytest.raises(SplitError, match=r"subject bob.*1 of the people"):
        FacePairs(TABLE, faces_of([("anna", 0, 0.0), ("bob", 3, 0.0)]), TRAIN)
    pairs = FacePairs(TABLE, FACES, np.array([0]))
    with pytest.raises(SplitError, match="subject bob: not in training"):
        pairs.random(np.array([6]), np.random.default_rng(0))
