"""Metrics against their slow twins, against hand arithmetic, and at their edges."""

from __future__ import annotations

import math

import naive.metrics as slow
import numpy as np
import pytest

from radarid.errors import ParameterError
from radarid.learn import metrics, openset
from radarid.learn.bootstrap import bootstrap_interval, exact_interval, mean_interval


@pytest.fixture(params=range(6))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_closed_set_equals_its_twin(rng: np.random.Generator) -> None:
    labels, predicted = rng.integers(0, 5, 40), rng.integers(0, 6, 40)
    found = metrics.closed_set(labels, predicted)
    assert found["accuracy"] == pytest.approx(slow.accuracy(labels, predicted))
    assert found["macro_recall"] == pytest.approx(slow.macro_recall(labels, predicted))
    assert found["macro_f1"] == pytest.approx(slow.macro_f1(labels, predicted))
    assert found["micro_recall"] == pytest.approx(slow.accuracy(labels, predicted))


def test_equal_counts_make_macro_recall_the_accuracy(rng: np.random.Generator) -> None:
    labels, predicted = np.repeat(np.arange(4), 7), rng.integers(0, 4, 28)
    found = metrics.closed_set(labels, predicted)
    assert found["macro_recall"] == pytest.approx(found["accuracy"])


def test_recall_per_identity_by_hand() -> None:
    # identity 0: 1 of 2; identity 1: 2 of 2; identity 2 absent; identity 3: 0 of 1
    recall = metrics.recall_per_identity(np.array([0, 0, 1, 1, 3]), np.array([0, 1, 1, 1, 0]), 4)
    assert recall[[0, 1, 3]].tolist() == [0.5, 1.0, 0.0]
    assert math.isnan(recall[2])


def test_cmc_equals_its_twin(rng: np.random.Generator) -> None:
    scores, labels = rng.integers(0, 4, size=(20, 6)).astype(float), rng.integers(0, 6, 20)
    curve = metrics.cmc(scores, labels)
    assert curve.tolist() == pytest.approx(slow.cmc(scores, labels.tolist()))
    assert curve[-1] <= 1
    assert np.all(np.diff(curve) >= 0)


def test_a_tie_is_not_a_match() -> None:
    assert metrics.cmc(np.zeros((1, 3)), np.array([1])).tolist() == [0.0, 0.0, 1.0]


def test_probes_without_a_mate_are_refused_not_dropped() -> None:
    with pytest.raises(ParameterError, match="must be enrolled"):
        metrics.cmc(np.zeros((2, 3)), np.array([0, 3]))


