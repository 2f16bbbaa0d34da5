"""What the recipes with a face teacher share."""

from __future__ import annotations

from dataclasses import replace

from radarid.learn.composer import build_projector
from radarid.learn.losses.base import LossInputs
from radarid.learn.recipes.base import Batch, Ingredients, Recipe, features_of

FACES = features_of("student") | {
    "labels", "identity", "student.embedding", "student.logits", "teacher.embedding",
    "teacher.logits", "teacher.norm", "teacher.features.pooled",
}  # fmt: skip
FUSED = FACES | {"fused.embedding", "fused.logits", "composer.embedding", "composer.logits"}


class FaceRecipe(Recipe):
    """A student and a frozen face network, of which the embeddings alone are seen.

    The student's embedding is projected to the teacher's length where they differ.

    Parameters
    ----------
    given : see `Recipe`
    """

    uses_faces = True
    provides = FACES

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.projector = build_projector(given.student.n_embedding, given.n_teacher)
        self.sizes = replace(self.sizes, n_student=given.n_teacher)

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`."""
        teacher, student = self.face_outputs(batch), self.see(batch.images)
        return LossInputs(labels=batch.labels, student=student, teacher=teacher)
