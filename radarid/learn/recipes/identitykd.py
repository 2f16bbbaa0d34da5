"""IdentityKD: a face teacher and a composer guide the student (doi 10.1145/3696409.3700254)."""

from __future__ import annotations

from dataclasses import replace

from torch import nn
from torch.nn import functional

from capture.schema import to_mapping
from radarid.errors import TrainError
from radarid.learn.composer import Composer, build_projector
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs, Outputs
from radarid.learn.recipes.base import Batch, Ingredients, Recipe, Term


class IdentityKd(Recipe):
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
    provides = frozenset({
        "labels", "student.embedding", "student.logits", "teacher.embedding", "teacher.logits",
        "fused.embedding", "fused.logits", "composer.embedding", "composer.logits", "identity",
    })  # fmt: skip
    tuned = "identitykd.kd_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = params = given.config.identitykd
        self.projector = build_projector(given.student.n_embedding, given.n_teacher)
        self.sizes = replace(self.sizes, n_student=given.n_teacher)
        self.composer = Composer(given.n_teacher, given.n_subjects)
        form, kd = to_mapping(params.contrast), to_mapping(params.kd)
        self.contrast_teacher = build_loss("contrastive", {**form, "against": "teacher"})
        self.contrast_fused = build_loss("contrastive", {**form, "against": "fused"})
        self.distil = build_loss("identity_kd", kd)
        self.supervise = build_loss("cross_entropy", {"of": "composer"})
        wants_head = params.kd.kd_pair == "teacherhead_student"
        self.teacher_head = nn.Linear(given.n_teacher, given.n_subjects) if wants_head else None

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`."""
        if batch.faces is None:
            raise TrainError("IdentityKD needs the embedding of a face for every clip")
        embedding, logits = self.student(batch.images)
        projected = self.projector(embedding)
        head = self.teacher_head(batch.faces) if self.teacher_head is not None else None
        return LossInputs(
            labels=batch.labels,
            student=Outputs(projected, logits),
            teacher=Outputs(batch.faces, head),
            fused=Outputs(*self.composer(batch.faces, projected)),
            composer=Outputs(*self.composer(batch.faces, projected.detach())),
        )

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        p = self.params
        terms = [
            Term("contrast_teacher", p.contrast_weight * p.gamma, self.contrast_teacher(inputs)),
            Term("contrast_fused", p.contrast_weight * (1 - p.gamma), self.contrast_fused(inputs)),
            Term("identity_kd", p.kd_weight, self.distil(inputs)),
            Term("composer", p.composer_weight, self.supervise(inputs)),
        ]
        if inputs.teacher.logits is not None:
            head = functional.cross_entropy(inputs.teacher.logits, inputs.labels)
            terms.append(Term("teacher_head", 1.0, head))
        return terms
