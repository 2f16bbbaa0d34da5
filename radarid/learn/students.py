"""Students: backbones that turn a clip into an embedding and a vote over the known people."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from capture.camera.torchvision_guard import import_torchvision
from radarid.errors import TrainError
from radarid.learn.student_facts import InputParams


@dataclass(frozen=True)
class Backbone:
    """A torchvision model with its classifying layer taken away.

    Parameters
    ----------
    constructor : name in `torchvision.models`
    last : dotted name of the layer that becomes the identity
    n_embedding : length of what then comes out
    taps : dotted names of the modules whose inputs are the outputs of the stages at strides 4, 8,
        16 and 32 before their last activation (a stage without one ends linearly)
    """

    constructor: str
    last: str
    n_embedding: int
    taps: tuple[str, str, str, str]


LAYERS = ("layer1", "layer2", "layer3", "layer4")
FEATURES = (*LAYERS, "pooled")

BACKBONES = {
    "resnet18": Backbone("resnet18", "fc", 512, (
        "layer1.1.relu", "layer2.1.relu", "layer3.1.relu", "layer4.1.relu",
    )),
    "mobilenet_v2": Backbone("mobilenet_v2", "classifier", 1280, (
        "features.4", "features.7", "features.14", "features.18.2",
    )),
    "efficientnet_b0": Backbone("efficientnet_b0", "classifier", 1280, (
        "features.3", "features.4", "features.6", "features.8.2",
    )),
    "vgg16": Backbone("vgg16", "classifier.6", 4096, (
        "features.9", "features.16", "features.23", "features.30",
    )),
}  # fmt: skip


class Student(nn.Module):
    """Backbone and linear classifier; all that is left of a training when it is over.

    With "colormap" the table of colours is kept, and saved, with the weights, so that the student
    sees the same ones for ever.

    Parameters
    ----------
    backbone : module, planes -> (n, n_embedding)
    entry : what the backbone is
    n_subjects : length of the logits
    channels : see `InputParams`
    """

    def __init__(
        self, backbone: nn.Module, entry: Backbone, n_subjects: int, channels: str
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(entry.n_embedding, n_subjects)
        self.n_embedding, self.n_planes = entry.n_embedding, 1 if channels == "single" else 3
        self.taps = dict(zip(LAYERS, entry.taps, strict=True))
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

    def observe(
        self, images: Tensor, names: Collection[str]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Embed and classify clips, and keep what some stages said on the way.

        Parameters
        ----------
        images : as in `forward`
        names : of `FEATURES`

        Returns
        -------
        embedding, logits : as in `forward`
        features : name -> float tensor: the stages' maps before their last activation, of shape
            (n, c, size / stride, size / stride) for strides 4, 8, 16 and 32; "pooled", shape
            (n, c), is the mean of the last over its places

        Raises
        ------
        TrainError
            No feature of this name.
        """
        unknown = set(names) - set(FEATURES)
        if unknown:
            raise TrainError(
                "the student has no such feature", got=", ".join(sorted(unknown)),
                expected=f"of {', '.join(FEATURES)}",
            )
        seen: dict[str, Tensor] = {}
        wanted = {"layer4" if name == "pooled" else name for name in names}
        hooks = [
            self.backbone.get_submodule(self.taps[name]).register_forward_pre_hook(
                functools.partial(_keep, seen, name)
            )
            for name in wanted
        ]
        try:
            embedding, logits = self(images)
        finally:
            for hook in hooks:
                hook.remove()
        if "pooled" in names:
            seen["pooled"] = seen["layer4"].mean(dim=(2, 3))
        return embedding, logits, {name: seen[name] for name in names}

    def feature_shapes(self, size: int, names: Collection[str]) -> dict[str, tuple[int, ...]]:
        """Shapes of features, without the batch, of clips of `size` pixels a side."""
        if not names:
            return {}
        image = torch.zeros(1, size, size, dtype=torch.uint8, device=self.classifier.weight.device)
        was_training = self.training
        self.eval()
        with torch.no_grad():
            features = self.observe(image, names)[2]
        self.train(was_training)
        return {name: tuple(value.shape[1:]) for name, value in features.items()}


def _keep(seen: dict[str, Tensor], name: str, module: nn.Module, inputs: tuple[Tensor]) -> None:
    """Remember a module's input; of several calls (ResNet's activations are shared) the last."""
    seen[name] = inputs[0]


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
    if name == "vgg16":
        _pool_before_activation(backbone)
    for tap in entry.taps:
        module = backbone.get_submodule(tap)
        if isinstance(module, (nn.ReLU, nn.ReLU6, nn.SiLU)):
            module.inplace = False  # or it would overwrite the feature
    student = Student(backbone, entry, n_subjects, channels)
    if student.n_planes != 3:
        _replace_stem(backbone, student.n_planes)
    return student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _pool_before_activation(backbone: nn.Module) -> None:
    """Exchange VGG's activations with the maxima after them, which gives the same outputs."""
    layers = backbone.get_submodule("features")
    for k, module in enumerate(layers.children()):
        if isinstance(module, nn.MaxPool2d):
            activation = layers.get_submodule(str(k - 1))
            layers.set_submodule(str(k - 1), module)
            layers.set_submodule(str(k), activation)


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
