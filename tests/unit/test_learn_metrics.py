"""Metrics against their slow twins, against hand arithmetic, and at their edges."""

from __future__ import annotations

import math

import naive.metrics as slow
import numpy as np
import pytest

from radarid.errors import ParameterError
from radarid.learn import metrics, openset


@pytest.fixture(params=range(6))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_closed_set_equals_its_twin(rng: np.random.Generator) -> None:
    labels, predicted = rng.integers(0, 5, 40), rng.integers(0, 6, 40)
    found = metrics.closed_set(labels, predicted)
    assert found["accuracy"] == pytest.approx(slow.accuracy(labels, predicted))
    assert found["macro_recall"] == pytest.approx(slow.macro_recall(labels, predicted))
    assert found["macro_f1"] == pytest.approx(slow.macro_f1(labels, predicted))


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


def test_calibration_equals_its_twin(rng: np.random.Generator) -> None:
    raw = rng.exponential(size=(60, 4))
    probability, labels = raw / raw.sum(1, keepdims=True), rng.integers(0, 4, 60)
    for n_bins in (1, 10, 15):
        expected = slow.calibration_error(probability, labels.tolist(), n_bins)
        found = metrics.expected_calibration_error(probability, labels, n_bins)
        assert found == pytest.approx(expected)
    found = metrics.brier(probability, labels)
    assert found == pytest.approx(slow.brier(probability, labels.tolist()))


def test_calibration_by_hand() -> None:
    # Two clips at confidence 0.9, one right: |0.5 - 0.9| = 0.4 of everything.
    probability = np.array([[0.9, 0.1], [0.9, 0.1]])
    labels = np.array([0, 1])
    assert metrics.expected_calibration_error(probability, labels) == pytest.approx(0.4)
    # ((0.1)^2 + (0.1)^2 + (0.9)^2 + (0.9)^2) / 2
    assert metrics.brier(probability, labels) == pytest.approx(0.82)


def test_bootstrap_keeps_captures_together(rng: np.random.Generator) -> None:
    # 20 captures of 50 clips, each all right or all wrong: the interval must be that of 20
    # draws, sd sqrt(0.25 / 20) = 0.11, not of 1000, sd 0.016.
    captures = np.repeat(np.arange(20), 50)
    right = (captures % 2 == 0).astype(float)
    low, high = metrics.bootstrap_interval(right, captures, rng)
    assert low == pytest.approx(0.5 - 1.96 * 0.112, abs=0.08)
    assert high == pytest.approx(0.5 + 1.96 * 0.112, abs=0.08)


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