@pytest.mark.parametrize("levels", [5, 1000])
def test_verification_equals_its_twin(rng: np.random.Generator, levels: int) -> None:
    genuine = (rng.integers(0, levels, 30) + levels // 3).astype(float)
    impostor = rng.integers(0, levels, 50).astype(float)
    expected = slow.eer(genuine.tolist(), impostor.tolist())
    assert metrics.eer(genuine, impostor) == pytest.approx(expected)
    for far in (0.0, 0.01, 0.1, 0.5):
        expected = slow.tar_at_far(genuine.tolist(), impostor.tolist(), far)
        assert metrics.tar_at_far(genuine, impostor, far) == pytest.approx(expected)


def test_eer_by_hand() -> None:
    # Threshold 3: 1 of 4 impostors in (25 %), 1 of 4 genuine out (25 %).
    genuine, impostor = np.array([2.0, 3, 5, 6]), np.array([0.0, 1, 1, 4])
    assert metrics.eer(genuine, impostor) == pytest.approx(0.25)
    assert metrics.eer(impostor, genuine) == pytest.approx(0.75)
    assert metrics.eer(np.array([2.0]), np.array([1.0])) == 0


def test_dir_at_far_equals_its_twin(rng: np.random.Generator) -> None:
    scores, unknown = rng.normal(size=(25, 4)), rng.normal(size=(11, 4))
    labels = scores.argmax(1)
    labels[::3] = rng.integers(0, 4, len(labels[::3]))
    for far in (0.0, 0.01, 1 / 11, 0.3, 1.0):
        expected = slow.dir_at_far(scores, labels.tolist(), unknown, far)
        assert metrics.dir_at_far(scores, labels, unknown, far) == pytest.approx(expected)


def test_a_stranger_who_scores_like_everybody_ruins_dir() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    labels = np.array([0, 1])
    assert metrics.dir_at_far(scores, labels, np.array([[0.1, 0.3]]), 0.01) == 1.0
    assert metrics.dir_at_far(scores, labels, np.array([[0.85, 0.3]]), 0.01) == 0.5
    assert metrics.dir_at_far(scores, labels, np.array([[0.95, 0.3]]), 0.01) == 0.0


def test_det_passes_through_every_corner(rng: np.random.Generator) -> None:
    genuine, impostor = rng.integers(2, 9, 12).astype(float), rng.integers(0, 7, 20).astype(float)
    far, frr = metrics.det(genuine, impostor)
    every = np.array(slow.rates(genuine.tolist(), impostor.tolist()))
    assert (far[0], frr[0], far[-1], frr[-1]) == (0, 1, 1, 0)
    corners = {(round(a, 9), round(b, 9)) for a, b in every}
    assert {(round(a, 9), round(b, 9)) for a, b in zip(far, frr, strict=True)} <= corners
    # Nothing is lost by leaving points out: those left out lie on the lines between the others.
    for a, b in every:
        low, high = np.searchsorted(far, a, "left"), np.searchsorted(far, a, "right") - 1
        if low <= high:
            assert frr[high] - 1e-12 <= b <= frr[low] + 1e-12
        else:
            share = (a - far[low - 1]) / (far[low] - far[low - 1])
            assert b == pytest.approx(frr[low - 1] + share * (frr[low] - frr[low - 1]))


def test_det_by_hand() -> None:
    # Accept above 5, 4, 2, 1: the genuine 5, the impostor 4, the genuine 2, the impostor 1.
    far, frr = metrics.det(np.array([2.0, 5.0]), np.array([1.0, 4.0]))
    assert list(zip(far.tolist(), frr.tolist(), strict=True)) == [
        (0, 1), (0, 0.5), (0.5, 0.5), (0.5, 0), (1, 0)
    ]  # fmt: skip


def test_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.3, 0.3, 0.1]])
    assert metrics.ranks(scores, np.array([0, 2, 1])).tolist() == [1, 3, 2]


def test_precision_and_f1_by_hand() -> None:
    # Identity 0: called 3 times, right twice, of 2; 1: called once, right, of 2; 2: never there.
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    precision, f1 = metrics.precision_and_f1(labels, predicted, 3)
    assert precision.tolist() == pytest.approx([2 / 3, 1, 0])
    assert f1.tolist() == pytest.approx([4 / 5, 2 / 3, 0])


def test_bootstrap_keeps_captures_together(rng: np.random.Generator) -> None:
    # 20 captures of 50 clips, each all right or all wrong: the interval must be that of 20
    # draws, sd sqrt(0.25 / 20) = 0.11, not of 1000, sd 0.016.
    captures = np.repeat(np.arange(20), 50)
    right = (captures % 2 == 0).astype(float)
    low, high = mean_interval(right, captures, rng)
    assert low == pytest.approx(0.5 - 1.96 * 0.112, abs=0.08)
    assert high == pytest.approx(0.5 + 1.96 * 0.112, abs=0.08)


def test_bootstrap_of_two_captures_by_hand() -> None:
    # Of captures of 3 and 1 clips: two of the first (mean 1), one of each (3/4), or two of the
    # second (0), each of the outer ones in a quarter of the draws.
    captures, right = np.array([7, 2, 7, 7]), np.array([1.0, 0, 1, 1])
    seen: list[float] = []

    def note(rows: np.ndarray) -> float:
        seen.append(float(right[rows].mean()))
        return seen[-1]

    interval = bootstrap_interval(note, captures, np.random.default_rng(0), n_draws=2000)
    assert set(seen) == {0.0, 0.75, 1.0}
    assert interval == (0.0, 1.0)
    # binomial, 2000 draws of chance 1/4: standard deviation 0.0097
    assert np.mean(np.array(seen) == 0) == pytest.approx(0.25, abs=0.04)
    assert np.mean(np.array(seen) == 1) == pytest.approx(0.25, abs=0.04)


def test_the_interval_of_one_capture_is_a_point_and_repeats() -> None:
    values = np.array([1.0, 0, 0, 1])
    assert mean_interval(values, np.zeros(4, int)) == (0.5, 0.5)
    captures = np.array([0, 0, 1, 2])
    assert mean_interval(values, captures) == mean_interval(values, captures)
    with pytest.raises(ParameterError, match="no walk"):
        mean_interval(np.array([]), np.array([], int))


