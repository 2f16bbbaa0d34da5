"""Distillation of the class distribution (Hinton)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss


@config_class
class KdOptions:
    """What is distilled, and how softly.

    Parameters
    ----------
    temperature : T > 0; 4 is RepDistiller's and mdistiller's
    against : whose class distribution is the target: the teacher head's, or the fused one
    """

    temperature: float = Field(default=4.0, gt=0)
    against: Literal["teacher", "fused"] = "teacher"


def divergence(source: Tensor, student: Tensor, temperature: float) -> Tensor:
    """KL between two class distributions, sample by sample.

    Parameters
    ----------
    source, student : float tensors, shape (n, n_subjects), logits
    temperature : both are divided by it

    Returns
    -------
    float tensor, shape (n,), nats: KL(softmax(source / T) || softmax(student / T))
    """
    log_q = functional.log_softmax(source / temperature, dim=1)
    log_r = functional.log_softmax(student / temperature, dim=1)
    return functional.kl_div(log_r, log_q, reduction="none", log_target=True).sum(1)


@register_loss("kd", paper="Hinton et al. 2015, arXiv 1503.02531", equations="Section 2")
class Kd(Loss):
    """Divergence of the student's classes from the teacher's (Hinton et al. 2015, Section 2).

    Parameters
    ----------
    options : KdOptions

    Notes
    -----
    `L = T^2 mean_i KL(softmax(t_i / T) || softmax(s_i / T))`, as RepDistiller codes it, with a
    usual weight of 0.9 beside 0.1 of cross-entropy. No gradient reaches the teacher.
    """

    Options = KdOptions

    def __init__(self, options: KdOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = frozenset({"student.logits", f"{options.against}.logits"})

    def forward(self, inputs: LossInputs) -> Tensor:
        t = self.options.temperature
        source = as_float(inputs.get(f"{self.options.against}.logits")).detach()
        return t**2 * divergence(source, as_float(inputs.get("student.logits")), t).mean()
