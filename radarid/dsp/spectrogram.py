"""The one engine: frames in, micro-Doppler slices out, the same from a file and from a socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from capture.config import RadarConfig
from capture.file.recording import FileRecording
from capture.types import AdcFrame, FrameSource
from radarid.dsp import kernels, slowtime
from radarid.dsp.clutter import make_filter
from radarid.dsp.gating import RangeTrack
from radarid.dsp.params import DspParams
from radarid.dsp.pool import Workers
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.series import SlowTimeSeries
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.tracks import Walker, WalkerTracks
from radarid.dsp.windows import Block, Walkers, Windows
from radarid.errors import ParameterError

_BRIDGE_S = 1.0  # a longer loss starts a new track instead of being bridged by empty slices
_FRAMES_AT_ONCE = 4  # of each thread: enough to share, few enough to stay in its cache
_SAMPLES_AT_ONCE = 1024  # and of very short frames, about as many chirps


# How to get a frame, None for a lost one, and when it begins.
_Pending = tuple[Callable[[], AdcFrame] | None, float]


class SpectrogramStream:
    """Micro-Doppler slices of a stream of frames, however the frames are grouped.

    Frames pass through range transform, clutter removal, range track (with a short look-ahead)
    and windowed slow-time transforms. Every result depends on the frames alone, never on how
    they were split into calls of `push` or among threads, so file and live give the same bits.
    Memory does not grow with the stream.

    Parameters
    ----------
    radar : waveform of all frames
    params : signal processing
    n_threads : threads that share the work of one `push`

    Attributes
    ----------
    axes : what the slices' numbers stand for
    velocity_mps, range_m : two of these axes, for short

    Raises
    ------
    ParameterError
        The parameters do not fit the radar.
    """

    def __init__(self, radar: RadarConfig, params: DspParams, n_threads: int = 1) -> None:
        if params.compat != "none":
            raise ParameterError(
                "a published chain is not a stream", where="compat", got=params.compat,
                remedy="radarid.dsp.compat.clips_of follows either",
            )  # fmt: skip
        self.radar, self.params = radar, params
        self.grid = slowtime.plan(radar, params)
        self._workers = Workers(n_threads)
        self._ranges = [RangeStage(radar, params) for _ in range(n_threads)]
        self.range_m = self._ranges[0].range_m
        self.velocity_mps = slowtime.velocity_axis_mps(radar, params, self.grid)
        self.axes = Axes(
            self.velocity_mps, self.range_m, self.grid.slice_interval_s, self.grid.regime
        )
        self._filter = make_filter(radar, params, self.grid)
        self._n_block = self.grid.frames_per_block * self.grid.n_per_frame
        self._step_s = self.grid.frames_per_block * radar.frame_period_s
        self._lag = max(1, round(params.track_lag_s / self._step_s))
        most = max(_FRAMES_AT_ONCE, _SAMPLES_AT_ONCE // self.grid.n_per_frame)
        self._frames_at_once = most * n_threads
        n_held = (self._lag + 2) * self._n_block + self.grid.window
        self._series = SlowTimeSeries(
            n_held + self._frames_at_once * self.grid.n_per_frame,
            radar.n_virtual, len(self.range_m),
        )  # fmt: skip
        self._windows = Windows(radar, params, self.grid, self.axes, self._series, self._workers)
        self._tracker = self._new_tracker()
        self._restart()

    def _restart(self) -> None:
        self._last_index: int | None = None
        self._n_seen = 0
        self._undecided: deque[Block] = deque()
        self._series.restart()
        self._windows.restart()
        if self._filter is not None:
            self._filter.restart()

    def _new_tracker(self) -> RangeTrack | WalkerTracks:
        """Of one walker by range alone; where azimuth matters, or several walk, of each."""
        params = self.params
        if params.max_walkers == 1 and params.merge == "power":
            return RangeTrack(self.range_m, params.track_speed_mps * self._step_s, self._lag)
        return WalkerTracks(self.radar, params, self.range_m, self.grid, self._step_s, self._lag)

    # -- the stream -------------------------------------------------------------------------
    def push(self, frames: Iterable[AdcFrame]) -> Slices:
        """Take frames in the order of their index; return the slices that are now certain.

        A missing index is lost time: its slices come with `valid` 0. After more than a second
        of loss the stream goes on as a new one, and no slices stand for the time between.

        Raises
        ------
        ParameterError
            A frame of another waveform or shape, or out of order.
        """
        rest, parts = iter(frames), list[Slices]()
        while batch := list(islice(rest, self._frames_at_once)):
            parts += self._take(batch)
        return Slices.concatenate(parts or [self._windows.none()])

    def read(self, recording: FileRecording, start: int = 0, stop: int | None = None) -> Slices:
        """Take frames `start` up to `stop` (default: the end), which the threads read themselves.

        The same as ``push(recording.frames(start, stop))``, but a frame is still in its thread's
        cache when the transforms begin.

        Raises
        ------
        ParameterError
            The recording is of another waveform, or frames are missing before `start`.
        """
        numbers = range(*slice(start, stop).indices(len(recording)))
        if self._last_index is not None and start != self._last_index + 1:
            raise ParameterError(
                "the stream does not go on here", got=f"frame {start}",
                expected=f"frame {self._last_index + 1}", remedy="flush the stream first",
            )  # fmt: skip
        period_s, parts = self.radar.frame_period_s, list[Slices]()
        for first in range(0, len(numbers), self._frames_at_once):
            own = numbers[first : first + self._frames_at_once]
            self._last_index = own[-1]
            parts += self._advance([(partial(recording.frame, k), k * period_s) for k in own])
        return Slices.concatenate(parts or [self._windows.none()])

    def flush(self) -> Slices:
        """Return the slices that were waiting for look-ahead; a new stream may follow."""
        slices = self._end()
        self._tracker = self._new_tracker()
        return slices

    def _end(self) -> Slices:
        """Decide what is undecided; walkers who come later get other numbers."""
        decided = []
        if self._series.stop > self._n_seen:  # a last block that is not full
            decided = self._look_at([(self._n_seen, self._series.stop)])
        for decision in self._tracker.flush():
            decided.append((self._undecided.popleft(), _walkers(decision)))
        slices = self._windows.slices(decided, self._series.stop)
        if isinstance(self._tracker, RangeTrack):
            self._tracker = self._new_tracker()
        self._restart()
        return slices

    def _take(self, frames: list[AdcFrame]) -> Iterator[Slices]:
        run: list[_Pending] = []
        period_s = self.radar.frame_period_s
        for frame in frames:
            n_lost = self._lost_before(frame)
            if n_lost * period_s > _BRIDGE_S:
                yield from self._advance(run)
                yield self._end()
                run, n_lost = [], 0
            run += [(None, frame.time_s - back * period_s) for back in range(n_lost, 0, -1)]
            run.append((partial(_given, frame), frame.time_s))
            self._last_index = frame.index
        yield from self._advance(run)

    def _lost_before(self, frame: AdcFrame) -> int:
        last = self._last_index
        n_lost = 0 if last is None else frame.index - last - 1
        if n_lost < 0:
            raise ParameterError(
                "frames out of order", got=f"frame {frame.index} after frame {last}"
            )
        return n_lost

    # -- frames -> slow time ----------------------------------------------------------------
    def _advance(self, run: list[_Pending]) -> Iterator[Slices]:
        for start in range(0, len(run), self._frames_at_once):
            self._append(run[start : start + self._frames_at_once])
            n_blocks = (self._series.stop - self._n_seen) // self._n_block
            edges = [self._n_seen + k * self._n_block for k in range(n_blocks + 1)]
            decided = self._look_at(list(zip(edges, edges[1:], strict=False)))
            if decided:
                yield self._windows.slices(decided, decided[-1][0].first + self._n_block)

    def _append(self, run: list[_Pending]) -> None:
        n = self.grid.n_per_frame
        first = self._series.append(len(run) * n)

        def profile(worker: int, start: int, stop: int) -> None:
            for k in range(start, stop):
                self._profile(self._ranges[worker], *run[k], first + k * n)

        self._workers.share(profile, len(run))
        if self._filter is not None:
            for k in range(len(run)):
                self._filter(*self._rows(first + k * n, first + (k + 1) * n))

    def _rows(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = slice(self._series.place(first), self._series.place(stop))
        series = self._series
        return series.profiles[rows], series.valid[rows], series.time_s[rows]

    def _profile(
        self, stage: RangeStage, load: Callable[[], AdcFrame] | None, start_s: float, first: int
    ) -> None:
        profiles, valid, time_s = self._rows(first, first + self.grid.n_per_frame)
        time_s[:] = start_s + self.grid.offset_s
        if load is None:
            profiles[:], valid[:] = 0, False
            return
        frame = load()
        if self.grid.regime == "burst":
            chirps, received = stage(frame)
            kernels.mean_of_valid(chirps, received, profiles[0])
            valid[:] = received.any()
        else:
            valid[:] = stage(frame, profiles)[1]

    # -- slow time -> walkers ---------------------------------------------------------------
    def _look_at(self, spans: list[tuple[int, int]]) -> list[tuple[Block, Walkers]]:
        """Take steps of the track: the older blocks that are decided by them."""
        shape = self._series.profiles.shape[1:]
        means = np.empty((len(spans), *shape), np.complex64)
        energy = np.empty((len(spans), shape[1]), np.float32)

        def moments(worker: int, start: int, stop: int) -> None:
            spread = np.empty(2 * shape[0] * shape[1], np.float32)
            for k in range(start, stop):
                profiles, valid, _ = self._rows(*spans[k])
                kernels.moments(
                    profiles.view(np.float32).reshape(len(valid), -1), valid,
                    means[k].view(np.float32).reshape(-1), energy[k], spread,
                )  # fmt: skip

        self._workers.share(moments, len(spans))
        decided = []
        for k, (first, stop) in enumerate(spans):
            profiles, valid, _ = self._rows(first, stop)
            received = bool(valid.any())
            if not received:
                energy[k] = np.nan
            self._undecided.append(Block(first, stop - first, means[k], energy[k]))
            self._n_seen = stop
            if isinstance(self._tracker, RangeTrack):
                decision: Any = self._tracker.push(energy[k] if received else None)
            else:
                decision = self._tracker.push(
                    *((profiles, valid, means[k]) if received else (None, None, None))
                )
            if decision is not None:
                decided.append((self._undecided.popleft(), _walkers(decision)))
        return decided


def _given(frame: AdcFrame) -> AdcFrame:
    return frame


def _walkers(decision: tuple[float, float] | Walkers) -> Walkers:
    """The walkers of a step, of which the track by range alone knows one, and no azimuth."""
    if len(decision) == 2 and isinstance(decision[0], float):
        return (Walker(0, *decision, angle_rad=float("nan")),)
    return decision


def process(source: FrameSource, params: DspParams, n_threads: int = 1) -> tuple[Slices, Axes]:
    """All slices of a recording, and their axes.

    Raises
    ------
    ParameterError
        The parameters do not fit the radar.
    """
    stream = SpectrogramStream(source.info.config, params, n_threads)
    slices = stream.read(source) if isinstance(source, FileRecording) else stream.push(source)
    return Slices.concatenate([slices, stream.flush()]), stream.axes
