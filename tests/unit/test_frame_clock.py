"""The frame clock against jitter that was made up, so that its answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from capture.dca1000.clock import FrameClock

PERIOD_S = 0.033
START_NS = 1_700_000_000_123_456_789


def arrivals(index: np.ndarray, ppm: float, jitter_ns: np.ndarray) -> list[tuple[int, int]]:
    """Frame k arrives at start + k period (1 + ppm 1e-6) + jitter, in whole nanoseconds."""
    times = (START_NS + round(int(k) * 33_000_000 * (1 + ppm * 1e-6)) for k in index)
    return [(int(k), t + round(float(j))) for k, t, j in zip(index, times, jitter_ns, strict=True)]


def clock_of(points: list[tuple[int, int]]) -> FrameClock:
    clock = FrameClock(PERIOD_S)
    for index, time_ns in points:
        clock.add(index, time_ns)
    return clock


@pytest.mark.parametrize("ppm", [-80.0, 0.0, 12.5])
@pytest.mark.parametrize("seed", range(5))
def test_gaussian_jitter_gives_ppm_and_start_within_the_error_of_a_straight_line(
    ppm: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n, sigma_ns = 3000, 200_000.0
    index = np.arange(n)
    fit = clock_of(arrivals(index, ppm, rng.normal(0, sigma_ns, n))).fit()
    assert fit is not None
    # Least squares: var(slope) = sigma^2 / sum (k - mean)^2 = 12 sigma^2 / (n (n^2 - 1)), and
    # var(offset at k = 0) = sigma^2 (4 n - 2) / (n (n + 1)). Five sigmas are never reached.
    slope_ns = sigma_ns * np.sqrt(12 / (n * (n**2 - 1.0)))
    offset_ns = sigma_ns * np.sqrt((4 * n - 2) / (n * (n + 1.0)))
    assert abs(fit.ppm - ppm) < 5 * slope_ns / 33e6 * 1e6
    assert fit.period_s == pytest.approx(PERIOD_S * (1 + fit.ppm * 1e-6), rel=1e-12)
    assert abs(fit.start_ns - START_NS) < 5 * offset_ns
    # The rms of n residuals has a relative error of 1 / sqrt(2 n); cutting at three sigmas takes
    # one in 741, which lowers it by less than two per cent.
    assert fit.residual_s == pytest.approx(sigma_ns * 1e-9, rel=5 / np.sqrt(2 * n) + 0.02)
    assert fit.n_frames >= n * 0.99


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_late_frames_do_not_move_the_line(share: float) -> None:
    rng = np.random.default_rng(7)
    n, sigma_ns = 2000, 50_000.0
    late = rng.random(n) < share
    # The late ones pile up at the end, where they would tilt a plain fit most.
    late &= np.arange(n) > n // 4
    jitter = rng.normal(0, sigma_ns, n) + late * rng.uniform(5e6, 200e6, n)
    fit = clock_of(arrivals(np.arange(n), 30.0, jitter)).fit()
    assert fit is not None
    plain = np.polyfit(np.arange(n), jitter, 1)[0] / 33e6 * 1e6
    bound_ppm = 5 * sigma_ns * np.sqrt(12 / (n * (n**2 - 1.0))) / 33e6 * 1e6
    assert abs(plain) > 3 * bound_ppm
    assert abs(fit.ppm - 30.0) < 2 * bound_ppm
    assert fit.residual_s < 1.2 * sigma_ns * 1e-9
    assert abs(fit.n_frames - (n - late.sum())) < 0.01 * n


def test_missing_frames_leave_no_trace_in_the_line() -> None:
    index = np.array([3, 4, 9, 10, 11, 200, 201, 450, 1000, 1001])
    clock = clock_of(arrivals(index, 50.0, np.zeros(len(index))))
    fit = clock.fit()
    assert fit is not None
    # Whole nanoseconds over 998 frames: the slope is known to about 1 / (998 * 33e6) = 3e-5 ppm.
    assert fit.ppm == pytest.approx(50.0, abs=1e-3)
    assert fit.residual_s < 2e-9
    assert clock.frame_time_ns(700) == pytest.approx(START_NS + 700 * 33e6 * 1.00005, abs=300)


def test_days_of_frames_are_kept_in_few_points_and_span_the_whole_time() -> None:
    rng = np.random.default_rng(1)
    n, sigma_ns = 400_000, 100_000.0
    clock = clock_of(arrivals(np.arange(n), -20.0, rng.normal(0, sigma_ns, n)))
    fit = clock.fit()
    assert fit is not None
    assert fit.n_frames <= 4096
    # 2000 points at least, evenly over the time: sigma_slope = sigma sqrt(12 / 2000) / n.
    bound_ppm = 5 * sigma_ns * np.sqrt(12 / 2000) / n / 33e6 * 1e6
    assert abs(fit.ppm + 20.0) < bound_ppm
    end_ns = START_NS + (n - 1) * 33e6 * (1 - 20e-6)
    assert abs(clock.frame_time_ns(n - 1) - end_ns) < 5 * 2 * sigma_ns / np.sqrt(2000) + 64


def test_before_a_fit_time_goes_in_nominal_steps() -> None:
    clock = FrameClock(PERIOD_S)
    assert clock.fit() is None
    assert clock.frame_time_ns(0) is None
    clock.add(5, 0)
    assert clock.frame_time_ns(5) is None
    clock.add(10, START_NS)
    assert clock.fit() is None
    assert clock.frame_time_ns(12) == START_NS + 66_000_000
    assert clock.frame_time_ns(9) == START_NS - 33_000_000


def test_a_reset_forgets_the_line_of_the_stream_before() -> None:
    clock = clock_of(arrivals(np.arange(100), 0.0, np.zeros(100)))
    assert clock.fit() is not None
    clock.reset()
    assert clock.fit() is None
    later = 3_600_000_000_000
    for index, time_ns in arrivals(np.arange(100, 200), 40.0, np.zeros(100)):
        clock.add(index, time_ns + later)
    fit = clock.fit()
    assert fit is not None
    assert fit.ppm == pytest.approx(40.0, abs=1e-2)
    assert abs(fit.start_ns - START_NS - later) < 10


def test_an_index_that_does_not_rise_is_ignored() -> None:
    points = arrivals(np.arange(50), 10.0, np.zeros(50))
    clock = clock_of(points)
    for _ in range(10_000):
        clock.add(49, START_NS)
        clock.add(0, START_NS + 10**9)
    fit = clock.fit()
    assert fit is not None
    assert fit.n_frames == 50
    assert fit.ppm == pytest.approx(10.0, abs=1e-2)
