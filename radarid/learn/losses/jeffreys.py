"""Symmetric divergence between two class distributions that learn from each other (CCL)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from capture.schema import config_class
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss
from radarid.learn.losses.kd import divergence


@config_class
class JeffreysOptions:
    """Whom the student learns with.

    Parameters
    ----------
    against : the composer's "fused" logits; "composer", the same with the student's embedding
        held fixed; or the "teacher" head's, which get no gradient
    """

    against: Literal["fused", "composer", "teacher"] = "fused"


@register_loss("jeffreys", paper="CCL, CVPR 2021", equations="JSD of its code")
class Jeffreys(Loss):
    """Mean of both directions of KL between student and composer (CCL, JSD of its code).

    Parameters
    ----------
    options : JeffreysOptions

    Notes
    -----
    `L = mean_i [KL(p_i || q_i) + KL(q_i || p_i)] / 2`, p and q the softmax of the logits, neither
    side detached. CCL calls it a Jensen-Shannon divergence; without the mixture it is half of
    Jeffreys'.
    """

    Options = JeffreysOptions

    def __init__(self, options: JeffreysOptions) -> None:
        super().__init__()
        self.against = options.against
        self.requires = frozenset({"student.logits", f"{options.against}.logits"})

    def forward(self, inputs: LossInputs) -> Tensor:
        student = as_float(inputs.get("student.logits"))
        other = as_float(inputs.get(f"{self.against}.logits"))
        if self.against == "teacher":
            other = other.detach()
        return (divergence(student, other, 1.0) + divergence(other, student, 1.0)).mean() / 2
