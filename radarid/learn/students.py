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
    channels : "repeat" copies the plane to the three inputs of a usual backbone, "colormap"
        gives them its red, green and blue in viridis, "single" gives the backbone a one-plane
        stem, "stack" shows it the three planes of a store that has them (see `DspParams.planes`)
    fold : mirror clips whose power lies at negative velocities, so that everybody walks away
    """

    size: int = Field(default=256, ge=32, le=1024)
    channels: Literal["repeat", "colormap", "single", "stack"] = "repeat"
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

    With "colormap" the table of colours is kept, and saved, with the weights, so that the student
    sees the same ones for ever.

    Parameters
    ----------
    backbone : module, planes -> (n, n_embedding)
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
        self.colours: Tensor | None
        self.register_buffer("colours", _colours() if channels == "colormap" else None)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embed and classify clips.

        Parameters
        ----------
        images : uint8 tensor, shape (n, size, size) or (n, 3, size, size), as `to_input` makes
            them

        Returns
        -------
        embedding : float32 tensor, shape (n, n_embedding), the pooled vector before the classifier
        logits : float32 tensor, shape (n, n_subjects)
        """
        if self.colours is not None:
            images = self.colours[images.long()].movedim(3, 1)
        planes = (images if images.dim() == 4 else images[:, None]).float() / 255
        planes = planes.expand(-1, self.n_planes, -1, -1)
        # Several times faster than planes-first on CPUs, and what tensor cores want.
        embedding = self.backbone(planes.contiguous(memory_format=torch.channels_last))
        return embedding, self.classifier(embedding)


def _colours() -> Tensor:
    """Matplotlib's viridis, uint8 (256, 3); integers, so that no average of weights moves them."""
    import matplotlib

    table = matplotlib.colormaps["viridis"](np.arange(256))[:, :3]
    return torch.from_numpy(np.rint(255 * table).astype(np.uint8))


def build_student(name: str, channels: str, n_subjects: int) -> Student:
    """Build a student with fresh weights (from torch's generator).

    Parameters
    ----------
    name : a key of `BACKBONES`
    channels : see `InputParams`
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
    clips : uint8, or float32 in [0, 1], shape (n, height, width), or (n, n_planes, height, width)
        of which all but "stack" take the first plane; both types give the same result for one
        clip before and after storage
    params : size, channels, and whether to fold

    Returns
    -------
    uint8 tensor, shape (n, size, size), for "stack" (n, 3, size, size)
        The mean over the area of each pixel, rounded.

    Raises
    ------
    TrainError
        "stack", and clips of fewer or more than three planes.
    """
    planes = clips if clips.ndim == 4 else clips[:, None]
    if params.channels != "stack":
        planes = planes[:, :1]
    elif planes.shape[1] != 3:
        raise TrainError(
            "the student sees three image planes", where="channels = 'stack'",
            got=f"clips of {planes.shape[1]}", remedy="process with planes = 'stack'",
        )
    if planes.dtype != np.uint8:
        planes = np.rint(255 * planes).astype(np.uint8)
    if params.fold:
        planes = _folded(planes)
    images = torch.from_numpy(np.ascontiguousarray(planes))
    size = (params.size, params.size)
    if images.shape[2:] != size:
        shrunk = functional.interpolate(images.float(), size=size, mode="area")
        images = shrunk.round().to(torch.uint8)
    return images if params.channels == "stack" else images[:, 0]


def _folded(planes: np.ndarray) -> np.ndarray:
    """Mirror clips (n, n_planes, height, width) whose first is brighter at negative velocities."""
    half = planes.shape[2] // 2
    brightness = planes[:, 0].sum(2, dtype=np.int64)
    towards = brightness[:, :half].sum(1) > brightness[:, -half:].sum(1)
    return np.where(towards[:, None, None, None], planes[:, :, ::-1], planes)
