"""Detection and tracks of several walkers on profiles of points in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from capture.config import RadarConfig
from radarid.dsp import slowtime
from radarid.dsp.detection import Body, BodyDetector, in_reach, same_azimuth
from radarid.dsp.params import DspParams
from radarid.dsp.tracks import Walker, WalkerTracks

RADAR = RadarConfig(n_loops=115, idle_s=180e-6)  # +-4 m/s, 16 frames are half a second
RANGE_M = np.arange(2, 42) * 0.2
LAG = 8
RNG_SEED = 5


@dataclass
class Point:
    range_m: float
    velocity_mps: float
    azimuth_deg: float = 0.0
    amplitude: float = 30.0  # against noise of 1: 30 dB in a sample, 50 dB after the transform


def profiles_of(points: list[Point], seed: int = 0, radar: RadarConfig = RADAR) -> np.ndarray:
    """Slow time x antennas x range bins: a point fills three bins, as a Hann taper makes it."""
    rng = np.random.default_rng([RNG_SEED, seed])
    shape = (radar.n_slow, radar.n_virtual, len(RANGE_M))
    profiles = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)
    time_s = np.arange(radar.n_slow) * radar.slow_time_interval_s
    antenna = np.array(radar.rx_antennas)
    for point in points:
        turns = 2 * point.velocity_mps * time_s / radar.wavelength_m
        lag = antenna * np.sin(np.radians(point.azimuth_deg)) / 2
        off = np.abs(RANGE_M - point.range_m) / 0.2
        hann = np.where(off < 2, np.cos(np.pi * off / 4) ** 2, 0)
        phase = turns[:, None, None] - lag[:, None]
        profiles += point.amplitude * hann * np.exp(2j * np.pi * phase)
    return profiles.astype(np.complex64)


def detect(points: list[Point], radar: RadarConfig = RADAR, n_most: int = 3) -> list[Body]:
    params = DspParams(max_walkers=n_most)
    detector = BodyDetector(radar, params, RANGE_M, slowtime.plan(radar, params))
    profiles = profiles_of(points, radar=radar)
    return detector(profiles, np.ones(len(profiles), bool), profiles.mean(axis=0))[0]


@pytest.mark.parametrize("point", [
    Point(3.0, 1.3, 0.0), Point(5.1, -0.8, 30.0), Point(6.0, 2.5, -50.0, 3.0),
])  # fmt: skip
def test_a_point_is_measured(point: Point) -> None:
    (body,) = detect([point])
    # Cells are 0.2 m and 0.07 m/s; noise of 1 in the torso's cells blurs a weak point.
    assert body.range_m == pytest.approx(point.range_m, abs=0.05)
    assert body.velocity_mps == pytest.approx(point.velocity_mps, abs=0.05)
    assert body.sine == pytest.approx(np.sin(np.radians(point.azimuth_deg)), abs=0.03)


def test_one_antenna_measures_no_azimuth() -> None:
    (body,) = detect([Point(3.0, 1.3, 30.0)], replace(RADAR, rx_mask=4))
    assert (body.range_m, body.sine) == (pytest.approx(3.0, abs=0.05), 0.0)


def test_noise_and_what_stands_still_are_no_bodies() -> None:
    assert detect([]) == []
    assert detect([Point(4.0, 0.0, 10.0, 3000.0)]) == []


@pytest.mark.parametrize(("other", "n_bodies"), [
    (Point(3.0, 3.5, 3.0, 10.0), 1),  # a foot of the same walker, ahead
    (Point(3.4, 0.3, 3.0, 10.0), 1),  # the other one, standing
    (Point(3.0, -1.2, 0.0, 10.0), 2),  # somebody on the same spot who comes
    (Point(3.0, 1.3, 50.0, 10.0), 1),  # mixes into the same cells: cannot be told apart
    (Point(3.0, 2.1, 50.0, 10.0), 2),  # somebody beside, faster
    (Point(5.0, 1.3, 0.0, 10.0), 2),  # somebody behind
    (Point(5.0, 1.3, 0.0, 1.0), 1),  # 29 dB weaker: as weak as a sidelobe of the taper
])  # fmt: skip
def test_what_is_a_part_of_a_walker_and_what_is_another(other: Point, n_bodies: int) -> None:
    assert len(detect([Point(3.0, 1.3), other])) == n_bodies


def test_aliased_velocities_say_nothing_about_the_way() -> None:
    # Within +-2.6 m/s of unambiguous velocity a foot of 3.9 m/s appears at -1.3 m/s.
    walker = Point(3.0, 1.3), Point(3.0, 3.9, 0.0, 10.0)
    coarse = replace(RADAR, n_loops=74, idle_s=310e-6)
    assert coarse.max_velocity_mps == pytest.approx(2.62, abs=0.01)
    assert len(detect(list(walker), coarse)) == 1


def test_reach_of_a_body() -> None:
    body = Body(3.0, 1.0, 0.2, 1.0)
    ranges, speeds = np.array([2.1, 2.3, 3.7, 3.9]), np.array([0.0, 4.0, -0.5, 0.0])
    assert in_reach(body, ranges, speeds, one_way=True).tolist() == [False, True, True, False]
    assert not in_reach(body, np.array(3.0), np.array(-0.7), one_way=True)
    assert in_reach(body, np.array(3.0), np.array(-0.7), one_way=False)
    # 0.15 and half a metre at 3 m: 0.317 to either side.
    sines = np.array([-0.13, -0.11, 0.51, 0.53])
    assert same_azimuth(body, sines).tolist() == [False, True, True, False]


# -- tracks ---------------------------------------------------------------------------------
def tracks(radar: RadarConfig = RADAR, n_most: int = 3) -> WalkerTracks:
    params = DspParams(max_walkers=n_most)
    grid = slowtime.plan(radar, params)
    return WalkerTracks(radar, params, RANGE_M, grid, radar.frame_period_s, LAG)


def follow(steps: list[list[Point] | None], machine: WalkerTracks) -> list[tuple[Walker, ...]]:
    decided = []
    for k, points in enumerate(steps):
        if points is None:
            found = machine.push(None, None, None)
        else:
            profiles = profiles_of(points, k)
            valid = np.ones(len(profiles), bool)
            found = machine.push(profiles, valid, profiles.mean(axis=0))
        assert (found is None) == (k < LAG)
        if found is not None:
            decided.append(found)
    return decided + machine.flush()


def walk(start_m: float, velocity_mps: float, n: int, azimuth_deg: float = 0.0) -> list[Point]:
    moved = velocity_mps * RADAR.frame_period_s * np.arange(n)
    return [Point(start_m + float(far), velocity_mps, azimuth_deg) for far in moved]


def numbers(found: list[tuple[Walker, ...]]) -> list[tuple[int, ...]]:
    return [tuple(walker.track for walker in walkers) for walkers in found]


def test_every_step_is_answered_once_and_the_walker_from_the_first_on() -> None:
    path = walk(2.0, 1.3, 30, 20.0)
    found = follow([[point] for point in path], tracks())
    assert numbers(found) == [(0,)] * 30
    for point, (walker,) in zip(path, found, strict=True):
        assert walker.range_m == pytest.approx(point.range_m, abs=0.1)
        assert np.degrees(walker.angle_rad) == pytest.approx(20.0, abs=2.0)
        assert walker.presence_db > 20


def test_four_detections_are_nobody_and_five_are() -> None:
    path: list[list[Point] | None] = [[point] for point in walk(2.0, 1.3, 5)]
    empty: list[list[Point] | None] = [[]] * 20
    assert numbers(follow([*path[:4], *empty], tracks())) == [()] * 24
    assert numbers(follow([*path, *empty], tracks()))[0] == (0,)


def test_a_second_without_the_walker_ends_the_track() -> None:
    path: list[list[Point] | None] = [[point] for point in walk(3.0, 0.5, 20)]
    unseen: list[list[Point] | None] = [[]] * 20
    lost: list[list[Point] | None] = [None] * 20
    for gone in ([*unseen, *unseen], [*lost, *lost]):
        found = follow([*path, *gone], tracks())
        assert [len(walkers) for walkers in found] == [1] * 50 + [0] * 10  # 30 steps are 0.99 s
        assert all(walkers[0].presence_db == 0 for walkers in found[20:50])
        # Coasted at the last velocity: 30 steps of 16.5 mm.
        assert found[49][0].range_m == pytest.approx(found[19][0].range_m + 0.495, abs=0.1)


def test_numbers_are_never_used_again() -> None:
    path: list[list[Point] | None] = [[point] for point in walk(3.0, 0.5, 12)]
    machine = tracks()
    gone: list[list[Point] | None] = [[]] * 40
    assert set(numbers(follow([*path, *gone, *path], machine))) == {(0,), (), (1,)}
    again = [machine.push(None, None, None) for _ in range(LAG)]
    assert again == [None] * LAG
    assert set(numbers(machine.flush())) == {()}
    assert set(numbers(follow(path, machine))) == {(2,)}


def test_who_leaves_the_kept_range_is_gone_at_once() -> None:
    path: list[list[Point] | None] = [[point] for point in walk(7.6, 2.0, 12)]
    found = follow([*path, *[[]] * 20], tracks())
    # From 7.6 m the last bin's centre, 8.2 m, is reached after 9 steps of 66 mm.
    assert [len(walkers) for walkers in found].index(0) == pytest.approx(10, abs=3)


def test_no_more_walkers_than_asked_for_and_the_strongest_first() -> None:
    paths = walk(2.0, 1.3, 20), walk(4.0, 1.0, 20), walk(6.0, 0.7, 20)
    steps: list[list[Point] | None] = [
        [replace(point, amplitude=size) for point, size in zip(points, (10, 20, 30), strict=True)]
        for points in zip(*paths, strict=True)
    ]
    found = follow(steps, tracks(n_most=2))
    assert numbers(found) == [(0, 1)] * 20
    assert [walker.range_m for walker in found[0]] == pytest.approx([6.0, 4.0], abs=0.1)


@pytest.mark.parametrize("azimuth_deg", [0.0, 25.0])
def test_those_who_cross_do_not_swap(azimuth_deg: float) -> None:
    n = 60
    one, two = walk(3.0, 1.2, n, -azimuth_deg), walk(5.5, -1.2, n, azimuth_deg)
    found = follow([list(pair) for pair in zip(one, two, strict=True)], tracks())
    assert set(numbers(found)) == {(0, 1)}
    first, last = found[0], found[-1]
    up, down = sorted(first, key=lambda walker: walker.range_m)
    assert last[up.track].range_m == pytest.approx(one[-1].range_m, abs=0.15)
    assert last[down.track].range_m == pytest.approx(two[-1].range_m, abs=0.15)


def test_doppler_tells_where_a_walker_goes_after_a_turn() -> None:
    # From 1.3 to -1.3 m/s in half a second, then two thirds of a second unseen: 0.86 m back.
    # Range alone would need as long as that to notice.
    speeds = np.concatenate([np.full(15, 1.3), np.linspace(1.3, -1.3, 16), np.full(23, -1.3)])
    place_m = 3.0 + np.cumsum(speeds) * RADAR.frame_period_s
    seen = [[Point(float(far), float(v))] for far, v in zip(place_m, speeds, strict=True)]
    steps: list[list[Point] | None] = [*seen[:34], *[None] * 20]
    found = follow(steps, tracks())
    assert numbers(found) == [(0,)] * 54
    assert found[33][0].range_m == pytest.approx(place_m[33], abs=0.1)
    assert found[53][0].range_m == pytest.approx(place_m[53], abs=0.3)
