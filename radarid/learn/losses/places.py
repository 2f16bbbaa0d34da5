"""Where in two networks a component loss looks: their embeddings, or the maps of one stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from radarid.errors import TrainError
from radarid.learn.losses.base import LossInputs, Sizes, as_float

Vectors = Literal["embedding", "pooled"]
Maps = Literal["layer1", "layer2", "layer3", "layer4"]
Place = Literal["embedding", "pooled", "layer1", "layer2", "layer3", "layer4"]


def path(network: str, place: Place) -> str:
    """Dotted name in `LossInputs` of a place, such as `student.features.layer3`."""
    return f"{network}.embedding" if place == "embedding" else f"{network}.features.{place}"


def both(places: Iterable[Place]) -> frozenset[str]:
    """What a loss requires that compares student and teacher at these places."""
    return frozenset(path(network, p) for p in places for network in ("student", "teacher"))


def pair(inputs: LossInputs, place: Place) -> tuple[Tensor, Tensor]:
    """Student's and teacher's tensor at a place; the teacher's without gradient.

    Returns
    -------
    student, teacher : float32 or float64 tensors, shape (n, d) or (n, c, h, w)

    Raises
    ------
    TrainError
        The recipe does not provide it.
    """
    student, teacher = (as_float(inputs.get(path(of, place))) for of in ("student", "teacher"))
    return student, teacher.detach()


def maps(inputs: LossInputs, place: Place, activation: str) -> tuple[Tensor, Tensor]:
    """Both networks' maps at a place, of one size; vectors are maps of one pixel.

    Parameters
    ----------
    inputs : of the batch
    place : which
    activation : "relu" sets what is negative in maps to 0, as the next stage sees them; vectors
        keep their signs

    Returns
    -------
    student, teacher : float tensors, shape (n, c, h, w) with the smaller h and w of the two: the
        larger maps are averaged down
    """
    student, teacher = pair(inputs, place)
    if student.ndim == 2:
        return student[:, :, None, None], teacher[:, :, None, None]
    if activation == "relu":
        student, teacher = student.relu(), teacher.relu()
    height, width = (min(student.shape[axis], teacher.shape[axis]) for axis in (2, 3))
    return (
        functional.adaptive_avg_pool2d(student, (height, width)),
        functional.adaptive_avg_pool2d(teacher, (height, width)),
    )


def n_channels(sizes: Sizes, place: Place) -> tuple[int, int]:
    """Channels, or elements, of the student and of the teacher at a place."""
    if place == "embedding":
        return sizes.n_student, sizes.n_teacher
    return sizes.features[f"student.{place}"][0], sizes.features[f"teacher.{place}"][0]


def refuse_shapes(loss: str, student: Tensor, teacher: Tensor) -> None:
    """Refuse to compare element by element what has two shapes.

    Raises
    ------
    TrainError
        The shapes differ.
    """
    if student.shape != teacher.shape:
        raise TrainError(
            f"loss '{loss}' compares features element by element",
            got=f"{tuple(student.shape)} of the student, {tuple(teacher.shape)} of the teacher",
            expected="one shape",
            remedy="take embeddings, which are projected to one length, or a loss with a regressor",
        )


def full_precision(tensor: Tensor) -> torch.autocast:
    """Context in which autocast does not touch what is computed from `tensor`."""
    return torch.autocast(tensor.device.type, enabled=False)
