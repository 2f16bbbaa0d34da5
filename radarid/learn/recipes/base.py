"""What a recipe is: the networks of a training, and the weighted sum that trains them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from radarid.learn.config import ExtraLoss
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import IdentityState, LossInputs, check_needs
from radarid.learn.students import Student


@dataclass(frozen=True)
class Term:
    """One loss of the sum.

    Parameters
    ----------
    name : in the log
    weight : factor in the total
    value : 0-dim float tensor, unweighted
    """

    name: str
    weight: float
    value: Tensor


@dataclass(frozen=True)
class Step:
    """Result of one forward pass.

    Parameters
    ----------
    total : what is differentiated
    terms : its parts
    logits : the student's, shape (n_batch, n_subjects)
    """

    total: Tensor
    terms: tuple[Term, ...]
    logits: Tensor


class Recipe(nn.Module):
    """Base of the recipes. Everything but `student` is thrown away after training.

    Parameters
    ----------
    student : the network that is kept
    extra_losses : registered losses to add to the total

    Raises
    ------
    TrainError
        An extra loss is unknown, or needs what this recipe does not provide.
    """

    uses_faces: ClassVar[bool]
    provides: ClassVar[frozenset[str]]

    def __init__(self, student: Student, extra_losses: Mapping[str, ExtraLoss]) -> None:
        super().__init__()
        self.student = student
        self.extra = nn.ModuleDict(
            {name: build_loss(name, extra.options) for name, extra in extra_losses.items()}
        )
        self.extra_weights = {name: extra.weight for name, extra in extra_losses.items()}
        check_needs(self.extra.values(), self.provides)  # type: ignore[arg-type]

    @abstractmethod
    def forward(
        self, images: Tensor, labels: Tensor, faces: Tensor | None, identity: IdentityState
    ) -> Step:
        """Run the networks on a batch of pairs and weigh the losses.

        Parameters
        ----------
        images : uint8 tensor, shape (n_batch, size, size)
        labels : int64 tensor, shape (n_batch,)
        faces : float32 tensor, shape (n_batch, d), embeddings of the paired faces; None for
            recipes without faces
        identity : of the epoch
        """

    def step(self, terms: list[Term], inputs: LossInputs, logits: Tensor) -> Step:
        """Add the extra losses and sum up."""
        for name, loss in self.extra.items():
            terms.append(Term(name, self.extra_weights[name], loss(inputs)))
        total = torch.stack([term.weight * term.value for term in terms]).sum()
        return Step(total, tuple(terms), logits)
