"""Which clips make up the batches of an epoch."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from capture.schema import config_class


@config_class
class SamplingParams:
    """How clips are drawn.

    Parameters
    ----------
    balance : "none" shows every clip once an epoch; "identity" shows every person equally often,
        in every batch too, so that people with few clips count as much as those with many
    """

    balance: Literal["none", "identity"] = Field(default="none")


def epoch_batches(
    labels: np.ndarray, size: int, params: SamplingParams, rng: np.random.Generator
) -> list[np.ndarray]:
    """Divide the clips of an epoch into batches.

    Parameters
    ----------
    labels : int64 array, shape (n,), of the training clips
    size : clips of a batch, at most
    params : how they are drawn
    rng : where chance comes from

    Returns
    -------
    list of int64 arrays: places in `labels`; lengths differ by one at most
    """
    order = rng.permutation(len(labels))
    if params.balance == "identity":
        order = _in_rounds(labels, order, rng)
    return np.array_split(order, -(-len(order) // size))


def _in_rounds(labels: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rounds in which everybody has one clip; about as many clips in all as there are.

    A person's clips come in shuffled order and all of them before any comes again. With `n` clips
    of `k` people there are `ceil(n / k)` rounds.
    """
    people = np.unique(labels)
    n_rounds = -(-len(labels) // len(people))
    rounds = np.empty((n_rounds, len(people)), dtype=np.int64)
    for column, person in enumerate(people):
        own = order[labels[order] == person]
        n_times = -(-n_rounds // len(own))
        again = [own, *(rng.permutation(own) for _ in range(n_times - 1))]
        rounds[:, column] = np.concatenate(again)[:n_rounds]
    return rng.permuted(rounds, axis=1).ravel()
