"""The ring of slow time holds what is still needed, whole, wherever it wraps."""

from __future__ import annotations

import numpy as np
import pytest

from radarid.dsp.series import SlowTimeSeries
from radarid.errors import RadaridError

N_HELD, N_TOGETHER = 23, 7


def write(series: SlowTimeSeries, n: int) -> tuple[int, int]:
    """Samples whose values are their numbers; every third was received."""
    first = series.append(n)
    rows, numbers = series.rows(first, first + n), np.arange(first, first + n)
    series.profiles[rows] = numbers[:, None, None]
    series.valid[rows], series.time_s[rows] = numbers % 3 == 0, numbers
    series.share(first, first + n)
    series.count(first, first + n)
    return first, first + n


@pytest.mark.parametrize("n", [1, 3, 5, 7])
def test_any_samples_lie_together_lap_after_lap(n: int) -> None:
    series = SlowTimeSeries(N_HELD, N_TOGETHER, 2, 3)
    while series.stop < 5 * N_HELD:
        write(series, n)
        series.keep_from = max(0, series.stop - (N_HELD - n))
        for first in range(series.keep_from, series.stop - N_TOGETHER + 1):
            numbers = np.arange(first, first + N_TOGETHER)
            rows = series.rows(first, first + N_TOGETHER)
            np.testing.assert_array_equal(series.profiles[rows].real[:, 1, 2], numbers)
            np.testing.assert_array_equal(series.valid[rows], numbers % 3 == 0)
            np.testing.assert_array_equal(series.time_s[rows], numbers)
            np.testing.assert_array_equal(series.time_s[series.place(numbers)], numbers)


def test_valid_samples_are_counted_across_the_end_of_the_ring() -> None:
    series = SlowTimeSeries(N_HELD, N_TOGETHER, 1, 1)
    for _ in range(20):
        write(series, 5)
        series.keep_from = max(0, series.stop - 18)
        starts = np.arange(series.keep_from, series.stop - 10 + 1)
        expected = [sum(k % 3 == 0 for k in range(start, start + 10)) for start in starts]
        assert series.n_valid(starts, 10).tolist() == expected


def test_what_is_still_needed_is_never_overwritten() -> None:
    series = SlowTimeSeries(N_HELD, N_TOGETHER, 1, 1)
    for _ in range(3):
        write(series, 7)
    with pytest.raises(RadaridError, match=r"overwritten.*21 samples, and 7 more.*23"):
        series.append(7)
    series.keep_from = 5
    assert series.append(7) == 21
