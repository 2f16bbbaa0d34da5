"""Where two networks look (attention transfer)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss


@config_class
class AttentionOptions:
    """Stages that are compared.

    Parameters
    ----------
    layers : stages; RepDistiller and mdistiller take all
    activation : "relu" takes maps as the next stage sees them; "none" before that, where strongly
        negative places count as attended too
    """

    layers: tuple[places.Maps, ...] = Field(
        default=("layer1", "layer2", "layer3", "layer4"), min_length=1
    )
    activation: Literal["relu", "none"] = "relu"


@register_loss("at", paper="Attention transfer, ICLR 2017", equations="Eq. 2")
class Attention(Loss):
    """Squared difference of normalised attention maps (Attention transfer, Eq. 2).

    Parameters
    ----------
    options : AttentionOptions

    Notes
    -----
    `L = sum_l mean (n(a_s) - n(a_t))^2` with `a = sum_c f^2 / C` flattened over the places and n
    the L2 normalisation of each sample: RepDistiller's form, with a weight of 1000. A map of
    zeros attends to nothing and stays zero. Numbers of channels may differ; of two sizes the
    larger maps are averaged down.
    """

    Options = AttentionOptions

    def __init__(self, options: AttentionOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = places.both(options.layers)

    def forward(self, inputs: LossInputs) -> Tensor:
        differences = []
        for layer in self.options.layers:
            student, teacher = places.maps(inputs, layer, self.options.activation)
            differences.append(functional.mse_loss(_attended(student), _attended(teacher)))
        return torch.stack(differences).sum()


def _attended(maps: Tensor) -> Tensor:
    return functional.normalize(maps.square().mean(1).flatten(1), dim=1)
