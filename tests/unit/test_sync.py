"""The camera's offset: found within the stated interval, and refused where it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from capture.camera import correlation
from capture.camera.sync import History, SyncParams, find_offset, radar_motion, video_motion
from capture.errors import CameraError, ConfigError


def bumps(rng: np.random.Generator, length_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and heights of moments of motion, half a second to three apart."""
    at_s = np.cumsum(rng.uniform(0.5, 3.0, int(2 * length_s)))
    return at_s[at_s < length_s], rng.uniform(0.5, 1.5, int((at_s < length_s).sum()))


def at(time_s: np.ndarray, moments: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Sum of Gaussian moments of motion of 0.15 s (standard deviation)."""
    at_s, height = moments
    return np.exp(-0.5 * ((time_s[:, None] - at_s) / 0.15) ** 2) @ height


def seen_by_both(
    seed: int, length_s: float = 20.0, noise: float = 0.1, fps: float = 15.0, same: bool = True
) -> tuple[History, History, float]:
    """The same moments on both clocks; the camera compresses them, each has its own noise."""
    rng = np.random.default_rng(seed)
    moments, offset_s = bumps(rng, length_s + 20), float(rng.uniform(-3, 3))
    radar_s = np.arange(0, length_s, 1 / 60)
    camera_s = np.arange(0, length_s, 1 / fps) + rng.uniform(-5e-3, 5e-3, int(length_s * fps))
    camera_s -= camera_s[0]
    others = moments if same else bumps(rng, length_s + 20)
    radar = at(radar_s + 10, moments) + noise * rng.standard_normal(len(radar_s))
    camera = at(camera_s + 10 + offset_s, others) ** 0.7
    camera += noise * rng.standard_normal(len(camera_s))
    return History(radar_s, radar), History(camera_s, camera), offset_s


def test_the_true_offset_lies_in_the_stated_interval() -> None:
    inside, told = [], 0
    for seed in range(40):
        radar, camera, true_s = seen_by_both(seed, noise=(0.05, 0.15, 0.25, 0.35)[seed % 4])
        found = find_offset(radar, camera)
        if found.refusal is None:
            told += 1
            inside.append(abs(found.offset_s - true_s) <= found.uncertainty_s)
            assert found.uncertainty_s < 0.2
    assert told >= 30
    assert np.mean(inside) >= 0.9


def test_unrelated_motion_is_refused() -> None:
    accepted = []
    for seed in range(40):
        radar, camera, _ = seen_by_both(seed, length_s=(8.0, 20.0)[seed % 2], same=False)
        accepted += [seed] * (find_offset(radar, camera).refusal is None)
    assert len(accepted) <= 2  # moments fall together by chance, now and then


def test_pure_noise_is_refused() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        radar, camera = (History(np.arange(0, 15, 1 / fps), rng.random(int(15 * fps)))
                         for fps in (60, 15))  # fmt: skip
        assert find_offset(radar, camera).refusal is not None, seed


def test_motion_that_repeats_itself_is_refused() -> None:
    # A walk of two steps a second fits as well half a second later.
    time_s = np.arange(0, 12, 1 / 30)
    rng = np.random.default_rng(0)
    walk = 1 + 0.5 * np.sin(2 * np.pi * 2 * time_s)
    radar, camera = (History(time_s, walk + 0.1 * rng.standard_normal(len(time_s)))
                     for _ in range(2))  # fmt: skip
    assert find_offset(radar, camera).refusal is not None


def test_less_noise_and_more_time_give_a_smaller_interval() -> None:
    def typical_s(noise: float, length_s: float) -> float:
        cases = [seen_by_both(seed, length_s, noise) for seed in range(5)]
        return float(np.median([find_offset(r, c).uncertainty_s for r, c, _ in cases]))

    assert typical_s(0.05, 20.0) < typical_s(0.4, 20.0)
    assert typical_s(0.4, 60.0) < typical_s(0.4, 15.0)


def test_a_gap_in_the_radar_s_data_is_left_out() -> None:
    radar, camera, true_s = seen_by_both(3, length_s=25.0)
    radar.motion[(radar.time_s > 8) & (radar.time_s < 11)] = np.nan
    found = find_offset(radar, camera)
    assert found.refusal is None
    assert abs(found.offset_s - true_s) <= found.uncertainty_s


def test_a_camera_that_started_much_earlier_is_found_around_what_its_clock_says() -> None:
    radar, camera, true_s = seen_by_both(1)
    late = History(radar.time_s + 100, radar.motion)
    assert find_offset(late, camera, around_s=99.0).offset_s == pytest.approx(true_s + 100, abs=0.1)
    with pytest.raises(CameraError, match="too little in common"):
        find_offset(late, camera)


def test_sums_agree_with_loops_and_with_fourier() -> None:
    rng = np.random.default_rng(0)
    a, c = rng.standard_normal(30), rng.standard_normal(17)
    a[4:7], c[9] = np.nan, np.nan
    shifts = np.arange(1 - len(c), len(a))
    blocks = correlation.lagged_sums(a, c, shifts, 6)
    assert blocks.shape == (3, len(shifts), 6)  # 17 samples in blocks of 6
    assert np.allclose(blocks.sum(axis=0), correlation.fast_sums(a, c))
    curve = correlation.correlation(blocks.sum(axis=0), 5)
    for shift, found in zip(shifts, curve, strict=True):
        pairs = [(a[j + shift], c[j]) for j in range(len(c)) if 0 <= j + shift < len(a)]
        pairs = [pair for pair in pairs if np.isfinite(pair).all()]
        if len(pairs) < 5:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(np.corrcoef(np.transpose(pairs))[0, 1])


def test_the_parabola_through_three_points_is_exact() -> None:
    tried_s = np.arange(0, 1, 0.1)
    curve = 0.9 - 3 * (tried_s - 0.437) ** 2
    assert correlation.peak(tried_s, curve, 4) == pytest.approx(0.437)
    assert correlation.peak(tried_s, curve, 0) == 0
    curve[5] = np.nan
    assert correlation.peak(tried_s, curve, 4) == pytest.approx(0.4)


def test_student_s_quantile() -> None:
    for freedom in (4, 6, 10, 40):
        assert correlation.t95(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


def test_motion_in_a_video_is_where_something_moves() -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for k in range(40):
        place = 20 + 3 * min(max(k - 10, 0), 15)  # moves from picture 10 to 25
        image = np.full((60, 100, 3), 90.0)
        image[20:40, place : place + 10] = 200
        noisy = np.clip(image + rng.normal(0, 2, (60, 100, 1)), 0, 255).astype(np.uint8)
        pictures.append((k / 10, noisy))
    history = video_motion(pictures)
    assert np.allclose(history.time_s, np.arange(39) / 10 + 0.05)
    moves = (np.arange(39) >= 10) & (np.arange(39) < 25)
    assert history.motion[moves].min() > 3 * history.motion[~moves].max()
    still = video_motion([(k / 10, np.full((60, 100, 3), 9, np.uint8)) for k in range(5)])
    assert not still.motion.any()
    with pytest.raises(CameraError, match="too few pictures.*got 2"):
        video_motion(pictures[:2])


def test_motion_of_the_radar_is_the_speed_and_nothing_in_noise() -> None:
    velocity = np.linspace(-4, 4, 81)
    rng = np.random.default_rng(0)
    power = rng.exponential(1.0, (6, 81))
    power[0, np.argmin(np.abs(velocity - 1.0))] = 1e6
    power[1, np.argmin(np.abs(velocity + 2.0))] = 1e6
    power[2, np.argmin(np.abs(velocity))] = 1e6
    valid = np.array([True] * 5 + [False])
    history = radar_motion(np.arange(6), power, velocity, valid)
    assert np.isnan(history.motion[5])
    assert history.motion[:3] ** 2 == pytest.approx([1.0, 2.0, 0.0], abs=0.05)
    assert (history.motion[3:5] ** 2 < 0.5).all()


@pytest.mark.parametrize(("history", "message"), [
    (History(np.arange(0, 3, 0.1), np.ones(30)), "the camera saw too little.*4.0 s"),
    (History(np.arange(0, 20, 0.1), np.ones(200)), "the camera saw no motion; remedy move"),
])
def test_what_shows_nothing_is_refused(history: History, message: str) -> None:
    radar, _, _ = seen_by_both(0)
    with pytest.raises(CameraError, match=message):
        find_offset(radar, history)


@pytest.mark.parametrize("wrong", [{"step_s": 0.0}, {"n_draws": 5}, {"max_doubt": 1.0}])
def test_wrong_parameters(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        SyncParams(**wrong)  # type: ignore[arg-type]
