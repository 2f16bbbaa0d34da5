"""The direction, or the length, of a teacher's stage features (F-SKD and its ablation)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, register_loss

EPSILON = 1e-8  # least length of a feature in a cosine
STAGES: tuple[places.Maps, ...] = ("layer1", "layer2", "layer3", "layer4")


@config_class
class FskdOptions:
    """Where features are compared, and how.

    Parameters
    ----------
    stages : whose outputs are compared; the paper takes all four
    cosine_over : "map" takes one cosine per sample and stage, over the whole flattened map, as
        the code does; "channel" one at each place, over its channels, which is how the text's
        "corresponding locations" can be read
    """

    stages: tuple[places.Maps, ...] = Field(default=STAGES, min_length=1)
    cosine_over: Literal["map", "channel"] = "map"


@register_loss("fskd", paper="F-SKD, arXiv 2303.04681", equations="stage-wise cosine")
class Fskd(Loss):
    """Directions of a teacher's features, by stage-wise cosine (F-SKD).

    Parameters
    ----------
    options : FskdOptions

    Raises
    ------
    TrainError
        In `forward`: maps of two shapes; the method is for one architecture seen twice.

    Notes
    -----
    `L = (1 / n_stages) sum_l mean_i (1 - cos(s_li, t_li))` of stage outputs before their last
    activation, without any module between. Lengths do not matter. The usual weight is 5 (paper)
    or 20 (released script).
    """

    Options = FskdOptions

    def __init__(self, options: FskdOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = places.both(options.stages)

    def forward(self, inputs: LossInputs) -> Tensor:
        distances = []
        for student, teacher in _stages(self, inputs, self.options.stages):
            if self.options.cosine_over == "map":
                student, teacher = student.flatten(1), teacher.flatten(1)
            cosine = functional.cosine_similarity(student, teacher, dim=1, eps=EPSILON)
            distances.append(1 - cosine.mean())
        return torch.stack(distances).mean()


@config_class
class NormKdOptions:
    """Where lengths are compared.

    Parameters
    ----------
    stages : whose outputs are compared
    """

    stages: tuple[places.Maps, ...] = Field(default=STAGES, min_length=1)


@register_loss("norm_kd", paper="F-SKD, arXiv 2303.04681", equations="Table 4")
class NormKd(Loss):
    """Lengths of a teacher's features, stage by stage (F-SKD, the ablation of Table 4).

    Parameters
    ----------
    options : NormKdOptions

    Raises
    ------
    TrainError
        In `forward`: maps of two shapes.

    Notes
    -----
    `L = (1 / n_stages) sum_l mean_i | |t_li| - |s_li| |`, Euclidean lengths of the flattened maps.
    """

    Options = NormKdOptions

    def __init__(self, options: NormKdOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = places.both(options.stages)

    def forward(self, inputs: LossInputs) -> Tensor:
        differences = [
            (teacher.flatten(1).norm(dim=1) - student.flatten(1).norm(dim=1)).abs().mean()
            for student, teacher in _stages(self, inputs, self.options.stages)
        ]
        return torch.stack(differences).mean()


def _stages(
    loss: Loss, inputs: LossInputs, stages: tuple[places.Maps, ...]
) -> list[tuple[Tensor, Tensor]]:
    """Student's and teacher's maps of each stage."""
    pairs = [places.pair(inputs, stage) for stage in stages]
    for student, teacher in pairs:
        places.refuse_shapes(loss.name, student, teacher)
    return pairs
