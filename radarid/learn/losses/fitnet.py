"""Features regressed on the teacher's (FitNets)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, Sizes, register_loss


@config_class
class FitNetOptions:
    """What is regressed, and through what.

    Parameters
    ----------
    of : stage whose maps are compared ("layer2" is mdistiller's hint), or "embedding", "pooled"
    regressor : on the student's side. "conv_bn_relu" is mdistiller's and cannot be negative, so
        it is for rectified maps; "conv" is a 1 x 1 convolution without bias that starts in
        (-0.005, 0.005), of the RKD repository; "none" is F-SKD's
    activation : "relu" compares maps as the next stage sees them; "none" before that
    """

    of: places.Place = "layer2"
    regressor: Literal["conv_bn_relu", "conv", "none"] = "conv_bn_relu"
    activation: Literal["relu", "none"] = "relu"


@register_loss("fitnet", paper="FitNets, ICLR 2015", equations="Eq. 3")
class FitNet(Loss):
    """Mean squared error between regressed and taught features (FitNets, Eq. 3).

    Parameters
    ----------
    options : FitNetOptions

    Raises
    ------
    TrainError
        A rectified regressor for vectors, whose elements have signs.

    Notes
    -----
    `L = mean (r(f_s) - f_t)^2` over all elements; the original trains it as a stage of its own,
    mdistiller and RepDistiller add it with a weight of 100 to cross-entropy.
    """

    Options = FitNetOptions
    regressor: nn.Module

    def __init__(self, options: FitNetOptions) -> None:
        super().__init__()
        if options.regressor == "conv_bn_relu" and not options.of.startswith("layer"):
            raise TrainError(
                "a rectified regressor cannot reach negative elements", where="loss fitnet",
                got=f"regressor=conv_bn_relu of {options.of}", expected="maps of a stage",
                remedy="regressor=conv, or none where the lengths agree",
            )  # fmt: skip
        self.options = options
        self.requires = places.both([options.of])

    def build(self, sizes: Sizes) -> None:
        """Make the regressor for the networks' numbers of channels."""
        if self.options.regressor == "none":
            self.regressor = nn.Identity()
            return
        n_student, n_teacher = places.n_channels(sizes, self.options.of)
        if self.options.regressor == "conv":
            self.regressor = nn.Conv2d(n_student, n_teacher, 1, bias=False)
            nn.init.uniform_(self.regressor.weight, -0.005, 0.005)
            return
        self.regressor = nn.Sequential(
            nn.Conv2d(n_student, n_teacher, 1, bias=False),  # the normalisation would undo a bias
            nn.BatchNorm2d(n_teacher), nn.ReLU(),
        )

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = places.maps(inputs, self.options.of, self.options.activation)
        with places.full_precision(student):
            fitted = self.regressor(student)
            places.refuse_shapes(self.name, fitted, teacher)
            return functional.mse_loss(fitted, teacher)
