"""Which way somebody walks, as a task beside the identity (THz paper's posture head)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss


@config_class
class DirectionOptions:
    """Whose votes are judged, and how strictly.

    Parameters
    ----------
    of : network
    label_smoothing : share of the probability that is spread over all directions
    """

    of: Literal["student", "fused"] = "student"
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)


@register_loss("direction", paper="THz multi-task, Preprints 202601.1893", equations="posture loss")
class Direction(Loss):
    """Cross-entropy of the walking direction: the posture loss (THz multi-task).

    Parameters
    ----------
    options : DirectionOptions

    Notes
    -----
    `L = mean_i [ (1 - e) (-log p_i[d_i]) + e mean_k (-log p_i[k]) ]` over the clips whose
    direction is known (not -1); 0 where none is.
    """

    Options = DirectionOptions

    def __init__(self, options: DirectionOptions) -> None:
        super().__init__()
        self.options = options
        self.requires = frozenset({f"{options.of}.direction", "directions"})

    def forward(self, inputs: LossInputs) -> Tensor:
        logits = as_float(inputs.get(f"{self.options.of}.direction"))
        directions = inputs.get("directions")
        total = functional.cross_entropy(
            logits, directions, ignore_index=-1, reduction="sum",
            label_smoothing=self.options.label_smoothing,
        )  # fmt: skip
        return total / (directions >= 0).sum().clamp(min=1)
