"""Live identification: frames in, snapshots out; no socket, no screen, no clock but the radar's.

The same signal processing, clips, network and decisions as `identify` on a file, so the same
frames give the same numbers.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from capture.config import RadarConfig, waveform_differences
from capture.layouts import default_layout
from capture.schema import config_class
from capture.types import AdcFrame
from radarid.dsp.clips import n_more_planes
from radarid.dsp.slices import Slices
from radarid.errors import RunError
from radarid.live.clip_stream import ClipStream
from radarid.live.identify import NOT_ENOUGH_SIGNAL, Decider
from radarid.live.snapshot import ClipDecision, Health, Snapshot, TrackDecision
from radarid.live.strips import Strips
from radarid.live.timings import Timings
from radarid.live.walkers import Walkers

_RECENT_S = 2.0
_SILENT_S = 0.5
_NEW_AFTER_S = 60.0  # nothing is bridged for longer, and a clock that was set costs nothing

Listener = Callable[[Snapshot], None]


@config_class
class LiveParams:
    """How live identification decides and shows.

    Parameters
    ----------
    window_s : of the newest clips, which a decision rests on
    forget_s : without a good clip for so long, whoever comes is somebody new
    shown_s : what the strips of a snapshot show
    snapshots_hz : about, besides those that tell of a new decision
    n_threads : of the signal processing
    """

    window_s: float = Field(default=10.0, gt=0)
    forget_s: float = Field(default=3.0, gt=0)
    shown_s: float = Field(default=10.0, gt=0, le=600)
    snapshots_hz: float = Field(default=15.0, gt=0, le=100)
    n_threads: int = Field(default=1, ge=1)


class LiveIdentifier:
    """Takes frames as they come, and tells its listeners who walks.

    Parameters
    ----------
    decider : student, and gallery if any
    radar : waveform of the frames; the student's by default
    params : windows and rates

    Attributes
    ----------
    health : called for the state of the reception, once a snapshot
    timings : of the stages, of the last frames

    Raises
    ------
    RunError
        The radar's waveform is not the student's.
    ParameterError
        The student was trained on a published chain, which is no stream.
    """

    def __init__(
        self, decider: Decider, radar: RadarConfig | None = None, params: LiveParams | None = None
    ) -> None:
        student, self.params = decider.student, params or LiveParams()
        self.radar = radar or student.radar
        differing = waveform_differences(self.radar, student.radar)
        if differing:
            raise RunError(
                "the student was trained on another radar waveform (radar != student)",
                got="; ".join(differing),
                remedy="configure the radar with the student's waveform, or train on this one",
            )
        self.health: Callable[[], Health] = Health
        self.timings = Timings()
        self._decider, self._dsp = decider, student.dsp
        self._stream = ClipStream(self.radar, self._dsp, self.params.n_threads)
        self._strips = Strips(self._stream.axes, self.params.shown_s, self.radar.frame_period_s)
        self._walkers = Walkers(
            decider, self._dsp.clip_s, self.params.window_s, self.params.forget_s
        )
        self._listeners: list[Listener] = []
        self._clips: list[ClipDecision] = []
        self._n_snapshots = 0
        self._shown_at_s = -np.inf
        self._period_s = self.radar.frame_period_s
        self._time_s, self._has_begun = 0.0, False
        self._begin_s: float | None = None
        self._received = 1.0

    def listen(self, listener: Listener) -> None:
        """Call somebody with every snapshot, in the thread that brings the frames: be quick."""
        self._listeners.append(listener)

    def warm_up(self) -> None:
        """Load and compile what the first frames would have to wait for."""
        stream = ClipStream(self.radar, self._dsp, self.params.n_threads)
        n = 3 + int(2 * self._dsp.track_lag_s / self.radar.frame_period_s)
        shape = self.radar.n_chirps, self.radar.words_per_chirp
        noise = np.random.default_rng(0).integers(-50, 50, (4, *shape), dtype=np.int16)
        valid = np.ones(self.radar.n_chirps, np.bool_)
        layout = default_layout(self.radar)
        for k in range(n):
            time_s = k * self.radar.frame_period_s
            stream.push([AdcFrame(self.radar, layout, k, time_s, noise[k % 4], valid)])
        stream.flush()
        size = self._dsp.image_size
        blank = np.zeros((1, 1 + n_more_planes(self._dsp), size, size), np.float32)
        for _ in range(3):
            self._decider.student.embed(blank)

    def push(self, frames: Sequence[AdcFrame], arrived_ns: int = 0) -> None:
        """Take frames in the order of their index.

        Parameters
        ----------
        frames : that came since the last call, at least one
        arrived_ns : host time at which the last of them was complete, nanoseconds since 1970;
            0 where unknown
        """
        self.timings.since("receive", arrived_ns)
        if not self._has_begun:  # a listener may come long after the radar began to count
            self._has_begun, self._time_s = True, frames[0].time_s - self._period_s
        for k, frame in enumerate(frames):
            before_s = frames[k - 1].time_s if k else self._time_s
            if frame.time_s - before_s > _NEW_AFTER_S:
                self._push(frames[:k], arrived_ns)
                self.flush()
                frames = frames[k:]
                break
        self._push(frames, arrived_ns)
        self.timings.since("frame", arrived_ns)
        self._publish(1 / self.params.snapshots_hz)

    def _push(self, frames: Sequence[AdcFrame], arrived_ns: int) -> None:
        if not frames:
            return
        self._note_losses(frames)
        if self._begin_s is None:
            self._begin_s = frames[0].time_s
        self._time_s = frames[-1].time_s
        with self.timings.stage("signal"):
            slices = self._stream.push(frames)
        self._take(slices, arrived_ns)
        if len(slices.frame_time_s):
            self._walkers.forget(float(slices.frame_time_s[-1]))
        # Rather half a frame early than a frame late, so that the rate is that or a little more.
        self._publish(1 / self.params.snapshots_hz - self._period_s / 2)

    def flush(self) -> None:
        """Decide on what is left when frames stop coming; whoever follows is somebody new."""
        self._take(self._stream.flush(), 0)
        self._publish(0.0)
        self._walkers.forget_all()
        self._begin_s = None

    def tick(self) -> None:
        """Nothing came; listeners want to know that, too."""
        self._publish(_SILENT_S)

    def _take(self, slices: Slices, arrived_ns: int) -> None:
        """Decide on the clips that these slices complete."""
        self._strips.add(slices)
        begin_ns = time.perf_counter_ns()
        clips = [clip for clip in self._stream.clips() if clip.quality >= self._dsp.min_quality]
        if not clips:
            return
        self.timings.note("cut", (time.perf_counter_ns() - begin_ns) / 1e6)
        for clip in clips:
            with self.timings.stage("embed"):
                embedded = self._decider.embed([clip])
            with self.timings.stage("decide"):
                decision = self._walkers.decide(clip, *embedded)
            elapsed_ms = self.timings.since("decision", arrived_ns)
            self._clips.append(dataclasses.replace(decision, latency_ms=elapsed_ms))

    def _note_losses(self, frames: Sequence[AdcFrame]) -> None:
        """Follow the share of chirps that come, over the last seconds."""
        for frame in frames:
            n_periods = min(max(round((frame.time_s - self._time_s) / self._period_s), 1), 10**6)
            kept = 0.5 ** (self._period_s / _RECENT_S)
            # Nothing came in all of these periods but the last.
            self._received *= kept**n_periods
            self._received += (1 - kept) * float(frame.valid.mean())
            self._time_s = frame.time_s

    def _publish(self, interval_s: float) -> None:
        """Tell the listeners, if there is something new or the last time was long ago."""
        now_s = time.monotonic()
        if not self._listeners or (not self._clips and now_s - self._shown_at_s < interval_s):
            self._clips = self._clips if self._listeners else []
            return
        health = dataclasses.replace(self.health(), recent_loss=max(0.0, 1 - self._received))
        snapshot = Snapshot(
            number=self._n_snapshots,
            time_s=self._time_s,
            wall_s=time.time(),
            range_time=self._strips.range_time(),
            spectrogram=self._strips.spectrogram(),
            decisions=self._walkers.decisions or (self._nobody(health),),
            clips=tuple(self._clips),
            health=health,
            latency_ms=self.timings.medians_ms(),
            threshold=self._decider.threshold,
            subjects=self._decider.subjects,
            precision=self._decider.student.precision,
        )
        self._n_snapshots += 1
        self._shown_at_s, self._clips = now_s, []
        for listener in self._listeners:
            listener(snapshot)

    def _nobody(self, health: Health) -> TrackDecision:
        nan, now_s = float("nan"), self._time_s
        return TrackDecision(-1, NOT_ENOUGH_SIGNAL, "", nan, nan, 0, now_s, now_s, "", nan,
                             self._reason(health))  # fmt: skip

    def _reason(self, health: Health) -> str:
        """Why nobody can be told."""
        if health.state != "receiving":
            return "no packet comes from the radar"
        if self._received < self._dsp.min_valid:
            return f"too much is lost: {self._received:.0%} of the chirps come"
        needed_s = self._dsp.clip_s + self._dsp.track_lag_s
        if self._begin_s is None or self._time_s - self._begin_s < needed_s:
            return f"too short: a clip takes {self._dsp.clip_s:g} s"
        return "nobody walks here, or too far away"
