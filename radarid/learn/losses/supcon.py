"""Embeddings of one identity drawn together, against all others of the batch (SupCon)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss


@config_class
class SupConOptions:
    """Whose embeddings, how sharp, and what the sums run over.

    Parameters
    ----------
    of : network that is trained
    temperature : tau > 0
    base_temperature : the loss is multiplied by tau over it
    denominator : "others" leaves the anchor itself out, as both papers; "all" keeps it in, as one
        of the THz paper's two programs does
    lonely : an anchor without another sample of its identity: "drop" leaves it out of the mean,
        "zero" counts it as 0, as SupContrast's code does
    """

    of: Literal["student", "fused"] = "student"
    temperature: float = Field(default=0.07, gt=0)
    base_temperature: float = Field(default=0.07, gt=0)
    denominator: Literal["others", "all"] = "others"
    lonely: Literal["drop", "zero"] = "drop"


@register_loss("supcon", paper="SupCon, NeurIPS 2020", equations="Eq. 2")
class SupCon(Loss):
    """Supervised contrast within one network's embeddings (SupCon, Eq. 2; THz paper, Eq. 3).

    Parameters
    ----------
    options : SupConOptions

    Notes
    -----
    `L = (tau / tau_base) mean_i mean_{p in pos(i)} -log(exp(x_i x_p / tau) / sum_{k != i}
    exp(x_i x_k / tau))`, x of unit length and pos(i) the other samples of i's identity. Views of
    one clip are rows of their own with the same label. Labels are true identities; the THz
    paper's programs give every triplet labels of its own and so push apart one person's samples.
    """

    Options = SupConOptions

    def __init__(self, options: SupConOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = frozenset({"labels", f"{options.of}.embedding"})

    def forward(self, inputs: LossInputs) -> Tensor:
        o, labels = self.options, inputs.labels
        x = as_float(inputs.get(f"{o.of}.embedding"))
        with places.full_precision(x):
            x = functional.normalize(x, dim=1)
            logits = x @ x.T / o.temperature
            itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
            # The least finite number, not -inf: a batch of one then has a loss and gradient of 0.
            least = torch.finfo(logits.dtype).min
            summed = logits if o.denominator == "all" else logits.masked_fill(itself, least)
            log_p = logits - summed.logsumexp(1, keepdim=True)
            positive = (labels[:, None] == labels[None, :]) & ~itself
            n_positive = positive.sum(1)
            pull = -torch.where(positive, log_p, 0).sum(1) / n_positive.clamp(min=1)
            n_anchors = (n_positive > 0).sum().clamp(min=1) if o.lonely == "drop" else len(x)
            return o.temperature / o.base_temperature * pull.sum() / n_anchors
