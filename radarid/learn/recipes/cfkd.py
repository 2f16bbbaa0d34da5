"""CFKD, which is CCL: student and composer each learn from the other and from the teacher."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from capture.schema import to_mapping
from radarid.learn.composer import Composer
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs, Outputs
from radarid.learn.recipes.base import Batch, Ingredients, Term
from radarid.learn.recipes.taught import FUSED, TaughtRecipe


class Cfkd(TaughtRecipe):
    """Contrasts among student a, teacher t and composer c, and mutual divergence (CCL, CVPR 2021).

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    With N the symmetric contrast and J the loss `jeffreys`, the student minimises
    `CE(z_a) + w [N(a, t) + N(a, c) + J(z_a, z_c)]` and the composer
    `CE(z_c) + w [N(c, t) + N(a, c) + J(z_a, z_c)]`.

    CCL has an optimiser for each, cleared before its own backward pass, so each sees its own loss
    alone. Here the student's `fused` comes from the composer with its parameters held fixed, and
    `composer` from the student's embedding held fixed, and one Adam serves both.
    """

    uses_faces = True
    provides = FUSED
    tuned = "cfkd.distil_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = given.config.cfkd
        self.composer = Composer(given.n_teacher, given.n_subjects)
        form = to_mapping(self.params.contrast)
        self.contrast_teacher = build_loss("contrastive", {**form, "against": "teacher"})
        self.contrast_fused = build_loss("contrastive", {**form, "against": "fused"})
        self.agree = build_loss("jeffreys", {"against": "fused"})
        self.classify = build_loss("cross_entropy")

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`."""
        inputs = super().networks(batch)
        face, own = inputs.get("teacher.embedding"), inputs.get("student.embedding")
        return replace(
            inputs,
            fused=Outputs(*self._fuse_fixed(face, own)),
            composer=Outputs(*self.composer(face, own.detach())),
        )

    def _fuse_fixed(self, face: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """The composer's outputs with its parameters held fixed."""
        fixed = {name: value.detach() for name, value in self.composer.named_parameters()}
        embedding, logits = torch.func.functional_call(self.composer, fixed, (face, own))
        return embedding, logits

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        student = replace(
            inputs.student,
            embedding=inputs.get("student.embedding").detach(),
            logits=inputs.get("student.logits").detach(),
        )
        composer = replace(inputs, student=student, fused=inputs.composer)
        as_student = replace(inputs, student=inputs.composer)
        w, jsd = self.params.distil_weight, self.params.jsd_weight
        return [
            Term("cross_entropy", 1.0, self.classify(inputs)),
            Term("contrast_teacher", w, self.contrast_teacher(inputs)),
            Term("contrast_fused", w, self.contrast_fused(inputs)),
            Term("agree", w * jsd, self.agree(inputs)),
            Term("composer", 1.0, self.classify(as_student)),
            Term("composer_teacher", w, self.contrast_teacher(as_student)),
            Term("composer_contrast", w, self.contrast_fused(composer)),
            Term("composer_agree", w * jsd, self.agree(composer)),
        ]
