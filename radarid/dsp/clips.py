"""Slices -> clips: images on a uniform time axis, in dB over 45 dB of span, with their quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.errors import ParameterError

Direction = Literal["away", "towards", "across"]

_PEAK_QUANTILE = 0.999
_FLOOR_QUANTILE = 0.2  # a walker lights up less than four fifths of the image
_SLOW_MPS = 0.25  # below this the body moves across, turns or stands
_NEVER_W = 1e-30


@dataclass(frozen=True, slots=True)
class Clip:
    """A training excerpt: the micro-Doppler image of a few steps.

    Attributes
    ----------
    image : float32 array, shape (image_size, image_size), in [0, 1]
        Rows are velocity, ascending (most towards the radar first); columns are time. 1 is the
        clip's peak (99.9 % quantile), 0 is `span_db` below it, or noise, or an invalid column.
    valid : bool array, shape (image_size,), columns that rest on enough received chirps
    start_s : start of the first column, seconds since the start of the recording
    quality : fraction of the columns that are valid and show a walker, in [0, 1]: an echo at
        least `min_presence_db` over the noise, and motion at `min_speed_mps` or faster
    direction : 'away', 'towards' or 'across' (slower than 0.25 m/s)
    velocity_mps : median velocity of the body, positive away
    range_m : median distance of the body
    planes : float32 array, shape (n_more, image_size, image_size), further planes like `image`,
        each one under its own peak; empty without any
    track : number of the walker, where several are told apart
    """

    image: np.ndarray
    valid: np.ndarray
    start_s: float
    quality: float
    direction: Direction
    velocity_mps: float
    range_m: float
    planes: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))
    track: int = 0

    @property
    def layers(self) -> np.ndarray:
        """Image and further planes, float32 (1 + n_more, image_size, image_size)."""
        return np.stack([self.image, *self.planes])


def n_more_planes(params: DspParams) -> int:
    """How many planes an image has beside its first, see `DspParams.planes`."""
    return 0 if params.planes == "one" else 2


@dataclass(frozen=True, slots=True)
class Columns:
    """Slices brought to a uniform time axis.

    Attributes
    ----------
    power : float32 array (n_time, n_velocity), linear; 0 in invalid columns
    valid : bool array (n_time,), whether both neighbouring slices are valid
    present : bool array (n_time,), whether both show a walker
    range_m : float64 array (n_time,), the walker's place
    planes : float32 array (n_more, n_time, n_velocity), like `power`
    """

    power: np.ndarray
    valid: np.ndarray
    present: np.ndarray
    range_m: np.ndarray
    planes: np.ndarray


def cut_clips(slices: Slices, axes: Axes, params: DspParams) -> list[Clip]:
    """All clips of a recording that show a walker, `params.hop_s` apart.

    Parameters
    ----------
    slices, axes : of one recording, as `spectrogram.process` gives them
    params : the parameters that made them

    Returns
    -------
    list of Clip
        Walker by walker, each in order of time. Clips of a quality below `params.min_quality`
        are left out.
    """
    clips = []
    for track in slices.tracks():
        walker = slices.of(track)
        for start_s in clip_starts_s(walker, axes, params):
            clip = clip_at(walker, axes, params, start_s)
            if clip.quality >= params.min_quality:
                clips.append(clip)
    return clips


def clip_starts_s(slices: Slices, axes: Axes, params: DspParams) -> Iterator[float]:
    """Starts of all clips that fit into one walker's slices, on the grid of `params.hop_s`.

    The grid is that of the recording's clock, so that a live stream cuts the same clips.
    """
    if len(slices) < 2:
        return
    edge_s = axes.slice_interval_s / 2
    step = int(np.ceil((slices.time_s[0] - edge_s) / params.hop_s - 1e-9))
    while step * params.hop_s + params.clip_s <= slices.time_s[-1] + edge_s:
        yield step * params.hop_s
        step += 1


def clip_at(slices: Slices, axes: Axes, params: DspParams, start_s: float) -> Clip:
    """Cut the clip that starts at `start_s`.

    Parameters
    ----------
    slices, axes : of one walker of a recording; slices around the clip are enough
    params : the parameters that made them
    start_s : start of the clip, seconds since the start of the recording

    Returns
    -------
    Clip
        Whatever its quality; all columns are invalid where there are no slices.

    Raises
    ------
    ParameterError
        The velocity axis does not have `params.image_size` pixels.
    """
    if len(axes.velocity_mps) != params.image_size:
        raise ParameterError(
            "the velocity axis is not the image's",
            got=f"{len(axes.velocity_mps)} velocities",
            expected=f"image_size = {params.image_size}",
        )
    n = params.image_size
    columns = columns_at(
        slices, axes, params, start_s + (np.arange(n) + 0.5) * (params.clip_s / n)
    )
    shown = columns.valid & columns.present & _walks(columns, axes, params)
    velocity = _body_velocity_mps(columns.power[shown], axes.velocity_mps)
    return Clip(
        image=to_image(columns.power, columns.valid, params),
        valid=columns.valid,
        start_s=start_s,
        quality=float(shown.mean()),
        direction=direction_of(velocity),
        velocity_mps=velocity,
        range_m=float(np.median(columns.range_m[shown])) if shown.any() else float("nan"),
        planes=np.array(
            [to_image(plane, columns.valid, params) for plane in columns.planes], np.float32
        ).reshape(-1, n, n),
        track=int(slices.track[0]) if len(slices) else 0,
    )


def columns_at(slices: Slices, axes: Axes, params: DspParams, time_s: np.ndarray) -> Columns:
    """Interpolate power linearly in time between valid neighbours; mask everything else.

    Parameters
    ----------
    slices, axes : of one walker of a recording
    params : `min_valid` and `min_presence_db` decide what counts
    time_s : float64 array, shape (n_time,), ascending

    Notes
    -----
    Neighbours further apart than 1.5 regular distances are not bridged. Up to half a distance
    outside the outermost slices, the outermost slice is held.
    """
    reach_s = 1.5 * axes.slice_interval_s
    near = slices.between(time_s[0] - reach_s, time_s[-1] + reach_s)
    n = len(time_s)
    if len(near) < 2:
        none, empty = np.zeros(n, bool), np.zeros((n, slices.power.shape[1]), np.float32)
        planes = np.zeros((slices.planes.shape[1], *empty.shape), np.float32)
        return Columns(empty, none, none, np.full(n, np.nan), planes)
    after = np.clip(np.searchsorted(near.time_s, time_s), 1, len(near) - 1)
    before = after - 1
    span_s = near.time_s[after] - near.time_s[before]
    share = np.clip((time_s - near.time_s[before]) / span_s, 0.0, 1.0).astype(np.float32)
    outside_s = np.maximum(near.time_s[0] - time_s, time_s - near.time_s[-1])
    enough = near.valid >= params.min_valid
    valid = enough[before] & enough[after] & (span_s <= reach_s)
    valid &= outside_s <= axes.slice_interval_s / 2 + 1e-9
    here = near.presence_db >= params.min_presence_db

    def between(power: np.ndarray) -> np.ndarray:
        weight = np.expand_dims(share, tuple(range(1, power.ndim)))
        mixed = power[before] * (1 - weight) + power[after] * weight
        mixed[~valid] = 0
        return mixed

    return Columns(
        power=between(near.power),
        valid=valid,
        present=here[before] & here[after],
        range_m=near.range_m[before] * (1 - share) + near.range_m[after] * share,
        planes=np.moveaxis(between(near.planes), 1, 0),
    )


def to_image(power: np.ndarray, valid: np.ndarray, params: DspParams) -> np.ndarray:
    """Map linear power to [0, 1] in dB under the segment's peak, noise and losses to 0.

    Parameters
    ----------
    power : float32 array, shape (n_time, n_velocity), linear
    valid : bool array, shape (n_time,), columns to use
    params : span and noise margin

    Returns
    -------
    float32 array, shape (n_velocity, n_time)

    Notes
    -----
    Peak: the 99.9 % quantile over the valid columns. Noise floor: their 20 % quantile; pixels
    less than `noise_margin_db` above it are 0.
    """
    image = np.zeros(power.shape[::-1], np.float32)
    if not valid.any():
        return image
    level_db = 10 * np.log10(np.maximum(power[valid], _NEVER_W))
    peak_db = np.quantile(level_db, _PEAK_QUANTILE)
    floor_db = np.quantile(level_db, _FLOOR_QUANTILE)
    scaled = np.clip(1 + (level_db - peak_db) / params.span_db, 0.0, 1.0)
    scaled[level_db <= floor_db + params.noise_margin_db] = 0.0
    image[:, valid] = scaled.T
    return image


def _walks(columns: Columns, axes: Axes, params: DspParams) -> np.ndarray:
    """Columns in which something moves at walking speed, clearly over the noise."""
    fast = np.abs(axes.velocity_mps) >= params.min_speed_mps
    if not (fast.any() and columns.valid.any()):
        return np.zeros(len(columns.valid), bool)
    floor = np.quantile(columns.power[columns.valid], _FLOOR_QUANTILE)
    limit = floor * 10 ** ((params.noise_margin_db + params.min_presence_db) / 10)
    return np.asarray(columns.power[:, fast].max(axis=1) > limit)


def _body_velocity_mps(power: np.ndarray, velocity_mps: np.ndarray) -> float:
    """Median over time of the strongest velocity; the trunk outshines the limbs."""
    if len(power) == 0:
        return float("nan")
    return float(np.median(velocity_mps[np.argmax(power, axis=1)]))


def direction_of(velocity_mps: float) -> Direction:
    """Name of a body's radial motion, positive away; slower than 0.25 m/s is across."""
    if velocity_mps > _SLOW_MPS:
        return "away"
    return "towards" if velocity_mps < -_SLOW_MPS else "across"
