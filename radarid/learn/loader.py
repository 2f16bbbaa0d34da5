"""Batches of an epoch, prepared here or in worker processes, the same either way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from radarid import seeding
from radarid.errors import TrainError
from radarid.learn import distributed
from radarid.learn.clip_augment import N_CHANCES, augment, mirrored
from radarid.learn.config import TrainConfig
from radarid.learn.degrade import degrade
from radarid.learn.recipes.base import Batch
from radarid.learn.sampling import epoch_batches
from radarid.learn.training_data import TrainingData


@dataclass(frozen=True)
class Loaded:
    """A batch with its place in the data.

    Parameters
    ----------
    batch : this process's share, on the CPU
    rows : int64 array, shape (n_share,), of the share's clips in the store's clip table
    n : clips of the whole batch
    """

    batch: Batch
    rows: np.ndarray
    n: int


@dataclass(frozen=True)
class EpochBatches(Dataset[Batch]):
    """The batches of one epoch; batch k depends on the seed, the epoch and k alone.

    Parameters
    ----------
    data : clips and faces
    config : of the training
    wants_clean : whether batches also show the clips before they are degraded
    epoch : counted from 0
    members : places of each batch's clips in the training part
    shares : this process's part of each batch
    """

    data: TrainingData
    config: TrainConfig
    wants_clean: bool
    epoch: int
    members: list[np.ndarray]
    shares: list[slice]

    @classmethod
    def draw(
        cls, data: TrainingData, config: TrainConfig, wants_clean: bool, epoch: int
    ) -> EpochBatches:
        """Draw which clips come when; see `EpochBatches`.

        Raises
        ------
        TrainError
            A batch has fewer clips than there are processes.
        """
        members = epoch_batches(
            data.train.labels.numpy(), config.optim.batch_size, config.sampling,
            seeding.rng(config.seed, "batches", epoch),
        )  # fmt: skip
        least = min(len(batch) for batch in members)
        if least < distributed.size():
            raise TrainError(
                "a batch with no clip for some process", where="optim.batch_size",
                got=f"{least} clips and {distributed.size()} processes",
                remedy="larger batches, or fewer processes",
            )
        shares = [distributed.share(len(batch)) for batch in members]
        return cls(data, config, wants_clean, epoch, members, shares)

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, k: int) -> Batch:
        """Batch k: drawn and changed as a whole, so that its share does not depend on sharing."""
        members, part = self.members[k], self.data.train
        rng = seeding.rng(self.config.seed, "clips", self.epoch, k)
        chance = rng.random((len(members), N_CHANCES))
        faces = norms = None
        if self.data.faces is not None:
            faces, norms = self.data.faces.draw(part.rows[members], rng)
        clean = augment(part.images[members], self.config.augment, chance)
        whole = Batch(
            images=degrade(clean, self.config.degrade, rng),
            labels=part.labels[members],
            faces=faces,
            face_norms=norms,
            clean=clean if self.wants_clean else None,
            directions=_turned(part.directions[members], mirrored(self.config.augment, chance)),
        )
        return each_tensor(whole, lambda value: value[self.shares[k]])

    def load(self) -> Iterator[Loaded]:
        """Go through the epoch, with as many workers as the configuration says."""
        loader = DataLoader(
            self, batch_size=None, shuffle=False, num_workers=self.config.runtime.workers,
            collate_fn=_as_it_is, generator=torch.Generator(),
        )  # fmt: skip
        for batch, members, own in zip(loader, self.members, self.shares, strict=True):
            yield Loaded(batch, self.data.train.rows[members[own]], len(members))


def each_tensor(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """`batch` with every tensor that it has changed."""
    columns = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    present = {name: value for name, value in columns.items() if value is not None}
    return dataclasses.replace(batch, **{name: change(value) for name, value in present.items()})


def _turned(directions: Tensor, turned: np.ndarray) -> Tensor:
    """Walking directions of clips of which some were mirrored; unknown ones stay unknown."""
    known = torch.from_numpy(turned) & (directions >= 0)
    return torch.where(known, 1 - directions, directions)


def _as_it_is(batch: Any) -> Any:
    return batch
