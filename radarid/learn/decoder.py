"""Paints the clip before its degradation from the student's features; lives only while training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from radarid.learn.students import LAYERS

N_FIRST, N_DENSE, GROWTH = 256, 5, 32
WIDTHS = (128, 64, 32, 16, 16)  # at strides 16, 8, 4, 2 and 1


class ResidualDense(nn.Module):
    """Convolutions that each see all before them; half of the result is the input.

    Parameters
    ----------
    n_channels : of input and output
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(n_channels + k * GROWTH, GROWTH, 3, padding=1) for k in range(N_DENSE)
        )
        self.merge = nn.Conv2d(n_channels + N_DENSE * GROWTH, n_channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape, (n, n_channels, h, w)."""
        seen = maps
        for layer in self.layers:
            seen = torch.cat([seen, functional.leaky_relu(layer(seen), 0.2)], dim=1)
        return 0.5 * self.merge(seen) + 0.5 * maps


class Decoder(nn.Module):
    """From the features of all stages back to an image (THz multi-task network, section 3).

    Parameters
    ----------
    channels : "layer1" .. "layer4" -> number of channels

    Notes
    -----
    1 x 1 convolution to 256 channels, a residual dense block, then as many doublings (3 x 3
    convolution, pixel shuffle) as lead from stride 32 to 1, of 128, 64, 32, 16 and 16 channels;
    after the first three the maps of layer3, layer2 and layer1 are joined on and a 3 x 3
    convolution with LeakyReLU(0.2) brings the width back; at last 3 x 3 to one plane and a sigmoid.
    """

    def __init__(self, channels: Mapping[str, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels["layer4"], N_FIRST, 1)
        self.dense = ResidualDense(N_FIRST)
        joined = [channels[name] for name in ("layer3", "layer2", "layer1")]
        self.grow, self.join, before = nn.ModuleList(), nn.ModuleList(), N_FIRST
        for width in WIDTHS:
            self.grow.append(
                nn.Sequential(nn.Conv2d(before, 4 * width, 3, padding=1), nn.PixelShuffle(2))
            )
            before = width
        for width, extra in zip(WIDTHS, joined, strict=False):
            self.join.append(
                nn.Sequential(nn.Conv2d(width + extra, width, 3, padding=1), nn.LeakyReLU(0.2))
            )
        self.last = nn.Conv2d(before, 1, 3, padding=1)

    def forward(self, features: Mapping[str, Tensor], size: int) -> Tensor:
        """Image of a clip.

        Parameters
        ----------
        features : "layer1" .. "layer4", each of shape (n, c, h, w)
        size : of the image

        Returns
        -------
        float tensor, shape (n, 1, size, size), in [0, 1]
        """
        maps = self.dense(self.first(features["layer4"]))
        for k, grow in enumerate(self.grow):
            maps = grow(maps)
            if k < len(self.join):
                beside = features[LAYERS[2 - k]]
                maps = self.join[k](torch.cat([_fit(maps, beside.shape[-1]), beside], dim=1))
        return torch.sigmoid(self.last(_fit(maps, size)))


def _fit(maps: Tensor, size: int) -> Tensor:
    """`maps` at `size` pixels a side: sizes that are no multiple of 32 are rounded on the way."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="nearest")
