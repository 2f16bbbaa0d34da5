"""What a recipe is: the networks of a training, and the weighted sum that trains them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from radarid.learn.config import TrainConfig
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import IdentityState, Loss, LossInputs, Sizes, check_needs
from radarid.learn.students import Student


@dataclass(frozen=True)
class Batch:
    """What a recipe is given of some clips.

    Parameters
    ----------
    images : uint8 tensor, shape (n, size, size) or (n, 3, size, size): what the student sees
    labels : int64 tensor, shape (n,)
    faces : float32 tensor, shape (n, d), embeddings of the paired faces
    face_norms : float32 tensor, shape (n,), their lengths before they were normalised
    clean : as `images`, of the same geometry, before it was degraded
    directions : int64 tensor, shape (n,), 0 away, 1 towards, -1 unknown
    """

    images: Tensor
    labels: Tensor
    faces: Tensor | None = None
    face_norms: Tensor | None = None
    clean: Tensor | None = None
    directions: Tensor | None = None


@dataclass(frozen=True)
class Ingredients:
    """What a recipe is made of.

    Parameters
    ----------
    config : of the training
    student : with fresh weights
    n_subjects : people to tell apart
    n_teacher : length of the teacher's embeddings, 0 without faces
    """

    config: TrainConfig
    student: Student
    n_subjects: int
    n_teacher: int = 0


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
    """Result of one forward pass, over the clips of all processes.

    Parameters
    ----------
    total : what is differentiated
    terms : its parts
    logits : the student's, shape (n_batch, n_subjects)
    labels : int64 tensor, shape (n_batch,)
    """

    total: Tensor
    terms: tuple[Term, ...]
    logits: Tensor
    labels: Tensor


class Recipe(nn.Module):
    """Base of the recipes. Everything but `student` is thrown away after training.

    A subclass makes its networks and losses in `__init__`, runs the networks in `networks` and
    weighs the losses in `terms`. Gradients are routed there, by detaching.

    Parameters
    ----------
    given : what the recipe is made of

    Attributes
    ----------
    uses_faces : whether batches must have faces
    uses_clean : whether batches must have the clip before it was degraded
    provides : dotted names of the `LossInputs` that `networks` fills in
    tuned : dotted configuration key of the weight of the distillation, "" where there is none
    """

    uses_faces: ClassVar[bool] = False
    uses_clean: ClassVar[bool] = False
    provides: ClassVar[frozenset[str]]
    tuned: ClassVar[str] = ""

    def __init__(self, given: Ingredients) -> None:
        super().__init__()
        self.student = given.student
        self.sizes = Sizes(given.n_subjects, given.n_teacher, given.student.n_embedding)
        extra = given.config.extra_losses
        self.extra = nn.ModuleDict(
            {name: build_loss(name, entry.options) for name, entry in extra.items()}
        )
        self.extra_weights = {name: entry.weight for name, entry in extra.items()}

    def prepare(self) -> None:
        """Check what the losses need, and let them make their own parameters.

        Raises
        ------
        TrainError
            A loss needs what this recipe does not provide.
        """
        check_needs(self.losses(), self.provides)
        for loss in self.losses():
            loss.build(self.sizes)

    def losses(self) -> Iterable[Loss]:
        """Every loss of the recipe, the extra ones too."""
        return [module for module in self.modules() if isinstance(module, Loss)]

    @abstractmethod
    def networks(self, batch: Batch) -> LossInputs:
        """Run the networks on this process's share of the batch.

        Raises
        ------
        TrainError
            The batch lacks something that the recipe uses.
        """

    @abstractmethod
    def terms(self, inputs: LossInputs) -> list[Term]:
        """Weigh the losses of the whole batch."""

    def forward(self, batch: Batch, identity: IdentityState) -> Step:
        """Run the networks on a batch of pairs and sum up the weighted losses.

        Parameters
        ----------
        batch : this process's share
        identity : of the epoch
        """
        inputs = replace(self.networks(batch), identity=identity)
        terms = self.terms(inputs)
        for name, loss in self.extra.items():
            terms.append(Term(name, self.extra_weights[name], loss(inputs)))
        total = torch.stack([term.weight * term.value for term in terms]).sum()
        return Step(total, tuple(terms), inputs.get("student.logits"), inputs.labels)
