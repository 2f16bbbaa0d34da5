"""What a loss is: a named module with declared needs and one unweighted number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
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
    embedding : float tensor, shape (n_batch, d); the student's is projected to the teacher's length
    logits : float tensor, shape (n_batch, n_subjects)
    features : name -> tensor: "layer1" .. "layer4", shape (n_batch, c, h, w), are the outputs of
        the stages at strides 4, 8, 16 and 32 before their last activation; "pooled", shape
        (n_batch, d), is the mean of layer4 over its places
    norm : float tensor, shape (n_batch,), length of the embedding before it was normalised
        (teacher only)
    reconstruction : float tensor, shape (n_batch, 1, h, w), in [0, 1]
    direction : float tensor, shape (n_batch, n_directions), logits of the walking direction
    """

    embedding: Tensor | None = None
    logits: Tensor | None = None
    features: Mapping[str, Tensor] = field(default_factory=dict)
    norm: Tensor | None = None
    reconstruction: Tensor | None = None
    direction: Tensor | None = None


@dataclass(frozen=True)
class LossInputs:
    """Everything a loss may look at, for one batch of (clip, face of the same subject) pairs.

    Parameters
    ----------
    labels : int64 tensor, shape (n_batch,)
    student : embedding projected to the teacher's dimension, and logits of the student alone
    teacher : embedding of the paired face, or what a frozen radar network says of the clean clip,
        and logits of a linear head on it where there is one
    fused : embedding and logits of the composer, which fuses teacher and student
    composer : the same with the student's embedding held fixed: no gradient to the student
    clean : float tensor, shape (n_batch, 1, h, w), in [0, 1], the clip before it was degraded
    directions : int64 tensor, shape (n_batch,), 0 away, 1 towards, -1 unknown
    identity : the per-identity state of the epoch

    Notes
    -----
    A recipe fills in what it has; `check_needs` compares that with `Loss.requires` before training.
    """

    labels: Tensor
    student: Outputs = field(default_factory=Outputs)
    teacher: Outputs = field(default_factory=Outputs)
    fused: Outputs = field(default_factory=Outputs)
    composer: Outputs = field(default_factory=Outputs)
    clean: Tensor | None = None
    directions: Tensor | None = None
    identity: IdentityState | None = None

    def get(self, name: str) -> Tensor:
        """Tensor called `name`, such as `student.logits` or `teacher.features.layer3`.

        Raises
        ------
        TrainError
            The recipe does not provide it.
        """
        found: object = self
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else getattr(found, part, None)
        if not isinstance(found, Tensor):
            raise TrainError(f"this recipe does not provide {name} to its losses")
        return found


@dataclass(frozen=True)
class Sizes:
    """Sizes that the own parameters of a loss depend on.

    Parameters
    ----------
    n_subjects : people to tell apart
    n_teacher, n_student : lengths of teacher.embedding and student.embedding, as losses see them;
        0 where there is none
    features : shapes of the features without the batch, under "student.layer1", "student.pooled",
        "teacher.layer1" ...
    """

    n_subjects: int
    n_teacher: int
    n_student: int
    features: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@config_class
class NoOptions:
    """The options of a loss that has none."""


class Loss(nn.Module):
    """Base of the loss plug-ins: `forward(inputs)` gives one unweighted number.

    A subclass declares its `Options` (a `config_class`), sets `requires` to the dotted names of
    the `LossInputs` fields it reads, and is registered with `register_loss`. Its own parameters
    reach the optimiser and the checkpoint, as those of any submodule of the recipe; those that
    depend on sizes are made in `build`. Weights and schedules belong to the recipe.
    """

    Options: ClassVar[type] = NoOptions
    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    equations: ClassVar[str] = ""
    requires: frozenset[str] = frozenset()

    def build(self, sizes: Sizes) -> None:
        """Make the loss's own parameters; called once, before training. Most losses have none."""

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
