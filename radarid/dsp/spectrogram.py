"""The one engine: frames in, micro-Doppler slices out, the same from a file and from a socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from capture.config import RadarConfig
from capture.file.recording import FileRecording
from capture.types import AdcFrame, FrameSource
from radarid.dsp import kernels_means, slowtime
from radarid.dsp.batches import Batch, GivenFrames, RecordedFrames
from radarid.dsp.clutter import ClutterFilter, make_filter
from radarid.dsp.gating import RangeTrack
from radarid.dsp.moments import Moments
from radarid.dsp.params import DspParams
from radarid.dsp.pool import Share, Workers
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.series import SlowTimeSeries
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.tracks import Walker, WalkerTracks
from radarid.dsp.windows import Begun, Block, Walkers, Windows, samples_at_once
from radarid.errors import ParameterError

# Batches read, and batches made slices, while one is looked at, so that no thread has to wait.
_AHEAD, _LATE = 1, 1
_BRIDGE_S = 1.0  # a longer loss starts a new track instead of being bridged by empty slices
_FRAMES_AT_ONCE = 4  # of a thread, or so many that they outweigh what is done once for all of
_SAMPLES_AT_ONCE = 1600  # them; not more, since memory grows with them


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
        self._no_blocks = self._moments(0, self._n_block)
        self._step_s = self.grid.frames_per_block * radar.frame_period_s
        self._lag = max(1, round(params.track_lag_s / self._step_s))
        n_per_frame = self.grid.n_per_frame
        self._n_piece = max(_FRAMES_AT_ONCE, _SAMPLES_AT_ONCE // n_per_frame)
        self._frames_at_once = self._n_piece * n_threads
        self._n_ahead, self._n_late = (_AHEAD, _LATE) if n_threads > 1 else (0, 0)
        n_new = (self._n_ahead + self._n_late + 1) * self._frames_at_once * n_per_frame
        self._series = SlowTimeSeries(
            (self._lag + 2) * self._n_block + self.grid.window + n_new,
            max(self._n_piece * n_per_frame, self._n_block, samples_at_once(self.grid)),
            radar.n_virtual, len(self.range_m),
        )  # fmt: skip
        self._windows = Windows(radar, params, self.grid, self.axes, self._series, self._workers)
        self._tracker = self._new_tracker()
        self._restart()

    def _restart(self) -> None:
        self._last_index: int | None = None
        self._n_seen = 0
        self._blocks: dict[int, Block] = {}
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
        return Slices.concatenate([self._windows.none(), *self.parts(recording, start, stop)])

    def parts(
        self, recording: FileRecording, start: int = 0, stop: int | None = None
    ) -> Iterator[Slices]:
        """Yield the slices of `read` as soon as they are certain.

        If they are not taken to the end, or reading fails, the stream begins anew.
        """
        numbers = range(*slice(start, stop).indices(len(recording)))
        if self._last_index is not None and start != self._last_index + 1:
            raise ParameterError(
                "the stream does not go on here", got=f"frame {start}",
                expected=f"frame {self._last_index + 1}", remedy="flush the stream first",
            )  # fmt: skip
        if numbers:
            self._last_index = numbers[-1]
        period_s, n = self.radar.frame_period_s, self._frames_at_once
        batches = (numbers[k : k + n] for k in range(0, len(numbers), n))
        return self._advance(
            RecordedFrames(recording, own[0], [k * period_s for k in own]) for own in batches
        )

    def flush(self) -> Slices:
        """Return the slices that were waiting for look-ahead; a new stream may follow."""
        slices = self._end()
        self._tracker = self._new_tracker()
        return slices

    def _end(self) -> Slices:
        """Decide what is undecided; walkers who come later get other numbers."""
        decided, first = [], self._n_seen * self._n_block
        if self._series.stop > first:  # a block that is not full
            self._measure(first, self._series.stop)
            decided = self._look_at(self._n_seen + 1)
        decided += self._with_walkers(_walkers(self._tracker.flush()))
        slices = self._windows.finish(self._windows.begin(decided, self._series.stop))
        if isinstance(self._tracker, RangeTrack):
            self._tracker = self._new_tracker()
        self._restart()
        return slices

    def _take(self, frames: list[AdcFrame]) -> Iterator[Slices]:
        run: list[tuple[AdcFrame | None, float]] = []
        period_s = self.radar.frame_period_s
        for frame in frames:
            n_lost = self._lost_before(frame)
            if n_lost * period_s > _BRIDGE_S:
                yield from self._advance(self._batches(run))
                yield self._end()
                run, n_lost = [], 0
            run += [(None, frame.time_s - back * period_s) for back in range(n_lost, 0, -1)]
            run.append((frame, frame.time_s))
            self._last_index = frame.index
        yield from self._advance(self._batches(run))

    def _batches(self, run: list[tuple[AdcFrame | None, float]]) -> Iterator[Batch]:
        for k in range(0, len(run), self._frames_at_once):
            frames, start_s = zip(*run[k : k + self._frames_at_once], strict=True)
            yield GivenFrames(frames, start_s)

    def _lost_before(self, frame: AdcFrame) -> int:
        last = self._last_index
        n_lost = 0 if last is None else frame.index - last - 1
        if n_lost < 0:
            raise ParameterError(
                "frames out of order", got=f"frame {frame.index} after frame {last}"
            )
        return n_lost

    # -- frames -> slow time ----------------------------------------------------------------
    def _advance(self, batches: Iterable[Batch]) -> Iterator[Slices]:
        """Take frames, of which some are read and some made slices while others are looked at."""
        rest, ahead, late = iter(batches), deque[tuple[Share, int, int]](), deque[Begun]()
        is_done = False
        try:
            while True:
                for batch in islice(rest, self._n_ahead + 1 - len(ahead)):
                    ahead.append(self._begin(batch))
                if not ahead:
                    break
                late += self._slow_time(*ahead.popleft())
                while len(late) > self._n_late:
                    yield self._windows.finish(late.popleft())
            yield from map(self._windows.finish, late)
            is_done = True
        finally:
            if not is_done:  # something failed, or nobody wants the rest
                self._workers.abandon()
                self._tracker = self._new_tracker()
                self._restart()

    def _slow_time(self, share: Share, start: int, stop: int) -> list[Begun]:
        """Finish the profiles of a batch, and begin the slices that these decide."""
        self._workers.finish(share)
        self._series.count(start, stop)
        if self._filter is not None:
            self._remove_clutter(self._filter, start, stop)
        decided = self._look_at(stop // self._n_block)
        if not decided:
            return []
        return [self._windows.begin(decided, decided[-1][0].first + self._n_block)]

    def _begin(self, batch: Batch) -> tuple[Share, int, int]:
        """Begin the profiles of some frames; their first sample, and the one after the last."""
        n = self.grid.n_per_frame
        first = self._series.append(len(batch.start_s) * n)

        def profile(worker: int, start: int, stop: int) -> None:
            profiles, valid, time_s = self._rows(first + start * n, first + stop * n)
            instants = np.array(batch.start_s[start:stop])[:, None] + self.grid.offset_s
            time_s[:] = instants.reshape(-1)
            stage = self._ranges[worker]
            moments = self._blocks_in(first + start * n, first + stop * n)
            if self.grid.regime == "burst":
                self._average_bursts(stage, batch, start, profiles, valid)
            else:
                valid[:] = batch.transform(stage, start, profiles, moments)
            self._series.share(first + start * n, first + stop * n)
            self._take_blocks(first + start * n, time_s, moments)

        share = self._workers.begin(profile, len(batch.start_s), self._n_piece)
        return share, first, self._series.stop

    def _average_bursts(
        self, stage: RangeStage, batch: Batch, start: int, profiles: np.ndarray, valid: np.ndarray
    ) -> None:
        """One sample a frame, from frame `start` of the batch on: the mean of its chirps."""
        chirps = np.empty((stage.n_slow, *profiles.shape[1:]), np.complex64)
        for k, mean in enumerate(profiles):
            received = batch.transform(stage, start + k, chirps, self._no_blocks)
            kernels_means.mean_of_valid(chirps, received, mean)
            valid[k] = received.any()

    def _remove_clutter(self, remove: ClutterFilter, start: int, stop: int) -> None:
        n = self.grid.n_per_frame
        for first in range(start, stop, n):
            remove(*self._rows(first, first + n))
            self._series.share(first, first + n)

    def _rows(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        series, rows = self._series, self._series.rows(first, stop)
        return series.profiles[rows], series.valid[rows], series.time_s[rows]

    # -- slow time -> walkers ---------------------------------------------------------------
    def _blocks_in(self, start: int, stop: int) -> Moments:
        """The whole blocks of samples `start` to `stop`, to be measured as these are made."""
        first = -(-start // self._n_block)
        n_blocks = max(0, stop // self._n_block - first)
        if self.grid.regime == "burst" or self._filter is not None:
            return self._no_blocks  # they are not final yet
        return self._moments(n_blocks, self._n_block, first * self._n_block - start)

    def _moments(self, n_blocks: int, n: int, first: int = 0) -> Moments:
        return Moments(n_blocks, n, self.radar.n_virtual, len(self.range_m), first)

    def _take_blocks(self, start: int, time_s: np.ndarray, moments: Moments) -> None:
        """Blocks that were measured in samples from `start` on, which had those times."""
        n, first, n_blocks = moments.n, moments.first, len(moments.means)
        sums_s = time_s[first : first + n_blocks * n].reshape(n_blocks, n).sum(axis=1)
        for k, middle_s in enumerate((sums_s / n).tolist()):
            block = Block(start + first + k * n, n, middle_s, moments.means[k], moments.energy[k])
            self._blocks[block.first // self._n_block] = block

    def _measure(self, start: int, stop: int) -> None:
        """Look for motion in a block that was begun in one batch and ended in another."""
        profiles, valid, time_s = self._rows(start, stop)
        moments = self._moments(1, stop - start)
        moments.measure(profiles, valid)
        self._take_blocks(start, time_s, moments)

    def _look_at(self, stop: int) -> list[tuple[Block, Walkers]]:
        """Take the steps of the track up to block `stop`: older blocks, decided by them."""
        numbers = range(self._n_seen, stop)
        n = self._n_block
        for k in numbers:
            if k not in self._blocks:
                self._measure(k * n, k * n + n)
        self._n_seen = stop
        blocks = [self._blocks.pop(k) for k in numbers]
        self._undecided += blocks
        return self._with_walkers(self._decisions(blocks)) if blocks else []

    def _decisions(self, blocks: list[Block]) -> list[Walkers]:
        """Take steps of the track; what they decide about older ones."""
        if isinstance(self._tracker, RangeTrack):
            return _walkers(self._tracker.push(np.array([block.energy for block in blocks])))
        decided = []
        for block in blocks:
            received = not np.isnan(block.energy[0])
            profiles, valid, _ = self._rows(block.first, block.first + block.n)
            step = (profiles, valid, block.mean) if received else (None, None, None)
            decided.append(self._tracker.push(*step))
        return [walkers for walkers in decided if walkers is not None]

    def _with_walkers(self, decisions: list[Walkers]) -> list[tuple[Block, Walkers]]:
        return [(self._undecided.popleft(), walkers) for walkers in decisions]


def _walkers(found: np.ndarray | list[Walkers]) -> list[Walkers]:
    """Of each step; the track by range alone knows one walker, and no azimuth."""
    if isinstance(found, list):
        return found
    return [
        (Walker(0, range_m, presence_db, angle_rad=float("nan")),)
        for range_m, presence_db in found.tolist()
    ]


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
