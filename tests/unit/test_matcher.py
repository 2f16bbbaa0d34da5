"""Matching: scores as loops give them, evidence as the densities do, strangers kept out as told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from galleries import Crowd, background, gallery
from naive import matching as naive
from scipy import stats

from radarid.errors import GalleryError
from radarid.live.gallery import MatchParams
from radarid.live.matcher import Evidence, Matcher
from radarid.live.score_model import ScoreModel, binomial_interval, fit


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(np.random.default_rng(5))


@pytest.mark.parametrize("norm", ["none", "z", "s"])
def test_scores_are_those_of_the_loops(crowd: Crowd, norm: str) -> None:
    people = {name: crowd.person() for name in ("anna", "bob", "carl")}
    known = gallery(crowd, people, MatchParams(norm=norm))
    probes = crowd.walk(people["bob"])
    others = {name: known.background.of([name]).embedding.tolist()
              for name in known.background.people}  # fmt: skip
    expected = [
        [naive.score(probe, known.templates.of([name]).embedding.tolist(), norm, others)
         for name in known.subjects]
        for probe in probes.tolist()
    ]  # fmt: skip
    found = Matcher(known).scores(3 * probes)  # lengths do not matter
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("n_clips", [1, 2, 7])
def test_evidence_is_the_ratio_of_two_normal_densities(n_clips: int) -> None:
    model = ScoreModel(own=4.0, strange=0.5, within=0.7, between=0.4)
    clips = np.random.default_rng(n_clips).normal(2, 1, n_clips)
    covariance = 0.7 * np.eye(n_clips) + 0.4
    expected = stats.multivariate_normal.logpdf(clips, np.full(n_clips, 4.0), covariance)
    expected -= stats.multivariate_normal.logpdf(clips, np.full(n_clips, 0.5), covariance)
    assert model.evidence(clips.mean(), n_clips) == pytest.approx(expected, abs=1e-9)


def test_evidence_of_alike_clips_is_bounded() -> None:
    model = ScoreModel(own=4.0, strange=0.0, within=1.0, between=0.5)
    limit = (4 - 0) * (3 - 2) / 0.5  # of infinitely many clips
    assert float(model.evidence(np.array(3.0), 1000)) == pytest.approx(limit, rel=0.01)
    assert float(model.evidence(np.array(3.0), 1)) == pytest.approx(4 / 1.5)


def test_the_model_is_found_again_in_what_it_draws() -> None:
    rng = np.random.default_rng(1)

    def walks(mean: float, n: int) -> list[np.ndarray]:
        return [mean + rng.normal(0, 0.5) + rng.normal(0, 0.8, 5) for _ in range(n)]

    found = fit(walks(3.0, 3000), walks(-1.0, 3000))
    assert found.own == pytest.approx(3, abs=0.05)
    assert found.strange == pytest.approx(-1, abs=0.05)
    assert found.within == pytest.approx(0.64, rel=0.05)
    assert found.between == pytest.approx(0.25, rel=0.1)


def test_a_model_by_hand() -> None:
    found = fit([np.array([3.0, 5.0]), np.array([6.0, 6.0])], [np.array([0.0]), np.array([2.0])])
    # own: walk means 4 and 6; scatter 2 + 0 over two degrees of freedom; means' variance 2,
    # less 1 / 2 of clip variance 1. strange: no scatter is seen; the means' variance is 2.
    assert (found.own, found.strange) == (5, 1)
    assert found.within == pytest.approx((1 + 0) / 2)
    assert found.between == pytest.approx((1.5 + 2) / 2)
    with pytest.raises(GalleryError, match="no more for themselves than for others; got mean"):
        fit([np.array([1.0])], [np.array([2.0])])


def test_interval_of_a_share() -> None:
    assert binomial_interval(0, 20) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert binomial_interval(20, 20) == pytest.approx((0.025 ** (1 / 20), 1))
    low, high = binomial_interval(3, 50)  # where the binomial tails are 2.5 %
    assert stats.binom.sf(2, 50, low) == pytest.approx(0.025)
    assert stats.binom.cdf(3, 50, high) == pytest.approx(0.025)


@pytest.mark.parametrize("norm", ["none", "z", "s"])
def test_people_are_known_and_strangers_are_not(norm: str) -> None:
    crowd = Crowd(np.random.default_rng(8), spread=0.1, scatter=0.1)
    people = {f"p{k}": crowd.person() for k in range(5)}
    others = background(crowd, n_people=40)
    params = MatchParams(norm=norm, false_accept_rate=0.1)
    matcher = Matcher(gallery(crowd, people, params, others))
    for name, person in people.items():
        answers = [matcher.identify(crowd.walk(person)).subject for _ in range(20)]
        assert answers.count(name) >= 16
    fresh = [matcher.identify(crowd.walk(crowd.person())) for _ in range(1000)]
    accepted = sum(found.subject is not None for found in fresh) / 1000
    threshold = matcher.threshold
    assert threshold.calibration.false_accept_rate <= 0.1
    assert threshold.calibration.n_strangers == 160
    # Walks of one person are alike, so the interval of independent ones is widened a little.
    assert threshold.interval[0] - 0.05 <= accepted <= threshold.interval[1] + 0.05


def test_the_second_best_of_one_person_is_a_stranger(crowd: Crowd) -> None:
    anna = crowd.person()
    matcher = Matcher(gallery(crowd, {"anna": anna}))
    found = matcher.decide(np.array([3.0]))
    assert (found.best, found.score, found.second, found.margin) == ("anna", 3, 0, 3)


def test_a_margin_can_be_asked_for(crowd: Crowd) -> None:
    people = {"anna": crowd.person(), "bob": crowd.person()}
    known = gallery(crowd, people)
    loose, strict = (
        Matcher(known.with_params(MatchParams(min_margin=margin))) for margin in (0.0, 2.0)
    )
    high = loose.threshold.value + 10
    for matcher, expected in ((loose, "bob"), (strict, None)):
        assert matcher.decide(np.array([high, high + 1.5])).subject == expected
    assert strict.decide(np.array([high, high + 2.5])).subject == "bob"
    assert loose.decide(np.full(2, loose.threshold.value - 1e-6)).subject is None


def test_evidence_gathers_and_is_forgotten(crowd: Crowd) -> None:
    matcher = Matcher(gallery(crowd, {"anna": crowd.person(), "bob": crowd.person()}))
    assert (Evidence(matcher).nats == 0).all()
    scores = np.array([[2.0, 0.0], [4.0, 1.0]])
    whole = Evidence(matcher)
    for row in scores:
        whole.push(row)
    expected = matcher.model.evidence(np.array([3.0, 0.5]), 2)
    np.testing.assert_allclose(whole.nats, expected)
    fading = Evidence(matcher, half_life_s=2.0)
    fading.push(scores[0], 10.0)
    fading.push(scores[1], 12.0)  # the first counts half by now
    assert fading.n_clips == pytest.approx(1.5)
    expected = matcher.model.evidence(np.array([5.0, 1.0]) / 1.5, 1.5)
    np.testing.assert_allclose(fading.nats, expected)


def test_what_cannot_be_matched_is_refused(crowd: Crowd) -> None:
    known = gallery(crowd, {"anna": crowd.person()})
    with pytest.raises(GalleryError, match="nobody is enrolled"):
        Matcher(known.remove("anna"))
    for few in (background(crowd, n_people=2), background(crowd, n_walks=1)):
        with pytest.raises(GalleryError, match="cannot say what strangers look like"):
            Matcher(replace(known, background=few))
    with pytest.raises(GalleryError, match="another length.*got 5; expected 16"):
        Matcher(known).scores(np.ones((1, 5), np.float32))
