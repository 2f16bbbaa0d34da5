"""Errors of neighbours in the batch (correlation congruence, as coded)."""

from __future__ import annotations

from torch import Tensor

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss


@config_class
class CorrelationOptions:
    """Whose errors.

    Parameters
    ----------
    of : which vectors; student's and teacher's must be of one length
    """

    of: places.Vectors = "embedding"


@register_loss("cc", paper="Correlation congruence, ICCV 2019", equations="form of RepDistiller")
class Correlation(Loss):
    """Product of the errors of consecutive samples (Correlation congruence, form of RepDistiller).

    Parameters
    ----------
    options : CorrelationOptions

    Notes
    -----
    `L = mean_i sum_d |D_i| |D_i+1|` with `D = f_s - f_t`, weight 0.02 in RepDistiller, whose
    authors had it from the paper's. It depends on the order of the batch, which is drawn anew
    every epoch. A batch of one has no neighbours, and a loss of 0.
    """

    Options = CorrelationOptions

    def __init__(self, options: CorrelationOptions) -> None:
        super().__init__()
        self.of = options.of
        self.requires = places.both([options.of])

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = places.pair(inputs, self.of)
        places.refuse_shapes(self.name, student, teacher)
        error = (student - teacher).abs()
        return (error[:-1] * error[1:]).sum() / max(len(error) - 1, 1)
