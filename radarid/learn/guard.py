"""A step with a number that is not finite stops the training and leaves the batch behind."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radarid.errors import TrainError
from radarid.learn.checkpoint import write_json, write_tensors
from radarid.learn.distributed import rank
from radarid.learn.recipes.base import Batch


@dataclass(frozen=True)
class StepFacts:
    """Numbers of one step.

    Parameters
    ----------
    loss : total
    terms : name -> unweighted loss
    gradient_norm : length of the gradient of all parameters, before it is shortened
    """

    loss: float
    terms: dict[str, float]
    gradient_norm: float

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are finite (a term of weight 0 is multiplied by it)."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


class NotFiniteError(TrainError):
    """A step whose loss or gradient is not finite; the weights are still those before it.

    Parameters
    ----------
    facts : of the step
    batch : this process's share
    gradients : names of the parameters whose gradient is not finite

    Attributes
    ----------
    rows : int64 array, shape (n,), of the share's clips in the store's clip table
    epoch, step : where it happened, counted from 0
    """

    def __init__(self, facts: StepFacts, batch: Batch, gradients: list[str]) -> None:
        parts = ", ".join(f"{name} {value:.4g}" for name, value in facts.terms.items())
        super().__init__(
            "the loss is not finite any more" if not math.isfinite(facts.loss)
            else "the gradient is not finite any more",
            got=f"{parts}, gradient {facts.gradient_norm:.4g}",
            remedy="a smaller optim.lr, runtime.clip_norm, or runtime.amp=off; the state before"
            " this epoch is kept in last/",
        )  # fmt: skip
        self.facts, self.batch, self.gradients = facts, batch, gradients
        self.rows, self.epoch, self.step = np.empty(0, np.int64), -1, -1


def not_finite_gradients(recipe: nn.Module) -> list[str]:
    """Names of the parameters whose gradient is not finite."""
    return [
        name for name, value in recipe.named_parameters()
        if value.grad is not None and not bool(torch.isfinite(value.grad).all())
    ]  # fmt: skip


def save_evidence(folder: Path, failure: NotFiniteError) -> Path:
    """Save the batch of a failed step, and say on the error where.

    Parameters
    ----------
    folder : of the run
    failure : of the step

    Returns
    -------
    Path
        `not-finite-R.json` for process R, with everything that is known in words; the tensors lie
        beside it in .safetensors, readable by the owner only, since embeddings of faces may be
        among them
    """
    path = folder / f"not-finite-{rank()}.json"
    tensors: dict[str, Tensor] = {"rows": torch.from_numpy(np.ascontiguousarray(failure.rows))}
    for field in dataclasses.fields(failure.batch):
        value = getattr(failure.batch, field.name)
        if value is not None:
            tensors[field.name] = value.clone()
    write_tensors(path.with_suffix(".safetensors"), tensors)
    path.with_suffix(".safetensors").chmod(0o600)
    facts: dict[str, Any] = {
        "epoch": failure.epoch,
        "step": failure.step,
        **dataclasses.asdict(failure.facts),
        "clips": failure.rows.tolist(),
        "gradients_not_finite": failure.gradients,
        "inputs_not_finite": sorted(
            name for name, value in tensors.items() if not bool(torch.isfinite(value).all())
        ),
    }
    write_json(path, facts)
    failure.where = f"epoch {failure.epoch}, step {failure.step}; the batch is in {path}"
    return path
