"""Tests between methods against closed forms, hand arithmetic and slow twins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from naive import compare as naive
from scipy.stats import binomtest, ttest_1samp

from radarid.learn import compare_stats as stats
from radarid.learn.probes import Probes, write_predictions


def test_sign_flips_by_hand() -> None:
    # +1, +1, +1: of 8 changes of sign, +++ and --- are as far from 0.
    assert stats.sign_flips(np.array([1.0, 1, 1])) == 2 / 8
    # +2, -1 sums to 1: every one of the 4 (+-2 +-1: 3, 1, -1, -3) is at least as far.
    assert stats.sign_flips(np.array([2.0, -1])) == 1
    assert stats.sign_flips(np.array([3.0])) == 1
    assert stats.sign_flips(np.zeros(5)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_sign_flips_equal_the_slow_twin(seed: int) -> None:
    sums = np.random.default_rng(seed).normal(0.4, 1, size=4 + 2 * seed)
    assert stats.sign_flips(sums) == pytest.approx(naive.sign_flip_p(sums.tolist()), abs=1e-12)


@pytest.mark.parametrize(("n_first", "n_second"), [(9, 2), (6, 6), (12, 0)])
def test_one_clip_a_walk_and_one_seed_is_mcnemar(n_first: int, n_second: int) -> None:
    # McNemar's exact test: of the walks that one method alone has right, how many are the first's.
    right = np.r_[np.ones(n_first), -np.ones(n_second), np.zeros(20)][None]
    exact = binomtest(n_first, n_first + n_second).pvalue
    found = stats.paired(right, np.arange(right.shape[1]))
    assert found["p_walks"] == pytest.approx(exact, abs=1e-12)
    assert found["difference"] == pytest.approx((n_first - n_second) / right.shape[1])
    assert found["p_seeds"] is None  # one seed


def test_many_walks_are_drawn_and_come_near_the_exact_value() -> None:
    sums = np.r_[np.ones(26), -np.ones(14)]
    exact = binomtest(26, 40).pvalue  # 0.081; 10,000 draws have a deviation of 0.003
    assert stats.sign_flips(sums) == pytest.approx(exact, abs=0.012)


def test_the_walk_is_the_unit() -> None:
    # Twelve clips of one walk are no more evidence than one: the only change of sign is as far.
    right = np.ones((1, 12))
    assert stats.paired(right, np.zeros(12, int))["p_walks"] == 1
    assert stats.paired(right, np.arange(12))["p_walks"] == 2 / 2**12


def test_seeds_are_compared_by_students_t() -> None:
    rng = np.random.default_rng(3)
    difference = rng.integers(-1, 2, size=(4, 30)).astype(float)
    found = stats.paired(difference, np.arange(30) // 3)
    expected = ttest_1samp(difference.mean(1), 0).pvalue
    assert found["p_seeds"] == pytest.approx(expected)
    low, high = found["interval"]
    assert low <= found["difference"] <= high
    # By hand: differences 1/3, 1/3 in both seeds have no deviation to compare with.
    assert stats.paired(np.array([[1.0, 0, 0], [0, 1, 0]]), np.arange(3))["p_seeds"] is None


def test_holm_by_hand_and_by_its_twin() -> None:
    # 0.01 * 3, 0.03 * 2 = 0.06, and 0.04 * 1 = 0.04, which may not fall below 0.06.
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    values = np.random.default_rng(0).uniform(0, 0.6, 9).tolist()
    assert stats.holm(values) == pytest.approx(naive.holm(values))


def test_spread_by_hand() -> None:
    # Mean of 1, 2, 6 is 3; squares 4 + 1 + 9 = 14, by n - 1 = 2: 7.
    assert stats.spread([1.0, 2.0, 6.0]) == {
        "values": [1.0, 2.0, 6.0], "mean": 3.0, "std": pytest.approx(7**0.5)
    }
    assert stats.spread([0.5])["std"] is None


def probes(decided: list[int], templates: bool) -> Probes:
    """Four clips of persons 0, 0, 1, 1 in three walks, decided as told."""
    votes = np.eye(2, dtype=np.float32)[decided]
    other = np.ones((4, 2), np.float32)
    return Probes(
        subjects=("a", "b"), rows=np.arange(4), labels=np.array([0, 0, 1, 1]),
        captures=np.array([5, 5, 6, 7]), groups=np.array([0, 0, 1, 2]),
        logits=other if templates else votes, embeddings=votes,
        templates=np.eye(2, dtype=np.float32) if templates else None,
    )  # fmt: skip


@pytest.mark.parametrize("templates", [False, True])
def test_pairs_of_stored_decisions(tmp_path: Path, templates: bool) -> None:
    decided = {"good": [0, 0, 1, 1], "one": [0, 0, 0, 0], "none": [1, 1, 0, 0]}
    runs = {}
    for name, labels in decided.items():
        runs[name] = [tmp_path / name]
        runs[name][0].mkdir()
        write_predictions(runs[name][0], probes(labels, templates), ("a", "b"))
    found = stats.pairs(runs)
    assert [(pair["first"], pair["second"]) for pair in found] == [
        ("good", "one"), ("good", "none"), ("one", "none")
    ]  # fmt: skip
    assert [pair["difference"] for pair in found] == [0.5, 1.0, 0.5]
    # Walks differ by (0, 1, 1): 2 of 4; by (2, 1, 1): 2 of 8; by (2, 0, 0): 2 of 2.
    assert [pair["p_walks"] for pair in found] == [0.5, 0.25, 1.0]
    assert [pair["p_walks_holm"] for pair in found] == [1.0, 0.75, 1.0]
