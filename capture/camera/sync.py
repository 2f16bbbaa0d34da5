"""When did the camera start? Told by motion that the radar and the video both saw.

A body that starts, stops or swings its limbs changes the pictures while it makes Doppler shifts.
The two histories of motion are correlated at every offset that is possible; the best one counts
only if noise of the same kind does not reach it, and if no other offset fits about as well.

References: surrogates of equal spectrum: Theiler et al., Physica D 58 (1992); resampled blocks:
Kuensch, Annals of Statistics 17 (1989).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from capture.camera.correlation import correlation, fast_sums, lagged_sums, peak, score, t95
from capture.errors import CameraError, ConfigError
from capture.schema import config_class

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_CELLS = 64  # of a picture's longer side


@config_class
class SyncParams:
    """How the offset of a camera is searched.

    Attributes
    ----------
    max_offset_s : farthest offsets tried from the one that is believed
    min_overlap_s, min_overlap : at every offset tried, both must have seen so much of the same
        time, in seconds and as a share of the shorter history
    step_s : of the common time axis, and between two offsets
    smooth_s : moving average that both histories get
    trend_s : what changes more slowly is left out (a walker who comes nearer)
    block_s : length of the pieces of time that are drawn anew to find the uncertainty
    n_draws : such draws, and surrogates of the radar's history
    lobe_s : maxima nearer to each other than this are one
    significance : standard deviations of the surrogates' best scores that the best score must
        exceed their mean by; 5 lets about 1 % of unrelated stop and go pass, and no noise
    max_doubt : share of the draws in which another maximum may win
    seed : of the draws
    """

    max_offset_s: float = 20.0
    min_overlap_s: float = 4.0
    min_overlap: float = 0.5
    step_s: float = 0.05
    smooth_s: float = 0.2
    trend_s: float = 6.0
    block_s: float = 1.5
    n_draws: int = 300
    lobe_s: float = 0.3
    significance: float = 5.0
    max_doubt: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        lengths = (self.max_offset_s, self.min_overlap_s, self.step_s, self.smooth_s, self.trend_s,
                   self.block_s, self.lobe_s)
        if min(lengths) <= 0 or self.n_draws < 20 or not 0 <= self.max_doubt < 1:
            raise ConfigError("parameters of the camera's offset out of range", got=self,
                              expected="times above 0, n_draws from 20, max_doubt in [0, 1)")

    @property
    def min_overlap_steps(self) -> float:
        """Samples of the common time axis that must overlap."""
        return self.min_overlap_s / self.step_s - 1e-6


@dataclass(frozen=True)
class History:
    """Amount of motion over time.

    Attributes
    ----------
    time_s : float64 array, shape (n,), ascending
    motion : float64 array, shape (n,), not negative; NaN where nothing is known
    """

    time_s: np.ndarray
    motion: np.ndarray


@dataclass(frozen=True)
class Sync:
    """What the search for the offset found.

    Attributes
    ----------
    offset_s : time of the camera's first picture on the radar's clock
    uncertainty_s : half of the 95 % interval around it
    correlation : at the best offset
    noise_correlation : what it had to exceed
    second_s, second_correlation : next best offset that is no neighbour of the best
    doubt : share of the draws in which another offset won
    refusal : why the offset must not be used; None when it may
    tried_s, curve : float64 arrays, shape (n,), offsets tried and their correlations (NaN where
        the overlap is too short)
    """

    offset_s: float
    uncertainty_s: float
    correlation: float
    noise_correlation: float
    second_s: float
    second_correlation: float
    doubt: float
    refusal: str | None
    tried_s: np.ndarray
    curve: np.ndarray


def video_motion(pictures: Iterable[tuple[float, np.ndarray]]) -> History:
    """Motion in a video: change from picture to picture inside the region that moves.

    Parameters
    ----------
    pictures : (time_s, uint8 (height, width, 3) RGB), times ascending

    Returns
    -------
    History
        At the middle between each picture and the next: the logarithm of the change of grey level
        per second, over cells that change more than others do from noise. Logarithm, because a
        walker who is near fills, and changes, more of the picture.

    Raises
    ------
    CameraError
        Fewer than three pictures.
    """
    times, greys = [], []
    for time_s, image in pictures:
        times.append(time_s)
        greys.append(_cells(image))
    if len(greys) < 3:
        raise CameraError("too few pictures to see motion", got=len(greys), expected="three")
    change = np.abs(np.diff(np.stack(greys), axis=0))
    noise = np.median(change)
    busy = np.quantile(change, 0.95, axis=0) > 4 * noise + 1.0
    inside = np.maximum(change[:, busy] - 4 * noise, 0).sum(axis=1)
    between_s = np.diff(times)
    amount = np.sqrt(inside / between_s)
    usual = 0.1 * float(np.quantile(amount, 0.98))
    middle_s = np.asarray(times[:-1]) + between_s / 2
    return History(middle_s, np.log1p(amount / usual) if usual > 0 else np.zeros(len(amount)))


def _cells(image: np.ndarray) -> np.ndarray:
    """Grey levels of a picture, averaged over square cells; float32."""
    side = max(1, max(image.shape[:2]) // _CELLS)
    height, width = (n // side * side for n in image.shape[:2])
    grey = image[:height, :width].astype(np.float32) @ _GREY
    blocks: np.ndarray = grey.reshape(height // side, side, width // side, side).mean(axis=(1, 3))
    return blocks


def radar_motion(
    time_s: np.ndarray, power: np.ndarray, velocity_mps: np.ndarray, valid: np.ndarray
) -> History:
    """Motion that the radar saw: root mean radial speed of all that moves.

    Parameters
    ----------
    time_s : float array, shape (n,), centres of the slices
    power : float array, shape (n, n_velocity), micro-Doppler slices, linear
    velocity_mps : float array, shape (n_velocity,)
    valid : bool array, shape (n,), slices that rest on received data

    Returns
    -------
    History
        The square root of the mean of |velocity|, weighted with the amplitude above the noise;
        power that only just exceeds the noise counts as standing still.
    """
    power = np.asarray(power, np.float64)
    noise = np.median(power[valid]) if valid.any() else 0.0
    amplitude = np.sqrt(np.maximum(power - 6 * noise, 0))
    still = 0.02 * np.quantile(amplitude.sum(axis=1), 0.95) + np.finfo(float).tiny
    speed = amplitude @ np.abs(velocity_mps) / (amplitude.sum(axis=1) + still)
    return History(np.asarray(time_s, np.float64), np.where(valid, np.sqrt(speed), np.nan))


def find_offset(
    radar: History, camera: History, params: SyncParams | None = None, around_s: float = 0.0
) -> Sync:
    """Find the time of the camera's first picture on the radar's clock.

    Parameters
    ----------
    radar, camera : what each saw of the same motion, on its own clock
    params : how it is searched
    around_s : offset in the middle of those tried

    Raises
    ------
    CameraError
        One of them is shorter than the overlap asked for, or shows no motion at all.
    """
    params = params or SyncParams()
    a, c = (_prepare(history, params, name) for history, name in
            ((radar, "radar"), (camera, "camera")))
    shortest_s = params.min_overlap * params.step_s * min(len(a.values), len(c.values))
    params = dataclasses.replace(params, min_overlap_s=max(params.min_overlap_s, shortest_s))
    shift = np.arange(1 - len(c.values), len(a.values))
    tried_s = shift * params.step_s + a.start_s - c.start_s
    near = np.abs(tried_s - around_s) <= params.max_offset_s
    shift, tried_s = shift[near], tried_s[near]
    sums = lagged_sums(a.values, c.values, shift, max(1, round(params.block_s / params.step_s)))
    curve = correlation(sums.sum(axis=0), params.min_overlap_steps)
    if not np.isfinite(curve).any():
        raise CameraError("camera and radar have too little in common at every offset tried",
                          expected=f"an overlap of {params.min_overlap_s:.1f} s with motion in it")
    rng = np.random.default_rng(params.seed)
    noise_score = _noise_level(a.values, c.values, shift, params, rng)
    picture_s = float(np.median(np.diff(camera.time_s)))
    return _judged(_best(sums, curve, tried_s, noise_score, picture_s, params, rng), params)


def _best(
    sums: np.ndarray, curve: np.ndarray, tried_s: np.ndarray, noise_score: float, picture_s: float,
    params: SyncParams, rng: np.random.Generator,
) -> Sync:  # fmt: skip
    """Best and second best offset, and how sure the best one is."""
    whole = sums.sum(axis=0)
    scores = score(whole, params.min_overlap_steps)
    best = int(np.nanargmax(scores))
    offset_s = peak(tried_s, curve, best)
    outside = np.where(np.abs(tried_s - tried_s[best]) > params.lobe_s, scores, np.nan)
    second = int(np.nanargmax(outside)) if np.isfinite(outside).any() else best
    drawn_s, n_blocks = _redraw(sums, tried_s, best, params, rng)
    strays = np.abs(drawn_s - offset_s) > params.lobe_s
    spread_s = float(np.std(drawn_s[~strays])) if (~strays).sum() > 1 else math.inf
    longest = math.sqrt(whole[:, 0].max() / whole[best, 0])
    return Sync(
        offset_s=offset_s,
        uncertainty_s=math.hypot(t95(n_blocks - 1) * spread_s, picture_s / 2, params.step_s / 2),
        correlation=float(curve[best]), noise_correlation=math.tanh(noise_score * longest),
        second_s=float(tried_s[second]), second_correlation=float(curve[second]),
        doubt=float(np.mean(strays)), refusal=None, tried_s=tried_s, curve=curve,
    )


def _judged(found: Sync, params: SyncParams) -> Sync:
    """Refuse an offset that noise, or another offset, could have given as well."""
    refusal = None
    if found.correlation <= found.noise_correlation:
        refusal = (f"the best correlation ({found.correlation:.2f}) is one that unrelated motion "
                   f"reaches, too ({found.noise_correlation:.2f})")
    elif found.doubt > params.max_doubt:
        refusal = (f"{found.second_s:.2f} s fits nearly as well as {found.offset_s:.2f} s "
                   f"(correlations {found.second_correlation:.2f}, {found.correlation:.2f})")
    return dataclasses.replace(found, refusal=refusal)


@dataclass(frozen=True)
class _Even:
    """A history on evenly spaced times; NaN where nothing is known."""

    start_s: float
    values: np.ndarray


def _prepare(history: History, params: SyncParams, name: str) -> _Even:
    """Bring a history to even times, smooth it, and take its trend away."""
    known = np.isfinite(history.motion)
    time_s, motion = history.time_s[known], history.motion[known]
    if len(time_s) < 3 or time_s[-1] - time_s[0] < params.min_overlap_s:
        raise CameraError(
            f"the {name} saw too little", got=f"{len(time_s)} usable moments",
            expected=f"more than {params.min_overlap_s} s",
        )
    grid_s = np.arange(time_s[0], time_s[-1], params.step_s)
    values = np.interp(grid_s, time_s, motion)
    gap_s = max(3 * params.smooth_s, 3 * float(np.median(np.diff(time_s))))
    after = np.clip(np.searchsorted(time_s, grid_s, side="right"), 1, len(time_s) - 1)
    values[time_s[after] - time_s[after - 1] > gap_s] = np.nan
    fine = _moving_mean(values, params.smooth_s / params.step_s)
    even = fine - _moving_mean(fine, params.trend_s / params.step_s)
    if not np.nanstd(even) > 1e-9 * (1e-9 + np.nanmax(np.abs(motion))):
        raise CameraError(f"the {name} saw no motion", remedy="move in front of both")
    return _Even(float(grid_s[0]), even)


def _moving_mean(values: np.ndarray, length: float) -> np.ndarray:
    """Mean over `length` samples around each one that are not NaN."""
    window = np.ones(max(1, round(length) | 1))
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), window)
    count = np.convolve(known.astype(float), window)
    inside = slice(len(window) // 2, len(window) // 2 + len(values))
    return np.where(known, total[inside] / np.maximum(count[inside], 1), np.nan)


def _redraw(
    sums: np.ndarray, tried_s: np.ndarray, best: int, params: SyncParams, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Best offset of draws, with replacement, of the blocks that count; and their number."""
    used = sums[sums[:, best, 0] > 0]
    n_blocks = len(used)
    weights = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=params.n_draws)
    total = np.tensordot(weights.astype(float), used, axes=1)
    curves = correlation(total, params.min_overlap_steps)
    scores = score(total, params.min_overlap_steps)
    drawn = np.isfinite(scores).any(axis=1)
    return np.array([
        peak(tried_s, curve, int(np.nanargmax(own)))
        for curve, own in zip(curves[drawn], scores[drawn], strict=True)
    ]), n_blocks  # fmt: skip


def _noise_level(
    a: np.ndarray, c: np.ndarray, shift: np.ndarray, params: SyncParams, rng: np.random.Generator
) -> float:
    """Score that histories of the same spectrum as `a` hardly reach at their best offset."""
    known = np.isfinite(a)
    spectrum = np.abs(np.fft.rfft(np.where(known, a, 0.0)))
    level = np.zeros(params.n_draws)
    for k in range(params.n_draws):
        phase = rng.uniform(0, 2 * np.pi, len(spectrum))
        other = np.fft.irfft(spectrum * np.exp(1j * phase), len(a))
        sums = fast_sums(np.where(known, other, np.nan), c)[shift + len(c) - 1]
        level[k] = np.nanmax(score(sums, params.min_overlap_steps))
    return float(level.mean() + params.significance * level.std())
