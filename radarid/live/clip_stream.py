"""Clips as soon as they are certain, from frames as they come: the same as from the whole file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from capture.config import RadarConfig
from capture.types import AdcFrame
from radarid.dsp.clips import Clip, clip_at, clip_starts_s
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.spectrogram import SpectrogramStream


@dataclass
class _Pending:
    """One walker's slices that a later clip still needs."""

    parts: list[Slices] = field(default_factory=list)
    after_s: float = -np.inf  # clips that start here or earlier are cut

    @property
    def stop_s(self) -> float:
        return float(self.parts[-1].time_s[-1])


class ClipStream:
    """Cuts a stream of frames into the clips that `cut_clips` finds in the whole of it.

    A clip is handed out once nothing that may still come can change it: when a slice after its
    end is there, or its walker is gone. Memory does not grow with the stream. No clip reaches
    over a `flush`.

    Parameters
    ----------
    radar : waveform of all frames
    params : signal processing
    n_threads : of the engine; the clips do not depend on their number

    Attributes
    ----------
    axes : of the slices

    Raises
    ------
    ParameterError
        The parameters do not fit the radar, or ask for a published chain, which is no stream.
    """

    def __init__(self, radar: RadarConfig, params: DspParams, n_threads: int = 1) -> None:
        self._params, self._stream = params, SpectrogramStream(radar, params, n_threads)
        self.axes: Axes = self._stream.axes
        grid = self._stream.grid
        self._half_window_s = grid.window * grid.interval_s / 2
        self._reach_s = 1.5 * grid.slice_interval_s
        self._has_numbers = params.max_walkers > 1 or params.merge != "power"
        self._first_track = self._n_tracks = 0
        self._known_s = -np.inf  # no slice before it is still to come
        self._pending: dict[int, _Pending] = {}

    def push(self, frames: Iterable[AdcFrame]) -> Slices:
        """Take frames in the order of their index; the slices that are now certain.

        Raises
        ------
        ParameterError
            A frame of another waveform or shape, or out of order.
        """
        slices = self._keep(self._stream.push(frames))
        if len(slices.frame_time_s):
            self._known_s = float(slices.frame_time_s[-1]) - self._half_window_s
        return slices

    def flush(self) -> Slices:
        """Slices that are left when frames stop coming; others may follow, of later walkers."""
        slices = self._keep(self._stream.flush())
        self._known_s = np.inf
        return slices

    def clips(self) -> tuple[Clip, ...]:
        """Clips complete since the last call, in order of time, whatever their quality."""
        clips: list[Clip] = []
        for track, pending in list(self._pending.items()):
            is_over = self._known_s > pending.stop_s + self._reach_s
            clips += self._clips_of(pending, is_over=is_over)
            if is_over:
                del self._pending[track]
        if self._known_s == np.inf:  # flushed
            self._known_s = -np.inf
            self._first_track = self._n_tracks if self._has_numbers else 0
        return tuple(sorted(clips, key=lambda clip: clip.start_s))

    def _keep(self, slices: Slices) -> Slices:
        """Note slices under numbers that no earlier walker had; the engine counts anew."""
        slices.track[:] += self._first_track
        for track in slices.tracks():
            self._n_tracks = max(self._n_tracks, track + 1)
            self._pending.setdefault(track, _Pending()).parts.append(slices.of(track))
        return slices

    def _clips_of(self, pending: _Pending, *, is_over: bool) -> Iterator[Clip]:
        params, stop_s = self._params, pending.stop_s
        if not is_over and self._next_start_s(pending) + params.clip_s > stop_s:
            return
        slices = Slices.concatenate(pending.parts)
        for start_s in clip_starts_s(slices, self.axes, params):
            if start_s <= pending.after_s:
                continue
            if not is_over and start_s + params.clip_s > stop_s:
                break
            pending.after_s = start_s
            yield clip_at(slices, self.axes, params, start_s)
        # One slice before what is needed stays: clips may begin in a gap, if a slice is before it.
        needed_s = self._next_start_s(pending) - 2 * self._reach_s
        oldest = max(0, int(np.searchsorted(slices.time_s, needed_s)) - 1)
        pending.parts = [slices.between(slices.time_s[oldest])]

    def _next_start_s(self, pending: _Pending) -> float:
        """Start of the next clip, at the earliest."""
        first_s = float(pending.parts[0].time_s[0]) - self.axes.slice_interval_s / 2
        return max(pending.after_s + self._params.hop_s, first_s)
