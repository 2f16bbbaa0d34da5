"""Cross-entropy of a classifier: the student's, or the composer's."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss


@config_class
class CrossEntropyOptions:
    """Whose logits are judged.

    Parameters
    ----------
    of : "student" is Eq. 5; "composer" supervises the composer, which the text asks for and
        Eq. 15 leaves out; "fused" does too, and moves the student through it
    """

    of: Literal["student", "fused", "composer"] = "student"


@register_loss("cross_entropy", paper="IdentityKD, doi 10.1145/3696409.3700254", equations="Eq. 5")
class CrossEntropy(Loss):
    """Mean cross-entropy between logits and labels (IdentityKD Eq. 5).

    Parameters
    ----------
    options : CrossEntropyOptions

    Notes
    -----
    `L = mean_i ( -log softmax(z_i)[y_i] )`
    """

    Options = CrossEntropyOptions

    def __init__(self, options: CrossEntropyOptions) -> None:
        super().__init__()
        self.of = options.of
        self.requires = frozenset({"labels", f"{options.of}.logits"})

    def forward(self, inputs: LossInputs) -> Tensor:
        logits = as_float(inputs.get(f"{self.of}.logits"))
        return functional.cross_entropy(logits, inputs.labels)
