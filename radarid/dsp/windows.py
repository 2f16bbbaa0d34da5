"""Which windows a stretch of slow time completes, around whom, and the slices they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from capture.config import RadarConfig
from radarid.dsp import angle
from radarid.dsp.gating import gate_bins
from radarid.dsp.params import DspParams
from radarid.dsp.planes import ImagePlanes
from radarid.dsp.pool import Share, Workers
from radarid.dsp.series import SlowTimeSeries
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.slowtime import SlowTime
from radarid.dsp.stft import SliceTransform
from radarid.dsp.tracks import Walker

_WINDOWS_AT_ONCE = 32  # of a thread: few, so that none waits long for another at the end

Walkers = tuple[Walker, ...]


def samples_at_once(grid: SlowTime) -> int:
    """Samples that must lie one after the other, for the windows that a thread takes at once."""
    return grid.window + (_WINDOWS_AT_ONCE - 1) * grid.hop


@dataclass(frozen=True, slots=True)
class Block:
    """A step of the track: a frame, or a few, with what moved in it.

    Attributes
    ----------
    first, n : number of its first slow-time sample, and how many it has
    time_s : mean time of them, seconds since the start of the recording
    mean : complex64 (n_virtual, n_bins), of its valid samples
    energy : float32 (n_bins,), of what moves; NaN where nothing was received
    """

    first: int
    n: int
    time_s: float
    mean: np.ndarray
    energy: np.ndarray


class _Window(NamedTuple):
    """A window around one walker: its first sample, range bins, row of the clutter."""

    start: int
    walker: Walker
    gate: tuple[int, int]
    clutter: int


class _Found(NamedTuple):
    """Windows around walkers, in arrays, since there are hundreds of them a second.

    Attributes
    ----------
    window : int64 (n,), number of the window among those that are complete, ascending
    start : int64 (n,), number of its first sample
    clutter : int64 (n,), row of the clutter
    who : int64 (n,), number in the two lists below
    walkers : who is seen, once for every block
    gates : their range bins
    """

    window: np.ndarray
    start: np.ndarray
    clutter: np.ndarray
    who: np.ndarray
    walkers: list[Walker]
    gates: list[tuple[int, int]]

    def one_by_one(self) -> list[_Window]:
        """For what is done window by window."""
        numbers = zip(self.start.tolist(), self.clutter.tolist(), self.who.tolist(), strict=True)
        return [
            _Window(start, self.walkers[who], self.gates[who], clutter)
            for start, clutter, who in numbers
        ]


class Begun(NamedTuple):
    """Slices whose powers are being computed."""

    found: _Found
    clutter: np.ndarray | None
    blocks: list[Block]
    power: np.ndarray
    share: Share
    keep_from: int


class Windows:
    """Slices of the walkers that a track has found, from the slow-time series they walk in.

    Parameters
    ----------
    radar, params, grid, axes : of the stream
    series : the stream's slow time; what no window needs any more is released
    workers : who share the transforms
    """

    def __init__(
        self, radar: RadarConfig, params: DspParams, grid: SlowTime, axes: Axes,
        series: SlowTimeSeries, workers: Workers,
    ) -> None:  # fmt: skip
        self._radar, self._params, self._grid, self._axes = radar, params, grid, axes
        self._series, self._workers = series, workers
        self._looks_at_azimuth = params.merge == "coherent" or params.max_walkers > 1
        self._n_block = grid.frames_per_block * grid.n_per_frame
        self._transforms = [
            SliceTransform(radar, params, grid, axes.velocity_mps) for _ in range(workers.n_threads)
        ]
        self._planes = (
            None if params.planes == "one" else ImagePlanes(radar, params, grid, axes.velocity_mps)
        )
        self.restart()

    def restart(self) -> None:
        """A new stream begins."""
        self._next_start = 0
        self._walkers: dict[int, list[tuple[Walker, tuple[int, int]]]] = {}

    def none(self) -> Slices:
        """No slices."""
        return self.finish(self.begin([], 0))

    def begin(self, decided: list[tuple[Block, Walkers]], stop: int) -> Begun:
        """Begin the slices of the windows that are complete now, for `finish`.

        Parameters
        ----------
        decided : blocks, in their order, whose walkers are known now
        stop : number of the sample after the last of them
        """
        for block, walkers in decided:
            self._walkers[block.first // self._n_block] = [
                (walker, self._gate(walker)) for walker in walkers
            ]
        blocks = [block for block, _ in decided]
        starts, clutter_of = self._complete(blocks, stop)
        clutter = self._clutter(blocks)
        found = self._who_is_seen(starts, clutter_of)
        first_needed = (self._next_start + self._grid.window // 2) // self._n_block
        for number in [n for n in self._walkers if n < first_needed]:
            del self._walkers[number]
        power, share = self._begin_power(found, clutter)
        return Begun(found, clutter, blocks, power, share, min(self._next_start, stop))

    def finish(self, begun: Begun) -> Slices:
        """Slices that were begun; in their order. What no window needs any more is released."""
        self._workers.finish(begun.share)
        slices = self._gather(begun.found, begun.clutter, begun.blocks, begun.power)
        self._series.keep_from = max(self._series.keep_from, begun.keep_from)
        return slices

    def _complete(self, blocks: list[Block], stop: int) -> tuple[np.ndarray, np.ndarray]:
        """First samples of the windows, and which row of `_clutter` each subtracts."""
        grid = self._grid
        if grid.starts:
            self._next_start = stop
            first = np.array([block.first for block in blocks], np.int64)
            starts = (first[:, None] + np.array(grid.starts)).reshape(-1)
            return starts, np.repeat(np.arange(len(blocks)), len(grid.starts))
        crossing = np.arange(self._next_start, stop - grid.window + 1, grid.hop)
        self._next_start += grid.hop * len(crossing)
        return crossing, np.zeros(len(crossing), np.int64)

    def _who_is_seen(self, starts: np.ndarray, clutter_of: np.ndarray) -> _Found:
        """Windows, each as often as there are walkers in the block of its middle."""
        block = (starts + self._grid.window // 2) // self._n_block
        numbers = range(block[0], block[-1] + 1) if len(block) else range(0)
        seen = [self._walkers[number] for number in numbers]
        n_seen = np.array([len(walkers) for walkers in seen], np.int64)
        here = block - numbers.start
        window = np.repeat(np.arange(len(starts)), n_seen[here])
        nth = np.arange(len(window)) - np.searchsorted(window, window)
        everyone = [one for walkers in seen for one in walkers]
        return _Found(
            window=window,
            start=starts[window],
            clutter=clutter_of[window],
            who=(np.cumsum(n_seen) - n_seen)[here[window]] + nth,
            walkers=[walker for walker, _ in everyone],
            gates=[gate for _, gate in everyone],
        )

    def _gate(self, walker: Walker) -> tuple[int, int]:
        gate = gate_bins(self._axes.range_m, walker.range_m, self._params.gate_m)
        return gate.start, gate.stop

    def _clutter(self, blocks: list[Block]) -> np.ndarray | None:
        """What the windows subtract: each block's mean, or nothing, or (None) each its own."""
        shape = self._series.profiles.shape[1:]
        if self._params.clutter != "mean":
            return np.zeros((max(1, len(blocks)), *shape), np.complex64)
        if self._grid.starts:
            means = [block.mean for block in blocks]
            return np.array(means, np.complex64).reshape(len(blocks), *shape)
        return None

    # -- windows -> slices ------------------------------------------------------------------
    def _gather(
        self, found: _Found, clutter: np.ndarray | None, blocks: list[Block], power: np.ndarray
    ) -> Slices:
        series, starts, walkers = self._series, found.start, found.walkers
        first, last = (series.place(starts + n) for n in (0, self._grid.window - 1))
        n_received = series.n_valid(starts, self._grid.window)
        one_by_one = self._looks_at_azimuth or self._planes is not None
        windows = found.one_by_one() if one_by_one else []
        beams = self._beams(windows)
        self._power_of_beams(windows, clutter, beams, power)
        return Slices(
            time_s=(series.time_s[first] + series.time_s[last]) / 2,
            power=power,
            valid=(n_received / self._grid.window).astype(np.float32),
            range_m=np.array([one.range_m for one in walkers], np.float32)[found.who],
            presence_db=np.array([one.presence_db for one in walkers], np.float32)[found.who],
            angle_rad=np.array([one.angle_rad for one in walkers], np.float32)[found.who],
            track=np.array([one.track for one in walkers], np.int32)[found.who],
            planes=self._more_planes(len(starts), windows, clutter, beams),
            frame_time_s=np.array([block.time_s for block in blocks], np.float64),
            range_energy=np.array([block.energy for block in blocks], np.float32).reshape(
                len(blocks), len(self._axes.range_m)
            ),
        )

    def _begin_power(self, found: _Found, clutter: np.ndarray | None) -> tuple[np.ndarray, Share]:
        series, starts, clutter_of = self._series, found.start, found.clutter
        power = np.empty((len(starts), len(self._axes.velocity_mps)), np.float32)
        gates = np.array(found.gates, np.int64).reshape(-1, 2)[found.who]

        # Pieces are of windows, not of walkers: who is seen at once shares a window and its mean,
        # and a piece spans no more samples than lie together, though nobody be seen in some.
        n_windows = int(found.window[-1]) + 1 if len(starts) else 0
        firsts = np.searchsorted(found.window, np.arange(n_windows + 1))

        def transform(worker: int, a: int, b: int) -> None:
            own = slice(firsts[a], firsts[b])
            if own.start == own.stop:
                return
            rows = series.place(starts[own])
            if clutter is None:  # means are taken over windows that lie one after the other
                rows = starts[own] - starts[own.start] + rows[0]
            self._transforms[worker].many(
                series.profiles, series.valid, rows, gates[own], clutter, clutter_of[own],
                power[own],
            )  # fmt: skip

        return power, self._workers.begin(transform, n_windows, _WINDOWS_AT_ONCE)

    # -- what few streams ask for -----------------------------------------------------------
    def _part(
        self, window: _Window, clutter: np.ndarray | None, beam: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One window: profiles, valid and clutter, of all antennas or of a beam."""
        rows = self._series.rows(window.start, window.start + self._grid.window)
        profiles, valid = self._series.profiles[rows], self._series.valid[rows]
        still = (
            self._transforms[0].mean(profiles, valid)
            if clutter is None
            else clutter[window.clutter]
        )
        if beam is not None:
            profiles = angle.form_beam(self._radar, profiles, beam)
            still = angle.form_beam(self._radar, still, beam)
        return profiles, valid, still

    def _beams(self, found: list[_Window]) -> list[np.ndarray | None]:
        """Weights of the beam that each window is seen by, None for all antennas' powers.

        A beam is formed with `merge` = 'coherent', and while the gates of two walkers overlap.
        """
        if not self._looks_at_azimuth:
            return [None] * len(found)
        beams: list[np.ndarray | None] = []
        for window in found:
            others = [
                other.walker.angle_rad
                for other in found
                if other.start == window.start and _beside(other, window, self._params.gate_m)
            ]
            azimuth = window.walker.angle_rad
            wanted = self._params.merge == "coherent" or bool(others)
            known = wanted and not np.isnan(azimuth)
            beams.append(angle.null_weights(self._radar, azimuth, others) if known else None)
        return beams

    def _power_of_beams(
        self, found: list[_Window], clutter: np.ndarray | None, beams: list[np.ndarray | None],
        power: np.ndarray,
    ) -> None:  # fmt: skip
        """A beam keeps the walker's power in one antenna; it is scaled to the sum over all."""
        for k, (window, beam) in enumerate(zip(found, beams, strict=True)):
            if beam is not None:
                profiles, valid, still = self._part(window, clutter, beam)
                one = self._transforms[0](profiles, valid, still, slice(*window.gate))
                power[k] = self._radar.n_rx * one

    def _more_planes(
        self, n_windows: int, found: list[_Window], clutter: np.ndarray | None,
        beams: list[np.ndarray | None],
    ) -> np.ndarray:  # fmt: skip
        n_velocity = len(self._axes.velocity_mps)
        if self._planes is None:
            return np.empty((n_windows, 0, n_velocity), np.float32)
        planes = np.zeros((n_windows, 2, n_velocity), np.float32)
        for k, (window, beam) in enumerate(zip(found, beams, strict=True)):
            profiles, valid, still = self._part(window, clutter, beam)
            if valid.any():
                body = int(np.argmin(np.abs(self._axes.range_m - window.walker.range_m)))
                planes[k] = self._planes(profiles, valid, still, slice(*window.gate), body)
                if beam is not None:
                    planes[k] *= self._radar.n_rx
        return planes


def _beside(other: _Window, window: _Window, gate_m: float) -> bool:
    """Whether another walker of known azimuth is in the same range gate."""
    return (
        other.walker.track != window.walker.track
        and not np.isnan(other.walker.angle_rad)
        and abs(other.walker.range_m - window.walker.range_m) < 2 * gate_m
    )
