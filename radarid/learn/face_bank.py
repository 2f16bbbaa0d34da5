"""Teacher embeddings of the training faces, several variations of each, computed once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


@dataclass(frozen=True)
class FaceBank:
    """Embeddings of faces and of their variations.

    Parameters
    ----------
    embeddings : float32 tensor, shape (n_faces, 1 + n_augmentations, d); variation 0 is the crop
        as it is
    """

    embeddings: Tensor

    def draw(self, faces: np.ndarray, rng: np.random.Generator) -> Tensor:
        """A random variation of each face asked for, float32 (n, d)."""
        variation = rng.integers(self.embeddings.shape[1], size=len(faces))
        return self.embeddings[torch.from_numpy(faces), torch.from_numpy(variation)]


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
    digest = hashlib.sha256(repr((teacher.fingerprint, seed, recipe, crops.shape)).encode())
    digest.update(np.ascontiguousarray(crops).tobytes())
    path = folder / f"face-embeddings-{digest.hexdigest()[:16]}.safetensors"
    if path.is_file():
        log.info("face embeddings read from %s", path)
        return FaceBank(load_file(path)["embeddings"])
    ways = track(range(1 + params.n_augmentations), "embedding faces")
    found = [_embed_varied(crops, teacher, params, k, seeding.rng(seed, "faces", k)) for k in ways]
    bank = FaceBank(torch.from_numpy(np.stack(found, axis=1)))
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({"embeddings": bank.embeddings.contiguous()}, partial)
    partial.chmod(0o600)
    partial.replace(path)
    return bank


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
        _embed_varied(crops, teacher, params, k, seeding.rng(seed, "faces", name, k))
        for k in range(1 + params.n_augmentations)
    ], axis=1)  # fmt: skip


def _embed_varied(
    crops: np.ndarray, teacher: Embedder, params: FaceUse, k: int, rng: np.random.Generator
) -> np.ndarray:
    return teacher.embed(vary(crops, params, rng) if k else crops)


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
