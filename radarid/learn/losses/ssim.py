"""How alike the painted and the clean clip are in structure (SSIM)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss
from radarid.learn.losses.reconstruction import NEEDS, both_images

N_WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2


@config_class
class SsimOptions:
    """Where the statistics are taken.

    Parameters
    ----------
    window : "valid" is a Gaussian of 11 x 11 pixels, sigma 1.5, where it fits into the image;
        "padded" the same with zeros around the image; "global" the whole image at once
    """

    window: Literal["valid", "padded", "global"] = "valid"


@register_loss("ssim", paper="SSIM, IEEE TIP 2004", equations="Eq. 13")
class Ssim(Loss):
    """One minus the structural similarity to the clean clip (SSIM, Eq. 13).

    Parameters
    ----------
    options : SsimOptions

    Notes
    -----
    `L = 1 - mean SSIM`; see `structural_similarity`. The THz paper weighs it 0.6 or 0.8 beside
    1 for `charbonnier`, and its two programs differ in the window.
    """

    Options = SsimOptions
    requires = NEEDS

    def __init__(self, options: SsimOptions) -> None:
        super().__init__()
        self.window = options.window

    def forward(self, inputs: LossInputs) -> Tensor:
        return 1 - structural_similarity(*both_images(inputs), self.window).mean()


def structural_similarity(a: Tensor, b: Tensor, window: str = "valid") -> Tensor:
    """Structural similarity of pairs of images, without units, 1 where they are equal.

    Parameters
    ----------
    a, b : float32 or float64 tensors, shape (n, 1, h, w), in [0, 1]
    window : see `SsimOptions`

    Returns
    -------
    float tensor, shape (n,), the mean over the places of the window

    Raises
    ------
    TrainError
        Images smaller than the window.

    Notes
    -----
    `(2 mu_a mu_b + c1)(2 s_ab + c2) / ((mu_a^2 + mu_b^2 + c1)(s_a^2 + s_b^2 + c2))` with
    c1 = 1e-4, c2 = 9e-4 and the window's weighted moments (Wang et al. 2004, Eq. 13).
    """
    if window == "valid" and min(a.shape[-2:]) < N_WINDOW:
        raise TrainError(
            "images smaller than the window of ssim", got=f"{a.shape[-2]} x {a.shape[-1]} pixels",
            expected=f"{N_WINDOW} or more along each side", remedy="window = 'global'",
        )  # fmt: skip
    with places.full_precision(a):
        mean = torch.cat([_average(x, window) for x in (a, b, a * a, b * b, a * b)], dim=1)
        mu_a, mu_b, aa, bb, ab = mean.unbind(1)
        shared = (2 * mu_a * mu_b + C1) * (2 * (ab - mu_a * mu_b) + C2)
        spread = (aa - mu_a.square()) + (bb - mu_b.square()) + C2
        return (shared / ((mu_a.square() + mu_b.square() + C1) * spread)).mean(dim=(1, 2))


def _average(images: Tensor, window: str) -> Tensor:
    """Weighted means around every place of the window, shape (n, 1, ...)."""
    if window == "global":
        return images.mean(dim=(2, 3), keepdim=True)
    away = torch.arange(N_WINDOW, dtype=images.dtype, device=images.device) - N_WINDOW // 2
    weights = torch.exp(-(away**2) / (2 * SIGMA**2))
    weights = weights / weights.sum()
    padding = N_WINDOW // 2 if window == "padded" else 0
    down = functional.conv2d(images, weights[None, None, :, None], padding=(padding, 0))
    return functional.conv2d(down, weights[None, None, None, :], padding=(0, padding))
