"""F-SKD: a student of degraded clips follows the features of a teacher of undegraded ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from capture.schema import to_mapping
from radarid.learn.config import TrainConfig
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import Loss, LossInputs
from radarid.learn.recipe_params import FskdParams
from radarid.learn.recipes.base import Batch, Ingredients, Needs, Term
from radarid.learn.recipes.taught import TaughtRecipe


class Fskd(TaughtRecipe):
    """`L = CosFace + lambda L_distill` on degraded clips (F-SKD, arXiv 2303.04681).

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    The teacher is a baseline student of the same architecture that was trained on the clips as
    they are; it sees the very clip whose degraded form the student sees.

    CosFace has class directions of its own, and a student votes by its linear classifier. With
    `head = "cosface"` that classifier is trained beside, by cross-entropy on the embedding held
    fixed, so that the exported student is like all others; the backbone feels CosFace alone.
    """

    tuned = "fskd.distil_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = p = given.config.fskd
        self.classify = build_loss("cross_entropy")
        has_margin = p.head == "cosface"
        self.margin_head = build_loss("cosface", to_mapping(p.cosface)) if has_margin else None
        self.distil = nn.ModuleList(_distillation(p))

    @classmethod
    def needs(cls, config: TrainConfig) -> Needs:
        """See `Recipe.needs`."""
        return Needs(clean=True, radar_teacher=True)

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`."""
        inputs = super().networks(batch)
        if self.margin_head is None:
            return inputs
        fixed = inputs.get("student.embedding").detach()
        student = replace(inputs.student, logits=self.student.classifier(fixed))
        return replace(inputs, student=student)

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        terms = [Term("cross_entropy", 1.0, self.classify(inputs))]
        if self.margin_head is not None:
            terms.append(Term("cosface", 1.0, self.margin_head(inputs)))
        stages = torch.stack([loss(inputs) for loss in self.distil])
        return [*terms, Term(self.params.distil, self.params.distil_weight, stages.mean())]


def _distillation(params: FskdParams) -> list[Loss]:
    """Losses of which the mean is taken: FitNet compares one stage at a time."""
    if params.distil == "fitnet":
        form = {"regressor": "none", "activation": "none"}
        return [build_loss("fitnet", {"of": stage, **form}) for stage in params.fskd.stages]
    if params.distil == "norm_kd":
        return [build_loss("norm_kd", {"stages": params.fskd.stages})]
    return [build_loss("fskd", to_mapping(params.fskd))]
