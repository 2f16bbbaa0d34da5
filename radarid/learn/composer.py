"""Composers fuse what teacher and student see: by a residual, or by attention; training only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from radarid.learn.losses.base import Outputs

N_HIDDEN = 256  # of the embedding head of `CrossAttention`


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


class CrossAttention(nn.Module):
    """Fuse teacher and student by attention both ways (THz paper, section 4 and Eq. 8).

    Parameters
    ----------
    n_teacher, n_student : channels of the teacher's and the student's maps, or lengths of vectors
    n_embedding : length of the fused embedding
    n_subjects : people to tell apart
    n_directions : walking directions to tell apart, 0 for no such head
    n_side : maps are averaged down to this many places along each side; 4 is the paper's
    n_heads : of each attention; must divide `n_teacher`
    dropout : of the attention's weights

    Notes
    -----
    Each place of a map is a token; a vector, such as a face's embedding, is a single one. With
    T and S the tokens, `F = ReLU(LayerNorm(W [A(T; S); A(S; T)] + b))` where `A(Q; K)` attends
    from Q to K, without residual; one token asked from one side is repeated for every place.
    The places of F are reduced by a convolution over all of them, batch normalisation and
    LeakyReLU; the heads see the result through dropout. The embedding has unit length. What only
    one token answers is a linear map of it: vectors on both sides make this a small perceptron,
    so give it the student's maps.
    """

    def __init__(
        self, n_teacher: int, n_student: int, n_embedding: int, n_subjects: int, *,
        n_directions: int = 0, n_side: int = 4, n_heads: int = 8, dropout: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        n, self.n_side = n_teacher, n_side
        self.adapt = build_projector(n_student, n)
        self.from_teacher = nn.MultiheadAttention(n, n_heads, dropout, batch_first=True)
        self.from_student = nn.MultiheadAttention(n, n_heads, dropout, batch_first=True)
        self.merge = nn.Sequential(nn.Linear(2 * n, n), nn.LayerNorm(n), nn.ReLU())
        self.reduce = nn.Sequential(
            nn.Conv2d(n, n, n_side, stride=n_side, bias=False), nn.BatchNorm2d(n),
            nn.LeakyReLU(0.2), nn.Flatten(), nn.Dropout(0.5),
        )  # fmt: skip
        self.embed = nn.Sequential(
            nn.Linear(n, N_HIDDEN), nn.BatchNorm1d(N_HIDDEN), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(N_HIDDEN, n_embedding),
        )  # fmt: skip
        self.classifier = nn.Linear(n, n_subjects)
        self.direction = nn.Linear(n, n_directions) if n_directions else None

    def forward(self, teacher: Tensor, student: Tensor) -> tuple[Tensor, Tensor]:
        """Fused embedding and logits, as `Composer` gives them; see `outputs`."""
        found = self.outputs(teacher, student)
        return found.embedding, found.logits  # type: ignore[return-value]

    def outputs(self, teacher: Tensor, student: Tensor) -> Outputs:
        """Fuse what two networks see of the same people.

        Parameters
        ----------
        teacher, student : float tensors, maps of shape (n, channels, h, w), or vectors (n, length)

        Returns
        -------
        embedding : float tensor, shape (n, n_embedding), of unit length
        logits : float tensor, shape (n, n_subjects)
        features : "pooled", shape (n, n_teacher), the mean of the fused tokens
        direction : float tensor, shape (n, n_directions), where there is such a head
        """
        tokens = self.fuse(teacher, student)
        places = tokens.transpose(1, 2).unflatten(2, (self.n_side, self.n_side))
        reduced = self.reduce(places)
        return Outputs(
            embedding=functional.normalize(self.embed(reduced), dim=1),
            logits=self.classifier(reduced),
            features={"pooled": tokens.mean(1)},
            direction=self.direction(reduced) if self.direction is not None else None,
        )

    def fuse(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Fused tokens of teacher and student, shape (n, n_side^2, n_teacher)."""
        taught = self._tokens(teacher)
        own = self.adapt(self._tokens(student))
        asked = [
            self.from_teacher(taught, own, own, need_weights=False)[0],
            self.from_student(own, taught, taught, need_weights=False)[0],
        ]
        n_places = self.n_side**2
        return self.merge(torch.cat([a.expand(-1, n_places, -1) for a in asked], dim=2))

    def _tokens(self, seen: Tensor) -> Tensor:
        """Places of maps, or a vector as the only one: shape (n, n_tokens, channels)."""
        if seen.ndim == 2:
            return seen[:, None]
        size = (self.n_side, self.n_side)
        return functional.adaptive_avg_pool2d(seen, size).flatten(2).transpose(1, 2)


def build_projector(n_student: int, n_teacher: int) -> nn.Module:
    """Map student embeddings to the teacher's length; nothing to do where they agree."""
    return nn.Identity() if n_student == n_teacher else nn.Linear(n_student, n_teacher)
