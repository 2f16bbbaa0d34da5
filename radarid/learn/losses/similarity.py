"""Similarities of the samples of a batch (similarity-preserving distillation)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss


@config_class
class SimilarityOptions:
    """Where the similarities are taken.

    Parameters
    ----------
    of : embeddings, or the maps of a stage as one long vector (RepDistiller takes the last stage)
    """

    of: places.Place = "embedding"


@register_loss("sp", paper="Similarity-preserving KD, ICCV 2019", equations="Eq. 1-3")
class Similarity(Loss):
    """Difference of row-normalised Gram matrices (Similarity-preserving KD, Eq. 1-3).

    Parameters
    ----------
    options : SimilarityOptions

    Notes
    -----
    `L = || n(F_t F_t') - n(F_s F_s') ||^2 / B^2`, F the features of the batch as rows and n the L2
    normalisation of every row; weight 3000 in RepDistiller. A sample of zeros has a row of zeros.
    Lengths of student's and teacher's features may differ.
    """

    Options = SimilarityOptions

    def __init__(self, options: SimilarityOptions) -> None:
        super().__init__()
        self.of = options.of
        self.requires = places.both([options.of])

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = places.pair(inputs, self.of)
        with places.full_precision(student):
            return functional.mse_loss(_similarities(student), _similarities(teacher))


def _similarities(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    return functional.normalize(rows @ rows.T, dim=1)
