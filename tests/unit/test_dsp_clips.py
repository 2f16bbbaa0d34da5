"""Clips and track on slices made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from radarid.dsp.clips import clip_at, clip_starts_s, cut_clips, to_image
from radarid.dsp.gating import RangeTrack, gate_bins
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.errors import ParameterError

PARAMS = DspParams(image_size=64)
VELOCITY = np.linspace(-4, 4, 64, dtype=np.float32)


def slices_of(power: np.ndarray, spacing_s: float = 0.01) -> tuple[Slices, Axes]:
    n = len(power)
    slices = Slices(
        time_s=(np.arange(n) + 0.5) * spacing_s,
        power=power.astype(np.float32),
        valid=np.ones(n, np.float32),
        range_m=np.full(n, 3.0, np.float32),
        presence_db=np.full(n, 30.0, np.float32),
        angle_rad=np.full(n, np.nan, np.float32),
        track=np.zeros(n, np.int32),
        planes=np.empty((n, 0, 64), np.float32),
        frame_time_s=np.empty(0),
        range_energy=np.empty((0, 10), np.float32),
    )
    return slices, Axes(VELOCITY, np.arange(10.0), spacing_s, "frame")


def line_on_noise(n: int, row: int, line: float = 1e6) -> np.ndarray:
    power = np.ones((n, 64))
    power[:, row] = line
    return power


def test_decibels_map_to_pixels_by_hand() -> None:
    power = np.ones((64, 64))
    power[:, 40], power[:, 41], power[:, 42] = 1e6, 10**3.75, 10**0.3
    image = to_image(power, np.ones(64, bool), PARAMS)
    assert image.shape == (64, 64)
    assert image[40] == pytest.approx(1.0)  # the peak
    assert image[41] == pytest.approx(0.5)  # 22.5 dB of 45 below it
    assert (image[42] == 0).all()  # 3 dB over the noise, less than the margin of 4
    assert (image[:40] == 0).all()


def test_pixels_further_down_than_the_span_are_black() -> None:
    power = np.full((64, 64), 1e-9)
    power[:, 10], power[:, 20], power[:, 30] = 1, 10**-4.4, 10**-4.6
    image = to_image(power, np.ones(64, bool), PARAMS)
    assert image[20] == pytest.approx(1 / 45, abs=1e-4)
    assert (image[30] == 0).all()


def test_invalid_columns_neither_show_nor_count() -> None:
    power = line_on_noise(64, 40)
    power[:10] = 1e12
    valid = np.arange(64) >= 10
    image = to_image(power, valid, PARAMS)
    assert (image[:, :10] == 0).all()
    assert image[40, 10:] == pytest.approx(1.0)
    assert not to_image(power, np.zeros(64, bool), PARAMS).any()


def test_power_is_interpolated_linearly_in_time() -> None:
    power = np.ones((3, 64))
    power[:, 5] = 100, 300, 200
    slices, axes = slices_of(power, spacing_s=1.0)  # at 0.5, 1.5 and 2.5 s
    params = DspParams(image_size=64, clip_s=2.0)
    clip = clip_at(slices, axes, params, 0.5)
    column_s = 0.5 + (np.arange(64) + 0.5) * 2 / 64
    level_db = 10 * np.log10(np.interp(column_s, [0.5, 1.5, 2.5], [100, 300, 200]))
    inside = clip.image[5] < 1  # the 99.9 % quantile, which is 1, lies just below the very peak
    got_db = clip.image[5][inside] * params.span_db
    assert inside.sum() > 50
    np.testing.assert_allclose(np.diff(got_db), np.diff(level_db[inside]), atol=1e-4)


def test_one_invalid_slice_masks_up_to_its_neighbours_and_no_more() -> None:
    slices, axes = slices_of(line_on_noise(50, 40), spacing_s=0.04)
    slices.valid[25] = 0.79  # at 1.02 s; neighbours at 0.98 and 1.06 s
    clip = clip_at(slices, axes, PARAMS, 0.0)
    column_s = (np.arange(64) + 0.5) * 2 / 64
    masked = (column_s > 0.98) & (column_s < 1.06)
    assert masked.sum() == 3  # at 0.984, 1.016 and 1.047 s
    np.testing.assert_array_equal(clip.valid, ~masked)
    slices.valid[25] = 0.81
    assert clip_at(slices, axes, PARAMS, 0.0).valid.all()


def test_clips_lie_on_the_grid_of_the_clock() -> None:
    slices, axes = slices_of(line_on_noise(320, 48))  # 0 to 3.2 s
    assert list(clip_starts_s(slices, axes, PARAMS)) == pytest.approx([0.0, 0.5, 1.0])
    late = slices.between(0.3)
    assert list(clip_starts_s(late, axes, PARAMS)) == pytest.approx([0.5, 1.0])
    assert list(clip_starts_s(slices.between(0, 1.9), axes, PARAMS)) == []


@pytest.mark.parametrize(("row", "direction"), [(48, "away"), (16, "towards"), (32, "across")])
def test_direction_is_that_of_the_body(row: int, direction: str) -> None:
    power = line_on_noise(200, row)
    power[:, 60] = 1e4  # a limb, weaker
    slices, axes = slices_of(power)
    (clip,) = cut_clips(slices, axes, PARAMS)
    assert clip.direction == direction
    assert clip.velocity_mps == pytest.approx(float(VELOCITY[row]))
    assert clip.range_m == 3.0
    assert clip.quality == 1.0


def test_quality_is_the_fraction_of_columns_with_a_walker() -> None:
    slices, axes = slices_of(line_on_noise(200, 48))
    slices.presence_db[:50] = 0  # half a second of two without a walker
    assert clip_at(slices, axes, PARAMS, 0.0).quality == pytest.approx(0.75, abs=0.02)
    slices.presence_db[:100] = 0
    assert cut_clips(slices, axes, PARAMS) == []
    resting, axes = slices_of(line_on_noise(200, 32))  # 0.06 m/s, nothing faster
    assert cut_clips(resting, axes, PARAMS) == []


def test_a_clip_where_nothing_is_known_says_so() -> None:
    slices, axes = slices_of(line_on_noise(200, 48))
    clip = clip_at(slices, axes, PARAMS, 10.0)
    assert clip.quality == 0
    assert not clip.valid.any()
    assert not clip.image.any()
    assert np.isnan(clip.velocity_mps)
    assert np.isnan(clip.range_m)


def test_image_and_axis_must_have_the_same_size() -> None:
    slices, axes = slices_of(line_on_noise(200, 48))
    with pytest.raises(ParameterError, match="64 velocities"):
        clip_at(slices, axes, DspParams(image_size=256), 0.0)


# -- track --------------------------------------------------------------------------------------
RANGE_M = np.arange(40) * 0.2


def energies(place: np.ndarray, level: float = 100.0) -> np.ndarray:
    rows = np.random.default_rng(8).exponential(1.0, (len(place), 40)) / 4 + 0.75
    rows[np.arange(len(place)), place] = level
    return rows


def track(rows: np.ndarray, lag: int = 8) -> np.ndarray:
    tracker = RangeTrack(RANGE_M, max_step_m=0.1, lag=lag)
    return np.concatenate([tracker.push(rows), tracker.flush()])


def test_track_follows_through_flashes_and_losses() -> None:
    place = 5 + np.arange(100) // 4
    rows = energies(place)
    rows[[20, 45, 46, 70], 33] = 1e5
    rows[55:60] = np.nan
    found = track(rows)
    assert len(found) == 100
    assert np.abs(found[:, 0] - RANGE_M[place]).max() <= 0.21
    assert found[55:60, 1] == pytest.approx(0)
    assert np.delete(found[:, 1], range(55, 60)).min() > 15


def test_first_steps_are_right_already() -> None:
    found = track(energies(np.full(20, 12)))
    assert np.abs(found[:3, 0] - RANGE_M[12]).max() < 0.1


def test_who_appears_elsewhere_takes_over() -> None:
    place = np.where(np.arange(80) < 40, 5, 30)
    found = track(energies(place))
    assert np.abs(found[:38, 0] - RANGE_M[5]).max() < 0.1
    assert np.abs(found[48:, 0] - RANGE_M[30]).max() < 0.1


def test_gate_by_hand() -> None:
    assert gate_bins(RANGE_M, 3.0, 0.5) == slice(13, 18)  # 2.6, 2.8, 3.0, 3.2, 3.4 m
    assert gate_bins(RANGE_M, 0.1, 0.52) == slice(0, 4)
    assert gate_bins(RANGE_M, 3.07, 0.05) == slice(15, 16)  # none inside: the nearest
    assert gate_bins(RANGE_M, 3.0, np.inf) == slice(0, 40)
