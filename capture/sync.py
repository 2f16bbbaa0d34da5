"""When did the camera start? Told by motion that the radar and the video both saw.

A body that starts, stops or swings its limbs changes the pictures while it makes Doppler shifts.
The two histories of motion are correlated at every offset that is possible; the best one counts
only if noise of the same kind does not reach it, and if no other offset fits about as well.

References: Lewis, Fast normalized cross-correlation, Vision Interface 1995 (with masks: Padfield,
IEEE Trans. Image Processing 21 (2012)); surrogates of equal spectrum: Theiler et al., Physica D 58
(1992); resampled blocks: Kuensch, Annals of Statistics 17 (1989).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from capture.errors import CameraError, ConfigError
from capture.schema import config_class

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_CELLS = 64  # of a picture's longer side
_Z95 = 1.959964


@config_class
class SyncParams:
    """How the offset of a camera is searched.

    Attributes
    ----------
    max_offset_s : offsets tried, either way
    min_overlap_s, min_overlap : at every offset tried, both must have seen so much of the same
        time, in seconds and as a share of the shorter history
    step_s : of the common time axis, and between two offsets
    smooth_s : moving average that both histories get
    trend_s : what changes more slowly is left out (a walker who comes nearer)
    block_s : length of the pieces of time that are drawn anew to find the uncertainty
    n_draws : such draws, and surrogates of the radar's history
    lobe_s : maxima nearer to each other than this are one
    significance : standard deviations (of the surrogates' maxima, after Fisher's transform) that
        the maximum must exceed their mean by; 4 lets 0.3 % of pure noise pass
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
    significance: float = 4.0
    max_doubt: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        lengths = (self.max_offset_s, self.min_overlap_s, self.step_s, self.smooth_s, self.trend_s,
                   self.block_s, self.lobe_s)
        if min(lengths) <= 0 or self.n_draws < 20 or not 0 <= self.max_doubt < 1:
            raise ConfigError("parameters of the camera's offset out of range", got=self,
                              expected="times above 0, n_draws from 20, max_doubt in [0, 1)")


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
        At the middle between each picture and the next: the square root of the summed change of
        grey level per second, over cells that change more than others do from noise.

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
    inside = np.maximum(change[:, busy] - 2 * noise, 0).sum(axis=1) if busy.any() else np.zeros(1)
    between_s = np.diff(times)
    return History(np.asarray(times[:-1]) + between_s / 2,
                   np.sqrt(inside / between_s) * np.ones(len(between_s)))


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
    amplitude = np.sqrt(np.maximum(power - 4 * noise, 0))
    still = 0.02 * np.quantile(amplitude.sum(axis=1), 0.95) + np.finfo(float).tiny
    speed = amplitude @ np.abs(velocity_mps) / (amplitude.sum(axis=1) + still)
    return History(np.asarray(time_s, np.float64), np.where(valid, np.sqrt(speed), np.nan))


def find_offset(radar: History, camera: History, params: SyncParams | None = None) -> Sync:
    """Find the time of the camera's first picture on the radar's clock.

    Parameters
    ----------
    radar, camera : what each saw of the same motion, on its own clock
    params : how it is searched

    Raises
    ------
    CameraError
        One of them is shorter than the overlap asked for, or shows no motion at all.
    """
    params = params or SyncParams()
    shorter_s = min(float(np.ptp(history.time_s)) for history in (radar, camera))
    params = dataclasses.replace(
        params, min_overlap_s=max(params.min_overlap_s, params.min_overlap * shorter_s)
    )
    a, c = (_prepare(history, params, name) for history, name in
            ((radar, "radar"), (camera, "camera")))
    shift = np.arange(1 - len(c.values), len(a.values))
    tried_s = shift * params.step_s + a.start_s - c.start_s
    near = np.abs(tried_s) <= params.max_offset_s
    shift, tried_s = shift[near], tried_s[near]
    sums = _lagged_sums(a.values, c.values, shift, params)
    curve = _correlation(sums.sum(axis=0), params)
    if not np.isfinite(curve).any():
        raise CameraError("camera and radar have too little in common at every offset tried",
                          expected=f"an overlap of {params.min_overlap_s} s with motion in it")
    rng = np.random.default_rng(params.seed)
    best = int(np.nanargmax(curve))
    offset_s = _peak(tried_s, curve, best)
    outside = np.where(np.abs(tried_s - tried_s[best]) > params.lobe_s, curve, np.nan)
    second = int(np.nanargmax(outside)) if np.isfinite(outside).any() else best
    drawn_s, n_blocks = _redraw(sums, tried_s, params, rng)
    strays = np.abs(drawn_s - offset_s) > params.lobe_s
    spread_s = float(np.std(drawn_s[~strays])) if (~strays).sum() > 1 else math.inf
    own_s = float(np.median(np.diff(camera.time_s)))
    found = Sync(
        offset_s=offset_s,
        uncertainty_s=math.hypot(_t95(n_blocks - 1) * spread_s, own_s / 2, params.step_s / 2),
        correlation=float(curve[best]),
        noise_correlation=_noise_level(a.values, c.values, shift, params, rng),
        second_s=float(tried_s[second]), second_correlation=float(curve[second]),
        doubt=float(np.mean(strays)), refusal=None, tried_s=tried_s, curve=curve,
    )
    return _judged(found, params)


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


