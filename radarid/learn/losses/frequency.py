"""A feature's slow and fast variation along an axis (FD-CMKD's band split)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Axis = Literal["channel", "time", "doppler", "hw"]
DIMENSIONS: dict[Axis, tuple[int, ...]] = {
    "channel": (1,), "doppler": (2,), "time": (3,), "hw": (2, 3)
}  # fmt: skip


def split_bands(features: Tensor, axis: Axis) -> tuple[Tensor, Tensor]:
    """Split features into a low and a high band, without their mean (FD-CMKD, section 3).

    Parameters
    ----------
    features : float32 or float64 tensor, shape (n, c, h, w): channels, Doppler, time; vectors are
        maps of one pixel
    axis : along which; "channel" is the paper's, whose order is arbitrary in a trained network;
        "time" and "doppler" are axes of the spectrogram, "hw" is both of them at once

    Returns
    -------
    low, high : float tensors of the same shape
        Low are the frequencies up to a quarter cycle per element, half of what there is: bins 1
        to D/4 of a real Fourier transform of length D; high are the bins from D/4 + 1 to D/2.
        With two axes the higher of the two frequencies decides. Bin 0 is in neither, so
        `low + high = features - mean` along the axis.
    """
    dims = DIMENSIONS[axis]
    spectrum = torch.fft.rfftn(features, dim=dims)
    lengths = [features.shape[dim] for dim in dims]
    low, constant = torch.tensor(True), torch.tensor(True)
    for place, length in enumerate(lengths):
        bins = torch.arange(length)
        bins = torch.minimum(bins, length - bins)
        if place == len(lengths) - 1:
            bins = bins[: length // 2 + 1]
        low = low[..., None] & (4 * bins <= length)
        constant = constant[..., None] & (bins == 0)
    low, high = low & ~constant, ~low
    shape = [1] * features.ndim
    for dim, length in zip(dims, low.shape, strict=True):
        shape[dim] = length

    def back(band: Tensor) -> Tensor:
        kept = spectrum * band.reshape(shape).to(spectrum.device)
        return torch.fft.irfftn(kept, s=lengths, dim=dims)

    return back(low), back(high)
