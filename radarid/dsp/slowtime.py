"""What slow time is for a radar: which chirps a window may hold, and how far apart they are."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass

import numpy as np

from capture.config import RadarConfig
from radarid.dsp import convert
from radarid.dsp.params import DspParams
from radarid.errors import ParameterError

log = logging.getLogger("radarid")
_BLOCK_S = 33e-3  # the tracker steps at about the frame rate of the paper's radar
_BURST_CHIRPS = 16  # fewer chirps than this make no window of their own


@dataclass(frozen=True)
class SlowTime:
    """The slow-time grid of a radar.

    Attributes
    ----------
    regime : 'frame', 'continuous' or 'burst'
    interval_s : time between two samples of the grid inside a window
    n_per_frame : samples that a frame gives (1 in the burst regime)
    frames_per_block : frames that the tracker sees as one step
    window : samples in a window
    starts : first samples of the windows in a frame ('frame' only)
    hop : samples from one window to the next (otherwise)
    offset_s : float64 array (n_per_frame,), time of each sample after the frame's start
    slice_interval_s : longest regular distance between two slices
    """

    regime: str
    interval_s: float
    n_per_frame: int
    frames_per_block: int
    window: int
    starts: tuple[int, ...]
    hop: int
    offset_s: np.ndarray
    slice_interval_s: float


def plan(radar: RadarConfig, params: DspParams) -> SlowTime:
    """Choose the slow-time grid by the radar's timing, or as `params.slow_time` says.

    Frames with a silent gap keep windows inside themselves, since a window across the gap has
    spurs at the frame rate only 15 dB down. Chirps without a gap are one endless series. Frames
    of a few chirps are averaged to one sample each, at the frame rate.

    Raises
    ------
    ParameterError
        `params.slow_time` asks for what the timing does not allow.
    """
    regime = params.slow_time if params.slow_time != "auto" else _natural_regime(radar)
    if regime == "continuous" and not radar.is_continuous:
        raise ParameterError(
            "slow time cannot run across frames: the radar is silent between them",
            where="slow_time",
            got=f"a gap of {radar.gap_s * 1e3:.3g} ms, chirps every"
            f" {radar.slow_time_interval_s * 1e3:.3g} ms",
            remedy="slow_time = 'auto'",
        )
    if regime == "frame" and radar.n_slow < 4:
        raise ParameterError(
            "a frame is too short for a window of its own",
            where="slow_time",
            got=f"{radar.n_slow} chirps per frame and series",
            expected="at least 4",
            remedy="slow_time = 'auto'",
        )
    times = np.mean([radar.chirp_start_s[group] for group in radar.slow_time_groups], axis=0)
    if regime == "frame":
        return _frame_plan(radar, params, times)
    if regime == "burst":
        times = times.mean(keepdims=True)
    return _crossing_plan(radar, params, regime, times)


def _natural_regime(radar: RadarConfig) -> str:
    if radar.is_continuous:
        return "continuous"
    return "burst" if radar.n_slow < _BURST_CHIRPS else "frame"


def _frame_plan(radar: RadarConfig, params: DspParams, times: np.ndarray) -> SlowTime:
    window = min(params.window_length(radar.slow_time_interval_s), radar.n_slow)
    starts = np.rint(np.linspace(0, radar.n_slow - window, params.slices_per_frame)).astype(int)
    if params.slices_per_frame == 1:
        starts = np.array([(radar.n_slow - window) // 2])
    starts = np.unique(starts)
    spread_s = float(starts[-1] - starts[0]) * radar.slow_time_interval_s
    return SlowTime(
        regime="frame",
        interval_s=radar.slow_time_interval_s,
        n_per_frame=radar.n_slow,
        frames_per_block=1,
        window=window,
        starts=tuple(int(start) for start in starts),
        hop=0,
        offset_s=times,
        slice_interval_s=radar.frame_period_s - spread_s,
    )


def _crossing_plan(
    radar: RadarConfig, params: DspParams, regime: str, times: np.ndarray
) -> SlowTime:
    n_per_frame = len(times)
    interval_s = radar.frame_period_s / n_per_frame
    block_s = _BLOCK_S if regime == "continuous" else _BURST_CHIRPS * interval_s
    return SlowTime(
        regime=regime,
        interval_s=interval_s,
        n_per_frame=n_per_frame,
        frames_per_block=max(1, round(block_s / radar.frame_period_s)),
        window=params.window_length(interval_s),
        starts=(),
        hop=params.hop_chirps,
        offset_s=times,
        slice_interval_s=params.hop_chirps * interval_s,
    )


def velocity_axis_mps(radar: RadarConfig, params: DspParams, grid: SlowTime) -> np.ndarray:
    """Ascending velocities of a slice's pixels, float32 (image_size,); positive is away.

    Ends at `params.max_velocity_mps`, or at the radar's unambiguous velocity where that is less
    (which is logged).
    """
    limit = convert.unambiguous_velocity_mps(radar, grid.interval_s)
    if params.max_velocity_mps > limit:
        _tell_once(limit, params.max_velocity_mps)
    end = min(limit, params.max_velocity_mps)
    return np.linspace(-end, end, params.image_size, dtype=np.float32)


@functools.cache
def _tell_once(limit_mps: float, asked_mps: float) -> None:
    log.warning(
        "velocity axis ends at +-%.4g m/s, the radar's unambiguous velocity,"
        " not at max_velocity_mps = %.4g",
        limit_mps, asked_mps,
    )  # fmt: skip
