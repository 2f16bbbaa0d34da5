"""CKA, lengths and correlation of features against twins, scipy and hand arithmetic."""

from __future__ import annotations

import math

import naive.feature_stats as slow
import numpy as np
import pytest
from scipy.stats import ttest_ind

from radarid.errors import ParameterError
from radarid.learn.feature_stats import linear_cka, norm_test, pearson


@pytest.fixture(params=range(4))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_cka_equals_its_twins(rng: np.random.Generator) -> None:
    x = rng.normal(size=(7, 5)) + 3.0
    y = x[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(7, 4))
    assert linear_cka(x, y) == pytest.approx(slow.linear_cka(x, y), abs=1e-12)
    assert linear_cka(x, y, debiased=True) == pytest.approx(slow.debiased_cka(x, y), abs=1e-12)


def test_cka_of_single_numbers_is_their_squared_correlation() -> None:
    # <x, y> = 2, |x|^2 = 4, |y|^2 = 2: r^2 = 4 / 8. The third is orthogonal to the first.
    x, y = np.array([[1.0], [1], [-1], [-1]]), np.array([[1.0], [0], [-1], [0]])
    assert linear_cka(x, y) == pytest.approx(0.5)
    assert linear_cka(x, np.array([[1.0], [-1], [1], [-1]])) == pytest.approx(0)


def test_cka_does_not_see_rotation_scale_or_offset(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(12, 6)), rng.normal(size=(12, 4))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    for debiased in (False, True):
        assert linear_cka(x, 5 * x @ turn + 2, debiased) == pytest.approx(1)
        expected = linear_cka(x, y, debiased)
        assert linear_cka(3 * x @ turn - 1, y, debiased) == pytest.approx(expected)


def test_long_unrelated_features_look_alike_until_debiased() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, 9000)).astype(np.float32)
    assert linear_cka(x, y) > 0.95
    assert abs(linear_cka(x, y, debiased=True)) < 0.1


def test_maps_are_flattened_and_constants_have_no_cka(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(6, 3, 2, 2)), rng.normal(size=(6, 4))
    assert linear_cka(x, y) == pytest.approx(linear_cka(x.reshape(6, 12), y))
    assert math.isnan(linear_cka(np.full((6, 3), 0.1), y))


def test_lengths_are_tested_as_scipy_does(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(15, 8)), 1.3 * rng.normal(size=(15, 8))
    found = norm_test(x, y)
    expected = ttest_ind(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    assert found["t"] == pytest.approx(expected.statistic)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert found["n_free"] == 28
    assert found["differ"] == (found["p"] < 0.01)


def test_lengths_by_hand() -> None:
    # Lengths 5, 5, 6, 6, 7, 7 (mean 6, variance 4/5) and 1 more each: t = -1 / sqrt(1.6 / 6).
    lengths = np.array([5.0, 5, 6, 6, 7, 7])
    x = lengths[:, None] * np.array([0.6, 0.8])
    y = (lengths + 1)[:, None] * np.array([0.0, -1.0])
    found = norm_test(x, y)
    assert (found["mean_x"], found["mean_y"]) == pytest.approx((6, 7))
    assert found["t"] == pytest.approx(-1 / math.sqrt(1.6 / 6))
    # Tables of Student's t with 10 degrees of freedom: 0.5 % and 1 % in one tail.
    assert found["critical"] == pytest.approx(3.169, abs=5e-4)
    assert found["critical_one_tail"] == pytest.approx(2.764, abs=5e-4)
    assert not found["differ"]
    assert norm_test(x, 2 * y)["differ"]


def test_correlation_equals_its_twin(rng: np.random.Generator) -> None:
    x = rng.normal(size=(9, 4))
    y = x + rng.normal(size=(9, 4)) + np.array([0, 5.0, 10, -3])
    expected = slow.pearson(x.ravel().tolist(), y.ravel().tolist())
    assert pearson(x, y) == pytest.approx(expected)
    each = [slow.pearson(x[:, k].tolist(), y[:, k].tolist()) for k in range(4)]
    assert pearson(x, y, "clips") == pytest.approx(sum(each) / 4)


def test_what_is_correlated_matters() -> None:
    # Element 0 is always small, 1 always large, 2 the same for all clips; over the clips,
    # elements 0 and 1 go against each other.
    x = np.array([[0.0, 10, 4], [1, 11, 4]])
    y = np.array([[1.0, 11, 0.1], [0, 10, 0.1]])
    assert pearson(x[:, :2], y[:, :2]) > 0.9
    assert pearson(x, y, "clips") == pytest.approx(-1)
    assert math.isnan(pearson(np.ones((3, 2)), np.ones((3, 2))))


def test_what_cannot_be_compared_is_refused() -> None:
    four = np.eye(4)
    with pytest.raises(ParameterError, match="got 3 and 4 clips"):
        linear_cka(four[:3], four)
    with pytest.raises(ParameterError, match="expected 4 at least"):
        linear_cka(four[:3], four[:3])
    with pytest.raises(ParameterError, match="constant length"):
        norm_test(four, 2 * four)
    with pytest.raises(ParameterError, match="features of one shape"):
        pearson(four, four[:, :2])
    with pytest.raises(ParameterError, match="over 'rows'"):
        pearson(four, four, "rows")
