"""Identity-wise distillation: harder identities get a smaller margin and a lighter teacher."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses.base import (
    IdentityState,
    Loss,
    LossInputs,
    as_float,
    register_loss,
)
from radarid.learn.losses.kd import divergence


@config_class
class IdentityKdOptions:
    """Weights and readings of the identity-wise distillation.

    Parameters
    ----------
    margin : base margin m on the divergence, nats; the paper's typical value is 8/255
    beta : base weight of the divergence; the paper gives none, 6 is CFA's, try 1 and 2 too
    lambda1, lambda2 : offsets of margin and weight in Eq. 12 and 13
    temperature : float > 0; the paper has none. Divergences are multiplied by its square
    margin_mode : "hinge" is max(D - m, 0); "subtract" is D - m as printed, where the margin has
        no gradient and hence no effect
    kd_pair : "fused_student" is KL(fused || student); "fused_label" is Eq. 14 as printed, the
        cross-entropy of the fused logits, which reaches the student only through the composer;
        "teacherhead_student" takes a linear head on the teacher instead of the fused classifier
    detach_teacher : no gradient of the divergence into the composer
    """

    margin: float = Field(default=8 / 255, ge=0)
    beta: float = Field(default=6.0, ge=0)
    lambda1: float = Field(default=0.5, ge=0)
    lambda2: float = Field(default=0.4, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    margin_mode: Literal["hinge", "subtract"] = "hinge"
    kd_pair: Literal["fused_student", "fused_label", "teacherhead_student"] = "fused_student"
    detach_teacher: bool = True


@register_loss(
    "identity_kd", paper="IdentityKD, doi 10.1145/3696409.3700254", equations="Eq. 12-14"
)
class IdentityKd(Loss):
    """Cross-entropy and a margined divergence, balanced per identity (IdentityKD Eq. 12-14).

    Parameters
    ----------
    options : IdentityKdOptions

    Notes
    -----
    With A_k the identity's accuracy in the previous epoch,
    `m_k = (lambda1 + A_k) m` (Eq. 12, whose printed beta is a slip for m) and
    `beta_k = (lambda2 + A_k) beta` (Eq. 13), or m and beta alone during the warm-up:

    `L = mean_i [ CE_i + beta_{y_i} max(T^2 KL(q_i || r_i) - m_{y_i}, 0) ] / (1 + beta_{y_i})`,

    q the softmax of the fused logits over T, without gradient, and r the student's. The weight
    beta_k / (1 + beta_k) of the divergence is that of CFA's code. It is one loss and not two
    because the two parts share a weight per sample.
    """

    Options = IdentityKdOptions

    def __init__(self, options: IdentityKdOptions) -> None:
        super().__init__()
        self.options = options
        self.source = "teacher" if options.kd_pair == "teacherhead_student" else "fused"
        self.requires = frozenset(
            {"labels", "student.logits", f"{self.source}.logits", "identity"}
        )

    def forward(self, inputs: LossInputs) -> Tensor:
        student = as_float(inputs.get("student.logits"))
        source = as_float(inputs.get(f"{self.source}.logits"))
        if inputs.identity is None:
            raise TrainError("this recipe does not provide identity to its losses")
        margin, beta = self.margin_and_weight(inputs.identity)
        margin, beta = margin.to(student)[inputs.labels], beta.to(student)[inputs.labels]
        ce = functional.cross_entropy(student, inputs.labels, reduction="none")
        excess = self._divergence(source, student, inputs.labels) - margin
        if self.options.margin_mode == "hinge":
            excess = excess.clamp(min=0)
        return ((ce + beta * excess) / (1 + beta)).mean()

    def margin_and_weight(self, identity: IdentityState) -> tuple[Tensor, Tensor]:
        """m_k and beta_k of every identity, both of shape (n_subjects,)."""
        o, known = self.options, identity.accuracy
        if not identity.adaptive:
            return torch.full_like(known, o.margin), torch.full_like(known, o.beta)
        return (o.lambda1 + known) * o.margin, (o.lambda2 + known) * o.beta

    def _divergence(self, source: Tensor, student: Tensor, labels: Tensor) -> Tensor:
        """D_i of each sample, shape (n_batch,)."""
        o = self.options
        if o.kd_pair == "fused_label":
            return functional.cross_entropy(source, labels, reduction="none")
        if o.detach_teacher or o.kd_pair == "teacherhead_student":
            source = source.detach()
        return divergence(source, student, o.temperature) * o.temperature**2
