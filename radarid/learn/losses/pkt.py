"""Neighbourhoods as probabilities (probabilistic knowledge transfer)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss


@config_class
class PktOptions:
    """Whose neighbourhoods.

    Parameters
    ----------
    of : which vectors
    epsilon : beside lengths and probabilities, 1e-7 in the code
    """

    of: places.Vectors = "embedding"
    epsilon: float = Field(default=1e-7, gt=0)


@register_loss("pkt", paper="PKT, ECCV 2018", equations="Section 3")
class Pkt(Loss):
    """Divergence between the neighbourhoods of teacher and student (PKT, Section 3).

    Parameters
    ----------
    options : PktOptions

    Notes
    -----
    `L = mean_ij t_ij log((t_ij + eps) / (s_ij + eps))`, t and s the cosine similarities (1 + cos)
    / 2 of the batch with every row, its diagonal included, divided by its sum. The mean runs over
    B^2, hence RepDistiller's weight of 30000. A vector of zeros is equally far from all.
    """

    Options = PktOptions

    def __init__(self, options: PktOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = places.both([options.of])

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = places.pair(inputs, self.options.of)
        with places.full_precision(student):
            s, t = self._neighbourhoods(student), self._neighbourhoods(teacher)
            epsilon = self.options.epsilon
            return (t * ((t + epsilon) / (s + epsilon)).log()).mean()

    def _neighbourhoods(self, vectors: Tensor) -> Tensor:
        unit = vectors / (vectors.norm(dim=1, keepdim=True) + self.options.epsilon)
        nearness = (unit @ unit.T + 1) / 2
        return nearness / nearness.sum(1, keepdim=True)
