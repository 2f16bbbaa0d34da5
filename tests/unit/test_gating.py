"""The range track against its slow twin, and against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest
from naive import range_track as naive

from radarid.dsp import gating
from radarid.dsp.gating import RangeTrack, evidence_db, level_over_noise_db

STEP_S = 1 / 30
RANGE_M = 0.5 + np.arange(40) * 0.2
Steps = list[np.ndarray | None]


def track(steps: Steps, lag: int = 8, range_m: np.ndarray = RANGE_M) -> np.ndarray:
    """Decisions (n, 2): range_m, presence_db."""
    tracker = RangeTrack(range_m, max_step_m=3.0 * STEP_S, lag=lag)
    return np.concatenate([tracker.push(as_array(steps, len(range_m))), tracker.flush()])


def as_array(steps: Steps, n_bins: int) -> np.ndarray:
    """Steps (n_steps, n_bins), NaN where they were lost."""
    return np.array([np.full(n_bins, np.nan) if step is None else step for step in steps])


def noise(n_steps: int, seed: int = 3) -> np.ndarray:
    """Unit noise averaged over 100 chirps: +-0.4 dB."""
    return np.random.default_rng(seed).gamma(100, 0.01, (n_steps, len(RANGE_M)))


def put(energy: np.ndarray, step: int, place_m: float, level_db: float) -> None:
    """Add an echo, two bins wide, at its exact place between them."""
    place = (place_m - RANGE_M[0]) / 0.2
    at = int(place)
    energy[step, at : at + 2] += 10 ** (level_db / 10) * np.array([1 - place + at, place - at])


@pytest.mark.parametrize(("lag", "max_step_m"), [(1, 0.1), (2, 0.2), (4, 0.1), (4, 0.8)])
@pytest.mark.parametrize("seed", range(3))
def test_track_is_that_of_the_twin(
    lag: int, max_step_m: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Evidence in eighths of a dB and bins of 0.25 m: no sum is ever rounded, and ties are ties.
    rng = np.random.default_rng(seed)
    said = rng.integers(-24, 20, (40, 9)) / 8
    said[:6] = said[33:] = -3.0
    for k in range(8, 30):
        said[k, 1 + k // 5] = 5.0
    said[13:15] = 0.0
    said[20, 8] = 5.0
    steps = iter(said)
    monkeypatch.setattr(gating, "evidence_db", lambda _, __: np.float32(next(steps))[None])
    range_m = 0.5 + 0.25 * np.arange(9)
    fast, slow = RangeTrack(range_m, max_step_m, lag), naive.Track(range_m, max_step_m, lag)
    energy, seen = 10.0 ** np.arange(9), set()
    for k in range(40):
        found = fast.push(energy[None])
        slow.push(said[k])
        np.testing.assert_array_equal(fast._score, slow.scores().astype(np.float32))
        if k >= lag:
            at = slow.bin_at(k - lag)
            seen.add(at)
            assert len(found) == 1
            if at is None:
                assert found[0, 1] == 0
                continue
            first, last = max(0, at - 1), min(8, at + 1)
            weight = energy[first : last + 1]
            middle = np.average(range_m[first : last + 1], weights=weight)
            assert found[0, 0] == pytest.approx(middle)
            assert found[0, 1] == pytest.approx(10 * (last - 2))  # bin 2 is the noise quantile
    assert None in seen
    assert len(seen) > 3


@pytest.mark.parametrize("top_db", [5.0, 8.0, 20.0, 45.0])
def test_evidence_is_that_of_the_twin(top_db: float) -> None:
    level = np.random.default_rng(7).uniform(-2, top_db, 40)
    said = evidence_db(level[None], 20 * np.log10(RANGE_M))
    np.testing.assert_allclose(said[0], naive.evidence(level, RANGE_M), atol=1e-5)
    assert said.max() <= 5.0
    assert said.min() >= -3.0


@pytest.mark.parametrize("n", [3, 4, 5, 37, 64, 201])
@pytest.mark.parametrize("kind", ["spread", "ties", "sorted", "equal"])
def test_level_over_noise_is_over_the_quantile(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    energy = {
        "spread": rng.exponential(1, n), "ties": rng.integers(1, 4, n).astype(float),
        "sorted": np.arange(1.0, n + 1), "equal": np.full(n, 7.0),
    }[kind]  # fmt: skip
    np.testing.assert_allclose(
        level_over_noise_db(energy), naive.level_over_noise_db(energy), rtol=1e-12, atol=1e-12
    )


def test_level_of_silence_is_finite() -> None:
    assert (level_over_noise_db(np.zeros((2, 8), np.float32)) == 0).all()


def test_noise_alone_is_nobody() -> None:
    assert (track(list(noise(300)))[:, 1] == 0).all()


def test_who_appears_is_seen_from_the_first_step_on_and_who_vanishes_for_a_second() -> None:
    # By hand: entering costs 30 dB, a clear step gives 8 - 3 = 5: sure after 6 or 7 steps, less
    # than the look-ahead of 8. Leaving costs 90, an empty step 3: given up after 30 steps.
    energy = noise(160)
    for k in range(40, 80):
        put(energy, k, 2.0 + 1.2 * STEP_S * k, 20.0)
    found = track(list(energy))
    truth = 2.0 + 1.2 * STEP_S * np.arange(160)
    assert (found[:40, 1] == 0).all()
    assert found[40:80, 1].min() > 15
    assert np.abs(found[40:80, 0] - truth[40:80]).max() < 0.1
    assert found[80:, 1].max() < 3
    coasted = np.abs(found[80:160, 0] - truth[80:160]) < 0.4
    assert coasted[:25].all()
    assert not coasted[50:].any()
    assert np.ptp(found[125:, 0]) == 0


def test_flashes_do_not_move_the_track() -> None:
    energy = noise(100)
    truth = 2.0 + 1.2 * STEP_S * np.arange(100)
    for k in range(100):
        put(energy, k, truth[k], 15.0)
    rng = np.random.default_rng(2)
    for k in rng.choice(100, 30, replace=False):
        put(energy, int(k), rng.uniform(0.6, 8.0), 45.0)
    for k in range(60, 63):  # three steps on end at one place
        put(energy, k, 7.5, 45.0)
    found = track(list(energy))
    # A flash inside the body (0.25 m about the path) draws the centroid, nothing else.
    assert np.abs(found[:, 0] - truth).max() < 0.35
    assert np.median(np.abs(found[:, 0] - truth)) < 0.05


def test_interference_over_all_bins_is_not_a_walker() -> None:
    energy = noise(60)
    energy[20:23] *= 1e4
    assert (track(list(energy))[:, 1] == 0).all()


def test_steps_may_come_in_any_groups() -> None:
    energy = noise(60)
    for k in range(5, 50):
        put(energy, k, 2.0 + 1.2 * STEP_S * k, 20.0)
    energy[20:24] = np.nan
    at_once = track(list(energy))
    for sizes in ([1] * 60, [7, 0, 30, 1, 22], [3] * 20):
        tracker = RangeTrack(RANGE_M, max_step_m=3.0 * STEP_S, lag=8)
        stops = np.cumsum(sizes)
        groups = [energy[stop - n : stop] for n, stop in zip(sizes, stops, strict=True)]
        decided = [tracker.push(group) for group in groups]
        n_decided = np.cumsum([len(found) for found in decided])
        np.testing.assert_array_equal(n_decided, np.maximum(stops - 8, 0))
        np.testing.assert_array_equal(np.concatenate([*decided, tracker.flush()]), at_once)


def test_lost_steps_are_coasted() -> None:
    energy = noise(90)
    truth = 7.0 - 1.2 * STEP_S * np.arange(90)
    for k in range(90):
        put(energy, k, truth[k], 20.0)
    steps: Steps = list(energy)
    steps[30:50] = [None] * 20
    found = track(steps)
    assert (found[30:50, 1] == 0).all()
    assert np.abs(found[30:50, 0] - truth[30:50]).max() < 0.35
    kept = np.r_[0:30, 50:90]
    assert np.abs(found[kept, 0] - truth[kept]).max() < 0.1


def test_of_two_who_cross_the_first_is_kept() -> None:
    # Equal walkers in opposite directions, each also weaker by its range; they meet at step 75.
    first, second = 2.0 + 1.2 * STEP_S * np.arange(150), 8.0 - 1.2 * STEP_S * np.arange(150)
    for one, other in ((first, second), (second, first)):
        energy = noise(150)
        for k in range(150):
            put(energy, k, one[k], 35.0 - 40 * np.log10(one[k] / 2))
            if k >= 20:
                put(energy, k, other[k], 35.0 - 40 * np.log10(other[k] / 2))
        found = track(list(energy))
        assert np.abs(found[:, 0] - one).max() < 0.5
        assert np.median(np.abs(found[:, 0] - one)) < 0.1


def test_who_is_elsewhere_takes_over_when_the_first_is_gone() -> None:
    energy = noise(150)
    for k in range(150):
        put(energy, k, 2.0 if k < 60 else 6.0, 25.0)
    found = track(list(energy))
    assert np.abs(found[:60, 0] - 2.0).max() < 0.1
    # By hand: 120 dB at 8 dB a step (5 for one, 3 against the other): 15 steps, 8 seen ahead.
    assert np.abs(found[68:, 0] - 6.0).max() < 0.1


def test_a_weak_thing_that_was_there_first_is_left_for_a_walker() -> None:
    # A fan of 12 dB at 3 m, and from step 60 on a walker of 30 dB.
    energy = noise(160)
    truth = 7.0 - 1.2 * STEP_S * np.arange(160)
    for k in range(160):
        put(energy, k, 3.0, 12.0)
        if k >= 60:
            put(energy, k, truth[k], 30.0)
    found = track(list(energy))
    assert np.abs(found[:60, 0] - 3.0).max() < 0.2
    assert np.abs(found[130:, 0] - truth[130:]).max() < 0.2


def test_step_length_changes_the_time_scale_only() -> None:
    # A step of 0.8 s is clear enough alone: no second of doubt for one that vanishes, either.
    energy = noise(40)
    for k in range(40):
        put(energy, k, 2.0 if k < 20 else 6.0, 25.0)
    tracker = RangeTrack(RANGE_M, max_step_m=3.0 * 0.8, lag=1)
    found = np.concatenate([tracker.push(energy), tracker.flush()])
    assert np.abs(found[:19, 0] - 2.0).max() < 0.1
    assert np.abs(found[23:, 0] - 6.0).max() < 0.1
