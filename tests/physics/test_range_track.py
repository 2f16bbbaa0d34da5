"""The range track on simulated walkers: it stays with the first, wherever he or she goes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from walkers_in_room import ALWAYS, RADAR, Room, person, turning

from capture.simulate.scene import Scene
from capture.types import AdcFrame
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream, process

PARAMS = DspParams(slices_per_frame=1, max_velocity_mps=2.4)
TORSO_M = 0.25  # the strongest part of a body may lie this far from the middle of the torso


def off_m(slices: Slices, room: Room, walker: int = 0) -> np.ndarray:
    """Distance of the track from a walker's torso; without the times at which it is not there."""
    off = np.abs(slices.range_m - room.range_m(walker, slices.time_s))
    return off[np.isfinite(off)]


def present(slices: Slices) -> np.ndarray:
    return slices.presence_db >= PARAMS.min_presence_db


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("direction", ["away", "towards"])
def test_one_walker_among_clutter(seed: int, direction: str) -> None:
    scene = Scene(direction=direction, clutter_seed=seed, lateral_m=0.3, clutter_db=10.0)  # type: ignore[arg-type]
    room = Room((person(seed, 4.0), scene, ALWAYS))
    slices, _ = process(room, PARAMS)
    assert off_m(slices, room).max() < TORSO_M
    assert np.median(off_m(slices, room)) < 0.1
    assert present(slices).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("first", ["away", "towards"])
def test_two_who_cross_are_not_confused(seed: int, first: str) -> None:
    """The second enters a second later; after the crossing one of the two is up to 20 dB louder."""
    second = {"away": "towards", "towards": "away"}[first]
    near_m = {"away": 1.5, "towards": 1.4}
    one, other = (Scene(direction=d, near_m=near_m[d], lateral_m=x, clutter=x < 0)  # type: ignore[arg-type]
                  for d, x in ((first, -0.4), (second, 0.5)))  # fmt: skip
    room = Room(
        (person(30 + seed, 4.5), one, ALWAYS),
        (person(40 + seed, 4.5), other, [(1.0, np.inf)]),
    )
    slices, _ = process(room, PARAMS)
    assert np.nanmin(np.abs(room.range_m(0, slices.time_s) - room.range_m(1, slices.time_s))) < 0.1
    assert off_m(slices, room).max() < 0.5
    assert np.median(off_m(slices, room)) < 0.12
    late = slices.between(4.0)
    assert np.abs(late.range_m - room.range_m(1, late.time_s)).min() > 1.5


@pytest.mark.parametrize("lasts_s", [0.5, 0.9, 1.5])
def test_turning_round(lasts_s: float) -> None:
    """In the turn the body's own motion vanishes in the clutter notch, +-0.07 m/s."""
    motion = turning(person(50, 6.0), 2.8, lasts_s)
    room = Room((motion, Scene(near_m=1.5, lateral_m=0.2), ALWAYS))
    slices, _ = process(room, PARAMS)
    assert off_m(slices, room).max() < 0.4
    assert np.median(off_m(slices, room)) < 0.1
    assert np.ptp(np.sign(np.diff(room.range_m(0, slices.time_s)))) == 2


def test_who_leaves_is_nobody_and_who_comes_back_is_found_at_once() -> None:
    motion = turning(person(60, 8.0), 4.0, 0.9)
    spans = [(0.0, 2.5), (5.5, np.inf)]
    room = Room((motion, Scene(near_m=1.5), spans))
    slices, _ = process(room, PARAMS)
    truth = room.range_m(0, slices.time_s)
    assert off_m(slices, room).max() < TORSO_M
    gone = (slices.time_s > 2.55) & (slices.time_s < 5.45)
    assert np.isnan(truth[gone]).all()
    assert not present(slices)[gone].any()
    assert (slices.presence_db[(slices.time_s > 3.8) & gone] == 0).all()
    assert present(slices)[np.isfinite(truth)].mean() > 0.97


def test_an_empty_room_is_empty() -> None:
    room = Room((person(61, 6.0), Scene(clutter_db=10.0), []))
    slices, _ = process(room, PARAMS)
    assert len(slices) > 150
    assert (slices.presence_db == 0).all()


def test_flashes_elsewhere_do_not_draw_the_track() -> None:
    """Somebody else, 20 dB louder than usual, pops up for one or two frames, every half second."""
    flashes = [(t, t + width) for t, width in zip(np.arange(0.4, 4.0, 0.5), [0.04, 0.07] * 4,
                                                  strict=True)]  # fmt: skip
    loud = Scene(direction="towards", near_m=1.2, clutter=False, reference_dbfs=-16.0)
    room = Room((person(2, 4.5), Scene(near_m=2.0), ALWAYS), (person(3, 4.5), loud, flashes))
    slices, _ = process(room, PARAMS)
    apart = np.abs(room.range_m(0, slices.time_s) - room.range_m(1, slices.time_s))
    assert np.nansum(apart > 2) > 6
    assert off_m(slices, room).max() < 0.4
    assert np.median(off_m(slices, room)) < 0.1


def test_lost_frames_are_coasted() -> None:
    room = Room((person(4, 4.5), Scene(near_m=1.5), ALWAYS))

    def received() -> Iterator[AdcFrame]:
        for frame in room:
            if frame.index not in {20, 21, 50, *range(80, 96)}:  # 0.53 s in the end
                yield frame

    stream = SpectrogramStream(RADAR, PARAMS)
    slices = Slices.concatenate([stream.push(received()), stream.flush()])
    lost = slices.valid == 0
    assert lost.sum() >= 15
    assert off_m(slices, room).max() < 0.4
    assert (slices.presence_db[lost] == 0).all()
    assert present(slices)[~lost].mean() > 0.97


def test_a_picture_of_the_second_is_not_that_of_the_first() -> None:
    """Negative control: the same bounds, asked of the other one, fail."""
    room = Room(
        (person(30, 4.5), Scene(direction="towards", near_m=1.4, lateral_m=-0.4), ALWAYS),
        (person(40, 4.5), Scene(near_m=1.5, lateral_m=0.5, clutter=False), [(1.0, np.inf)]),
    )
    slices, _ = process(room, PARAMS)
    assert off_m(slices, room, 1).max() > 3
    assert np.median(off_m(slices, room, 1)) > 1
