"""The one engine: frames in, micro-Doppler slices out, the same from a file and from a socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from capture.config import RadarConfig
from capture.types import AdcFrame, FrameSource
from radarid.dsp import kernels, slowtime
from radarid.dsp.gating import RangeTrack, gate_bins
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.stft import SliceTransform
from radarid.errors import ParameterError

_BRIDGE_S = 1.0  # a longer loss starts a new track instead of being bridged by empty slices


@dataclass(frozen=True, slots=True)
class _Series:
    """A stretch of slow time, with the walker's place once the track has decided."""

    profiles: np.ndarray  # complex64 (n, n_virtual, n_bins)
    valid: np.ndarray  # bool (n,)
    time_s: np.ndarray  # float64 (n,)
    walker: np.ndarray  # float32 (n, 2): range_m, presence_db

    def __getitem__(self, part: slice) -> _Series:
        return _Series(
            self.profiles[part], self.valid[part], self.time_s[part], self.walker[part]
        )

    @staticmethod
    def join(parts: list[_Series]) -> _Series:
        if len(parts) == 1:
            return parts[0]
        return _Series(
            np.concatenate([part.profiles for part in parts]),
            np.concatenate([part.valid for part in parts]),
            np.concatenate([part.time_s for part in parts]),
            np.concatenate([part.walker for part in parts]),
        )


