"""The chain of GaitSADA (and STAR before it), as its published script runs.

Source: github.com/exitudio/GaitSADA, `preprocess/mmwave_spectrogram.py`. What it takes for
granted is kept: the first receive antenna; all chirps of all frames strung together as if they
were spread evenly over the frame periods (6970 instead of 8333 chirps a second with the paper's
radar), so that every velocity comes out 16.4 % too small and the gap between two frames makes
lines at multiples of the frame rate; and a range axis from the bandwidth of the whole ramp, so
that "1 to 5 m" are 1.4 to 5.9 m. The axes here are both, the published and the true ones.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.ndimage
import scipy.signal

from capture.config import C_MPS, RadarConfig
from capture.types import AdcFrame
from radarid.dsp.compat_images import largest_outline, otsu_threshold, resized
from radarid.dsp.compat_strung import (
    FLOOR,
    HOP,
    IMAGE_SIZE,
    CompatSpectrogram,
    NoWalkError,
    Strung,
    column_share,
    merged_magnitude,
    resized_axis,
    string_together,
)
from radarid.errors import ParameterError

MIN_RANGE_M, MAX_RANGE_M = 1.0, 5.0  # on the published axis
HIGHPASS_ORDER, HIGHPASS_HZ = 8, 50.0
WINDOW, ATTENUATION_DB = 512, 120.0
SEARCH_SIZE, SEARCH_SIGMA = 224, 5.0  # of the picture in which the walker is looked for
FOLLOW_S = 0.2  # five times that much is kept of a range bin
KERNEL_SIZE, KERNEL_SIGMA = 15, 2.0
ROWS, COLUMNS = 128, 1024  # cut out of 512 Doppler bins and all columns


def spectrogram(frames: Iterable[AdcFrame]) -> CompatSpectrogram:
    """Image of one walk, as GaitSADA's networks see it.

    Hann over the samples, range bins of "1 to 5 m", Butterworth high-pass (order 8, "50 Hz") on
    slow time; in the range-time picture, smoothed and cut at Otsu's threshold, the outline of
    the largest region is the walker, and of each range bin only the "second" after she enters it
    (walking towards) or before she leaves it (away) is kept. Doppler transform (Chebyshev 512 of
    120 dB, hop 16) of each bin; magnitudes summed over the bins; each column over its sum; minus
    the mean of all, negatives to zero; Gaussian of 15 x 15 pixels; 20 log10. Of that the 1024
    columns in the middle and a quarter of the Doppler bins, from standstill to the walker's side,
    resized to 256 x 256.

    Parameters
    ----------
    frames : of one recording, in order

    Returns
    -------
    CompatSpectrogram
        The first row is the fastest motion, the last is standstill. A walk towards the radar has
        time from left to right; one away from it is mirrored, so that it looks like the other.

    Raises
    ------
    NoWalkError
        Where the script leaves a recording out: too short, or no walker is found in it.
    ParameterError
        The radar does not reach as far as the chain looks.

    Notes
    -----
    A bin that is left within the first "second" of a recording is deleted as a whole, since the
    script's index is negative there. What was lost on the way is zero, as TI's recorder fills it.
    """
    strung = string_together(frames, range_bins)
    profiles = remove_clutter(strung)
    profiles, strung_from, is_away = follow_walker(profiles, strung.published_rate_hz)
    taper = scipy.signal.windows.chebwin(WINDOW, ATTENUATION_DB)
    image, first_column = enhance(merged_magnitude(profiles, taper))
    return _cut(image, first_column, is_away, strung, _strongest_m(profiles, strung, strung_from))


def range_bins(radar: RadarConfig) -> slice:
    """The chain's range bins, counted in c / 2 B with B of the whole ramp."""
    published_bin_m = C_MPS / (2 * radar.slope_hz_per_s * radar.ramp_end_s)
    bins = slice(
        int(np.ceil(MIN_RANGE_M / published_bin_m)), int(np.ceil(MAX_RANGE_M / published_bin_m))
    )
    n_usable = radar.n_samples if radar.adc_format == "complex1x" else radar.n_samples // 2
    if not bins.start < bins.stop <= n_usable:
        raise ParameterError(
            "this radar's range bins do not hold what the chain looks at",
            where="compat = 'gaitsada'",
            got=f"{n_usable} bins of {published_bin_m:.3g} m on the published axis",
            expected=f"bins from {MIN_RANGE_M:g} to {MAX_RANGE_M:g} m",
        )
    return bins


def remove_clutter(strung: Strung) -> np.ndarray:
    """High-pass on the strung chirps, complex128 (n_bins, n); runs across the joints.

    In the script's one polynomial, although that makes 1e-5 of a wall's level of rounding.
    """
    corner = HIGHPASS_HZ / (strung.published_rate_hz / 2)
    b, a = scipy.signal.butter(HIGHPASS_ORDER, corner, "highpass")
    return np.asarray(scipy.signal.lfilter(b, a, strung.profiles, axis=1))


