"""Relations of the samples of a batch to each other: distances and angles (RKD)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss

EPSILON = 1e-12  # of squared distances


@config_class
class RkdOptions:
    """Balance of the two relations.

    Parameters
    ----------
    of : whose relations
    distance_weight, angle_weight : 25 and 50 are RepDistiller's and mdistiller's, 1 and 2 those
        of RKD's README and of F-SKD
    """

    of: places.Vectors = "embedding"
    distance_weight: float = Field(default=25.0, ge=0)
    angle_weight: float = Field(default=50.0, ge=0)


@register_loss("rkd", paper="RKD, CVPR 2019", equations="Section 3.2")
class Rkd(Loss):
    """Distances of pairs and angles of triplets, as the teacher has them (RKD, Section 3.2).

    Parameters
    ----------
    options : RkdOptions

    Notes
    -----
    `L = w_D mean_ij h(d_ij / mean d, d'_ij / mean d') + w_A mean_ijk h(cos_ijk, cos'_ijk)`

    with d the distance of two samples (its square at least 1e-12, 0 on the diagonal), its mean
    over what is positive, cos_ijk the cosine between the ways from i to j and from i to k, h the
    smooth L1 distance, the prime the teacher's. Means run over the whole B x B and B x B x B. A
    batch of one has no relations, and a loss of 0.
    """

    Options = RkdOptions

    def __init__(self, options: RkdOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = places.both([options.of])

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = places.pair(inputs, self.options.of)
        with places.full_precision(student):
            distances, angles = _relations(student)
            taught_distances, taught_angles = _relations(teacher)
            far = functional.smooth_l1_loss(distances, taught_distances)
            bent = functional.smooth_l1_loss(angles, taught_angles)
        return self.options.distance_weight * far + self.options.angle_weight * bent


def _relations(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Relative distances (n, n) and cosines (n, n, n) of vectors (n, d)."""
    # Differences rather than the Gram matrix, whose rounding swamps small distances in float32.
    ways = vectors[None, :, :] - vectors[:, None, :]
    n = len(vectors)
    distances = ways.square().sum(2).clamp(min=EPSILON).sqrt() * (1 - ways.new_ones(n).diag())
    mean = distances.sum() / max(n * (n - 1), 1)
    directions = functional.normalize(ways, dim=2)
    return distances / mean.clamp(min=EPSILON), directions @ directions.mT
