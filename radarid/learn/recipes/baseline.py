"""Cross-entropy on the clips alone: what the student learns without a teacher."""

from __future__ import annotations

from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs
from radarid.learn.recipes.base import Batch, Ingredients, Recipe, Term, features_of


class Baseline(Recipe):
    """The paper's "Baseline" row: `L = CE(student logits, labels)`; needs no faces.

    Parameters
    ----------
    given : see `Recipe`
    """

    provides = frozenset({
        "labels", "student.embedding", "student.logits", "identity",
    }) | features_of("student")  # fmt: skip

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.classify = build_loss("cross_entropy")

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`; faces are not looked at."""
        return LossInputs(labels=batch.labels, student=self.see(batch.images))

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        return [Term("cross_entropy", 1.0, self.classify(inputs))]
