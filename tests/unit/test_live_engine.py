"""Live identification without a socket: decisions by hand, reasons, snapshots, lines, pictures."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from live_students import SUBJECTS, frames, lossy, student, words
from rich.console import Console
from walk_files import DSP, RADAR

from radarid.dsp.clips import Clip
from radarid.dsp.slices import Axes, Slices
from radarid.errors import ParameterError, RunError
from radarid.learn.openset import Identification
from radarid.live.engine import LiveIdentifier, LiveParams
from radarid.live.identify import Decider, identify_recording
from radarid.live.json_lines import JsonLines, as_table
from radarid.live.panel import _N_COLOURS, _STYLES, draw, picture
from radarid.live.snapshot import Health, Snapshot, Strip
from radarid.live.strips import Strips
from radarid.live.timings import Timings
from radarid.live.walkers import Walkers

WALK = np.concatenate([words(2.0, 1.3, 0), words(3.6, 1.0, 1), words(4.8, -1.2, 2)])
NOISE = np.random.default_rng(5).integers(-12, 13, WALK.shape, dtype=np.int16)
RECEIVING = Health(state="receiving")


def heard(identifier: LiveIdentifier) -> list[Snapshot]:
    snapshots: list[Snapshot] = []
    identifier.health = lambda: RECEIVING
    identifier.listen(snapshots.append)
    return snapshots


@dataclass(frozen=True)
class _Source:
    """A `FrameSource` of given frames."""

    given: list
    info: object

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.given)


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_embeddings_and_decisions_are_those_of_the_file(share: float) -> None:
    from capture.types import RecordingInfo

    given, net = lossy(frames(WALK), share, 4), student()
    source = _Source(given, RecordingInfo("walk", RADAR, given[0].layout, None))
    (filed,) = identify_recording(source, Decider(net))  # type: ignore[arg-type]
    identifier = LiveIdentifier(Decider(net))
    snapshots = heard(identifier)
    for k in range(0, len(given), 3):
        identifier.push(given[k : k + 3])
    identifier.flush()
    clips = [clip for snapshot in snapshots for clip in snapshot.clips]
    assert [(c.start_s, c.quality, c.direction) for c in clips] == [
        (c.start_s, c.quality, c.direction) for c in filed.clips]
    assert [(c.score, c.second, c.best) for c in clips] == [
        (c.identification.score, c.identification.second, c.identification.best)
        for c in filed.clips
    ]  # fmt: skip
    assert filed.identification is not None
    last = next(s.decisions[0] for s in reversed(snapshots) if s.decisions[0].track == 0)
    assert (last.score, last.second) == (filed.identification.score, filed.identification.second)
    assert last.n_clips == len(filed.clips) > 5


class _ByHand:
    """A decider whose scores are the mean logits."""

    def decide(self, embeddings: np.ndarray, logits: np.ndarray) -> Identification:
        row = logits.mean(0)
        best = int(np.argmax(row))
        accepted = SUBJECTS[best] if row[best] >= 1 else None
        return Identification(accepted, float(row[best]), float(np.sort(row)[-2]), SUBJECTS[best])


def clip(start_s: float, track: int = 0) -> Clip:
    return Clip(np.zeros((2, 2), "f4"), np.ones(2, bool), start_s, 1.0, "away", 1.0, 3.0,
                track=track)


def decide(walkers: Walkers, start_s: float, *logits: float, track: int = 0) -> None:
    walkers.decide(clip(start_s, track), np.ones((1, 4), "f4"), np.array([logits], "f4"))


def test_the_window_slides_and_a_pause_makes_somebody_new() -> None:
    walkers = Walkers(_ByHand(), clip_s=2.0, window_s=3.0, forget_s=1.5)  # type: ignore[arg-type]
    decide(walkers, 0.0, 9, 0, 0)
    decide(walkers, 0.5, 3, 0, 0)
    (one,) = walkers.decisions
    assert (one.answer, one.score, one.n_clips, one.since_s, one.until_s) == ("anna", 6, 2, 0, 2.5)
    decide(walkers, 1.5, 0, 0, 4)  # ends at 3.5 s: the clip from 0 s begins before 0.5 s
    (one,) = walkers.decisions
    assert (one.answer, one.score, one.second, one.n_clips) == ("cem", 2, 1.5, 2)
    decide(walkers, 1.5, 0, 0.5, 0, track=7)
    assert [(d.track, d.answer, d.best) for d in walkers.decisions] == [
        (0, "cem", "cem"), (1, "unknown", "bob")]
    walkers.forget(5.0)  # 1.5 s after the end of both
    assert len(walkers.decisions) == 2
    decide(walkers, 5.1, 9, 0, 0)
    assert [(d.track, d.answer, d.n_clips) for d in walkers.decisions] == [(2, "anna", 1)]
    walkers.forget_all()
    assert walkers.decisions == ()


@pytest.mark.parametrize(("samples", "share", "n", "reason"), [
    (WALK, 0.0, 10, "too short"), (NOISE, 0.0, 100, "nobody walks"),
    (WALK, 0.5, 100, "too much is lost"),
])  # fmt: skip
def test_why_nobody_can_be_told(samples: np.ndarray, share: float, n: int, reason: str) -> None:
    identifier = LiveIdentifier(Decider(student()), params=LiveParams(snapshots_hz=100))
    snapshots = heard(identifier)
    for one in lossy(frames(samples[:n]), share, 2):
        identifier.push([one])
    identifier._publish(0.0)
    (decision,) = snapshots[-1].decisions
    assert (decision.answer, decision.track) == ("not enough signal", -1)
    assert reason in decision.reason
    identifier.health = lambda: Health(state="silent")
    identifier._publish(0.0)
    assert "no packet" in snapshots[-1].decisions[0].reason


def test_the_share_of_losses_forgets() -> None:
    identifier = LiveIdentifier(Decider(student()))
    snapshots = heard(identifier)
    given = frames(WALK[:101])
    identifier.push([given[0], given[100]])  # 99 frames, 1.98 s, missing: half is forgotten in 2 s
    identifier._publish(0.0)
    kept = 0.5 ** (RADAR.frame_period_s / 2.0)
    expected = (1 * kept + (1 - kept)) * kept**100 + (1 - kept)
    assert snapshots[-1].health.recent_loss == pytest.approx(1 - expected, abs=1e-12)


def test_a_clock_that_was_set_costs_nothing() -> None:
    identifier = LiveIdentifier(Decider(student()))
    snapshots = heard(identifier)
    given = frames(WALK[:90]) + frames(WALK[:90], first=10**11)
    identifier.push(given)
    identifier.flush()
    clips = [clip for snapshot in snapshots for clip in snapshot.clips]
    assert {clip.track for clip in clips} == {0, 1}
    assert {clip.start_s > 1e9 for clip in clips if clip.track == 1} == {True}


def test_who_comes_late_has_lost_nothing() -> None:
    identifier = LiveIdentifier(Decider(student()))
    snapshots = heard(identifier)
    identifier.push(frames(WALK[:100], first=10**9))
    identifier._publish(0.0)
    assert snapshots[-1].health.recent_loss == pytest.approx(0, abs=1e-9)
    assert snapshots[-1].time_s == pytest.approx((10**9 + 99) * RADAR.frame_period_s)


def test_snapshots_are_numbered_and_no_oftener_than_asked() -> None:
    identifier = LiveIdentifier(Decider(student()), params=LiveParams(snapshots_hz=0.01))
    snapshots = heard(identifier)
    for one in frames(WALK[:100]):
        identifier.push([one])
    with_clips = [snapshot for snapshot in snapshots if snapshot.clips]
    assert len(with_clips) >= 3
    assert len(snapshots) == len(with_clips) + 1  # the first
    assert [snapshot.number for snapshot in snapshots] == list(range(len(snapshots)))
    newest = snapshots[-1]
    assert newest.range_time.level_db.shape == (len(newest.range_time.time_s),
                                                len(newest.range_time.axis))
    assert (np.diff(newest.spectrogram.time_s) > 0).all()
    assert newest.subjects == SUBJECTS


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RunError, match="another radar waveform"):
        LiveIdentifier(Decider(student()), replace(RADAR, slope_hz_per_s=30e12))
    with pytest.raises(ParameterError, match="not a stream"):
        LiveIdentifier(Decider(student(replace(DSP, compat="paper"))))


def test_strips_by_hand() -> None:
    axes = Axes(np.array([-1, 1], "f4"), np.array([1.0, 2.0]), 0.05, "frame")
    strips = Strips(axes, shown_s=0.3, step_s=0.1)  # three columns
    time_s = np.array([0.02, 0.02, 0.07, 0.12, 0.22, 0.32, 0.42])
    power = np.array([[1, 1], [9, 1], [10, 18], [100, 1], [1, 1], [1e3, 1], [5, 5]], "f4")
    n = len(time_s)
    track = np.array([0, 1, 0, 0, 0, 0, 0], "i4")
    valid = np.array([1, 1, 1, 1, 0, 1, 1], "f4")
    energy = np.array([[1, 10], [np.nan, np.nan], [100, 1], [1, 1]], "f4")
    ones = np.ones(n, "f4")
    strips.add(Slices(time_s, power, valid, ones, ones, ones, track, np.empty((n, 0, 2), "f4"),
                      np.array([0.05, 0.15, 0.25, 0.35]), energy))  # fmt: skip
    shown = strips.spectrogram()  # the column of 0.42 s is not full; that of 0.05 s is gone
    np.testing.assert_allclose(shown.time_s, [0.15, 0.25, 0.35])
    np.testing.assert_allclose(shown.level_db, [[20, 0], [np.nan, np.nan], [30, 0]], atol=1e-5)
    shown = strips.range_time()
    np.testing.assert_allclose(shown.time_s, [0.15, 0.25, 0.35])
    np.testing.assert_allclose(shown.level_db, [[np.nan, np.nan], [20, 0], [0, 0]], atol=1e-5)


def test_walkers_of_one_moment_are_added_and_moments_averaged() -> None:
    axes = Axes(np.array([-1, 1], "f4"), np.array([1.0, 2.0]), 0.05, "frame")
    strips, ones = Strips(axes, shown_s=1.0, step_s=0.1), np.ones(4, "f4")
    power = np.array([[1, 4], [9, 6], [10, 10], [0, 0]], "f4")  # (1 + 9 + 10) / 2 moments
    strips.add(Slices(np.array([0.02, 0.02, 0.07, 0.12]), power, ones, ones, ones, ones,
                      np.array([0, 1, 0, 0], "i4"), np.empty((4, 0, 2), "f4"), np.empty(0),
                      np.empty((0, 2), "f4")))  # fmt: skip
    np.testing.assert_allclose(strips.spectrogram().level_db, [[10, 10]], atol=1e-5)


def snapshot(**changes: object) -> Snapshot:
    strip = Strip(np.arange(2.0), np.array([1, 2], "f4"), np.array([[0, -90], [-90, 0]], "f4"))
    nobody = LiveIdentifier(Decider(student()))._nobody(Health())
    plain = Snapshot(0, 1.0, 100.0, strip, strip, (nobody,), (), RECEIVING, {"frame": 2.0}, 1.5,
                     SUBJECTS, "float32")
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_json_lines_tell_news_and_are_json() -> None:
    out = io.StringIO()
    lines = JsonLines(out, every_s=5.0)
    told = snapshot()
    lines(told)
    lines(replace(told, wall_s=101.0))  # nothing new
    lines(replace(told, wall_s=102.0, health=Health(state="silent")))
    lines(replace(told, wall_s=106.9, health=Health(state="silent")))
    lines(replace(told, wall_s=107.0, health=Health(state="silent")))
    rows = [json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().splitlines()]
    assert [row["wall_s"] for row in rows] == [100.0, 102.0, 107.0]
    assert rows[0]["decisions"][0]["score"] is None
    assert "range_time" not in as_table(told)


def test_a_picture_has_its_loud_places_where_they_belong() -> None:
    strip = snapshot().range_time
    cells = [[segment for segment in line if segment.text.strip()]
             for line in Console(width=4).render_lines(picture(strip, 4, 1))]
    ((quiet, first, second),) = cells
    loud, silent = _N_COLOURS - 1, 0
    assert (quiet.text, first.text, second.text) == ("▀▀", "▀", "▀")
    assert quiet.style == _STYLES[silent][silent]
    assert first.style == _STYLES[silent][loud]  # near, so below
    assert second.style == _STYLES[loud][silent]


def test_the_panel_shows_everything_in_the_space_it_has() -> None:
    console = Console(width=70, height=24, record=True, file=io.StringIO())
    empty = Strip(np.empty(0), np.array([1, 2], "f4"), np.empty((0, 2), "f4"))
    for each in (snapshot(), snapshot(range_time=empty, spectrogram=empty)):
        console.print(draw(each, 70, 23))
        text = console.export_text()
        assert len(text.splitlines()) <= 23
        for part in ("receiving", "not enough signal", "distance: 1 to 2 m", "threshold +1.50"):
            assert part in text


def test_timings_by_hand() -> None:
    timings = Timings(n_kept=3)
    for value in (50.0, 1.0, 2.0, 9.0):
        timings.note("embed", value)
    assert timings.medians_ms() == {"embed": 2.0}
    assert timings.since("frame", 0) == 0.0
    assert math.isclose(timings.since("frame", 1), timings.of["frame"][-1])
