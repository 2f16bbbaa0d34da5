"""However a stream is cut into pushes, its slices are the same, bit for bit."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.tones import Tones, moving, tiny_radar

from capture.config import Chirp, RadarConfig
from capture.file.recording import open_recording
from capture.types import AdcFrame
from radarid.bench.workload import endless_frames, evenly_spaced
from radarid.dsp.clips import clip_at, clip_starts_s
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream
from radarid.dsp.tracks import Walker
from radarid.errors import ParameterError

RADARS: dict[str, tuple[RadarConfig, int]] = {
    "frame": (tiny_radar(n_loops=40, frame_period_s=8e-3), 60),
    "continuous": (tiny_radar(n_loops=50, frame_period_s=6e-3), 60),
    "burst": (tiny_radar(n_loops=2, frame_period_s=50e-3), 150),
    "tdm": (
        tiny_radar(
            chirps=(Chirp(tx_mask=1), Chirp(tx_mask=2)), n_loops=20, frame_period_s=8e-3, rx_mask=3
        ),
        60,
    ),
}
PARAMS = DspParams(window_chirps=32, hop_chirps=7, clip_s=0.3, hop_s=0.1, track_lag_s=0.05)
NAMES = [field.name for field in fields(Slices)]


@cache
def damaged_frames(name: str) -> tuple[AdcFrame, ...]:
    """A walker, with lost chirps, lost frames and one loss long enough for a new start."""
    radar, n_frames = RADARS[name]
    source = Tones(radar, n_frames, [(300.0, moving(3.0, 0.9))], noise=30.0)
    rng = np.random.default_rng(7)
    kept = []
    for frame in source:
        if rng.random() < 0.1:
            continue
        index = frame.index + (400 if frame.index > n_frames * 0.7 else 0)
        valid = rng.random(radar.n_chirps) > rng.choice([0.0, 0.0, 0.3])
        kept.append(replace(frame, index=index, time_s=index * radar.frame_period_s, valid=valid))
    return tuple(kept)


def stream(name: str, cuts: list[int]) -> Slices:
    frames = damaged_frames(name)
    engine = SpectrogramStream(RADARS[name][0], PARAMS)
    edges = [0, *sorted(min(cut, len(frames)) for cut in cuts), len(frames)]
    parts = [engine.push(frames[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    return Slices.concatenate([*parts, engine.flush()])


@cache
def whole(name: str) -> Slices:
    return stream(name, [])


@pytest.mark.parametrize("name", RADARS)
def test_fixture_is_worth_cutting(name: str) -> None:
    slices = whole(name)
    assert len(slices) > 10
    assert (slices.power.max(axis=1) > 0).mean() > 0.5
    assert 0 < (slices.valid < 1).mean() < 1
    assert (np.diff(slices.time_s) > 0).all()


@pytest.mark.parametrize("name", RADARS)
@given(cuts=st.lists(st.integers(0, 150), max_size=12))
@settings(max_examples=12, deadline=None)
def test_any_chunking_gives_the_same_bits(name: str, cuts: list[int]) -> None:
    cut, uncut = stream(name, cuts), whole(name)
    for field in NAMES:
        assert getattr(cut, field).tobytes() == getattr(uncut, field).tobytes(), field


@pytest.mark.parametrize("name", ["frame", "continuous"])
def test_a_clip_needs_only_the_slices_around_it(name: str) -> None:
    slices = whole(name)
    axes = SpectrogramStream(RADARS[name][0], PARAMS).axes
    for start_s in clip_starts_s(slices, axes, PARAMS):
        full = clip_at(slices, axes, PARAMS, start_s)
        near = slices.between(start_s - 0.2, start_s + PARAMS.clip_s + 0.2)
        live = clip_at(near, axes, PARAMS, start_s)
        assert live.image.tobytes() == full.image.tobytes()
        assert live.quality == full.quality


def test_a_stream_can_be_used_again_after_flush() -> None:
    radar = RADARS["frame"][0]
    frames = damaged_frames("frame")
    engine = SpectrogramStream(radar, PARAMS)
    first = Slices.concatenate([engine.push(frames), engine.flush()])
    second = Slices.concatenate([engine.push(frames), engine.flush()])
    assert first.power.tobytes() == second.power.tobytes()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_recording_that_the_threads_read_gives_the_same_bits(
    n_threads: int, tmp_path: Path
) -> None:
    radar, n_frames = RADARS["frame"]
    source = Tones(radar, n_frames, [(300.0, moving(3.0, 0.9))], noise=30.0)
    words = np.concatenate([frame.words.ravel() for frame in source])
    words.astype("<i2").tofile(tmp_path / "walk.bin")
    recording = open_recording(tmp_path / "walk.bin", radar, "IIQQ")
    pushed = SpectrogramStream(radar, PARAMS)
    expected = Slices.concatenate([pushed.push(recording), pushed.flush()])
    engine = SpectrogramStream(radar, PARAMS, n_threads)
    parts = [engine.read(recording, 0, 17), engine.read(recording, 17)]
    with pytest.raises(ParameterError, match="does not go on here"):
        engine.read(recording, 5)
    got = Slices.concatenate([*parts, engine.flush()])
    for field in NAMES:
        assert getattr(got, field).tobytes() == getattr(expected, field).tobytes(), field


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_that_was_left_or_failed_begins_anew(
    n_threads: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    radar = RADARS["frame"][0]
    source = Tones(radar, 400, [(300.0, moving(3.0, 0.1))], noise=30.0)
    words = np.concatenate([frame.words.ravel() for frame in source])
    words.astype("<i2").tofile(tmp_path / "walk.bin")
    recording = open_recording(tmp_path / "walk.bin", radar, "IIQQ")
    fresh, engine = (SpectrogramStream(radar, PARAMS, n_threads) for _ in range(2))
    expected = Slices.concatenate([fresh.read(recording), fresh.flush()])
    if fails:
        read = RangeStage.read

        def failing(stage: RangeStage, source: Any, first: int, *rest: Any) -> np.ndarray:
            if first >= 200:
                raise OSError("gone")
            return read(stage, source, first, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(RangeStage, "read", failing)
            with pytest.raises(OSError, match="gone"):
                engine.read(recording)
    else:
        parts = iter(engine.parts(recording))
        next(parts)
        del parts
    got = Slices.concatenate([engine.read(recording), engine.flush()])
    for field in NAMES:
        assert getattr(got, field).tobytes() == getattr(expected, field).tobytes(), field


class Seldom:
    """A tracker that sees one walker, or two, in every seventh step, and nobody in between."""

    def __init__(self, lag: int) -> None:
        self._lag, self._n_pushed, self._n_decided = lag, 0, 0

    def push(self, *_: object) -> tuple[Walker, ...] | None:
        self._n_pushed += 1
        return self._decide() if self._n_pushed > self._lag else None

    def flush(self) -> list[tuple[Walker, ...]]:
        return [self._decide() for _ in range(self._n_pushed - self._n_decided)]

    def _decide(self) -> tuple[Walker, ...]:
        step = self._n_decided
        self._n_decided += 1
        n_seen = 0 if step % 7 else 1 + step // 7 % 2
        return tuple(Walker(k, 3.0 + k, 20.0, float("nan")) for k in range(n_seen))


def test_windows_that_lie_apart_have_their_own_means(monkeypatch: pytest.MonkeyPatch) -> None:
    work = evenly_spaced(n_rx=2, n_samples=64, n_bins=40, window=64, hop=4)
    params = replace(work.params, max_walkers=2)
    monkeypatch.setattr(SpectrogramStream, "_new_tracker", lambda self: Seldom(self._lag))
    frames = list(endless_frames(work.radar, 500))  # often around the ring
    at_once, by_one = (SpectrogramStream(work.radar, params, n_threads) for n_threads in (2, 1))
    together = Slices.concatenate([at_once.push(frames), at_once.flush()])
    parts = [by_one.push([frame]) for frame in frames]
    alone = Slices.concatenate([*parts, by_one.flush()])
    assert together.tracks() == [0, 1]
    assert len(together) > 1000
    for field in NAMES:
        assert getattr(together, field).tobytes() == getattr(alone, field).tobytes(), field
