"""Random changes of training clips that leave the walker who they are."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from capture.schema import config_class


@config_class
class ClipAugment:
    """How much training clips are changed; nothing by default, as in the paper.

    Parameters
    ----------
    mirror : chance of reversing the velocity axis: a walk away becomes one towards
    time_shift : longest shift, as a share of the clip; what leaves on one side enters on the
        other, which a periodic gait bears
    time_mask, velocity_mask : widest stripe that is blanked across each axis, as a share of the
        clip (SpecAugment, one stripe an axis)
    """

    mirror: float = Field(default=0.0, ge=0, le=1)
    time_shift: float = Field(default=0.0, ge=0, le=1)
    time_mask: float = Field(default=0.0, ge=0, lt=1)
    velocity_mask: float = Field(default=0.0, ge=0, lt=1)


def augment(images: Tensor, params: ClipAugment, rng: np.random.Generator) -> Tensor:
    """Change each clip at random.

    Parameters
    ----------
    images : uint8 tensor, shape (n, height, width), or (n, n_planes, height, width), whose planes
        change together; rows are velocity, columns time
    params : how much
    rng : where chance comes from

    Returns
    -------
    uint8 tensor of the same shape
    """
    planes = images if images.dim() == 4 else images[:, None]
    n, _, height, width = planes.shape
    if params.mirror:
        turned = torch.from_numpy(rng.random(n) < params.mirror)
        planes = torch.where(turned[:, None, None, None], planes.flip(2), planes)
    if params.time_shift:
        most = round(params.time_shift * width)
        shift = torch.from_numpy(rng.integers(-most, most + 1, size=n))
        columns = (torch.arange(width) - shift[:, None]) % width
        planes = planes.gather(3, columns[:, None, None, :].expand_as(planes))
    if params.time_mask:
        planes = planes * ~_stripe(n, width, params.time_mask, rng)[:, None, None, :]
    if params.velocity_mask:
        planes = planes * ~_stripe(n, height, params.velocity_mask, rng)[:, None, :, None]
    return planes.reshape(images.shape)


def _stripe(n: int, length: int, share: float, rng: np.random.Generator) -> Tensor:
    """Mark one run of random length, at most `share` of `length`, in each of n rows."""
    extent = rng.integers(round(share * length) + 1, size=n)
    start = rng.integers(length - extent + 1)
    place = np.arange(length)[None, :]
    return torch.from_numpy((place >= start[:, None]) & (place < (start + extent)[:, None]))
