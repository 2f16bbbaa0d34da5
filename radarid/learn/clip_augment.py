"""Random changes of training clips that leave the walker who they are."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class

N_CHANCES = 9
"""Random numbers that one clip is changed by: a column each, so options do not shift each other."""


@config_class
class ClipAugment:
    """How much training clips are changed; nothing by default, as in the paper.

    Parameters
    ----------
    mirror : chance of reversing the velocity axis: a walk away becomes one towards
    velocity_jitter : largest relative change of the velocities: rows move towards or from the
        middle one, as if the person had walked slower or faster
    time_crop : largest share of the clip that is cut off; what is left is stretched to the whole
    time_shift : longest shift, as a share of the clip; what leaves on one side enters on the
        other, which a periodic gait bears
    time_mask, velocity_mask : widest stripe that is blanked across each axis, as a share of the
        clip (SpecAugment, one stripe an axis; Park et al., Interspeech 2019)
    """

    mirror: float = Field(default=0.0, ge=0, le=1)
    velocity_jitter: float = Field(default=0.0, ge=0, lt=1)
    time_crop: float = Field(default=0.0, ge=0, lt=1)
    time_shift: float = Field(default=0.0, ge=0, le=1)
    time_mask: float = Field(default=0.0, ge=0, lt=1)
    velocity_mask: float = Field(default=0.0, ge=0, lt=1)


def augment(images: Tensor, params: ClipAugment, chance: np.ndarray) -> Tensor:
    """Change each clip at random.

    Parameters
    ----------
    images : uint8 tensor, shape (n, height, width), or (n, n_planes, height, width), whose planes
        change together; rows are velocity, columns time
    params : how much
    chance : float64 array, shape (n, N_CHANCES), drawn uniformly from [0, 1); row k decides all
        about clip k, whichever clips are beside it

    Returns
    -------
    uint8 tensor of the same shape
    """
    planes = images if images.dim() == 4 else images[:, None]
    height, width = planes.shape[2:]
    turned = torch.from_numpy(mirrored(params, chance))
    if turned.any():
        planes = torch.where(turned[:, None, None, None], planes.flip(2), planes)
    if params.velocity_jitter or params.time_crop:
        planes = _stretch(planes, params, chance[:, 1:4])
    if params.time_shift:
        most = round(params.time_shift * width)
        shifts = np.floor((2 * most + 1) * chance[:, 4]).astype(int) - most
        planes = torch.stack([
            plane.roll(shift, 2) for plane, shift in zip(planes, shifts.tolist(), strict=True)
        ])  # fmt: skip
    if params.time_mask:
        planes = planes * ~_stripe(width, params.time_mask, chance[:, 5:7])[:, None, None, :]
    if params.velocity_mask:
        planes = planes * ~_stripe(height, params.velocity_mask, chance[:, 7:9])[:, None, :, None]
    return planes.reshape(images.shape)


def mirrored(params: ClipAugment, chance: np.ndarray) -> np.ndarray:
    """Which clips `augment` mirrors, bool (n,): their walkers change direction."""
    return np.asarray(chance[:, 0] < params.mirror)


def _stretch(planes: Tensor, params: ClipAugment, chance: np.ndarray) -> Tensor:
    """Stretch velocities about the middle row, and a random piece of time to the whole."""
    faster = 1 + params.velocity_jitter * (2 * chance[:, 0] - 1)
    kept = 1 - params.time_crop * chance[:, 1]
    # In coordinates from -1, the first pixel, to 1, the last: where each pixel comes from.
    maps = np.zeros((len(planes), 2, 3), dtype=np.float32)
    maps[:, 0, 0], maps[:, 0, 2] = kept, (1 - kept) * (2 * chance[:, 2] - 1)
    maps[:, 1, 1] = 1 / faster
    places = functional.affine_grid(
        torch.from_numpy(maps), list(planes.shape), align_corners=True
    )
    found = functional.grid_sample(planes.float(), places, align_corners=True)
    return found.round().to(torch.uint8)


def _stripe(length: int, share: float, chance: np.ndarray) -> Tensor:
    """Mark one run of random length, at most `share` of `length`, in each row."""
    extent = np.floor((round(share * length) + 1) * chance[:, 0])
    start = np.floor((length - extent + 1) * chance[:, 1])
    place = np.arange(length)[None, :]
    return torch.from_numpy((place >= start[:, None]) & (place < (start + extent)[:, None]))
