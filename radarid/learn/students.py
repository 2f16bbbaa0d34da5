"""Students: backbones that turn a clip into an embedding and a vote over the known people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.camera.torchvision_guard import import_torchvision
from capture.schema import config_class
from radarid.errors import TrainError


@config_class
class InputParams:
    """What the student sees of a clip; stored with it, since `identify` must do the same.

    Parameters
    ----------
    size : pixels along each side; clips are averaged down to it by area
    channels : "repeat" copies the plane to the three inputs of a usual backbone, "single" gives
        the backbone a one-plane stem
    fold : mirror clips whose power lies at negative velocities, so that everybody walks away
    """

    size: int = Field(default=256, ge=32, le=1024)
    channels: Literal["repeat", "single"] = "repeat"
    fold: bool = False


@dataclass(frozen=True)
class Backbone:
    """A torchvision model with its classifying layer taken away.

    Parameters
    ----------
    constructor : name in `torchvision.models`
    last : dotted name of the layer that becomes the identity
    n_embedding : length of what then comes out
    """

    constructor: str
    last: str
    n_embedding: int


BACKBONES = {
    "resnet18": Backbone("resnet18", "fc", 512),
    "mobilenet_v2": Backbone("mobilenet_v2", "classifier", 1280),
    "efficientnet_b0": Backbone("efficientnet_b0", "classifier", 1280),
    "vgg16": Backbone("vgg16", "classifier.6", 4096),
}


class Student(nn.Module):
    """Backbone and linear classifier; all that is left of a training when it is over.

    Parameters
    ----------
    backbone : module, images -> (n, n_embedding)
    n_embedding, n_subjects : lengths of embedding and logits
    channels : see `InputParams`
    """

    def __init__(
        self, backbone: nn.Module, n_embedding: int, n_subjects: int, channels: str
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(n_embedding, n_subjects)
        self.n_embedding, self.n_planes = n_embedding, 1 if channels == "single" else 3

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embed and classify clips.

        Parameters
        ----------
        images : uint8 tensor, shape (n, size, size), as `to_input` makes them

        Returns
        -------
        embedding : float32 tensor, shape (n, n_embedding), the pooled vector before the classifier
        logits : float32 tensor, shape (n, n_subjects)
        """
        planes = images[:, None].float() / 255
        planes = planes.expand(-1, self.n_planes, -1, -1)
        # Several times faster than planes-first on CPUs, and what tensor cores want.
        embedding = self.backbone(planes.contiguous(memory_format=torch.channels_last))
        return embedding, self.classifier(embedding)


def build_student(name: str, channels: str, n_subjects: int) -> Student:
    """Build a student with fresh weights (from torch's generator).

    Parameters
    ----------
    name : a key of `BACKBONES`
    channels : "repeat" or "single"
    n_subjects : people to tell apart

    Raises
    ------
    TrainError
        No student of this name.
    """
    if name not in BACKBONES:
        raise TrainError("no such student", got=name, expected=f"one of {', '.join(BACKBONES)}")
    entry = BACKBONES[name]
    models = import_torchvision().models
    backbone: nn.Module = getattr(models, entry.constructor)(weights=None)
    backbone.set_submodule(entry.last, nn.Identity())
    student = Student(backbone, entry.n_embedding, n_subjects, channels)
    if student.n_planes != 3:
        _replace_stem(backbone, student.n_planes)
    return student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _replace_stem(backbone: nn.Module, n_planes: int) -> None:
    """Give the backbone a first convolution of `n_planes` inputs."""
    name, stem = next(
        (name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d)
    )
    fresh = nn.Conv2d(
        n_planes, stem.out_channels, stem.kernel_size, stem.stride, stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )  # fmt: skip
    backbone.set_submodule(name, fresh)


def to_input(clips: np.ndarray, params: InputParams) -> Tensor:
    """Bring clips to what the student sees; the one way in training and identification.

    Parameters
    ----------
    clips : uint8, or float32 in [0, 1], shape (n, height, width); both give the same result for
        one clip before and after storage
    params : size, and whether to fold

    Returns
    -------
    uint8 tensor, shape (n, size, size): the mean over the area of each pixel, rounded
    """
    if clips.dtype != np.uint8:
        clips = np.rint(255 * clips).astype(np.uint8)
    if params.fold:
        clips = _folded(clips)
    images = torch.from_numpy(np.ascontiguousarray(clips))
    size = (params.size, params.size)
    if images.shape[1:] == size:
        return images
    shrunk = functional.interpolate(images[:, None].float(), size=size, mode="area")
    return shrunk[:, 0].round().to(torch.uint8)


def _folded(clips: np.ndarray) -> np.ndarray:
    """Mirror the clips (n, height, width) that are brighter at negative velocities."""
    half = clips.shape[1] // 2
    brightness = clips.sum(2, dtype=np.int64)
    towards = brightness[:, :half].sum(1) > brightness[:, -half:].sum(1)
    return np.where(towards[:, None, None], clips[:, ::-1], clips)
