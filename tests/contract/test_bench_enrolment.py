"""The enrolment bench asks what it says it asks: people of a made-up crowd, over two days."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from galleries import Crowd, gallery

from radarid.live.gallery import Templates

BENCH = Path(__file__).parents[2] / "benches" / "enrolment.py"
ROUNDS = argparse.Namespace(rounds=3, seed=0)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("enrolment_bench", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["enrolment_bench"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def seen(bench: ModuleType, crowd: Crowd, n_people: int = 6, n_walks: int = 3) -> object:
    """Two recordings a walk, two clips each; the last of the people has one day only."""
    rows = []
    for person in range(n_people):
        centre = crowd.person()
        for day in range(1 if person == n_people - 1 else 2):
            for walk in range(n_walks):
                for view in ("away", "towards"):
                    number = len(rows)
                    rows += [(f"p{person}", f"s{9 + day}", f"w{walk}", view, number, clip)
                             for clip in crowd.walk(centre, 2)]  # fmt: skip
    return bench.Clips(*(np.array(column) for column in zip(*rows, strict=True)))


def test_people_who_are_alike_every_day_are_known_and_strangers_are_not(bench: ModuleType) -> None:
    crowd = Crowd(np.random.default_rng(1), spread=0.05, scatter=0.05)
    clips, nobody = seen(bench, crowd), gallery(crowd, {})
    trials = bench.play(clips, nobody, [f"p{k}" for k in range(5)], 1, ROUNDS)
    assert bench.figure("rank_1", 0.01, trials) == bench.figure("named", 0.01, trials) == 1
    assert bench.figure("eer", 0.01, trials) == bench.figure("taken", 0.001, trials) == 0
    # Of five people two are enrolled: 2 x 6 recordings of the second day; three strangers with 12
    # each, and six of the one who has one day.
    known = trials.label != bench.NOBODY
    assert (known.sum(), (~known).sum()) == (3 * 12, 3 * (3 * 12 + 6))
    assert "p5" not in trials.person[known]


def test_each_number_of_walks_is_what_is_enrolled(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(np.random.default_rng(2))
    clips, nobody, found = seen(bench, crowd), gallery(crowd, {}), []
    monkeypatch.setattr(bench, "probe", lambda known, probes: found.append((known, probes)) or
                        bench.Trials(np.zeros((1, 2)), *np.zeros((3, 1))))  # fmt: skip
    for n_walks, n_recordings in ((1, 2), (2, 4), (0, 6)):
        bench.play(clips, nobody, ["p0", "p1", "p2", "p3"], n_walks, ROUNDS)
        for known, probes in found:
            templates: Templates = known.templates
            assert len(known.subjects) == 2
            assert len(templates) == 2 * n_recordings
            assert set(templates.session) == {"s9"}  # the day before s10
            assert not set(templates.recording) & set(probes.recording.astype(str))
        found.clear()


def test_figures_by_hand(bench: ModuleType) -> None:
    nobody = bench.NOBODY
    trials = bench.Trials(
        np.array([[5.0, 1], [2, 3], [0, 4], [1, 0], [-1, 3.5]]),
        np.array([0, 0, 1, nobody, nobody]),
        np.array([[0, 0], [1, nobody], [1, nobody], [nobody, nobody], [1, nobody]]),
        np.array(["a", "a", "b", "c", "d"]),
    )
    told = {
        (what, rate): bench.figure(what, rate, trials)
        for what in ("rank_1", "dir", "named", "taken") for rate in bench.RATES
    }  # fmt: skip
    assert told[("rank_1", 0.01)] == pytest.approx(2 / 3)
    assert told[("dir", 0.01)] == pytest.approx(2 / 3)  # above 3.5: 5 and 4
    assert (told[("named", 0.01)], told[("named", 0.001)]) == pytest.approx((2 / 3, 1 / 3))
    assert (told[("taken", 0.01)], told[("taken", 0.001)]) == (0.5, 0)