def _lagged_sums(
    a: np.ndarray, c: np.ndarray, shift: np.ndarray, params: SyncParams
) -> np.ndarray:
    """Sums over blocks of the camera's time that correlations are made of.

    Parameters
    ----------
    shift : int array, shape (n_shifts,), samples by which c is moved to later times

    Returns
    -------
    float64 array, shape (n_blocks, n_shifts, 6): sums of 1, a, c, aa, cc, ac
    """
    length = max(1, round(params.block_s / params.step_s))
    n_blocks = -(-len(c) // length)
    padded = np.full(len(a) + 2 * len(c), np.nan)
    padded[len(c) : len(c) + len(a)] = a
    moved = np.lib.stride_tricks.sliding_window_view(padded, len(c))[len(c) + shift]
    both = np.isfinite(moved) & np.isfinite(c)
    x, y = np.where(both, moved, 0.0), np.where(both, c, 0.0)
    starts = np.arange(n_blocks) * length
    parts = [np.add.reduceat(part, starts, axis=1).T
             for part in (both.astype(float), x, y, x * x, y * y, x * y)]
    return np.stack(parts, axis=-1)


def _correlation(sums: np.ndarray, params: SyncParams) -> np.ndarray:
    """Correlation from sums (..., 6); NaN where the overlap is too short or nothing moves."""
    n, a, c, aa, cc, ac = np.moveaxis(sums, -1, 0)
    enough = n * params.step_s >= params.min_overlap_s
    n = np.where(enough, n, 1.0)
    power = (aa - a * a / n) * (cc - c * c / n)
    good = enough & (power > 1e-12 * (aa * cc + 1e-300))
    found = (ac - a * c / n) / np.sqrt(np.where(good, power, 1.0))
    return np.where(good, found, np.nan)


def _peak(tried_s: np.ndarray, curve: np.ndarray, best: int) -> float:
    """Place of a maximum, refined by the parabola through it and its neighbours."""
    if not 0 < best < len(curve) - 1:
        return float(tried_s[best])
    left, top, right = curve[best - 1 : best + 2]
    bend = left - 2 * top + right
    if not bend < 0:  # NaN beside it, or flat
        return float(tried_s[best])
    return float(tried_s[best] + 0.5 * (left - right) / bend * (tried_s[1] - tried_s[0]))


def _redraw(
    sums: np.ndarray, tried_s: np.ndarray, params: SyncParams, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Best offset of draws, with replacement, of the blocks that count; and their number."""
    whole = _correlation(sums.sum(axis=0), params)
    at_best = sums[:, int(np.nanargmax(whole)), 0]
    used = sums[at_best > 0]
    n_blocks = len(used)
    weights = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=params.n_draws)
    total = np.tensordot(weights.astype(float), used, axes=1)
    curves = np.where(np.isfinite(whole), _correlation(total, params), np.nan)
    curves = curves[np.isfinite(curves).any(axis=1)]
    return np.array([_peak(tried_s, curve, int(np.nanargmax(curve))) for curve in curves]), n_blocks


def _noise_level(
    a: np.ndarray, c: np.ndarray, shift: np.ndarray, params: SyncParams, rng: np.random.Generator
) -> float:
    """Correlation that histories of the same spectrum as `a` reach at their best offset."""
    known = np.isfinite(a)
    spectrum = np.abs(np.fft.rfft(np.where(known, a, 0.0)))
    level = np.zeros(params.n_draws)
    for k in range(params.n_draws):
        phase = rng.uniform(0, 2 * np.pi, len(spectrum))
        other = np.fft.irfft(spectrum * np.exp(1j * phase), len(a))
        curve = _fast_correlation(np.where(known, other, np.nan), c, params)[shift + len(c) - 1]
        level[k] = np.arctanh(min(float(np.nanmax(curve)), 0.9999))
    return float(np.tanh(level.mean() + params.significance * level.std()))


def _fast_correlation(a: np.ndarray, c: np.ndarray, params: SyncParams) -> np.ndarray:
    """Correlation at the shifts 1 - len(c) to len(a) - 1, by Fourier transforms."""
    n = len(a) + len(c) - 1
    size = 1 << (n - 1).bit_length()
    known_a, known_c = np.isfinite(a).astype(float), np.isfinite(c).astype(float)
    a, c = np.where(known_a > 0, a, 0.0), np.where(known_c > 0, c, 0.0)
    fa = [np.fft.rfft(part, size) for part in (known_a, a, a * a)]
    fc = [np.conj(np.fft.rfft(part, size)) for part in (known_c, c, c * c)]
    pairs = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1))
    sums = np.stack([np.fft.irfft(fa[i] * fc[j], size) for i, j in pairs], axis=-1)
    sums = np.roll(sums, len(c) - 1, axis=0)[:n]
    sums[:, 0] = np.rint(sums[:, 0])
    return _correlation(sums, params)


def _t95(freedom: int) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5, within 1 % from 4 on)."""
    nu, z = max(1, freedom), _Z95
    return (z + (z**3 + z) / (4 * nu) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * nu**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * nu**3))
