"""IdentityKD: a face teacher and a composer guide the student (doi 10.1145/3696409.3700254)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from capture.schema import to_mapping
from radarid.errors import TrainError
from radarid.learn.composer import Composer, build_projector
from radarid.learn.config import ExtraLoss, IdentityKdParams
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import IdentityState, LossInputs, Outputs
from radarid.learn.recipes.base import Recipe, Step, Term
from radarid.learn.students import Student


class IdentityKd(Recipe):
    """Two contrasts, identity-wise distillation and the composer's own supervision.

    Parameters
    ----------
    student : the network to train
    params : weights and options
    n_subjects : people to tell apart
    n_teacher : length of the teacher's embeddings
    extra_losses : see `Recipe`

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
        "labels", "student.embedding", "student.logits", "teacher.embedding", "fused.embedding",
        "fused.logits", "identity",
    })  # fmt: skip

    def __init__(
        self, student: Student, params: IdentityKdParams, n_subjects: int, n_teacher: int,
        extra_losses: Mapping[str, ExtraLoss],
    ) -> None:  # fmt: skip
        super().__init__(student, extra_losses)
        self.params = params
        self.projector = build_projector(student.n_embedding, n_teacher)
        self.composer = Composer(n_teacher, n_subjects)
        form, kd = to_mapping(params.contrast), to_mapping(params.kd)
        self.contrast_teacher = build_loss("contrastive", {**form, "against": "teacher"})
        self.contrast_fused = build_loss("contrastive", {**form, "against": "fused"})
        self.distil = build_loss("identity_kd", kd)
        self.supervise = build_loss("cross_entropy", {"of": "fused"})
        wants_head = params.kd.kd_pair == "teacherhead_student"
        self.teacher_head = nn.Linear(n_teacher, n_subjects) if wants_head else None

    def forward(
        self, images: Tensor, labels: Tensor, faces: Tensor | None, identity: IdentityState
    ) -> Step:
        """See `Recipe.forward`."""
        if faces is None:
            raise TrainError("IdentityKD needs the embedding of a face for every clip")
        embedding, logits = self.student(images)
        projected = self.projector(embedding)
        head = self.teacher_head(faces) if self.teacher_head is not None else None
        inputs = LossInputs(
            labels=labels,
            student=Outputs(projected, logits),
            teacher=Outputs(faces, head),
            fused=Outputs(*self.composer(faces, projected)),
            identity=identity,
        )
        alone = replace(inputs, fused=Outputs(*self.composer(faces, projected.detach())))
        p = self.params
        terms = [
            Term("contrast_teacher", p.contrast_weight * p.gamma, self.contrast_teacher(inputs)),
            Term("contrast_fused", p.contrast_weight * (1 - p.gamma), self.contrast_fused(inputs)),
            Term("identity_kd", p.kd_weight, self.distil(inputs)),
            Term("composer", p.composer_weight, self.supervise(alone)),
        ]
        if head is not None:
            terms.append(Term("teacher_head", 1.0, functional.cross_entropy(head, labels)))
        return self.step(terms, inputs, logits)