class SpectrogramStream:
    """Micro-Doppler slices of a stream of frames, however the frames are grouped.

    Frames pass through range transform, clutter removal, range track (with a short look-ahead)
    and windowed slow-time transforms. Every result depends on the frames alone, never on how
    they were split into calls of `push`, so file and live give the same bits.

    Parameters
    ----------
    radar : waveform of all frames
    params : signal processing

    Attributes
    ----------
    axes : what the slices' numbers stand for
    velocity_mps, range_m : two of these axes, for short

    Raises
    ------
    ParameterError
        The parameters do not fit the radar.
    """

    def __init__(self, radar: RadarConfig, params: DspParams) -> None:
        self.radar, self.params = radar, params
        self.grid = slowtime.plan(radar, params)
        self._range = RangeStage(radar, params)
        self.range_m = self._range.range_m
        self.velocity_mps = slowtime.velocity_axis_mps(radar, params, self.grid)
        self.axes = Axes(
            self.velocity_mps, self.range_m, self.grid.slice_interval_s, self.grid.regime
        )
        self._transform = SliceTransform(radar, params, self.grid, self.velocity_mps)
        self._restart()

    def _restart(self) -> None:
        step_s = self.grid.frames_per_block * self.radar.frame_period_s
        lag = max(1, round(self.params.track_lag_s / step_s))
        self._track = RangeTrack(self.range_m, self.params.track_speed_mps * step_s, lag)
        self._last_index: int | None = None
        self._frames: list[_Series] = []
        self._undecided: deque[tuple[_Series, np.ndarray]] = deque()
        self._tail: list[_Series] = []
        self._next_start = 0

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
        parts = [self._no_slices()]
        for frame in frames:
            parts += self._bridge(frame)
            self._last_index = frame.index
            parts += self._take(self._profile(frame))
        return Slices.concatenate(parts)

    def flush(self) -> Slices:
        """Return the slices that were waiting for look-ahead; a new stream may follow."""
        parts = [self._no_slices()]
        if self._frames:
            parts += self._step(_Series.join(self._frames))
        parts += [self._decided(*decision) for decision in self._track.flush()]
        self._restart()
        return Slices.concatenate(parts)

    def _no_slices(self) -> Slices:
        none = np.empty(0, np.float32)
        return Slices(
            time_s=np.empty(0),
            power=np.empty((0, len(self.velocity_mps)), np.float32),
            valid=none,
            range_m=none,
            presence_db=none,
            angle_rad=none,
            track=np.empty(0, np.int32),
            planes=np.empty((0, 0, len(self.velocity_mps)), np.float32),
            frame_time_s=np.empty(0),
            range_energy=np.empty((0, len(self.range_m)), np.float32),
        )

    # -- frames -> slow time ----------------------------------------------------------------
    def _bridge(self, frame: AdcFrame) -> list[Slices]:
        """Stand-ins for the frames lost before this one."""
        last = self._last_index
        n_lost = 0 if last is None else frame.index - last - 1
        if n_lost < 0:
            raise ParameterError(
                "frames out of order", got=f"frame {frame.index} after frame {last}"
            )
        if n_lost * self.radar.frame_period_s > _BRIDGE_S:
            return [self.flush()]
        n = self.grid.n_per_frame
        shape = (n, self.radar.n_virtual, len(self.range_m))
        parts: list[Slices] = []
        for back in range(n_lost, 0, -1):
            start_s = frame.time_s - back * self.radar.frame_period_s
            nothing = np.zeros(shape, np.complex64), np.zeros(n, bool)
            parts += self._take(self._series(*nothing, start_s))
        return parts

    def _profile(self, frame: AdcFrame) -> _Series:
        profiles, valid = self._range(frame)
        if self.grid.regime == "burst":
            mean = np.empty(profiles.shape[1:], np.complex64)
            kernels.mean_of_valid(profiles, valid, mean)
            profiles, valid = mean[None], np.array([valid.any()])
        return self._series(profiles, valid, frame.time_s)

    def _series(self, profiles: np.ndarray, valid: np.ndarray, start_s: float) -> _Series:
        walker = np.zeros((len(valid), 2), np.float32)
        return _Series(profiles, valid, start_s + self.grid.offset_s, walker)

    # -- steps of the track -----------------------------------------------------------------
    def _take(self, frame: _Series) -> list[Slices]:
        self._frames.append(frame)
        if len(self._frames) < self.grid.frames_per_block:
            return []
        block, self._frames = _Series.join(self._frames), []
        return self._step(block)

    def _step(self, block: _Series) -> list[Slices]:
        energy = np.full(len(self.range_m), np.nan, np.float32)
        received = bool(block.valid.any())
        if received:
            mean = np.empty(block.profiles.shape[1:], np.complex64)
            kernels.mean_of_valid(block.profiles, block.valid, mean)
            kernels.moving_energy(block.profiles, block.valid, mean, energy)
        self._undecided.append((block, energy))
        decision = self._track.push(energy if received else None)
        return [] if decision is None else [self._decided(*decision)]

    def _decided(self, range_m: float, presence_db: float) -> Slices:
        """Slices that the oldest undecided block completes, now that its walker is known."""
        block, energy = self._undecided.popleft()
        walker = np.empty_like(block.walker)
        walker[:] = range_m, presence_db
        series = _Series.join([*self._tail, replace(block, walker=walker)])
        starts = self.grid.starts
        if not starts:
            last = len(series.valid) - self.grid.window
            starts = tuple(range(self._next_start, last + 1, self.grid.hop))
            self._keep_tail(series, starts)
        slices = self._slices(series, starts)
        return replace(
            slices,
            frame_time_s=np.array([block.time_s.mean()]),
            range_energy=energy[None],
        )

    def _keep_tail(self, series: _Series, starts: tuple[int, ...]) -> None:
        """Hold back what the next window will need, and no more."""
        following = starts[-1] + self.grid.hop if starts else self._next_start
        first = min(following, len(series.valid))
        self._tail, self._next_start = [series[first:]], following - first

    # -- slices -----------------------------------------------------------------------------
    def _slices(self, series: _Series, starts: tuple[int, ...]) -> Slices:
        window, n = self.grid.window, len(starts)
        power = np.zeros((n, len(self.velocity_mps)), np.float32)
        time_s, valid = np.empty(n), np.zeros(n, np.float32)
        walker = np.empty((n, 2), np.float32)
        clutter = None
        for k, start in enumerate(starts):
            part = series[start : start + window]
            time_s[k] = (part.time_s[0] + part.time_s[-1]) / 2
            valid[k] = part.valid.mean()
            walker[k] = part.walker[window // 2]
            if valid[k] == 0:
                continue
            whole = series if self.grid.regime == "frame" else part
            if clutter is None or whole is part:
                clutter = self._transform.clutter(whole.profiles, whole.valid)
            gate = gate_bins(self.range_m, float(walker[k, 0]), self.params.gate_m)
            power[k] = self._transform(part.profiles, part.valid, clutter, gate)
        return replace(
            self._no_slices(),
            time_s=time_s,
            power=power,
            valid=valid,
            range_m=walker[:, 0],
            presence_db=walker[:, 1],
            angle_rad=np.full(n, np.nan, np.float32),
            track=np.zeros(n, np.int32),
            planes=np.empty((n, 0, len(self.velocity_mps)), np.float32),
        )


def process(source: FrameSource, params: DspParams) -> tuple[Slices, Axes]:
    """All slices of a recording, and their axes.

    Raises
    ------
    ParameterError
        The parameters do not fit the radar.
    """
    stream = SpectrogramStream(source.info.config, params)
    slices = stream.push(source)
    return Slices.concatenate([slices, stream.flush()]), stream.axes
