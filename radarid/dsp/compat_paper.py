"""The chain of the IdentityKD paper: what it states, and our reading of what it does not.

Stated (section on data; doi 10.1145/3696409.3700254): range transform, range-time map, one
Doppler transform for each range bin, the bins' spectrograms merged, resized to 256 x 256; a
velocity resolution of 0.06 m/s, which is lambda / (2 x 33 ms), so that a frame's chirps are taken
to fill the frame period, and every velocity comes out 16.4 % too small.

Our reading, since nothing is said: the first receive antenna and strung chirps, as in the chain
of the data set that it uses (`compat_gaitsada`); Hann in both transforms; windows of one frame's
chirps (which give that resolution), hop 16; each window's mean taken off, without which a wall
outshines the walker; magnitudes summed over the bins of `min_range_m` to `max_range_m` (true
axis); 20 log10; the whole Doppler axis; images of `clip_s`, `hop_s` apart.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.signal

from capture.config import RadarConfig
from capture.types import AdcFrame
from radarid.dsp import convert
from radarid.dsp.compat_images import resized
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
from radarid.dsp.params import DspParams


def spectrograms(frames: Iterable[AdcFrame], params: DspParams) -> list[CompatSpectrogram]:
    """All images of a recording, rows ascending from the fastest motion towards the radar.

    Parameters
    ----------
    frames : of one recording, in order
    params : `clip_s`, `hop_s`, `min_range_m` and `max_range_m`

    Raises
    ------
    NoWalkError
        The recording is shorter than an image.
    """

    def bins(radar: RadarConfig) -> slice:
        return convert.kept_bins(radar, radar.n_samples, params.min_range_m, params.max_range_m)

    strung = string_together(frames, bins)
    taper = scipy.signal.windows.hann(strung.radar.n_slow, sym=False)
    magnitude = merged_magnitude(strung.profiles, taper)
    length = round(params.clip_s * strung.published_rate_hz / HOP)
    hop = params.hop_s * strung.published_rate_hz / HOP
    n_columns = magnitude.shape[1]
    if n_columns < length:
        raise NoWalkError(
            "the recording is shorter than an image",
            got=f"{n_columns} columns", expected=f"{length} of clip_s = {params.clip_s:g} s",
        )  # fmt: skip
    return [
        _image(strung, magnitude, round(k * hop), length)
        for k in range(int((n_columns - length) // hop) + 1)
    ]


def _image(strung: Strung, magnitude: np.ndarray, first: int, length: int) -> CompatSpectrogram:
    """The image of `length` columns from the column `first` on."""
    window = len(magnitude)
    rows = resized_axis(0, window) - window // 2
    velocity_mps, published_mps = strung.velocities_mps(rows / window)
    middles = resized_axis(first, length) * HOP + (window - 1) / 2
    part = magnitude[:, first : first + length]
    profiles = strung.profiles[:, first * HOP : (first + length) * HOP]
    moving = profiles - profiles.mean(axis=1, keepdims=True)
    return CompatSpectrogram(
        image=resized(20 * np.log10(np.maximum(part, FLOOR)), (IMAGE_SIZE, IMAGE_SIZE)),
        velocity_mps=velocity_mps,
        published_velocity_mps=published_mps,
        time_s=strung.time_s(middles),
        published_time_s=strung.published_time_s(middles),
        valid=column_share(strung.valid, middles - window / 2, window),
        range_m=float(strung.range_m[np.argmax(np.linalg.norm(moving, axis=1))]),
    )
