"""What a recipe is: the networks of a training, and the weighted sum that trains them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from radarid.errors import TrainError
from radarid.learn.config import TrainConfig
from radarid.learn.distributed import gather
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import (
    IdentityState,
    Loss,
    LossInputs,
    Outputs,
    Sizes,
    check_needs,
)
from radarid.learn.radar_teacher import RadarTeacher
from radarid.learn.students import FEATURES, Student
from radarid.learn.teacher_head import TeacherHead


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
class Needs:
    """What a recipe must be given beside clips and labels.

    Parameters
    ----------
    faces, norms : embeddings of the paired faces, and their lengths before normalisation
    clean : clips before they were degraded
    radar_teacher : a trained student that stays as it is
    """

    faces: bool = False
    norms: bool = False
    clean: bool = False
    radar_teacher: bool = False


@dataclass(frozen=True)
class Ingredients:
    """What a recipe is made of.

    Parameters
    ----------
    config : of the training
    student : with fresh weights
    n_subjects : people to tell apart
    n_teacher : length of the faces' embeddings, 0 without faces
    radar_teacher : a trained student, for recipes that need one
    """

    config: TrainConfig
    student: Student
    n_subjects: int
    n_teacher: int = 0
    radar_teacher: Student | None = None


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


def features_of(network: str) -> frozenset[str]:
    """Dotted names of the features of "student" or "teacher"."""
    return frozenset(f"{network}.features.{name}" for name in FEATURES)


class Recipe(nn.Module):
    """Base of the recipes. Everything but `student` is thrown away after training.

    A subclass makes its networks and losses in `__init__`, runs the networks in `networks` and
    weighs the losses in `terms`. Gradients are routed there, by detaching.

    Parameters
    ----------
    given : what the recipe is made of

    Attributes
    ----------
    uses_faces, uses_clean : what `needs` says, where it depends on no option
    provides : dotted names of the `LossInputs` that `networks` fills in
    tuned : dotted configuration key of the weight of the distillation, "" where there is none
    watched : names of the student's features that the recipe itself looks at
    head : classifier on face embeddings, to be fitted before training; None where no loss wants it
    """

    uses_faces: ClassVar[bool] = False
    uses_clean: ClassVar[bool] = False
    provides: frozenset[str]
    tuned: ClassVar[str] = ""

    def __init__(self, given: Ingredients) -> None:
        super().__init__()
        self.config = given.config
        self.student = given.student
        self.projector: nn.Module = nn.Identity()
        self.watched: frozenset[str] = frozenset()
        self.head: TeacherHead | None = None
        self.teacher: RadarTeacher | None = None
        if given.radar_teacher is not None and self.needs(given.config).radar_teacher:
            self.teacher = RadarTeacher(given.radar_teacher)
        self.sizes = Sizes(given.n_subjects, given.n_teacher, given.student.n_embedding)
        extra = given.config.extra_losses
        self.extra = nn.ModuleDict(
            {name: build_loss(name, entry.options) for name, entry in extra.items()}
        )
        self.extra_weights = {name: entry.weight for name, entry in extra.items()}

    @classmethod
    def needs(cls, config: TrainConfig) -> Needs:
        """What this recipe must be given with this configuration."""
        return Needs(faces=cls.uses_faces, clean=cls.uses_clean)

    def prepare(self) -> None:
        """Check what the losses need, and let them make their own parameters.

        Raises
        ------
        TrainError
            A loss needs what this recipe does not provide.
        """
        check_needs(self.losses(), self.provides)
        size = self.config.model.input.size
        shapes = {"student": self.student.feature_shapes(size, self.taps("student"))}
        if self.teacher is not None:
            shapes["teacher"] = self.teacher.student.feature_shapes(size, self.taps("teacher"))
        features = dict(self.sizes.features) | {
            f"{network}.{name}": shape
            for network, found in shapes.items() for name, shape in found.items()
        }  # fmt: skip
        if self.teacher is None and self.sizes.n_teacher:
            features["teacher.pooled"] = (self.sizes.n_teacher,)  # a face has no maps
        self.sizes = replace(self.sizes, features=features)
        for loss in self.losses():
            loss.build(self.sizes)
        if self.teacher is None and "teacher.logits" in self.required():
            sizes = self.sizes
            self.head = TeacherHead(sizes.n_teacher, sizes.n_subjects, self.config.head)

    def required(self) -> frozenset[str]:
        """Dotted names of all that some loss reads."""
        return frozenset[str]().union(*(loss.requires for loss in self.losses()))

    def taps(self, network: str) -> frozenset[str]:
        """Names of the features of "student" or "teacher" that some loss reads."""
        start = f"{network}.features."
        return frozenset(
            name.removeprefix(start) for name in self.required() if name.startswith(start)
        )

    def see(self, images: Tensor) -> Outputs:
        """What the student says of clips, with the features that some loss reads."""
        embedding, logits, features = self.student.observe(
            images, self.watched | self.taps("student")
        )
        return Outputs(self.projector(embedding), logits, features)

    def face_outputs(self, batch: Batch) -> Outputs:
        """The face teacher's side: embeddings, logits if some loss wants them, and norms.

        Raises
        ------
        TrainError
            The batch has no faces.
        """
        if batch.faces is None:
            raise TrainError(
                f"the recipe {type(self).__name__} needs the embedding of a face for every clip"
            )
        logits = self.head(batch.faces) if self.head is not None else None
        return Outputs(batch.faces, logits, {"pooled": batch.faces}, norm=batch.face_norms)

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
        inputs = replace(gather(self.networks(batch)), identity=identity)
        with torch.autocast(inputs.labels.device.type, enabled=False):  # losses are float32
            terms = self.terms(inputs)
            for name, loss in self.extra.items():
                terms.append(Term(name, self.extra_weights[name], loss(inputs)))
        total = torch.stack([term.weight * term.value for term in terms]).sum()
        return Step(total, tuple(terms), inputs.get("student.logits"), inputs.labels)
