"""MKD, our reading: distances to the teacher beyond a margin, weighed by the face's quality."""

from __future__ import annotations

from radarid.learn.config import TrainConfig
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs
from radarid.learn.recipes.base import Ingredients, Needs, Term
from radarid.learn.recipes.taught import TaughtRecipe


class Mkd(TaughtRecipe):
    """`L = CE + w (a L_feature + b L_logit)` of margined distances (MKD, AAAI 2023, our reading).

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    Of the paper only the abstract can be reached; see the loss `mkd` for what is ours.
    """

    tuned = "mkd.distil_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = p = given.config.mkd
        self.classify = build_loss("cross_entropy")
        self.feature = build_loss(
            "mkd", {"level": "feature", "margin": p.feature_margin, "quality": p.quality}
        )
        self.logit = build_loss("mkd", {
            "level": "logit", "margin": p.logit_margin, "quality": p.quality,
            "temperature": p.temperature, "scale": p.scale,
        })  # fmt: skip

    @classmethod
    def needs(cls, config: TrainConfig) -> Needs:
        """See `Recipe.needs`."""
        return Needs(faces=True, norms=config.mkd.quality)

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        p = self.params
        return [
            Term("cross_entropy", 1.0, self.classify(inputs)),
            Term("mkd_feature", p.distil_weight * p.feature_weight, self.feature(inputs)),
            Term("mkd_logit", p.distil_weight * p.logit_weight, self.logit(inputs)),
        ]
