"""Perceptual distance to the clean clip, by the features of an ImageNet network (LPIPS)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from capture.camera.torchvision_guard import import_torchvision
from capture.schema import config_class
from radarid.errors import TrainError
from radarid.learn.imagenet import read_weights
from radarid.learn.losses import places
from radarid.learn.losses.base import Loss, LossInputs, Sizes, register_loss
from radarid.learn.losses.reconstruction import NEEDS, both_images

# Channels of VGG16's convolutions; its features are taken at the end of each of the five groups.
GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of planes in [-1, 1]
EPSILON = 1e-10  # least length of a feature
LINEAR_URL = "lpips/weights/v0.1/vgg.pth of https://github.com/richzhang/PerceptualSimilarity"
N_SMALLEST = 16  # pixels


@config_class
class LpipsOptions:
    """Files of weights, which are never downloaded, and the scale of the images.

    Parameters
    ----------
    weights : torchvision's VGG16 of ImageNet, .pth or .safetensors
    linear : the calibrated weights of the channels, as the authors publish them; "" weighs all
        channels alike, which the paper calls uncalibrated
    rescale : bring images from [0, 1] to [-1, 1] first, as the network expects; one of the THz
        paper's two programs leaves it out
    """

    weights: str = ""
    linear: str = ""
    rescale: bool = True


@register_loss("lpips", paper="LPIPS, CVPR 2018", equations="Eq. 1")
class Lpips(Loss):
    """Weighted distance of VGG16 features to those of the clean clip (LPIPS, Eq. 1).

    Parameters
    ----------
    options : LpipsOptions

    Raises
    ------
    TrainError
        In `build`: no file of weights, or one of another network. In `forward`: images of fewer
        than 16 pixels along a side.

    Notes
    -----
    `d = sum_l mean_places sum_c w_lc (n(a)_lc - n(b)_lc)^2` with n the unit length over the
    channels, at the last rectified convolution of each group; the loss is the mean over the
    batch. Grey images are repeated to three planes. The network is frozen, stays in float32 and
    is neither optimised nor saved; the gradient of the reconstruction goes through it.
    """

    Options = LpipsOptions
    requires = NEEDS

    def __init__(self, options: LpipsOptions) -> None:
        super().__init__()
        self.options = options
        self._frozen: tuple[nn.ModuleList, list[Tensor]] | None = None

    def build(self, sizes: Sizes) -> None:
        """Read the weights."""
        url = import_torchvision().models.VGG16_Weights.IMAGENET1K_V1.url
        given = _read(self.options.weights, "weights", url)
        groups = _vgg_groups()
        for group in groups:
            for key, value in group.state_dict().items():
                value.copy_(_fitting(given, f"features.{key}", value.shape, self.options.weights))
        linear = [torch.ones(1, widths[-1], 1, 1) for widths in GROUPS]
        if self.options.linear:
            given = _read(self.options.linear, "linear", LINEAR_URL)
            for place, ones in enumerate(linear):
                key = f"lin{place}.model.1.weight"
                ones.copy_(_fitting(given, key, ones.shape, self.options.linear))
        # In a tuple, so that neither optimiser nor checkpoint sees the network.
        self._frozen = groups.requires_grad_(False).eval(), linear

    def forward(self, inputs: LossInputs) -> Tensor:
        made, clean = both_images(inputs)
        if self._frozen is None or min(made.shape[-2:]) < N_SMALLEST:
            raise TrainError(
                "lpips cannot look at these images", got=f"{made.shape[-2]} x {made.shape[-1]}",
                expected=f"{N_SMALLEST} pixels or more along each side, and weights from `build`",
            )  # fmt: skip
        groups, linear = self._frozen
        with places.full_precision(made):
            seen = self._prepared(torch.cat([made, clean]))
            distances = []
            for group, weight in zip(groups.to(seen), linear, strict=True):
                seen = group(seen)
                a, b = (seen / (seen.norm(dim=1, keepdim=True) + EPSILON)).chunk(2)
                weighted = (a - b).square() * weight.to(seen)
                distances.append(weighted.sum(1).mean(dim=(1, 2)).mean())
            return torch.stack(distances).sum()

    def _prepared(self, images: Tensor) -> Tensor:
        """Three planes on the scale of the network."""
        images = 2 * images - 1 if self.options.rescale else images
        shift, scale = (images.new_tensor(each)[:, None, None] for each in (SHIFT, SCALE))
        return (images - shift) / scale


def _vgg_groups() -> nn.ModuleList:
    """VGG16's features in five groups, each layer under its number in torchvision's network."""
    groups, number, n_in = [], 0, 3
    for widths in GROUPS:
        layers: dict[str, nn.Module] = {}
        if number:
            layers[str(number)] = nn.MaxPool2d(2)
            number += 1
        for width in widths:
            layers[str(number)] = nn.Conv2d(n_in, width, 3, padding=1)
            layers[str(number + 1)] = nn.ReLU()
            number, n_in = number + 2, width
        groups.append(nn.Sequential(OrderedDict(layers)))
    return nn.ModuleList(groups)


def _read(file: str, option: str, url: str) -> dict[str, Tensor]:
    if not Path(file).is_file():
        raise TrainError(
            "no weights for lpips here", where=file or None, got=f"{option} = '{file}'",
            remedy=f"download {url} and give its path as the option '{option}'",
        )  # fmt: skip
    return read_weights(Path(file))


def _fitting(found: dict[str, Tensor], key: str, shape: torch.Size, file: str) -> Tensor:
    if key not in found or found[key].shape != shape:
        raise TrainError(
            "weights of another network", where=file, expected=f"'{key}' of shape {tuple(shape)}"
        )
    return found[key]