def test_exact_interval_of_all_right_by_hand() -> None:
    # All of n right: the lowest chance p with p^n = 2.5 %.
    low, high = exact_interval(np.ones(10, bool))
    assert (low, high) == pytest.approx((0.025 ** (1 / 10), 1))
    low, high = exact_interval(np.zeros(10, bool))
    assert (low, high) == pytest.approx((0, 1 - 0.025 ** (1 / 10)))
    # Table of Clopper and Pearson: 5 of 10, 18.7 % to 81.3 %.
    assert exact_interval(np.arange(10) < 5) == pytest.approx((0.187, 0.813), abs=5e-4)


def test_no_samples_are_refused() -> None:
    empty = np.array([], int)
    with pytest.raises(ParameterError, match="not 0"):
        metrics.closed_set(empty, empty)
    with pytest.raises(ParameterError, match="genuine and impostor"):
        metrics.eer(np.array([]), np.array([1.0]))
    with pytest.raises(ParameterError, match="known and of unknown"):
        metrics.dir_at_far(np.zeros((1, 2)), np.array([0]), np.zeros((0, 2)), 0.1)


def test_templates_are_mean_directions_by_hand() -> None:
    # Person 0: directions (1, 0) and (0, 1), lengths do not count. Person 1: (-1, 0).
    embeddings = np.array([[10.0, 0], [0, 0.1], [-3, 0]])
    people = openset.templates(embeddings, np.array([0, 0, 1]), 2)
    half = math.sqrt(0.5)
    assert np.allclose(people, [[half, half], [-1, 0]])
    scores = openset.scores(np.array([[0.0, 7.0]]), people)
    assert np.allclose(scores, [[half, 0.0]])
    with pytest.raises(ParameterError, match="without a clip"):
        openset.templates(embeddings, np.array([0, 0, 1]), 3)


def test_walks_are_means_of_their_clips() -> None:
    logits = np.array([[2.0, 0], [0, 5.0], [0, 1.0]])
    walks, first = openset.walk_means(logits, np.array([7, 3, 7]))
    assert np.allclose(walks, [[0, 5], [1, 0.5]])
    assert first.tolist() == [1, 0]


def test_pseudo_strangers_leave_their_own_person_out() -> None:
    scores = np.array([[0.9, 0.3, 0.1], [0.2, 0.8, 0.4]])
    assert openset.pseudo_strangers(scores, np.array([0, 1])).tolist() == [0.3, 0.4]


def test_threshold_lies_in_the_gap() -> None:
    # Known walks at 0.9 and 0.8, strangers at 0.3 and 0.4: halfway is 0.6.
    found = openset.calibrate(np.array([0.9, 0.8]), np.array([0.3, 0.4]))
    assert found.threshold == pytest.approx(0.6)
    assert (found.false_accept_rate, found.false_reject_rate) == (0, 0)
    assert (found.n_known, found.n_strangers) == (2, 2)


def test_threshold_at_a_false_accept_rate() -> None:
    genuine, strangers = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.1, 0.2, 0.3, 0.9])
    strict = openset.calibrate(genuine, strangers, false_accept_rate=0.0)
    assert strict.threshold > 0.9
    assert strict.false_reject_rate == 1
    quarter = openset.calibrate(genuine, strangers, false_accept_rate=0.25)
    assert quarter.threshold == pytest.approx(0.4)
    assert quarter.false_reject_rate == 0
    # Equal errors: between 0.5 and 0.6 a quarter of both is wrong.
    large = openset.calibrate(np.array([3.0]), np.array([4.0, 5.0]), false_accept_rate=0.0)
    assert 5 < large.threshold < 5.001  # nobody is let in, however large scores are
    assert (large.false_accept_rate, large.false_reject_rate) == (0, 1)
    equal = openset.calibrate(genuine, strangers)
    assert equal.false_accept_rate == equal.false_reject_rate == 0.25
    with pytest.raises(ParameterError, match="second person"):
        openset.calibrate(genuine, openset.pseudo_strangers(genuine[:, None], np.zeros(4, int)))


def test_identification_by_hand() -> None:
    subjects = ("anna", "ben", "carl")
    found = openset.identify(np.array([0.2, 0.9, 0.5]), subjects, 0.9)
    assert (found.subject, found.best, found.score, found.second) == ("ben", "ben", 0.9, 0.5)
    assert found.margin == pytest.approx(0.4)
    refused = openset.identify(np.array([0.2, 0.9, 0.5]), subjects, 0.91)
    assert refused.subject is None
    assert refused.best == "ben"
