"""A live stream cuts exactly the clips that are cut from the whole recording, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from live_students import frames, lossy, words
from walk_files import DSP, RADAR

from capture.types import AdcFrame
from radarid.dsp.clips import Clip, clip_at, clip_starts_s
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream
from radarid.live.clip_stream import ClipStream

LONG = np.concatenate([words(2.0, 1.3, 0), words(3.6, 1.0, 1), words(4.8, -1.2, 2)])
TWO = np.concatenate([words(1.5, 0.9, 3) + words(7.5, -1.2, 4),
                      words(2.6, 0.9, 5) + words(6.1, -1.2, 6)])


def from_whole(given: list[AdcFrame], dsp: DspParams) -> list[Clip]:
    """All clips, poor ones too."""
    stream = SpectrogramStream(RADAR, dsp)
    slices = Slices.concatenate([stream.push(given), stream.flush()])
    return [
        clip_at(slices.of(track), stream.axes, dsp, start_s)
        for track in slices.tracks()
        for start_s in clip_starts_s(slices.of(track), stream.axes, dsp)
    ]


def pieces(given: list[AdcFrame], most: int, seed: int) -> Iterator[list[AdcFrame]]:
    rng = np.random.default_rng(seed)
    k = 0
    while k < len(given):
        n = int(rng.integers(1, most + 1))
        yield given[k : k + n]
        k += n


def from_stream(given: list[AdcFrame], dsp: DspParams, most: int, seed: int = 0) -> list[Clip]:
    stream, found = ClipStream(RADAR, dsp), list[Clip]()
    for some in pieces(given, most, seed):
        stream.push(some)
        found += stream.clips()
    stream.flush()
    return found + list(stream.clips())


def assert_same(live: list[Clip], filed: list[Clip]) -> None:
    def order(clip: Clip) -> tuple[int, float]:
        return clip.track, clip.start_s

    assert len(live) == len(filed) > 0
    for one, other in zip(sorted(live, key=order), sorted(filed, key=order), strict=True):
        assert (one.track, one.start_s, one.quality) == (other.track, other.start_s, other.quality)
        np.testing.assert_array_equal(one.layers, other.layers)
        np.testing.assert_array_equal(one.valid, other.valid)
        np.testing.assert_equal((one.range_m, one.velocity_mps, one.direction),
                                (other.range_m, other.velocity_mps, other.direction))


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.4])
def test_one_walker(most: int, share: float) -> None:
    given = lossy(frames(LONG), share, seed=most)
    assert_same(from_stream(given, DSP, most), from_whole(given, DSP))


@pytest.mark.parametrize("gap", [10, 60, 90])
def test_a_gap_in_the_frames(gap: int) -> None:
    """Bridged by the tracker below a second (50 frames), a new stream above."""
    given = frames(LONG[:70]) + frames(LONG[70:], first=70 + gap)
    assert_same(from_stream(given, DSP, 3), from_whole(given, DSP))


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_two_walkers_each_by_itself(share: float) -> None:
    dsp = replace(DSP, max_walkers=2)
    given = lossy(frames(TWO), share, seed=1)
    live = from_stream(given, dsp, 4)
    assert_same(live, from_whole(given, dsp))
    assert len({clip.track for clip in live}) == 2


def test_where_a_frame_is_one_sample_of_slow_time() -> None:
    dsp = replace(DSP, slow_time="burst", max_velocity_mps=0.04, min_speed_mps=0.01)
    given = frames(LONG)
    assert_same(from_stream(given, dsp, 5), from_whole(given, dsp))


def test_a_clip_comes_with_the_frame_that_makes_it_certain() -> None:
    """A slice after its end is enough, and that comes with the look-ahead of the track."""
    stream = ClipStream(RADAR, DSP)
    came: dict[float, float] = {}
    for frame in frames(LONG):
        stream.push([frame])
        came |= {clip.start_s: frame.time_s for clip in stream.clips()}
    lag_s = round(DSP.track_lag_s / RADAR.frame_period_s) * RADAR.frame_period_s
    assert sorted(came) == list(np.arange(0, 2.76, DSP.hop_s))
    for start_s, at_s in came.items():
        late_s = at_s - (start_s + DSP.clip_s)
        assert lag_s - 1e-9 <= late_s <= lag_s + RADAR.frame_period_s + 1e-9


def test_after_a_flush_everybody_is_new_and_no_clip_reaches_over_it() -> None:
    dsp = replace(DSP, max_walkers=2)
    stream, found = ClipStream(RADAR, dsp), list[list[Clip]]()
    for first in (0, len(TWO)):
        stream.push(frames(TWO, first))
        found.append(list(stream.clips()))
        stream.flush()
        found[-1] += stream.clips()
    before, after = ({clip.track for clip in clips} for clips in found)
    assert (before, after) == ({0, 1}, {2, 3})
    shift_s = len(TWO) * RADAR.frame_period_s
    assert min(clip.start_s for clip in found[1]) >= shift_s - 1e-9


def test_memory_does_not_grow() -> None:
    stream = ClipStream(RADAR, DSP)
    sizes = []
    for k in range(4):
        stream.push(frames(LONG, first=k * len(LONG)))
        stream.clips()
        sizes.append(sum(len(part) for part in stream._pending[0].parts))
    slices_of_two_clips = 2 * DSP.clip_s / RADAR.frame_period_s * DSP.slices_per_frame
    assert max(sizes) < slices_of_two_clips < len(LONG) * DSP.slices_per_frame / 3
