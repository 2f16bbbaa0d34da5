"""Published chains, reproduced with their axes: `DspParams.compat`.

They stand beside the engine, which does not make their errors: `compat_gaitsada` and
`compat_paper` say what each does. Both are loaded when they are asked for: the engine starts
half a second earlier without what they need of SciPy.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np

from capture.config import RadarConfig
from capture.types import AdcFrame
from radarid.dsp import convert, slowtime
from radarid.dsp.clips import Clip, clip_starts_s, cut_clips, direction_of
from radarid.dsp.compat_strung import (
    IMAGE_SIZE,
    CompatSpectrogram,
    NoWalkError,
    check_fits,
    resized_axis,
)
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream

log = logging.getLogger("radarid")
_PEAK_QUANTILE = 0.999


def compat_chain(frames: Iterable[AdcFrame], params: DspParams) -> list[CompatSpectrogram]:
    """Images of a recording by the chain that `params.compat` names, at least one.

    Parameters
    ----------
    frames : of one recording, in order; held in memory together (one antenna, kept bins)
    params : `compat`; 'paper' also goes by `clip_s`, `hop_s`, `min_range_m` and `max_range_m`.
        All other choices are the chain's own.

    Raises
    ------
    NoWalkError
        The chain makes no image of this recording.
    ParameterError
        The chain does not fit the radar, or the image that is asked for.
    """
    check_fits(params)
    if params.compat == "gaitsada":
        from radarid.dsp import compat_gaitsada

        return [compat_gaitsada.spectrogram(frames)]
    from radarid.dsp import compat_paper

    return compat_paper.spectrograms(frames, params)


def compat_clips(frames: Iterable[AdcFrame], params: DspParams) -> tuple[list[Clip], int]:
    """Clips of a recording by a published chain, for a store or a student.

    Parameters
    ----------
    frames, params : as of `compat_chain`

    Returns
    -------
    clips : list of Clip
        The chain's images, in dB over `params.span_db` below the 99.9 % quantile. The chains ask
        for no walker in each column: quality is the share of columns with at least
        `params.min_valid` of their chirps. Clips below `params.min_quality` are left out.
    n_rejected : of the images that the recording has time for, those that became no clip

    Raises
    ------
    ParameterError
        The chain does not fit the radar, or the image that is asked for.
    """
    try:
        images = compat_chain(frames, params)
    except NoWalkError as reason:
        log.info("compat = '%s' makes no image: %s", params.compat, reason)
        return [], 1
    clips = [_to_clip(image, params) for image in images]
    good = [clip for clip in clips if clip.quality >= params.min_quality]
    return good, len(clips) - len(good)


def clips_of(
    frames: Iterable[AdcFrame], radar: RadarConfig, params: DspParams, n_threads: int = 1
) -> tuple[list[Clip], int]:
    """Clips of a recording by the engine, or by the published chain that `params.compat` names.

    Parameters
    ----------
    frames : of one recording, in order
    radar : their waveform
    params : all signal processing
    n_threads : of the engine; the clips do not depend on their number

    Returns
    -------
    clips : list of Clip, of at least `params.min_quality`
    n_rejected : clips below it

    Raises
    ------
    ParameterError
        The parameters do not fit the radar.
    """
    if params.compat != "none":
        return compat_clips(frames, params)
    stream = SpectrogramStream(radar, params, n_threads)
    slices = Slices.concatenate([stream.push(frames), stream.flush()])
    clips = cut_clips(slices, stream.axes, params)
    n_possible = sum(
        len(list(clip_starts_s(slices.of(track), stream.axes, params)))
        for track in slices.tracks()
    )
    return clips, n_possible - len(clips)


def pixel_axes(radar: RadarConfig, params: DspParams) -> tuple[np.ndarray, np.ndarray]:
    """What the pixels of a clip stand for, whichever chain makes it.

    Returns
    -------
    velocity_mps : float32 array, shape (image_size,), of the rows; true, not as published. Of
        'gaitsada' that of a walk towards the radar, whose images walks away are mirrored to.
    time_s : float64 array, shape (image_size,), of the columns, after the clip's start
    """
    if params.compat == "none":
        velocity_mps = slowtime.velocity_axis_mps(radar, params, slowtime.plan(radar, params))
        duration_s = params.clip_s
    else:
        check_fits(params)
        if params.compat == "gaitsada":
            from radarid.dsp import compat_gaitsada as chain

            rows = (resized_axis(chain.ROWS, chain.ROWS) - chain.WINDOW // 2) / chain.WINDOW
            duration_s = chain.COLUMNS * chain.HOP * radar.frame_period_s / radar.n_slow
        else:
            n = radar.n_slow
            rows = (resized_axis(0, n) - n // 2) / n
            duration_s = params.clip_s
        true_hz = rows / radar.slow_time_interval_s
        velocity_mps = convert.doppler_to_velocity_mps(radar, true_hz).astype(np.float32)
    n_pixels = params.image_size
    return velocity_mps, (np.arange(n_pixels) + 0.5) * (duration_s / n_pixels)


def _to_clip(found: CompatSpectrogram, params: DspParams) -> Clip:
    peak_db = np.quantile(found.image, _PEAK_QUANTILE)
    image = np.clip(1 + (found.image - peak_db) / params.span_db, 0, 1).astype(np.float32)
    valid = found.valid >= params.min_valid
    image[:, ~valid] = 0
    velocity = float(np.median(found.velocity_mps[np.argmax(found.image, axis=0)]))
    pixel_s = abs(found.time_s[-1] - found.time_s[0]) / (IMAGE_SIZE - 1)
    return Clip(
        image=image,
        valid=valid,
        start_s=float(found.time_s.min() - pixel_s / 2),
        quality=float(valid.mean()),
        direction=direction_of(velocity),
        velocity_mps=velocity,
        range_m=found.range_m,
    )
