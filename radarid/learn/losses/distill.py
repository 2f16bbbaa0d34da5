"""The jointly trained teacher's embedding and votes, followed by the student (THz paper)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, Sizes, as_float, register_loss
from radarid.learn.losses.kd import divergence

N_PROJECTED = 256


@config_class
class FeatureDistillOptions:
    """What is compared with what.

    Parameters
    ----------
    against : "fused", the network that fuses face and radar, or "teacher"
    form : "paper" is the squared distance of embeddings; "code" maps the pooled features of both
        sides to 256 elements, the teacher's by a matrix that stays random for ever
    normalise : bring the embeddings of "paper" to unit length, as the heads of the paper do
    """

    against: Literal["fused", "teacher"] = "fused"
    form: Literal["paper", "code"] = "paper"
    normalise: bool = True


@register_loss(
    "feature_distill", paper="THz multi-task, Preprints 202601.1893", equations="Eq. 11-12"
)
class FeatureDistill(Loss):
    """Squared distance to the teacher's embedding (THz multi-task, Eq. 11-12).

    Parameters
    ----------
    options : FeatureDistillOptions

    Notes
    -----
    `L = mean_i |n(s_i) - n(t_i)|^2`; with "code" `mean (P_s f_s - P_t f_t)^2` over samples and
    elements, P_s trained and P_t not. No gradient reaches the teacher.
    """

    Options = FeatureDistillOptions
    taught_weight: Tensor
    taught_bias: Tensor

    def __init__(self, options: FeatureDistillOptions) -> None:
        super().__init__()
        self.options = options
        place: places.Place = "embedding" if options.form == "paper" else "pooled"
        self.own, self.taught = (places.path(of, place) for of in ("student", options.against))
        self.requires = frozenset({self.own, self.taught})

    def build(self, sizes: Sizes) -> None:
        """Make the two projections of "code"."""
        if self.options.form == "paper":
            return
        keys = ("student.pooled", f"{self.options.against}.pooled")
        if missing := [key for key in keys if key not in sizes.features]:
            raise TrainError(
                "the recipe does not say how long these features are", where="loss feature_distill",
                got=", ".join(missing), remedy="form = 'paper'",
            )  # fmt: skip
        n_student, n_teacher = (sizes.features[key][0] for key in keys)
        self.project_student = nn.Linear(n_student, N_PROJECTED)
        random = nn.Linear(n_teacher, N_PROJECTED)
        self.register_buffer("taught_weight", random.weight.detach())
        self.register_buffer("taught_bias", random.bias.detach())

    def forward(self, inputs: LossInputs) -> Tensor:
        student, teacher = (as_float(inputs.get(name)) for name in (self.own, self.taught))
        teacher = teacher.detach()
        with places.full_precision(student):
            if self.options.form == "code":
                taught = functional.linear(teacher, self.taught_weight, self.taught_bias)
                return functional.mse_loss(self.project_student(student), taught)
            if self.options.normalise:
                student, teacher = (functional.normalize(x, dim=1) for x in (student, teacher))
            places.refuse_shapes(self.name, student, teacher)
            return (student - teacher).square().sum(1).mean()


@config_class
class LogitDistillOptions:
    """Which votes are followed, and how softened.

    Parameters
    ----------
    against : "fused", the network that fuses face and radar, or "teacher"
    of : "logits" over the identities, or "direction": over walking directions, which stand for
        the head postures of the paper
    temperature : T > 0
    """

    against: Literal["fused", "teacher"] = "fused"
    of: Literal["logits", "direction"] = "logits"
    temperature: float = Field(default=3.0, gt=0)


@register_loss("logit_distill", paper="THz multi-task, Preprints 202601.1893", equations="Eq. 14")
class LogitDistill(Loss):
    """Divergence from the teacher's softened votes (THz multi-task, Eq. 14).

    Parameters
    ----------
    options : LogitDistillOptions

    Notes
    -----
    `L = T^2 mean_i KL(softmax(t_i / T) || softmax(s_i / T))`: `kd` with other votes and
    temperature. No gradient reaches the teacher.
    """

    Options = LogitDistillOptions

    def __init__(self, options: LogitDistillOptions) -> None:
        super().__init__()
        self.options = options
        self.own, self.taught = (f"{of}.{options.of}" for of in ("student", options.against))
        self.requires = frozenset({self.own, self.taught})

    def forward(self, inputs: LossInputs) -> Tensor:
        t = self.options.temperature
        student, teacher = (as_float(inputs.get(name)) for name in (self.own, self.taught))
        return t**2 * divergence(teacher.detach(), student, t).mean()
