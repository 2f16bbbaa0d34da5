"""How well the clip before its degradation is painted again (Charbonnier loss of the THz paper)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss

NEEDS = frozenset({"student.reconstruction", "clean"})


@config_class
class CharbonnierOptions:
    """What keeps the root smooth.

    Parameters
    ----------
    epsilon : > 0; 1e-3 is recommended for "squared", 1e-6 is the code's for "plain"
    form : "squared" adds epsilon^2 under the root, as the paper; "plain" epsilon, as its code
    """

    epsilon: float = Field(default=1e-3, gt=0)
    form: Literal["squared", "plain"] = "squared"


@register_loss("charbonnier", paper="THz multi-task, Preprints 202601.1893", equations="Eq. 5")
class Charbonnier(Loss):
    """Smooth absolute difference to the clean clip (THz multi-task, Eq. 5).

    Parameters
    ----------
    options : CharbonnierOptions

    Notes
    -----
    `L = mean sqrt(d^2 + epsilon^2)` over all pixels, d the difference of values in [0, 1].
    """

    Options = CharbonnierOptions
    requires = NEEDS

    def __init__(self, options: CharbonnierOptions) -> None:
        super().__init__()
        self.added = options.epsilon**2 if options.form == "squared" else options.epsilon

    def forward(self, inputs: LossInputs) -> Tensor:
        made, clean = both_images(inputs)
        return ((made - clean).square() + self.added).sqrt().mean()


def both_images(inputs: LossInputs) -> tuple[Tensor, Tensor]:
    """Reconstruction and clean clip, float tensors of shape (n, 1, h, w).

    Raises
    ------
    TrainError
        They have two shapes.
    """
    made, clean = (as_float(inputs.get(name)) for name in ("student.reconstruction", "clean"))
    if made.shape != clean.shape:
        raise TrainError(
            "the reconstruction has not the size of the clip",
            got=str(tuple(made.shape)), expected=str(tuple(clean.shape)),
        )  # fmt: skip
    return made, clean.detach()
