"""Margins of tolerance around distillation distances (MKD, our reading)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from capture.schema import config_class
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, as_float, register_loss
from radarid.learn.losses.kd import divergence

MARGINS = {"feature": 0.2, "logit": 8 / 255}


@config_class
class MarginOptions:
    """Which distance, and how much of it is tolerated.

    Parameters
    ----------
    level : "feature" is the cosine distance of embeddings; "logit" the divergence of class
        distributions, in nats
    margin : tolerated distance; None is 0.2 for features and 8/255 for logits
    temperature : T > 0 of the divergence
    scale : where T^2 enters: on the excess over the margin ("after"), which keeps the margin in
        nats of the softened distributions and the gradient as large as kd's; on the divergence
        ("before"); or not at all ("none")
    quality : weigh samples by the length of the teacher's embedding before it was normalised,
        which tells how good a picture is, with a mean of 1 over the batch
    """

    level: Literal["feature", "logit"] = "feature"
    margin: float | None = Field(default=None, ge=0)
    temperature: float = Field(default=4.0, gt=0)
    scale: Literal["after", "before", "none"] = "after"
    quality: bool = True


@register_loss("mkd", paper="MKD, AAAI 2023 (our reading)", equations="abstract only")
class Margin(Loss):
    """Distance to the teacher beyond a margin, by quality (MKD, abstract only: our reading).

    Parameters
    ----------
    options : MarginOptions

    Notes
    -----
    `L = mean_i w_i max(d_i - m, 0)`, `d = 1 - cos(a_i, t_i)` or `KL(softmax(t_i / T) ||
    softmax(s_i / T))`, `w_i = |t_i| / mean_j |t_j|`. Neither code nor full text of the paper can
    be reached; its abstract and its successor (arXiv 2507.16296) say "a soft constraint with a
    margin at feature level and classifier level" and weights from the quality of the data.
    Results are to be labelled "MKD (our reading)".
    """

    Options = MarginOptions

    def __init__(self, options: MarginOptions) -> None:
        super().__init__()
        self.options = options
        self.margin = MARGINS[options.level] if options.margin is None else options.margin
        part = "embedding" if options.level == "feature" else "logits"
        norm = {"teacher.norm"} if options.quality else set()
        self.requires = frozenset({f"student.{part}", f"teacher.{part}"} | norm)

    def forward(self, inputs: LossInputs) -> Tensor:
        distance, factor = self._distance(inputs)
        excess = (distance - self.margin).clamp(min=0) * factor
        if self.options.quality:
            norm = as_float(inputs.get("teacher.norm")).detach()
            excess = excess * norm / norm.mean().clamp(min=1e-12)
        return excess.mean()

    def _distance(self, inputs: LossInputs) -> tuple[Tensor, float]:
        """d_i of each sample, shape (n,), and the factor of its excess over the margin."""
        if self.options.level == "feature":
            student, teacher = places.pair(inputs, "embedding")
            return 1 - functional.cosine_similarity(student, teacher, eps=1e-12), 1.0
        student, teacher = (as_float(inputs.get(f"{of}.logits")) for of in ("student", "teacher"))
        squared = self.options.temperature**2
        distance = divergence(teacher.detach(), student, self.options.temperature)
        if self.options.scale == "before":
            distance = distance * squared
        return distance, squared if self.options.scale == "after" else 1.0
