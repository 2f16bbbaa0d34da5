"""Penalty on confident predictions (Pereyra et al. 2017)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses.base import Loss, LossInputs, Sizes, as_float, register_loss


@config_class
class PenaltyOptions:
    """How soft the predictions are to be.

    Parameters
    ----------
    temperature : logits are divided by it, and by a factor that is learned
    """

    temperature: float = Field(default=1.0, gt=0)


@register_loss(
    "confidence_penalty", paper="Pereyra et al. 2017, arXiv 1701.06548", equations="Section 3"
)
class ConfidencePenalty(Loss):
    """Negative entropy of the student's classes (Pereyra et al. 2017, Section 3).

    Parameters
    ----------
    options : PenaltyOptions

    Notes
    -----
    `L = mean_i sum_k p_ik log p_ik` with p the softmax of `exp(g) z / T`; the factor g, which
    starts at 0, shows that a loss may bring parameters of its own.
    """

    Options = PenaltyOptions
    gain: nn.Parameter

    def __init__(self, options: PenaltyOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = frozenset({"student.logits"})

    def build(self, sizes: Sizes) -> None:
        """Make the factor."""
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: LossInputs) -> Tensor:
        logits = as_float(inputs.get("student.logits")) * self.gain.exp()
        log_p = functional.log_softmax(logits / self.options.temperature, dim=1)
        return (log_p.exp() * log_p).sum(1).mean()
