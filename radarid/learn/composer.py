"""The composer: a learned residual on the teacher's embedding; lives only while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Composer(nn.Module):
    """Fuse teacher and student embeddings, and classify the result (IdentityKD Eq. 6).

    Parameters
    ----------
    n_embedding : length d of both embeddings
    n_subjects : people to tell apart

    Notes
    -----
    `p = t + W [n(t); n(a)] + b` with n the L2 normalisation, the teacher first, and W of shape
    (d, 2 d); the classifier sees p as it is. One linear layer with bias, as in CCL's code.
    """

    def __init__(self, n_embedding: int, n_subjects: int) -> None:
        super().__init__()
        self.residual = nn.Linear(2 * n_embedding, n_embedding)
        self.classifier = nn.Linear(n_embedding, n_subjects)

    def forward(self, teacher: Tensor, student: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse embeddings of the same people.

        Parameters
        ----------
        teacher, student : float tensors, shape (n, n_embedding)

        Returns
        -------
        fused : float tensor, shape (n, n_embedding)
        logits : float tensor, shape (n, n_subjects)
        """
        both = [functional.normalize(teacher, dim=1), functional.normalize(student, dim=1)]
        fused = teacher + self.residual(torch.cat(both, dim=1))
        return fused, self.classifier(fused)


def build_projector(n_student: int, n_teacher: int) -> nn.Module:
    """Map student embeddings to the teacher's length; nothing to do where they agree."""
    return nn.Identity() if n_student == n_teacher else nn.Linear(n_student, n_teacher)
