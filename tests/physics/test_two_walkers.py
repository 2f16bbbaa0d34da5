"""Several simulated walkers: each has a track and a spectrogram of their own, and keeps it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from crowd import RADAR, Crowd, Moment, crossing, person

from capture.config import Chirp
from capture.simulate.parametric import WalkerTraits, draw_traits
from capture.simulate.scene import Scene
from capture.simulate.source import SimulatedRecording
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.spectrogram import SpectrogramStream, process
from radarid.errors import ParameterError

TWO, THREE = DspParams(max_walkers=2), DspParams(max_walkers=3)
SETUPS = {
    "four antennas": RADAR,
    "two antennas": replace(RADAR, rx_mask=0b0011),
    "one antenna": replace(RADAR, rx_mask=0b0001),
    "two transmitters in turn": replace(
        RADAR, idle_s=60e-6, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4))
    ),
}


@cache
def crossed(setup: str, lateral_m: float) -> tuple[Slices, Axes, list[SimulatedRecording]]:
    crowd, people = crossing(SETUPS[setup], lateral_m)
    return *process(crowd, TWO), people


def torso(one: SimulatedRecording, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Range, radial velocity and azimuth of somebody's torso."""
    truth = one.truth()
    range_m, velocity_mps = truth.segment("torso")
    body = one.scatterers.position_at(time_s).mean(axis=1)
    return (
        np.interp(time_s, truth.time_s, range_m),
        np.interp(time_s, truth.time_s, velocity_mps),
        np.arctan2(body[:, 0], body[:, 1]),
    )


def strongest_mps(slices: Slices, axes: Axes) -> np.ndarray:
    return axes.velocity_mps[np.argmax(slices.power, axis=1)]


def level_db(slices: Slices, axes: Axes, way: int) -> float:
    """Power that moves one way, 0.4 m/s or faster."""
    return float(10 * np.log10(slices.power[:, way * axes.velocity_mps > 0.4].sum()))


@pytest.mark.parametrize(("setup", "lateral_m", "resolved"), [
    ("four antennas", 1.0, True), ("four antennas", 0.5, True), ("four antennas", 0.0, False),
    ("two transmitters in turn", 1.0, True), ("two antennas", 1.0, True),
    ("one antenna", 1.0, False),
])  # fmt: skip
def test_who_cross_in_range_keep_their_tracks(setup: str, lateral_m: float, resolved: bool) -> None:
    # At 3.5 m the azimuths are 32, 16 and 0 degrees apart; velocities are 2.5 m/s apart.
    slices, axes, people = crossed(setup, lateral_m)
    assert slices.tracks() == [0, 1]
    apart = np.abs(slices.of(0).range_m - slices.of(1).range_m) > 2 * TWO.gate_m
    for number, one in enumerate(people):
        own = slices.of(number)
        range_m, velocity_mps, azimuth_rad = torso(one, own.time_s)
        assert len(own) > 300
        assert np.abs(own.range_m - range_m).max() < 0.25
        # The torso is the strongest echo in most slices, a leg in some; in a few it is the other
        # walker, where range gates overlap and azimuth does not help.
        error_mps = np.abs(strongest_mps(own, axes) - velocity_mps)
        assert np.median(error_mps) < 0.1
        assert np.quantile(error_mps if resolved else error_mps[apart], 0.9) < 0.5
        if setup == "one antenna":
            assert np.isnan(own.angle_rad).all()
        else:
            assert np.degrees(np.abs(own.angle_rad - azimuth_rad).max()) < 6


def test_the_other_walkers_truth_is_not_met() -> None:
    slices, axes, people = crossed("four antennas", 1.0)
    range_m, velocity_mps, _ = torso(people[1], slices.of(0).time_s)
    assert np.median(np.abs(slices.of(0).range_m - range_m)) > 1
    assert np.median(np.abs(strongest_mps(slices.of(0), axes) - velocity_mps)) > 2


