"""What the recipes with a frozen teacher share: a face network, or a radar network."""

from __future__ import annotations

from dataclasses import replace

from radarid.errors import TrainError
from radarid.learn.composer import build_projector
from radarid.learn.losses.base import LossInputs, Outputs
from radarid.learn.recipes.base import Batch, Ingredients, Recipe, features_of

SEEN = features_of("student") | {
    "labels", "directions", "identity", "student.embedding", "student.logits",
    "teacher.embedding", "teacher.logits",
}  # fmt: skip
FACES = SEEN | {"teacher.norm", "teacher.features.pooled"}
FUSED = FACES | {"fused.embedding", "fused.logits", "composer.embedding", "composer.logits"}
RADAR = SEEN | features_of("teacher")


class TaughtRecipe(Recipe):
    """A student and a frozen teacher; `needs` says whether that sees faces or clean clips.

    Of a face network the embeddings alone are seen, and the student's is projected to their length
    where it has another. A radar network, which may have been trained to know the same people by
    undegraded clips, also shows the features of its stages.

    Parameters
    ----------
    given : see `Recipe`

    Raises
    ------
    TrainError
        A radar teacher is needed and none was given.
    """

    provides = FACES

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        needs = self.needs(given.config)
        if needs.faces:
            self.projector = build_projector(given.student.n_embedding, given.n_teacher)
            self.sizes = replace(self.sizes, n_student=given.n_teacher)
            return
        self.provides = RADAR
        if given.radar_teacher is None:
            raise TrainError(
                "no radar teacher was given", where=f"recipe {given.config.recipe}",
                remedy="--set teacher_run=RUN, the folder of a finished baseline",
            )
        self.sizes = replace(self.sizes, n_teacher=given.radar_teacher.n_embedding)

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`."""
        student = self.see(batch.images)
        teacher = self.face_outputs(batch) if self.teacher is None else self._radar_outputs(batch)
        return LossInputs(
            labels=batch.labels, student=student, teacher=teacher, directions=batch.directions
        )

    def _radar_outputs(self, batch: Batch) -> Outputs:
        if batch.clean is None or self.teacher is None:
            raise TrainError(
                f"the recipe {type(self).__name__} needs every clip as it was before degradation"
            )
        return self.teacher(batch.clean, self.taps("teacher"))
