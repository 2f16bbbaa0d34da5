"""FD-CMKD: bands of the features matched across modalities, and classified alike."""

from __future__ import annotations

from radarid.learn.config import TrainConfig
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs
from radarid.learn.losses.fdcmkd import FdCmkd as FdCmkdLoss
from radarid.learn.recipes.base import Ingredients, Needs, Term
from radarid.learn.recipes.taught import TaughtRecipe


class FdCmkd(TaughtRecipe):
    """`L = L_task + L_align + lambda (L_low + L_high)` (FD-CMKD, arXiv 2511.19887).

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    Along the channel axis the teacher's feature is the embedding of the paired face. A face has no
    time or Doppler axis: for those the teacher is a radar network that sees the clip before it was
    degraded, and the maps of a stage are matched. The student's own head, the raw one, is what is
    kept and reported.
    """

    tuned = "fdcmkd.distil_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = given.config.fdcmkd
        self.classify = build_loss("cross_entropy")
        self.match = FdCmkdLoss(self.params.match)

    @classmethod
    def needs(cls, config: TrainConfig) -> Needs:
        """See `Recipe.needs`."""
        of_faces = config.fdcmkd.match.axis == "channel"
        return Needs(faces=of_faces, clean=not of_faces, radar_teacher=not of_faces)

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        w, parts = self.params.distil_weight, self.match.parts(inputs)
        return [
            Term("cross_entropy", 1.0, self.classify(inputs)),
            Term("fdcmkd_task", 1.0, parts["task"]),
            Term("fdcmkd_align", 1.0, parts["align"]),
            Term("fdcmkd_low", w * self.params.match.lambda_low, parts["low"]),
            Term("fdcmkd_high", w * self.params.match.lambda_high, parts["high"]),
        ]
