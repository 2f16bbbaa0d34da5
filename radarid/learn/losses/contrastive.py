"""Multi-class contrastive loss between the student's embeddings and another network's."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss


@config_class
class ContrastOptions:
    """Form of a contrast.

    Parameters
    ----------
    contrast : "nce", or the "kl" alternative of the paper's Table 5
    temperature : float > 0; 5.0 is the paper's and makes the softmax almost flat, 0.2 is its
        inverse, 0.1 and 0.5 are the values of the CCL code it builds on
    symmetric : also contrast the other way round, as CCL's code does
    epsilon : float > 0, inside the logarithms of "nce"
    """

    contrast: Literal["nce", "kl"] = "nce"
    temperature: float = Field(default=5.0, gt=0)
    symmetric: bool = False
    epsilon: float = Field(default=1e-10, gt=0)


@config_class
class ContrastiveOptions(ContrastOptions):
    """Form of the contrast, and with what.

    Parameters
    ----------
    against : what the student is pulled to and pushed from: "teacher" (Eq. 9) or "fused" (Eq. 10)
    """

    against: Literal["teacher", "fused"] = "teacher"


def contrast(
    anchors: Tensor, others: Tensor, labels: Tensor, options: ContrastOptions
) -> Tensor:
    """Contrast each anchor with every one of the others, by identity.

    Parameters
    ----------
    anchors, others : float tensors, shape (n_batch, d); row i of both belongs to labels[i]
    labels : int64 tensor, shape (n_batch,)
    options : temperature, epsilon and form

    Returns
    -------
    0-dim float tensor; float32 even under autocast, float64 for float64 inputs

    Raises
    ------
    TrainError
        The two are one tensor: every similarity with itself is 1 whatever the network learns
        (the paper's Eq. 8 as printed).

    Notes
    -----
    With `P_ij = softmax_j(cos(u_i, v_j) / tau)` over the batch, `pos(i)` the samples of i's
    identity (i itself among them) and `neg(i)` the rest:

    nce: `mean_i [ -mean_pos log(P_ij + eps) - mean_neg log(1 - P_ij + eps) ]`, the second term
    absent where neg(i) is empty;  kl: `mean_i [ -mean_pos log P_ij - log |pos(i)| ]`.

    The denominator runs over all j for the anchor i; the paper's Eq. 7 sums the matched pairs.
    """
    if anchors.data_ptr() == others.data_ptr():
        raise TrainError(
            "an embedding cannot be contrasted with itself",
            expected="the student's embedding against the teacher's or the fused one",
        )
    with torch.autocast(anchors.device.type, enabled=False):
        u = functional.normalize(as_float(anchors), dim=1)
        v = functional.normalize(as_float(others), dim=1)
        log_p = functional.log_softmax(u @ v.T / options.temperature, dim=1)
        same = (labels[:, None] == labels[None, :]).to(log_p.dtype)
        n_same = same.sum(1)
        if options.contrast == "kl":
            return (-(log_p * same).sum(1) / n_same - n_same.log()).mean()
        pull = -((log_p.exp() + options.epsilon).log() * same).sum(1) / n_same
        # -expm1 keeps 1 - P exact where P is close to 1 and finite where it is 1.
        apart = (options.epsilon - torch.expm1(log_p)).log() * (1 - same)
        push = -apart.sum(1) / (same.shape[1] - n_same).clamp(min=1)
        return (pull + push).mean()


@register_loss(
    "contrastive", paper="IdentityKD, doi 10.1145/3696409.3700254", equations="Eq. 7-11, Table 5"
)
class Contrastive(Loss):
    """Contrast of student embeddings with teacher or fused ones (IdentityKD Eq. 7-11).

    Parameters
    ----------
    options : ContrastiveOptions

    Notes
    -----
    See `contrast` for the formula. No gradient reaches the teacher; one does reach the composer.
    """

    Options = ContrastiveOptions

    def __init__(self, options: ContrastiveOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = frozenset({"labels", "student.embedding", f"{options.against}.embedding"})

    def forward(self, inputs: LossInputs) -> Tensor:
        student = inputs.get("student.embedding")
        other = inputs.get(f"{self.options.against}.embedding")
        if self.options.against == "teacher":
            other = other.detach()
        loss = contrast(student, other, inputs.labels, self.options)
        if self.options.symmetric:
            loss = loss + contrast(other, student, inputs.labels, self.options)
        return loss
