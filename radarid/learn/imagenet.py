"""ImageNet weights for a student to start from: from a local file, never from the network."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from capture.camera.torchvision_guard import import_torchvision
from radarid.errors import TrainError
from radarid.learn.students import BACKBONES, Student


def load_imagenet(student: Student, name: str, file: str = "") -> None:
    """Load torchvision's ImageNet weights into the student's backbone.

    Parameters
    ----------
    student : whose backbone is filled; its classifier stays as it is
    name : a key of `BACKBONES`
    file : torchvision's .pth, or its tensors as .safetensors; "" for the one in torch's cache

    Raises
    ------
    TrainError
        The file is missing, cannot be read, or holds another network.

    Notes
    -----
    A stem of one plane gets the sum of the three planes' weights, so that it answers a grey
    picture as the whole stem does. Clips are not shifted to ImageNet's mean: the normalisation
    layers learn theirs.
    """
    entry = import_torchvision().models.get_model_weights(BACKBONES[name].constructor)
    url = entry.IMAGENET1K_V1.url
    path = Path(file) if file else Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        raise TrainError(
            "no ImageNet weights here", where=path,
            remedy=f"download {url} and give its path as --set model.weights=FILE",
        )
    found, own = read_weights(path), student.backbone.state_dict()
    stem = next(key for key in own if key.endswith("weight"))
    if student.n_planes == 1 and stem in found:
        found[stem] = found[stem].sum(1, keepdim=True)
    wrong = [key for key in own if key not in found or found[key].shape != own[key].shape]
    if wrong:
        raise TrainError(
            "weights of another network", where=path, got=f"no fitting '{wrong[0]}'",
            expected=f"torchvision's {BACKBONES[name].constructor}",
        )
    student.backbone.load_state_dict({key: found[key] for key in own})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a file of weights, .pth or .safetensors; no code in it is run.

    Raises
    ------
    TrainError
        The file cannot be read as weights.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (
        OSError, EOFError, RuntimeError, ValueError, TypeError, pickle.UnpicklingError,
        SafetensorError,
    ) as failure:  # fmt: skip
        raise TrainError(
            f"cannot be read as weights: {str(failure).splitlines()[0] if str(failure) else ''}",
            where=path, remedy="download the file again",
        ) from None
