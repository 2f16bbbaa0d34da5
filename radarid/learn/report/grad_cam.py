"""Where in a clip a student finds what speaks for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from radarid.learn.students import Student


def grad_cam(
    student: Student, images: Tensor, score: Callable[[Tensor, Tensor], Tensor]
) -> np.ndarray:
    """Grad-CAM of clips on the student's last maps (stride 32).

    Parameters
    ----------
    student : in evaluation mode
    images : uint8 tensor, as `to_input` makes them, shape (n, size, size) or (n, 3, size, size)
    score : of embedding (n, d) and logits (n, n_subjects), to a float tensor (n,): what is
        explained, such as the logit of a person

    Returns
    -------
    float32 array, shape (n, size, size)
        1 where the clip speaks most for the score, 0 where it does not, or speaks against it.

    Notes
    -----
    `relu(sum_k a_k A_k)` of the maps `A_k` after their last activation, `a_k` being the mean over
    places of `d score / d A_k` (Selvaraju et al., "Grad-CAM", ICCV 2017, Eq. 1 and 2), enlarged
    bilinearly and divided by its largest value.
    """
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, maps: Tensor) -> None:
        seen.append(maps)

    last = student.backbone.get_submodule(student.taps["layer4"])
    hook = last.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            explained = score(*student(images)).sum()
    finally:
        hook.remove()
    maps = seen[-1]  # ResNet's activations are shared by the layers of a block
    (gradient,) = torch.autograd.grad(explained, maps)
    shares = functional.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True))
    size = (images.shape[-2], images.shape[-1])
    heat = functional.interpolate(shares, size=size, mode="bilinear", align_corners=False)[:, 0]
    most = heat.amax((1, 2), keepdim=True)
    return (heat / torch.where(most > 0, most, 1)).detach().cpu().numpy()