def while_crossing(slices: Slices) -> tuple[Slices, Slices]:
    """Both walkers' slices while they are within half a metre, where their range gates overlap."""
    near = np.abs(slices.of(0).range_m - slices.of(1).range_m) < 0.5
    assert near.sum() > 20
    time_s = slices.of(0).time_s[near]
    part = slices.between(float(time_s[0]), float(time_s[-1]) + 1e-9)
    return part.of(0), part.of(1)


@pytest.mark.parametrize(("setup", "least_db", "most_db"), [
    ("four antennas", 14.0, 40.0), ("two transmitters in turn", 14.0, 40.0),
    ("two antennas", 6.0, 40.0), ("one antenna", -0.5, 0.5),
])  # fmt: skip
def test_how_far_the_other_walker_is_suppressed(
    setup: str, least_db: float, most_db: float
) -> None:
    # Each walks one way only, so what moves the other way is the other's. A null is as deep as
    # the body is narrow: half a metre at 3.5 m spreads 8 degrees. One antenna has no nulls.
    slices, axes, _ = crossed(setup, 1.0)
    first, second = while_crossing(slices)
    for own, other, way in [(first, second, -1), (second, first, +1)]:
        suppression_db = level_db(other, axes, way) - level_db(own, axes, way)
        assert least_db < suppression_db < most_db
    # And nobody loses their own: the beam's gain to the walker is that of all antennas summed.
    alone, _ = process(crossing(SETUPS[setup], 1.0)[1][0], DspParams())
    same_time = np.isin(np.round(alone.time_s, 6), np.round(first.time_s, 6))
    kept_db = level_db(first, axes, 1) - 10 * np.log10(
        alone.power[same_time][:, axes.velocity_mps > 0.4].sum()
    )
    assert abs(kept_db) < 1.5


def test_who_walk_abreast_are_told_apart_by_their_azimuth() -> None:
    people = [
        person(
            RADAR, 3.0, WalkerTraits(speed_mps=1.3, height_m=1.7 + 0.08 * k),
            Scene(near_m=1.5, lateral_m=lateral, clutter=k == 0), seed=k,
        )
        for k, lateral in enumerate((-1.0, 1.0))
    ]  # fmt: skip
    slices, _ = process(Crowd.together(*people), THREE)
    assert slices.tracks() == [0, 1]
    left, right = sorted(slices.tracks(), key=lambda k: float(np.median(slices.of(k).angle_rad)))
    for number, one in [(left, people[0]), (right, people[1])]:
        own = slices.of(number)
        _, _, azimuth_rad = torso(one, own.time_s)
        assert np.degrees(np.median(np.abs(own.angle_rad - azimuth_rad))) < 6


@pytest.mark.parametrize("seed", range(6))
def test_one_person_is_one_track(seed: int) -> None:
    scene = Scene(direction="away" if seed % 2 else "towards", lateral_m=0.3 * (seed - 3),
                  near_m=1.3, clutter_seed=seed)  # fmt: skip
    one = person(RADAR, 1.5, draw_traits(np.random.default_rng(seed)), scene, seed)
    slices, _ = process(one, THREE)
    assert slices.tracks() == [0]
    assert (slices.presence_db > 6).all()


def scene_of(*plan: list[Moment]) -> Slices:
    slices, _ = process(Crowd(RADAR, plan, Scene(clutter=False)), THREE)
    return slices


@cache
def walker() -> SimulatedRecording:
    return person(RADAR, 1.9, WalkerTraits(), Scene(clutter=False, lateral_m=-0.7))


def ahead(start: int, stop: int) -> list[list[Moment]]:
    return [[(walker(), k, "ahead")] for k in range(start, stop)]


def back(start: int, stop: int) -> list[list[Moment]]:
    return [[(walker(), k, "back")] for k in range(start - 1, stop - 1, -1)]


def test_who_turns_round_stays_the_same() -> None:
    # 0.4 s at a stand hide in the clutter's notch.
    stand: list[list[Moment]] = [[(walker(), 40, "still")]] * 12
    slices = scene_of(*ahead(0, 40), *stand, *back(40, 0))
    assert slices.tracks() == [0]
    first, last = slices.range_m[8], slices.range_m[-8]
    assert first == pytest.approx(last, abs=0.3)
    assert slices.range_m.max() > first + 1.3


