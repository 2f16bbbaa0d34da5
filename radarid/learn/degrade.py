"""Clips as a lesser radar, or a walker half hidden, would give them: what a student may see."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid import seeding

Factor = Annotated[int, Field(ge=1)]
Level = Annotated[float, Field(ge=0)]
_AT_ONCE = 256


@config_class
class DegradeParams:
    """What is taken from the student's clips; nothing by default.

    Of several values every clip draws one: all alike are F-SKD's single-resolution training, a
    list with the untouched value in it the multi-resolution one.

    Parameters
    ----------
    doppler : factors by which the velocity resolution falls: as many times fewer chirps in a window
    time : factors by which the time resolution falls: as many times fewer slices
    interp : how the coarse clip is brought back to its size; F-SKD's text says bilinear, its code
        takes the nearest pixel both ways
    noise_db : levels of a noise floor above black; 0 adds none
    span_db : from white to black; `DspParams.span_db` of the store
    n_bands : velocity bands that are blanked, as where limbs are hidden
    band_width : of each, as a share of the velocity axis
    """

    doppler: tuple[Factor, ...] = Field(default=(1,), min_length=1)
    time: tuple[Factor, ...] = Field(default=(1,), min_length=1)
    interp: Literal["bilinear", "nearest"] = "bilinear"
    noise_db: tuple[Level, ...] = Field(default=(0.0,), min_length=1)
    span_db: float = Field(default=45.0, gt=0)
    n_bands: int = Field(default=0, ge=0)
    band_width: float = Field(default=0.1, gt=0, lt=1)

    @property
    def enabled(self) -> bool:
        """Whether any clip is changed."""
        return (
            max(self.doppler) > 1 or max(self.time) > 1 or max(self.noise_db) > 0
            or self.n_bands > 0
        )  # fmt: skip


def degrade(images: Tensor, params: DegradeParams, rng: np.random.Generator) -> Tensor:
    """Take resolution, signal and velocity bands from clips; their geometry stays.

    Parameters
    ----------
    images : uint8 tensor, shape (n, height, width), or (n, n_planes, height, width), whose planes
        change together; rows are velocity, columns time
    params : what is taken
    rng : where chance comes from

    Returns
    -------
    uint8 tensor of the same shape; the same tensor where nothing is taken

    Notes
    -----
    F-SKD section 1 and the concealment of the terahertz network, translated to spectrograms: see
    the specifications. Noise is added as power: with x of span D dB,
    `x' = 1 + 10 log10(10^((x - 1) D / 10) + e 10^((level - D) / 10)) / D`, e exponential of mean 1.
    """
    if not params.enabled or not len(images):
        return images
    planes = (images if images.dim() == 4 else images[:, None]).float() / 255
    n = len(planes)
    factors = np.stack([rng.choice(params.doppler, n), rng.choice(params.time, n)], axis=1)
    levels = rng.choice(params.noise_db, n)
    planes = _coarsened(planes, factors, params.interp)
    if levels.any():
        noise = torch.from_numpy(rng.exponential(size=planes.shape).astype(np.float32))
        planes = _noisy(planes, torch.from_numpy(levels.astype(np.float32)), noise, params.span_db)
    for _ in range(params.n_bands):
        planes = planes * ~_bands(n, planes.shape[2], params.band_width, rng)[:, None, :, None]
    return (planes * 255).round().to(torch.uint8).reshape(images.shape)


def as_tested(images: Tensor, params: DegradeParams) -> Tensor:
    """Degrade clips with the same chance every time: for validation, templates and tests.

    Parameters and result are those of `degrade`.
    """
    if not params.enabled:
        return images
    rng = seeding.rng(0, "degraded clips of a test")
    return torch.cat([degrade(part, params, rng) for part in images.split(_AT_ONCE)])


def _coarsened(planes: Tensor, factors: np.ndarray, interp: str) -> Tensor:
    """Shrink each clip by its own (doppler, time) factors and bring it back to its size."""
    size = planes.shape[2:]
    coarse = planes.clone()
    for doppler, time in np.unique(factors, axis=0):
        if doppler == time == 1:
            continue
        rows = torch.from_numpy(np.flatnonzero((factors == (doppler, time)).all(axis=1)))
        small = (max(1, size[0] // int(doppler)), max(1, size[1] // int(time)))
        if interp == "nearest":
            shrunk = functional.interpolate(planes[rows], size=small, mode="nearest")
            coarse[rows] = functional.interpolate(shrunk, size=size, mode="nearest")
        else:
            shrunk = functional.interpolate(planes[rows], size=small, mode="area")
            coarse[rows] = functional.interpolate(
                shrunk, size=size, mode="bilinear", align_corners=False
            )
    return coarse


def _noisy(planes: Tensor, levels: Tensor, noise: Tensor, span_db: float) -> Tensor:
    """Add noise of each clip's level above black, where that is not 0."""
    levels = levels[:, None, None, None]
    power = 10 ** ((planes - 1) * span_db / 10) + noise * 10 ** ((levels - span_db) / 10)
    return torch.where(levels > 0, (1 + 10 * power.log10() / span_db).clamp(0, 1), planes)


def _bands(n: int, length: int, share: float, rng: np.random.Generator) -> Tensor:
    """Mark one run of `share` of `length` in each of n rows."""
    extent = max(1, round(share * length))
    start = rng.integers(length - extent + 1, size=n)[:, None]
    place = np.arange(length)[None, :]
    return torch.from_numpy((place >= start) & (place < start + extent))
