"""Low bands of features matched strictly, high ones loosely, by shared classifiers (FD-CMKD)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, Sizes, register_loss
from radarid.learn.losses.frequency import DIMENSIONS, Axis, split_bands

EPSILON = 1e-8  # least length that is brought to one
BANDS = ("low", "high")


@config_class
class FdCmkdOptions:
    """Axis of the transform, and weights of the two distances.

    Parameters
    ----------
    axis : "channel" transforms pooled vectors, as the paper; "time", "doppler" and "hw" transform
        maps, before pooling
    of : stage of these maps
    reduction : "mean" over all elements is the paper's and bounds a distance by 4 / D, almost
        nothing beside the cross-entropies; "sum_dim" sums over the D elements of a sample
    lambda_low, lambda_high : weights of the distances; 1 and 1 are the paper's, with "mean" values
        up to 512 make sense
    """

    axis: Axis = "channel"
    of: places.Maps = "layer4"
    reduction: Literal["mean", "sum_dim"] = "mean"
    lambda_low: float = Field(default=1.0, ge=0)
    lambda_high: float = Field(default=1.0, ge=0)


@register_loss("fdcmkd", paper="FD-CMKD, arXiv 2511.19887", equations="Eq. 4-9")
class FdCmkd(Loss):
    """Frequency-decoupled distillation (FD-CMKD, Eq. 4-9) but for the student's own head.

    Parameters
    ----------
    options : FdCmkdOptions

    Raises
    ------
    TrainError
        In `build`: an axis of fewer than four elements, whose low band is empty. In `forward`:
        maps of two sizes.

    Notes
    -----
    `L = L_task + L_align + lambda_low L_low + lambda_high L_high`; `parts` gives the four apart.
    With X the feature before its last activation, `Std(V) = V / max(|V|, 1e-8)` per sample and
    `sigma(v) = sign(v) log(1 + |v|)`:

    `L_low = mean (Std(X_low^t) - Std(X_low^s))^2`,
    `L_high = mean (sigma(Std(X_high^t)) - sigma(Std(X_high^s)))^2`,
    `L_align = sum over networks and bands of CE(Phi_band(X_band), y)`, Phi shared by the networks,
    `L_task = sum over bands of CE(psi_band(X_band^s), y)`; add `cross_entropy` for the student's
    own head, its remaining term.

    Phi and psi rectify, average over the places and are linear. Where student and teacher have
    different numbers of channels, a linear map of the loss brings the student's to the teacher's.
    """

    Options = FdCmkdOptions

    def __init__(self, options: FdCmkdOptions) -> None:
        super().__init__()
        self.options = options
        self.place: places.Place = "pooled" if options.axis == "channel" else options.of
        self.requires = frozenset({"labels"}) | places.both([self.place])

    def build(self, sizes: Sizes) -> None:
        """Make the four classifiers, and the projector where lengths differ."""
        n_student, n_teacher = places.n_channels(sizes, self.place)
        shape = (1, *sizes.features[f"teacher.{self.place}"])
        if min(shape[dim] for dim in DIMENSIONS[self.options.axis]) < 4:
            raise TrainError(
                "too short to be split into bands", where=f"loss fdcmkd, axis {self.options.axis}",
                got=f"features of shape {shape[1:]}", expected="four elements or more",
                remedy="an earlier stage, or larger clips",
            )  # fmt: skip
        same = n_student == n_teacher
        self.projector = nn.Identity() if same else nn.Conv2d(n_student, n_teacher, 1, bias=False)
        heads = {
            f"{kind}_{band}": nn.Linear(n_teacher, sizes.n_subjects)
            for kind in ("shared", "task") for band in BANDS
        }  # fmt: skip
        for head in heads.values():
            nn.init.xavier_normal_(head.weight)
            nn.init.zeros_(head.bias)
        self.heads = nn.ModuleDict(heads)

    def forward(self, inputs: LossInputs) -> Tensor:
        parts = self.parts(inputs)
        low, high = self.options.lambda_low * parts["low"], self.options.lambda_high * parts["high"]
        return parts["task"] + parts["align"] + low + high

    def parts(self, inputs: LossInputs) -> dict[str, Tensor]:
        """The four sums, each a 0-dim tensor: "task", "align", "low", "high"; unweighted."""
        student, teacher = places.pair(inputs, self.place)
        if student.ndim == 2:
            student, teacher = student[:, :, None, None], teacher[:, :, None, None]
        with places.full_precision(student):
            student = self.projector(student)
            places.refuse_shapes(self.name, student, teacher)
            own = dict(zip(BANDS, split_bands(student, self.options.axis), strict=True))
            taught = dict(zip(BANDS, split_bands(teacher, self.options.axis), strict=True))
            shared = [
                self._vote("shared", band, bands[band], inputs.labels)
                for bands in (own, taught) for band in BANDS
            ]  # fmt: skip
            task = [self._vote("task", band, own[band], inputs.labels) for band in BANDS]
            return {
                "task": torch.stack(task).sum(),
                "align": torch.stack(shared).sum(),
                "low": self._distance(_unit(own["low"]), _unit(taught["low"])),
                "high": self._distance(_log(_unit(own["high"])), _log(_unit(taught["high"]))),
            }

    def _vote(self, kind: str, band: str, values: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of a band's classifier."""
        pooled = values.relu().mean(dim=(2, 3))
        return functional.cross_entropy(self.heads[f"{kind}_{band}"](pooled), labels)

    def _distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        squares = (student - teacher).square()
        return squares.mean() if self.options.reduction == "mean" else squares.sum(1).mean()


def _unit(values: Tensor) -> Tensor:
    return functional.normalize(values.flatten(1), dim=1, eps=EPSILON)


def _log(values: Tensor) -> Tensor:
    return values.sign() * values.abs().log1p()
