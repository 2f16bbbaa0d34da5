"""Which windows a stretch of slow time completes, around whom, and the slices they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from capture.config import RadarConfig
from radarid.dsp import angle, kernels_means
from radarid.dsp.gating import gate_bins
from radarid.dsp.params import DspParams
from radarid.dsp.planes import ImagePlanes
from radarid.dsp.pool import Workers
from radarid.dsp.series import SlowTimeSeries
from radarid.dsp.slices import Axes, Slices
from radarid.dsp.slowtime import SlowTime
from radarid.dsp.stft import SliceTransform
from radarid.dsp.tracks import Walker

_WINDOWS_AT_ONCE = 8  # of a thread: few, so that none waits long for another at the end

Walkers = tuple[Walker, ...]


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
    """A window around one walker: first row in the series, range bins, row of the clutter."""

    start: int
    walker: Walker
    gate: tuple[int, int]
    clutter: int


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
        return self.slices([], 0)

    def slices(self, decided: list[tuple[Block, Walkers]], stop: int) -> Slices:
        """Slices of the windows that are complete now.

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
        clutter = self._clutter(len(starts), blocks)
        n_block, middle, base = self._n_block, self._grid.window // 2, self._series.place(0)
        found = [
            _Window(start + base, walker, gate, row)
            for start, row in zip(starts, clutter_of, strict=True)
            for walker, gate in self._walkers[(start + middle) // n_block]
        ]
        slices = self._gather(found, clutter, blocks)
        self._series.keep_from = max(self._series.keep_from, min(self._next_start, stop))
        for number in [n for n in self._walkers if n < (self._next_start + middle) // n_block]:
            del self._walkers[number]
        return slices

    def _complete(self, blocks: list[Block], stop: int) -> tuple[Sequence[int], Sequence[int]]:
        """First samples of the windows, and which row of `_clutter` each subtracts."""
        grid = self._grid
        if grid.starts:
            self._next_start = stop
            starts = [block.first + start for block in blocks for start in grid.starts]
            return starts, np.repeat(np.arange(len(blocks)), len(grid.starts)).tolist()
        crossing = range(self._next_start, stop - grid.window + 1, grid.hop)
        self._next_start += grid.hop * len(crossing)
        return crossing, range(len(crossing))

    def _gate(self, walker: Walker) -> tuple[int, int]:
        gate = gate_bins(self._axes.range_m, walker.range_m, self._params.gate_m)
        return gate.start, gate.stop

    def _clutter(self, n_starts: int, blocks: list[Block]) -> np.ndarray:
        """What the windows subtract: each block's mean, or nothing, or room for each one's own."""
        shape = self._series.profiles.shape[1:]
        if self._params.clutter != "mean":
            return np.zeros((n_starts, *shape), np.complex64)
        if self._grid.starts:
            return np.stack([block.mean for block in blocks]) if blocks else np.empty((0, *shape))
        return np.empty((n_starts, *shape), np.complex64)

    def _average(self, first: int, means: np.ndarray) -> None:
        """Fill in the means of windows, the first of which begins at row `first`."""
        hop, window = self._grid.hop, self._grid.window
        rows = slice(first, first + (len(means) - 1) * hop + window)
        profiles = self._series.profiles[rows].view(np.float32)
        n_floats = profiles[0].size
        kernels_means.window_means(
            profiles.reshape(-1, n_floats), self._series.valid[rows], hop, window,
            np.empty((len(means) + window // hop, n_floats), np.float32),
            means.view(np.float32).reshape(-1, n_floats),
        )  # fmt: skip

    # -- windows -> slices ------------------------------------------------------------------
    def _gather(self, found: list[_Window], clutter: np.ndarray, blocks: list[Block]) -> Slices:
        series = self._series
        walkers = [window.walker for window in found]
        starts = np.array([window.start for window in found], np.int64)
        stops = starts + self._grid.window
        first, last = (int(starts[0]), int(stops[-1])) if found else (0, 0)
        received = np.concatenate([[0], np.cumsum(series.valid[first:last])])
        n_received = received[stops - first] - received[starts - first]
        power = self._power(found, starts, clutter)
        beams = self._beams(found)
        self._power_of_beams(found, clutter, beams, power)
        return Slices(
            time_s=(series.time_s[starts] + series.time_s[stops - 1]) / 2,
            power=power,
            valid=(n_received / self._grid.window).astype(np.float32),
            range_m=np.array([walker.range_m for walker in walkers], np.float32),
            presence_db=np.array([walker.presence_db for walker in walkers], np.float32),
            angle_rad=np.array([walker.angle_rad for walker in walkers], np.float32),
            track=np.array([walker.track for walker in walkers], np.int32),
            planes=self._more_planes(found, clutter, beams),
            frame_time_s=np.array([block.time_s for block in blocks], np.float64),
            range_energy=np.array([block.energy for block in blocks], np.float32).reshape(
                len(blocks), len(self._axes.range_m)
            ),
        )

    def _power(self, found: list[_Window], starts: np.ndarray, clutter: np.ndarray) -> np.ndarray:
        series = self._series
        power = np.empty((len(found), len(self._axes.velocity_mps)), np.float32)
        gates = np.array([window.gate for window in found], np.int64).reshape(-1, 2)
        clutter_of = np.array([window.clutter for window in found], np.int64)

        # Walkers who are seen at once share a window and its mean, so they stay in one piece.
        firsts = np.append(np.flatnonzero(np.diff(starts, prepend=-1)), len(found))
        means_of_windows = self._params.clutter == "mean" and not self._grid.starts

        def transform(worker: int, a: int, b: int) -> None:
            own = slice(firsts[a], firsts[b])
            if means_of_windows:  # just before the same samples are transformed
                rows = clutter_of[own]
                self._average(int(starts[own][0]), clutter[rows[0] : rows[-1] + 1])
            self._transforms[worker].many(
                series.profiles, series.valid, starts[own], gates[own], clutter, clutter_of[own],
                power[own],
            )  # fmt: skip

        self._workers.share(transform, len(firsts) - 1, _WINDOWS_AT_ONCE)
        return power

    # -- what few streams ask for -----------------------------------------------------------
    def _part(
        self, window: _Window, clutter: np.ndarray, beam: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One window: profiles, valid and clutter, of all antennas or of a beam."""
        rows = slice(window.start, window.start + self._grid.window)
        profiles, still = self._series.profiles[rows], clutter[window.clutter]
        if beam is not None:
            profiles = angle.form_beam(self._radar, profiles, beam)
            still = angle.form_beam(self._radar, still, beam)
        return profiles, self._series.valid[rows], still

    def _beams(self, found: list[_Window]) -> list[np.ndarray | None]:
        """Weights of the beam that each window is seen by, None for all antennas' powers.

        A beam is formed with `merge` = 'coherent', and while the gates of two walkers overlap.
        """
        if self._params.merge == "power" and self._params.max_walkers == 1:
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
        self, found: list[_Window], clutter: np.ndarray, beams: list[np.ndarray | None],
        power: np.ndarray,
    ) -> None:  # fmt: skip
        """A beam keeps the walker's power in one antenna; it is scaled to the sum over all."""
        for k, (window, beam) in enumerate(zip(found, beams, strict=True)):
            if beam is not None:
                profiles, valid, still = self._part(window, clutter, beam)
                one = self._transforms[0](profiles, valid, still, slice(*window.gate))
                power[k] = self._radar.n_rx * one

    def _more_planes(
        self, found: list[_Window], clutter: np.ndarray, beams: list[np.ndarray | None]
    ) -> np.ndarray:
        n_velocity = len(self._axes.velocity_mps)
        if self._planes is None:
            return np.empty((len(found), 0, n_velocity), np.float32)
        planes = np.zeros((len(found), 2, n_velocity), np.float32)
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
