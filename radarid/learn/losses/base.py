"""What a loss is: a named module with declared needs and one unweighted number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from capture.schema import config_class
from radarid.errors import TrainError


@dataclass(frozen=True)
class IdentityState:
    """How well each identity is known so far.

    Parameters
    ----------
    accuracy : float tensor, shape (n_subjects,), in [0, 1]
        A_k: share of identity k's training clips that the previous epoch got right.
    adaptive : bool
        False during the warm-up, when every identity is treated alike.
    """

    accuracy: Tensor
    adaptive: bool


@dataclass(frozen=True)
class Outputs:
    """What one network says of a batch.

    Parameters
    ----------
    embedding : float tensor, shape (n_batch, d)
    logits : float tensor, shape (n_batch, n_subjects)
    """

    embedding: Tensor | None = None
    logits: Tensor | None = None


@dataclass(frozen=True)
class LossInputs:
    """Everything a loss may look at, for one batch of (clip, face of the same subject) pairs.

    Parameters
    ----------
    labels : int64 tensor, shape (n_batch,)
    student : embedding projected to the teacher's dimension, and logits of the student alone
    teacher : embedding of the paired face, and logits of a linear head on it where one is trained
    fused : embedding and logits of the composer (teacher plus learned residual)
    identity : the per-identity state of the epoch

    Notes
    -----
    A recipe fills in what it has; `check_needs` compares that with `Loss.requires` before training.
    """

    labels: Tensor
    student: Outputs = field(default_factory=Outputs)
    teacher: Outputs = field(default_factory=Outputs)
    fused: Outputs = field(default_factory=Outputs)
    identity: IdentityState | None = None

    def get(self, name: str) -> Tensor:
        """Tensor called `name`, such as `student.logits`.

        Raises
        ------
        TrainError
            The recipe does not provide it.
        """
        found: object = self
        for part in name.split("."):
            found = getattr(found, part)
        if not isinstance(found, Tensor):
            raise TrainError(f"this recipe does not provide {name} to its losses")
        return found


@config_class
class NoOptions:
    """The options of a loss that has none."""


class Loss(nn.Module):
    """Base of the loss plug-ins: `forward(inputs)` gives one unweighted number.

    A subclass declares its `Options` (a `config_class`), sets `requires` to the dotted names of
    the `LossInputs` fields it reads, and is registered with `register_loss`. Its own parameters
    reach the optimiser and the checkpoint, as those of any submodule of the recipe. Weights and
    schedules belong to the recipe.
    """

    Options: ClassVar[type] = NoOptions
    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    equations: ClassVar[str] = ""
    requires: frozenset[str] = frozenset()

    @abstractmethod
    def forward(self, inputs: LossInputs) -> Tensor:
        """Return the loss of the batch, a 0-dim float tensor."""


L = TypeVar("L", bound=type[Loss])
REGISTRY: dict[str, type[Loss]] = {}


def register_loss(name: str, *, paper: str, equations: str) -> Callable[[L], L]:
    """Register a loss class under `name`, with the paper and equations it implements.

    Raises
    ------
    TrainError
        Another class already has the name.
    """

    def register(cls: L) -> L:
        if name in REGISTRY and REGISTRY[name] is not cls:
            raise TrainError(
                "two losses of one name", where=name, got=f"{REGISTRY[name]} and {cls}"
            )
        cls.name, cls.paper, cls.equations = name, paper, equations
        REGISTRY[name] = cls
        return cls

    return register


def check_needs(losses: Iterable[Loss], provided: frozenset[str]) -> None:
    """Refuse losses that need what the recipe does not provide.

    Raises
    ------
    TrainError
        Naming the loss and the missing fields.
    """
    for loss in losses:
        missing = loss.requires - provided
        if missing:
            raise TrainError(
                f"loss '{loss.name}' needs {', '.join(sorted(missing))}",
                expected=f"one of {', '.join(sorted(provided))}",
                remedy="use a recipe that provides it, or drop the loss",
            )


def as_float(values: Tensor) -> Tensor:
    """`values` in float32 where they come in half precision; double precision is kept."""
    return values if values.dtype == torch.float64 else values.float()
