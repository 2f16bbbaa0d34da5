"""Embeddings of faces in place of pictures: made by ingest, checked by training.

A store of embeddings holds no picture of anybody. What it holds still tells people apart, and
belongs to one teacher: embeddings of two teachers cannot be compared.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from radarid.data.store import GaitStore
from radarid.data.tables import FaceContent
from radarid.errors import TrainError
from radarid.learn.config import FaceUse
from radarid.learn.face_bank import Embedder, FaceBank, embed_faces
from radarid.learn.teacher import EMBEDDING_SIZE, Teacher, find_weights


def variation_recipe(params: FaceUse) -> dict[str, float]:
    """How faces are varied, name -> value."""
    return {"flip": params.flip, "min_area": params.min_area, "jitter": params.jitter}


@dataclass(frozen=True)
class TeacherEmbedder:
    """Embeds the faces of a recording; light to send to another process.

    Parameters
    ----------
    weights : file of the teacher's weights
    fingerprint : of these weights
    params : number and strength of the variations
    seed : of the variations
    """

    weights: Path
    fingerprint: str
    params: FaceUse
    seed: int = 0

    @classmethod
    def find(cls, params: FaceUse | None = None, weights: Path | None = None) -> TeacherEmbedder:
        """Find the teacher's weights (see `radarid.learn.teacher.find_weights`) and load them once.

        Raises
        ------
        TrainError
            No weights, or weights of another network.
        """
        path = find_weights(weights)
        return cls(path, _teacher(path).fingerprint, params or FaceUse())

    @property
    def content(self) -> FaceContent:
        """What a store of these embeddings says about them."""
        recipe = variation_recipe(self.params) | {"seed": self.seed}
        shape = 1 + self.params.n_augmentations, EMBEDDING_SIZE
        return FaceContent("embeddings", self.fingerprint, recipe, shape)

    def __call__(self, crops: np.ndarray, name: str) -> np.ndarray:
        """Embeddings, float32 (n, 1 + n_augmentations, 512), of crops (n, 160, 160, 3)."""
        teacher = _teacher(self.weights)
        if teacher.fingerprint != self.fingerprint:
            raise TrainError(
                "the teacher's weights changed during ingest", where=self.weights,
                got=teacher.fingerprint, expected=self.fingerprint,
            )
        return embed_faces(crops, teacher, self.params, self.seed, name)


@functools.lru_cache(maxsize=1)
def _teacher(weights: Path) -> Teacher:
    return Teacher(weights)


def stored_bank(
    store: GaitStore, rows: np.ndarray, params: FaceUse, teacher: Embedder | None
) -> FaceBank:
    """Read the embeddings of faces from a store that has them.

    Parameters
    ----------
    store : of embeddings
    rows : of the face table
    params : number and strength of the variations wanted
    teacher : the one that training is to use; None takes the one whose weights are on this
        machine, and asks for none where there are no weights: the embeddings are enough

    Raises
    ------
    TrainError
        The embeddings come from another teacher, from other variations, or are too few of them.
    """
    content = store.face_content
    wanted = teacher.fingerprint if teacher is not None else _own_fingerprint()
    if wanted is not None and wanted != content.teacher:
        raise TrainError(
            "its face embeddings come from another teacher", where=store.path,
            got=content.teacher, expected=wanted,
            remedy="ingest the recordings again with this teacher, or put that teacher's weights "
            "in its place",
        )
    recipe = variation_recipe(params)
    stored = {name: content.recipe[name] for name in recipe}
    if stored != recipe or 1 + params.n_augmentations > content.shape[0]:
        raise TrainError(
            "its face embeddings were made of other variations", where=store.path,
            got=f"{content.shape[0] - 1} variations of {stored}",
            expected=f"at least {params.n_augmentations} of {recipe}",
            remedy="train with the store's (--set faces.n_augmentations=...), or ingest again",
        )
    embeddings = store.read_embeddings(rows)[:, : 1 + params.n_augmentations]
    return FaceBank(torch.from_numpy(np.ascontiguousarray(embeddings)))


def _own_fingerprint() -> str | None:
    """Fingerprint of the teacher on this machine; None when there is none."""
    try:
        path = find_weights()
    except TrainError:
        return None
    return _teacher(path).fingerprint
