"""Vanilla distillation: the class distribution of a linear head on the face teacher."""

from __future__ import annotations

from capture.schema import to_mapping
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs
from radarid.learn.recipes.base import Ingredients, Term
from radarid.learn.recipes.taught import TaughtRecipe


class Kd(TaughtRecipe):
    """`L = a CE + b KD` (Hinton et al. 2015), a = 0.1 and b = 0.9 as in RepDistiller.

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    A face network knows no radar subjects, so its logits are those of a linear head fitted to the
    frozen embeddings of the training walks' faces before training begins.
    """

    uses_faces = True
    tuned = "kd.kd_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = given.config.kd
        self.classify = build_loss("cross_entropy")
        self.distil = build_loss("kd", to_mapping(self.params.kd))

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        return [
            Term("cross_entropy", self.params.ce_weight, self.classify(inputs)),
            Term("kd", self.params.kd_weight, self.distil(inputs)),
        ]
