"""Clips of several planes, and of several walkers, cut from slices made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radarid.dsp.clips import Clip, clip_at, columns_at, cut_clips, n_more_planes, to_image
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices

SIZE = 64
PARAMS = DspParams(image_size=SIZE, planes="stack")
VELOCITY = np.linspace(-4, 4, SIZE, dtype=np.float32)
AXES = Axes(VELOCITY, np.arange(10.0), 0.01, "frame")


def walk(row: int, n: int = 200, track: int = 0, start_s: float = 0.0) -> Slices:
    """A line in one row of plane 0; in the row above of plane 1; none, only noise, in plane 2."""
    power, planes = np.ones((n, SIZE), np.float32), np.ones((n, 2, SIZE), np.float32)
    power[:, row] = planes[:, 0, row + 1] = 1e6
    planes[:, 1] = 1e9  # of a strength of its own
    return Slices(
        time_s=start_s + (np.arange(n) + 0.5) * 0.01,
        power=power,
        valid=np.ones(n, np.float32),
        range_m=np.full(n, 3.0 + track, np.float32),
        presence_db=np.full(n, 30.0, np.float32),
        angle_rad=np.full(n, np.nan, np.float32),
        track=np.full(n, track, np.int32),
        planes=planes,
        frame_time_s=np.empty(0),
        range_energy=np.empty((0, 10), np.float32),
    )


@pytest.mark.parametrize(("planes", "n_more"), [("one", 0), ("stack", 2), ("multires", 2)])
def test_planes_beside_the_first(planes: str, n_more: int) -> None:
    assert n_more_planes(replace(PARAMS, planes=planes)) == n_more


def test_every_plane_is_an_image_under_its_own_peak() -> None:
    (clip,) = cut_clips(walk(48), AXES, PARAMS)
    assert clip.planes.shape == (2, SIZE, SIZE)
    assert clip.planes.dtype == np.float32
    assert clip.image[48] == pytest.approx(1.0)
    assert clip.planes[0, 49] == pytest.approx(1.0)
    assert not np.delete(clip.planes[0], 49, axis=0).any()
    assert not clip.planes[1].any()  # nothing over its own noise, however strong
    np.testing.assert_array_equal(clip.layers[0], clip.image)
    np.testing.assert_array_equal(clip.layers[1:], clip.planes)


def test_without_further_planes_there_is_one_layer() -> None:
    slices = replace(walk(48), planes=np.empty((200, 0, SIZE), np.float32))
    (clip,) = cut_clips(slices, AXES, replace(PARAMS, planes="one"))
    assert clip.planes.shape == (0, SIZE, SIZE)
    assert clip.layers.shape == (1, SIZE, SIZE)
    bare = Clip(clip.image, clip.valid, 0.0, 1.0, "away", 1.0, 3.0)
    np.testing.assert_array_equal(bare.layers, clip.layers)


def test_planes_share_the_columns_of_the_first() -> None:
    slices = walk(48)
    slices.valid[80:120] = 0.5  # 0.8 to 1.2 s
    slices.planes[:] = np.random.default_rng(1).exponential(1.0, slices.planes.shape)
    time_s = np.linspace(0.1, 1.9, 50)
    columns = columns_at(slices, AXES, PARAMS, time_s)
    k = int(np.searchsorted(slices.time_s, time_s[7])) - 1
    share = (time_s[7] - slices.time_s[k]) / 0.01
    by_hand = (1 - share) * slices.planes[k] + share * slices.planes[k + 1]
    np.testing.assert_allclose(columns.planes[:, 7], by_hand, rtol=1e-4)
    assert not columns.valid.all()
    assert not columns.planes[:, ~columns.valid].any()
    clip = clip_at(slices, AXES, PARAMS, 0.0)
    assert not clip.planes[:, :, ~clip.valid].any()
    middle = columns_at(slices, AXES, PARAMS, (np.arange(SIZE) + 0.5) * 2 / SIZE)
    np.testing.assert_array_equal(
        clip.planes[1], to_image(middle.planes[1], middle.valid, PARAMS)
    )


def test_where_nothing_is_known_planes_are_black() -> None:
    clip = clip_at(walk(48), AXES, PARAMS, 10.0)
    assert clip.planes.shape == (2, SIZE, SIZE)
    assert not clip.planes.any()


def test_walkers_have_clips_of_their_own() -> None:
    first, second = walk(48, 320), walk(16, 250, track=3, start_s=0.3)
    mixed = Slices.concatenate([first, second])
    order = np.argsort(mixed.time_s, kind="stable")  # as the engine gives them
    mixed = replace(mixed, **{
        name: getattr(mixed, name)[order]
        for name in ("time_s", "power", "valid", "range_m", "presence_db", "angle_rad", "track",
                     "planes")
    })  # fmt: skip
    found = cut_clips(mixed, AXES, PARAMS)
    assert [(clip.track, clip.start_s) for clip in found] == [(0, 0), (0, 0.5), (0, 1), (3, 0.5)]
    assert [clip.direction for clip in found] == ["away"] * 3 + ["towards"]
    assert [clip.range_m for clip in found] == [3.0] * 3 + [6.0]
    alone = cut_clips(second, AXES, PARAMS)
    np.testing.assert_array_equal(found[3].image, alone[0].image)
    np.testing.assert_array_equal(found[3].planes, alone[0].planes)


def test_nobody_has_no_clips() -> None:
    assert cut_clips(walk(48, 0), AXES, PARAMS) == []
