"""IdentityKD: a face teacher and a composer guide the student (doi 10.1145/3696409.3700254)."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from capture.schema import to_mapping
from radarid.learn.composer import Composer, CrossAttention
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs, Outputs
from radarid.learn.recipes.base import Batch, Ingredients, Term
from radarid.learn.recipes.taught import FUSED, TaughtRecipe


class IdentityKd(TaughtRecipe):
    """Two contrasts, identity-wise distillation and the composer's own supervision.

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    `L = d1 [gamma L_st + (1 - gamma) L_sp] + d2 L_KD + d3 L_comp` (Eq. 11 and 15; the last term
    is the text's "fine-tuned with the subject-classification objective").

    Gradients, by construction: the teacher gets none (its embeddings are data). The student gets
    those of the contrasts, including the way through the fused embedding, and of L_KD. The
    composer gets those of L_sp and L_comp, and of L_KD only with `kd.detach_teacher = false`.
    L_comp sees the student's embedding detached, so it never moves the student. One Adam serves
    both sides: it treats every parameter by itself, as two would.
    """

    uses_faces = True
    provides = FUSED
    tuned = "identitykd.kd.beta"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = params = given.config.identitykd
        self.composer, self.fused_with = self._build_composer(given)
        form, kd = to_mapping(params.contrast), to_mapping(params.kd)
        self.contrast_teacher = build_loss("contrastive", {**form, "against": "teacher"})
        self.contrast_fused = build_loss("contrastive", {**form, "against": "fused"})
        self.distil = build_loss("identity_kd", kd)
        self.supervise = build_loss("cross_entropy", {"of": "composer"})

    def _build_composer(self, given: Ingredients) -> tuple[nn.Module, str]:
        """The composer, and what of the student it fuses with the face."""
        n = given.n_teacher
        if given.config.identitykd.composer == "residual":
            return Composer(n, given.n_subjects), "student.embedding"
        self.watched = frozenset({"layer4"})
        shapes = given.student.feature_shapes(given.config.model.input.size, self.watched)
        fusion = CrossAttention(n, shapes["layer4"][0], n, given.n_subjects)
        return fusion, "student.features.layer4"

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`."""
        inputs = super().networks(batch)
        face, own = inputs.get("teacher.embedding"), inputs.get(self.fused_with)
        return replace(
            inputs,
            fused=Outputs(*self.composer(face, own)),
            composer=Outputs(*self.composer(face, own.detach())),
        )

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        p = self.params
        return [
            Term("contrast_teacher", p.contrast_weight * p.gamma, self.contrast_teacher(inputs)),
            Term("contrast_fused", p.contrast_weight * (1 - p.gamma), self.contrast_fused(inputs)),
            Term("identity_kd", p.kd_weight, self.distil(inputs)),
            Term("composer", p.composer_weight, self.supervise(inputs)),
        ]
