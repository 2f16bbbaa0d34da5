"""Teacher embeddings of the training faces, several variations of each, computed once."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from radarid import seeding
from radarid.learn.config import FaceUse
from radarid.progress import log, track

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


class Embedder(Protocol):
    """What a teacher must be able to do."""

    fingerprint: str

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Unit embeddings, float32 (n, d), of uint8 RGB crops (n, 160, 160, 3)."""


@runtime_checkable
class NormEmbedder(Embedder, Protocol):
    """A teacher that also tells how long its embeddings were, which says how good a face was."""

    def measure(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit embeddings, as `embed`, and float32 (n,) lengths before they were normalised."""


@dataclass(frozen=True)
class FaceBank:
    """Embeddings of faces and of their variations.

    Parameters
    ----------
    embeddings : float32 tensor, shape (n_faces, 1 + n_augmentations, d); variation 0 is the crop
        as it is
    norms : float32 tensor, shape (n_faces, 1 + n_augmentations), lengths of the embeddings before
        they were normalised; None where the teacher does not tell
    """

    embeddings: Tensor
    norms: Tensor | None = None

    def draw(
        self, faces: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """A random variation of each face asked for.

        Returns
        -------
        embeddings : float32 tensor, shape (n, d)
        norms : float32 tensor, shape (n,), or None
        """
        variation = rng.integers(self.embeddings.shape[1], size=len(faces))
        chosen = torch.from_numpy(faces), torch.from_numpy(variation)
        return self.embeddings[chosen], None if self.norms is None else self.norms[chosen]


def build_bank(
    crops: np.ndarray, teacher: Embedder, params: FaceUse, seed: int, folder: Path
) -> FaceBank:
    """Embed crops and their variations, or read them from the cache beside the runs.

    Parameters
    ----------
    crops : uint8 array, shape (n_faces, 160, 160, 3)
    teacher : embeds them
    params : number and strength of the variations
    seed : of the variations
    folder : where `face-embeddings-KEY.safetensors` lies, KEY being a hash of all of the above
    """
    recipe = (params.n_augmentations, params.flip, params.min_area, params.jitter)
    has_norms = isinstance(teacher, NormEmbedder)
    facts = (teacher.fingerprint, seed, recipe, crops.shape, has_norms)
    digest = hashlib.sha256(repr(facts).encode())
    digest.update(np.ascontiguousarray(crops).tobytes())
    path = folder / f"face-embeddings-{digest.hexdigest()[:16]}.safetensors"
    if path.is_file():
        log.info("face embeddings read from %s", path)
        found = load_file(path)
        return FaceBank(found["embeddings"], found.get("norms"))
    ways = track(range(1 + params.n_augmentations), "embedding faces")
    columns = [
        _measure_varied(crops, teacher, params, k, seeding.rng(seed, "faces", k)) for k in ways
    ]
    found = {"embeddings": torch.from_numpy(np.stack([column[0] for column in columns], axis=1))}
    norms = [column[1] for column in columns if column[1] is not None]
    if norms:
        found["norms"] = torch.from_numpy(np.stack(norms, axis=1))
    _write_private(path, found)
    return FaceBank(found["embeddings"], found.get("norms"))


def _write_private(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file(tensors, partial)
    partial.chmod(0o600)
    partial.replace(path)


def embed_faces(
    crops: np.ndarray, teacher: Embedder, params: FaceUse, seed: int, name: str
) -> np.ndarray:
    """Embed the crops of one recording and their variations.

    Parameters
    ----------
    crops : uint8 array, shape (n, 160, 160, 3)
    teacher : embeds them
    params : number and strength of the variations
    seed, name : of the variations; `name` is the recording's

    Returns
    -------
    float32 array, shape (n, 1 + n_augmentations, d); variation 0 is the crop as it is
    """
    return np.stack([
        _measure_varied(crops, teacher, params, k, seeding.rng(seed, "faces", name, k))[0]
        for k in range(1 + params.n_augmentations)
    ], axis=1)  # fmt: skip


def _measure_varied(
    crops: np.ndarray, teacher: Embedder, params: FaceUse, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embeddings and norms of variation k of each crop; variation 0 is the crop as it is."""
    varied = vary(crops, params, rng) if k else crops
    if isinstance(teacher, NormEmbedder):
        return teacher.measure(varied)
    return teacher.embed(varied), None


def vary(crops: np.ndarray, params: FaceUse, rng: np.random.Generator) -> np.ndarray:
    """Vary each crop at random: mirror, crop and enlarge, colour.

    Parameters
    ----------
    crops : uint8 array, shape (n, size, size, 3)
    params : strength
    rng : where chance comes from

    Returns
    -------
    uint8 array of the same shape

    Notes
    -----
    IdentityKD says "random RGB augmentation" and no more; specification section 6 reads it as a
    horizontal flip, a random resized crop, and jitter of brightness, contrast and saturation.
    """
    varied = [_vary_one(crop, params, rng) for crop in crops]
    return np.stack(varied) if varied else crops.copy()


def _vary_one(crop: np.ndarray, params: FaceUse, rng: np.random.Generator) -> np.ndarray:
    size = crop.shape[0]
    image = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
    if rng.random() < params.flip:
        image = image.flip(3)
    kept = round(size * np.sqrt(rng.uniform(params.min_area, 1.0)))
    top, left = rng.integers(size - kept + 1, size=2)
    image = image[..., top : top + kept, left : left + kept]
    image = functional.interpolate(image, size=(size, size), mode="bilinear", align_corners=False)
    brightness, contrast, saturation = rng.uniform(1 - params.jitter, 1 + params.jitter, size=3)
    luma = torch.tensor(_GREY)[None, :, None, None]
    image = (image * brightness).clamp(0, 1)
    mean = (image * luma).sum(1).mean()
    image = (mean + contrast * (image - mean)).clamp(0, 1)
    grey = (image * luma).sum(1, keepdim=True)
    image = (grey + saturation * (image - grey)).clamp(0, 1)
    return (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