def walker_mask(profiles: np.ndarray) -> np.ndarray:
    """Where the walker's outline lies, bool (n_bins, n), in the picture of |profiles| in dB."""
    magnitude = np.abs(profiles)
    peak = magnitude.max(initial=0.0)
    if peak == 0:
        return np.zeros(profiles.shape, bool)
    level_db = 20 * np.log10(np.maximum(magnitude / peak, FLOOR))
    picture = resized(level_db, (SEARCH_SIZE, SEARCH_SIZE))
    picture = scipy.ndimage.gaussian_filter(picture, SEARCH_SIGMA)
    outline = largest_outline(picture > otsu_threshold(picture))
    return resized(outline.astype(np.float64), magnitude.shape) > 0


def follow_walker(
    profiles: np.ndarray, published_rate_hz: float
) -> tuple[np.ndarray, int, bool]:
    """Zero all but the walker, seen as the outline of the largest region.

    Returns
    -------
    profiles : complex128 array, shape (n_kept, n), from the first bin with a walker on
    first_bin : which one that is
    is_away : whether the walker is in the nearest bin in the first half of the recording

    Raises
    ------
    NoWalkError
        There is no walker, or the outline does not cross every bin from the first one on.
    """
    seen = walker_mask(profiles).any(axis=1)
    if not seen.any():
        raise NoWalkError("no walker in the range-time picture")
    first_bin = int(np.argmax(seen))
    kept = profiles[first_bin:].copy()
    mask = walker_mask(kept)
    if not mask.any(axis=1).all():
        raise NoWalkError("the walker does not cross all range bins")
    n = mask.shape[1]
    enters = np.argmax(mask, axis=1)
    leaves = n - 1 - np.argmax(mask[:, ::-1], axis=1)
    is_away = bool(enters[0] < n / 2)
    length = 5 * int(np.ceil(FOLLOW_S * published_rate_hz))
    for row, enter, leave in zip(kept, enters, leaves, strict=True):
        start, stop = (leave - length, leave) if is_away else (enter, enter + length)
        row[:start] = 0  # all of it where that is negative: the script's slip, kept
        row[stop:] = 0
    return kept, first_bin, is_away


def enhance(magnitude: np.ndarray) -> tuple[np.ndarray, int]:
    """The chain's image, dB, over the longest stretch of columns that hold anything.

    Returns
    -------
    image : float64 array, shape (512, n_columns); -180 dB stands for nothing
    first_column : of that stretch
    """
    total = magnitude.sum(axis=0)
    image = np.where(total > 0, magnitude / np.where(total > 0, total, 1), 0)
    image = np.maximum(image - image.mean(), 0)
    place = np.arange(KERNEL_SIZE) - KERNEL_SIZE // 2
    kernel = np.exp(-(place**2) / (2 * KERNEL_SIGMA**2))
    for axis in (0, 1):
        image = scipy.ndimage.convolve1d(image, kernel / kernel.sum(), axis, mode="nearest")
    holds = np.concatenate([[False], (image > 0).any(axis=0), [False]])
    edges = np.flatnonzero(np.diff(holds.astype(np.int8)))
    starts, stops = edges[0::2], edges[1::2]
    if not len(starts):
        raise NoWalkError("nothing moves")
    longest = int(np.argmax(stops - starts))
    first, last = int(starts[longest]), int(stops[longest]) - 1  # the script drops the last one
    return 20 * np.log10(np.where(image > 0, image, FLOOR))[:, first:last], first


def _cut(
    image: np.ndarray, first_column: int, is_away: bool, strung: Strung, range_m: float
) -> CompatSpectrogram:
    """Cut the middle and the walker's side out of an image, and resize it."""
    middle = image.shape[1] // 2
    if middle < COLUMNS // 2:
        needed_s = (WINDOW + HOP * COLUMNS) / strung.published_rate_hz
        raise NoWalkError(
            "the walk is too short for the chain's image",
            got=f"{image.shape[1]} columns with a walker",
            expected=f"{COLUMNS}, which are {needed_s:.3g} s",
        )
    left, standstill = middle - COLUMNS // 2, WINDOW // 2
    columns = first_column + resized_axis(left, COLUMNS)
    bottom = standstill if is_away else ROWS
    rows = resized_axis(bottom, ROWS)
    part = image[bottom : bottom + ROWS, left : left + COLUMNS]
    if is_away:
        part, rows, columns = part[::-1, ::-1], rows[::-1], columns[::-1]
    velocity_mps, published_mps = strung.velocities_mps((rows - standstill) / WINDOW)
    middles = columns * HOP + (WINDOW - 1) / 2
    n_seen = WINDOW + HOP * COLUMNS // IMAGE_SIZE
    return CompatSpectrogram(
        image=resized(part, (IMAGE_SIZE, IMAGE_SIZE)),
        velocity_mps=velocity_mps,
        published_velocity_mps=published_mps,
        time_s=strung.time_s(middles),
        published_time_s=strung.published_time_s(middles),
        valid=column_share(strung.valid, middles - n_seen / 2, n_seen),
        range_m=range_m,
    )


def _strongest_m(profiles: np.ndarray, strung: Strung, first_bin: int) -> float:
    energy = (np.abs(profiles) ** 2).sum(axis=1)
    return float(strung.range_m[first_bin + int(np.argmax(energy))])
