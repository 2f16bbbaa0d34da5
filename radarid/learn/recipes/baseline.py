"""Cross-entropy on the clips alone: what the student learns without a teacher."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from radarid.learn.config import ExtraLoss
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import IdentityState, LossInputs, Outputs
from radarid.learn.recipes.base import Recipe, Step, Term
from radarid.learn.students import Student


class Baseline(Recipe):
    """The paper's "Baseline" row: `L = CE(student logits, labels)`; needs no faces.

    Parameters
    ----------
    student : the network to train
    extra_losses : see `Recipe`
    """

    uses_faces = False
    provides = frozenset({"labels", "student.embedding", "student.logits", "identity"})

    def __init__(self, student: Student, extra_losses: Mapping[str, ExtraLoss]) -> None:
        super().__init__(student, extra_losses)
        self.classify = build_loss("cross_entropy")

    def forward(
        self, images: Tensor, labels: Tensor, faces: Tensor | None, identity: IdentityState
    ) -> Step:
        """See `Recipe.forward`; `faces` is not looked at."""
        embedding, logits = self.student(images)
        inputs = LossInputs(labels=labels, student=Outputs(embedding, logits), identity=identity)
        return self.step([Term("cross_entropy", 1.0, self.classify(inputs))], inputs, logits)
