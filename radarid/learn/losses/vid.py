"""The teacher's features as a Gaussian around what the student predicts (VID)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, Sizes, register_loss

EPSILON = 1e-5  # least variance


@config_class
class VidOptions:
    """What is predicted.

    Parameters
    ----------
    of : stage whose maps are compared, or "embedding", "pooled"; for several stages, RepDistiller
        sums one such loss for each
    initial_variance : of every channel at the start
    activation : "relu" compares maps as the next stage sees them; "none" before that
    """

    of: places.Place = "layer4"
    initial_variance: float = Field(default=5.0, gt=EPSILON)
    activation: Literal["relu", "none"] = "relu"


@register_loss("vid", paper="VID, CVPR 2019", equations="Section 2")
class Vid(Loss):
    """Negative log-likelihood of the teacher's features, given the student's (VID, Section 2).

    Parameters
    ----------
    options : VidOptions

    Notes
    -----
    `L = mean [ (mu(f_s) - f_t)^2 / var + log var ] / 2`, mu three 1 x 1 convolutions with ReLU
    between them, `var = softplus(alpha) + 1e-5` one for each of the teacher's channels. The
    constant log(2 pi) / 2 is left out, so the loss may be negative.
    """

    Options = VidOptions
    mean: nn.Module
    alpha: nn.Parameter

    def __init__(self, options: VidOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = places.both([options.of])

    def build(self, sizes: Sizes) -> None:
        """Make mu and alpha for the networks' numbers of channels."""
        n_student, n = places.n_channels(sizes, self.options.of)
        layers: list[nn.Module] = [nn.Conv2d(n_student, n, 1, bias=False)]
        for _ in range(2):
            layers += [nn.ReLU(), nn.Conv2d(n, n, 1, bias=False)]
        self.mean = nn.Sequential(*layers)
        start = math.log(math.expm1(self.options.initial_variance - EPSILON))
        self.alpha = nn.Parameter(torch.full((n,), start))

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = places.maps(inputs, self.options.of, self.options.activation)
        with places.full_precision(student):
            variance = (functional.softplus(self.alpha) + EPSILON)[:, None, None]
            error = (self.mean(student) - teacher).square()
            return (error / variance + variance.log()).mean() / 2
