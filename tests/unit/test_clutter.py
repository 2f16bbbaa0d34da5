"""Clutter filters against their definitions, sample by sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from naive import clutter as naive
from naive.tones import tiny_radar

from capture.config import RadarConfig
from radarid.dsp import slowtime
from radarid.dsp.clutter import ClutterFilter, make_filter
from radarid.dsp.params import DspParams
from radarid.errors import ParameterError

GAPPED = tiny_radar(n_loops=40, frame_period_s=8e-3)
ENDLESS = tiny_radar(n_loops=50, frame_period_s=6e-3)
SHAPE = (2, 3)  # virtual antennas, range bins


def filter_of(radar: RadarConfig, **settings: object) -> ClutterFilter:
    params = DspParams(**settings)  # type: ignore[arg-type]
    found = make_filter(radar, params, slowtime.plan(radar, params))
    assert found is not None
    return found


def stream(radar: RadarConfig, n_frames: int, lost: tuple[int, ...] = ()) -> list[np.ndarray]:
    """Profiles, validity and time of frames with scattered losses; garbage where lost."""
    rng = np.random.default_rng(3)
    n = radar.n_chirps
    x = rng.standard_normal((n_frames, n, *SHAPE, 2)) @ (1, 1j) + 50
    valid = rng.random((n_frames, n)) > 0.1
    for frame in lost:
        valid[frame] = False
    x[~valid] = 1e6
    time_s = np.arange(n_frames)[:, None] * radar.frame_period_s + radar.chirp_start_s
    return [x.astype(np.complex64), valid, time_s]


def through(found: ClutterFilter, x: np.ndarray, valid: np.ndarray, time_s: np.ndarray
            ) -> np.ndarray:  # fmt: skip
    changed = x.copy()
    for frame in zip(changed, valid, time_s, strict=True):
        found(*frame)
    return changed


def test_only_two_choices_need_a_filter() -> None:
    grid = slowtime.plan(GAPPED, DspParams())
    assert make_filter(GAPPED, DspParams(clutter="mean"), grid) is None
    assert make_filter(GAPPED, DspParams(clutter="none"), grid) is None


@pytest.mark.parametrize("radar", [GAPPED, ENDLESS], ids=["gapped", "endless"])
def test_background_is_the_weighted_mean_of_all_so_far(radar: RadarConfig) -> None:
    x, valid, time_s = stream(radar, 5, lost=(0, 3))
    found = through(filter_of(radar, clutter="exponential", background_s=0.02), x, valid, time_s)
    flat, good = x.reshape(-1, *SHAPE), valid.ravel()
    for place in np.ndindex(SHAPE):
        series = flat[(slice(None), *place)].astype(complex)
        expected = series - naive.background(series, good, time_s.ravel(), 0.02)
        got = found.reshape(-1, *SHAPE)[(slice(None), *place)]
        np.testing.assert_allclose(got[good], expected[good], atol=2e-5)


def test_each_frame_with_a_gap_is_filtered_from_its_own_mean() -> None:
    x, valid, time_s = stream(GAPPED, 4, lost=(2,))
    found = through(filter_of(GAPPED, clutter="highpass", highpass_hz=80.0), x, valid, time_s)
    for frame in (0, 1, 3):
        for place in np.ndindex(SHAPE):
            series = x[(frame, slice(None), *place)].astype(complex)
            rest = series[valid[frame]].mean()
            filled = np.where(valid[frame], series, rest)
            expected = naive.high_pass(filled, rest, 80.0, GAPPED.slow_time_interval_s)
            got = found[(frame, slice(None), *place)]
            np.testing.assert_allclose(got[valid[frame]], expected[valid[frame]], atol=2e-4)


def test_without_gaps_the_filter_runs_on() -> None:
    x, valid, time_s = stream(ENDLESS, 6)
    valid[:] = True
    x[:] = np.random.default_rng(4).standard_normal(x.shape) + 50
    found = through(filter_of(ENDLESS, clutter="highpass"), x, valid, time_s)
    for place in np.ndindex(SHAPE):
        series = x.reshape(-1, *SHAPE)[(slice(None), *place)].astype(complex)
        rest = series[: ENDLESS.n_chirps].mean()
        expected = naive.high_pass(series, rest, 50.0, ENDLESS.slow_time_interval_s)
        got = found.reshape(-1, *SHAPE)[(slice(None), *place)]
        np.testing.assert_allclose(got, expected, atol=2e-4)


@pytest.mark.parametrize("choice", ["highpass", "exponential"])
def test_restart_forgets(choice: str) -> None:
    x, valid, time_s = stream(ENDLESS, 4, lost=(0,))
    found = filter_of(ENDLESS, clutter=choice)
    first = through(found, x, valid, time_s)
    continued = through(found, x, valid, time_s + 4 * ENDLESS.frame_period_s)
    assert not np.array_equal(first[valid], continued[valid])
    found.restart()
    assert through(found, x, valid, time_s).tobytes() == first.tobytes()


def test_a_corner_beyond_slow_time_is_refused() -> None:
    # One sample per 50 ms frame holds 10 Hz; the default corner of 50 Hz does not fit.
    radar = tiny_radar(n_loops=2, frame_period_s=50e-3)
    params = DspParams(clutter="highpass")
    with pytest.raises(ParameterError, match="50 Hz") as refused:
        make_filter(radar, params, slowtime.plan(radar, params))
    assert "10 Hz" in str(refused.value)
    lower = replace(params, highpass_hz=5.0)
    assert make_filter(radar, lower, slowtime.plan(radar, lower)) is not None