def test_who_leaves_ends_the_track_and_who_comes_later_is_somebody_new() -> None:
    empty: list[list[Moment]] = [[]] * 45
    slices = scene_of(*ahead(0, 40), *empty, *back(50, 15))
    assert slices.tracks() == [0, 1]
    first, second = slices.of(0), slices.of(1)
    period_s = RADAR.frame_period_s
    seen = first.time_s[first.presence_db > 6]
    assert seen[-1] == pytest.approx(40 * period_s, abs=2 * period_s)
    assert first.time_s[-1] < 41 * period_s + 1.0  # coasted for a second, and no longer
    assert (first.presence_db[first.time_s > 41 * period_s] == 0).all()
    assert second.time_s[0] == pytest.approx(85 * period_s, abs=2 * period_s)


def test_nobody_is_nobody() -> None:
    assert len(scene_of(*[[]] * 30)) == 0


def test_lost_frames_during_the_crossing_change_nothing() -> None:
    crowd, people = crossing()
    stream = SpectrogramStream(RADAR, TWO)
    whole = [frame for frame in crowd if not 36 <= frame.index < 46]
    slices = Slices.concatenate([stream.push(whole), stream.flush()])
    assert slices.tracks() == [0, 1]
    for number, one in enumerate(people):
        own = slices.of(number)
        range_m, _, _ = torso(one, own.time_s)
        assert np.abs(own.range_m - range_m).max() < 0.3
        assert (own.valid == 0).sum() == 40


def test_any_chunking_gives_the_same_bits() -> None:
    frames = list(crossing(seconds=1.2)[0])
    slices = []
    for n in (1, 7, len(frames)):
        stream = SpectrogramStream(RADAR, TWO)
        parts = [stream.push(frames[k : k + n]) for k in range(0, len(frames), n)]
        slices.append(Slices.concatenate([*parts, stream.flush()]))
    for other in slices[1:]:
        for name in ("time_s", "power", "range_m", "presence_db", "angle_rad", "track"):
            assert np.array_equal(getattr(slices[0], name), getattr(other, name)), name


def test_slow_chirps_cannot_tell_walkers_apart() -> None:
    slow = replace(RADAR, n_loops=2, frame_period_s=50e-3)
    with pytest.raises(ParameterError, match="too coarse"):
        SpectrogramStream(slow, TWO)


def test_a_coherent_beam_keeps_the_walker_and_lowers_the_noise() -> None:
    # Powers of 4 antennas sum to 4 S + 4 N; one beam, scaled to the same walker, has 4 S + N.
    one = person(RADAR, 1.2, WalkerTraits(), Scene(clutter=False, lateral_m=1.0, snr_db=-5.0))
    summed, axes = process(one, DspParams(merge="power"))
    beam, _ = process(one, DspParams(merge="coherent"))
    assert (len(beam), beam.tracks()) == (len(summed), [0])
    behind = axes.velocity_mps < -1.5  # nothing of who walks away; Hann's sidelobes are far below
    noise_db = 10 * np.log10(summed.power[:, behind].mean() / beam.power[:, behind].mean())
    assert noise_db == pytest.approx(10 * np.log10(4), abs=0.7)
    torso_db = 10 * np.log10(summed.power.max(axis=1) / beam.power.max(axis=1))
    assert np.median(torso_db) == pytest.approx(0.0, abs=0.7)


def test_after_a_long_loss_come_other_numbers() -> None:
    crowd, _ = crossing(RADAR, 1.0)
    stream, frames = SpectrogramStream(RADAR, TWO), list(crowd)
    gap = round(1.5 / RADAR.frame_period_s)
    later = [replace(frame, index=frame.index + len(frames) + gap) for frame in frames]
    seen = Slices.concatenate([stream.push([*frames, *later]), stream.flush()])
    assert seen.tracks() == [0, 1, 2, 3]
    again = Slices.concatenate([stream.push(frames), stream.flush()])
    assert again.tracks() == [0, 1]
