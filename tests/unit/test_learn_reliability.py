"""Calibration of probabilities: twins, hand arithmetic, and the temperature that mends them."""

from __future__ import annotations

import math

import naive.metrics as slow
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from radarid.errors import ParameterError
from radarid.learn import reliability as believe


@pytest.fixture(params=range(4))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_scores_equal_their_twins(rng: np.random.Generator) -> None:
    raw = rng.exponential(size=(60, 4))
    probability, labels = raw / raw.sum(1, keepdims=True), rng.integers(0, 4, 60)
    for n_bins in (1, 10, 15):
        expected = slow.calibration_error(probability, labels.tolist(), n_bins)
        found = believe.expected_calibration_error(probability, labels, n_bins)
        assert found == pytest.approx(expected)
    found = believe.brier(probability, labels)
    assert found == pytest.approx(slow.brier(probability, labels.tolist()))
    logits = np.log(probability) + 7.0
    found = believe.negative_log_likelihood(logits, labels)
    assert found == pytest.approx(log_loss(labels, probability, labels=range(4)))


def test_brier_of_two_classes_is_twice_that_of_scikit_learn(rng: np.random.Generator) -> None:
    second, labels = rng.random(30), rng.integers(0, 2, 30)
    found = believe.brier(np.stack([1 - second, second], 1), labels)
    assert found == pytest.approx(2 * brier_score_loss(labels, second))


def test_calibration_by_hand() -> None:
    # Two clips at confidence 0.9, one right: |0.5 - 0.9| = 0.4 of everything.
    probability = np.array([[0.9, 0.1], [0.9, 0.1]])
    labels = np.array([0, 1])
    assert believe.expected_calibration_error(probability, labels) == pytest.approx(0.4)
    # ((0.1)^2 + (0.1)^2 + (0.9)^2 + (0.9)^2) / 2
    assert believe.brier(probability, labels) == pytest.approx(0.82)


def test_bins_by_hand() -> None:
    # Five bins: 0.6 lies in (0.4, 0.6], the upper edge belongs; 0.61 and 0.8 in (0.6, 0.8].
    probability = np.array([[0.6, 0.4], [0.39, 0.61], [0.2, 0.8], [0.0, 1.0]])
    bins = believe.reliability(probability, np.array([0, 0, 1, 1]), n_bins=5)
    assert bins.n.tolist() == [0, 0, 1, 2, 1]
    assert bins.confidence.tolist() == pytest.approx([0, 0, 0.6, 0.705, 1.0])
    assert bins.accuracy.tolist() == pytest.approx([0, 0, 1, 0.5, 1])
    assert bins.calibration_error == pytest.approx((0.4 + 2 * 0.205) / 4)


def test_temperature_by_hand() -> None:
    # Logit gap 3 for all, 3 of 4 right: sigmoid(3 / T) must be 3/4, so T = 3 / log 3.
    logits = np.tile([3.0, 0.0], (4, 1))
    found = believe.fit_temperature(logits, np.array([0, 0, 0, 1]))
    assert found == pytest.approx(3 / math.log(3), rel=1e-9)
    probability = believe.probabilities(logits, found)
    assert probability[:, 0] == pytest.approx(0.75)
    assert believe.expected_calibration_error(probability, np.array([0, 0, 0, 1])) < 1e-9


def test_temperature_is_the_best_of_a_fine_grid(rng: np.random.Generator) -> None:
    logits, labels = 4 * rng.normal(size=(200, 5)), rng.integers(0, 5, 200)
    logits[np.arange(200), labels] += 3
    found = believe.fit_temperature(logits, labels)
    grid = np.geomspace(*believe.TEMPERATURES, 400)
    losses = [
        sum(
            math.log(sum(math.exp((z - row[y]) / t) for z in row))
            for row, y in zip(logits.tolist(), labels.tolist(), strict=True)
        )
        for t in grid[grid > 0.3]
    ]
    assert found == pytest.approx(grid[grid > 0.3][int(np.argmin(losses))], rel=0.02)


def test_sharpened_logits_are_cooled_by_as_much(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(4000, 3))
    odds = believe.probabilities(logits)
    labels = (rng.random((4000, 1)) > odds.cumsum(1)).sum(1)  # drawn from these probabilities
    assert believe.fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.12)
    assert believe.fit_temperature(7 * logits, labels) == pytest.approx(
        7 * believe.fit_temperature(logits, labels), rel=1e-6
    )


def test_temperature_at_its_bounds_and_where_nothing_can_be_told() -> None:
    cold, hot = believe.TEMPERATURES
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert believe.fit_temperature(logits, np.array([0, 1])) == cold
    assert believe.fit_temperature(logits, np.array([1, 0])) == hot
    assert believe.fit_temperature(np.full((3, 4), 5.0), np.array([0, 1, 2])) == 1.0


def test_what_cannot_be_scored_is_refused() -> None:
    empty = np.zeros((0, 3))
    for function in (believe.brier, believe.fit_temperature, believe.reliability,
                     believe.negative_log_likelihood):  # fmt: skip
        with pytest.raises(ParameterError, match="one at least"):
            function(empty, np.array([], int))
        with pytest.raises(ParameterError, match="expected 0 to 2"):
            function(np.full((1, 3), 1 / 3), np.array([3]))
