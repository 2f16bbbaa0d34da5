"""Cosine classifiers with a margin for the true identity: CosFace and ArcFace."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, Sizes, as_float, register_loss

LEAST_SINE2 = 1e-12  # keeps the slope of the sine finite at its ends


class MarginHead(Loss):
    """What both heads share: class directions, and cross-entropy of scaled, penalised cosines.

    Notes
    -----
    `weight`, shape (n_subjects, d), has one direction per identity; embeddings and directions are
    brought to unit length, there is no bias. The student's own linear classifier is not trained
    by it.
    """

    requires = frozenset({"labels", "student.embedding"})
    weight: nn.Parameter
    scale: float

    def build(self, sizes: Sizes) -> None:
        """Make the directions, uniform after Xavier."""
        self.weight = nn.Parameter(torch.empty(sizes.n_subjects, sizes.n_student))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, inputs: LossInputs) -> Tensor:
        embedding = as_float(inputs.get("student.embedding"))
        with places.full_precision(embedding):
            cosine = self.cosines(embedding)
            true = functional.one_hot(inputs.labels, cosine.shape[1]).bool()
            logits = self.scale * torch.where(true, self.penalised(cosine), cosine)
            return functional.cross_entropy(logits, inputs.labels)

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosines with every identity, shape (n, n_subjects): the head's vote, without margin."""
        return functional.normalize(embedding, dim=1) @ functional.normalize(self.weight, dim=1).T

    def penalised(self, cosine: Tensor) -> Tensor:
        """What stands in place of these cosines for the true identity."""
        raise TypeError(f"{type(self).__name__} does not say how its margin acts")


@config_class
class CosFaceOptions:
    """Scale and margin of the head.

    Parameters
    ----------
    scale : s > 0; 30 is F-SKD's, 64 insightface's
    margin : m >= 0, on the cosine; 0.25 is F-SKD's, 0.4 insightface's
    """

    scale: float = Field(default=30.0, gt=0)
    margin: float = Field(default=0.25, ge=0)


@register_loss("cosface", paper="CosFace, CVPR 2018", equations="Eq. 4")
class CosFace(MarginHead):
    """Cross-entropy of cosines, the true one lessened by a margin (CosFace, Eq. 4).

    Parameters
    ----------
    options : CosFaceOptions

    Notes
    -----
    `z_ij = s (cos(x_i, W_j) - m [j = y_i])`, then cross-entropy. Default scale and margin are
    those of F-SKD's trainers; see `MarginHead`.
    """

    Options = CosFaceOptions

    def __init__(self, options: CosFaceOptions) -> None:
        super().__init__()
        self.options, self.scale = options, options.scale

    def penalised(self, cosine: Tensor) -> Tensor:
        return cosine - self.options.margin


@config_class
class ArcFaceOptions:
    """Scale and margin of the head, and what happens at the ends.

    Parameters
    ----------
    scale : s > 0
    margin : m in [0, pi), on the angle, radians
    beyond : what stands for cos(theta + m) where theta + m passes pi and the cosine would rise
        again: "cosine" keeps it, as insightface does; "linear" goes on with cos theta - m sin m,
        "easy" has no margin at all for theta above pi / 2, both of F-SKD's ArcMarginProduct
    gradient : "full", or "scale_only": the angle is taken without gradient, so that the slope is
        that of s cos theta, as in insightface's code
    """

    scale: float = Field(default=64.0, gt=0)
    margin: float = Field(default=0.5, ge=0, lt=math.pi)
    beyond: Literal["cosine", "linear", "easy"] = "linear"
    gradient: Literal["full", "scale_only"] = "full"


@register_loss("arcface", paper="ArcFace, CVPR 2019", equations="Eq. 3")
class ArcFace(MarginHead):
    """Cross-entropy of cosines, the true angle widened by a margin (ArcFace, Eq. 3).

    Parameters
    ----------
    options : ArcFaceOptions

    Notes
    -----
    `z_ij = s cos(theta_ij + m [j = y_i])`, then cross-entropy; see `MarginHead`. The sine is
    computed as `sqrt(max(1 - cos^2, 1e-12))`, whose slope stays finite.
    """

    Options = ArcFaceOptions

    def __init__(self, options: ArcFaceOptions) -> None:
        super().__init__()
        self.options, self.scale = options, options.scale

    def penalised(self, cosine: Tensor) -> Tensor:
        m = self.options.margin
        sine = (1 - cosine.square()).clamp(min=LEAST_SINE2).sqrt()
        widened = cosine * math.cos(m) - sine * math.sin(m)
        if self.options.beyond == "linear":
            widened = torch.where(cosine > -math.cos(m), widened, cosine - m * math.sin(m))
        elif self.options.beyond == "easy":
            widened = torch.where(cosine > 0, widened, cosine)
        if self.options.gradient == "scale_only":
            return cosine + (widened - cosine).detach()
        return widened
