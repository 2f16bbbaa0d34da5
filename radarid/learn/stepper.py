"""One step of training: networks, losses, gradient, update."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radarid.learn import distributed
from radarid.learn.config import OptimParams
from radarid.learn.guard import NotFiniteError, StepFacts, not_finite_gradients
from radarid.learn.losses.base import IdentityState
from radarid.learn.recipes.base import Batch, Recipe, Step
from radarid.learn.runtime import Precision, RuntimeParams


class Stepper:
    """A recipe with its optimiser.

    Parameters
    ----------
    recipe : moved to the device, and shared with the other processes if there are any
    optim, runtime : see there
    device : that computes
    """

    def __init__(
        self, recipe: Recipe, optim: OptimParams, runtime: RuntimeParams, device: str
    ) -> None:
        self.recipe, self.clip_norm = recipe.to(device), runtime.clip_norm
        self._parallel = distributed.parallel(self.recipe, device)
        self.parameters = [each for each in recipe.parameters() if each.requires_grad]
        self.optimiser = torch.optim.Adam(
            self.parameters, lr=optim.lr, weight_decay=optim.weight_decay, fused=True
        )  # fused: one pass over the weights, twice as fast on CPUs too
        self.precision = Precision(runtime.amp, device)

    def set_rate(self, lr: float) -> None:
        """Learning rate of the steps to come."""
        for group in self.optimiser.param_groups:
            group["lr"] = lr

    def step(self, batch: Batch, identity: IdentityState) -> tuple[Step, StepFacts]:
        """Train on this process's share of a batch.

        Parameters
        ----------
        batch : on the device
        identity : of the epoch

        Returns
        -------
        Step
            Of the whole batch, before the update.
        StepFacts

        Raises
        ------
        NotFiniteError
            A loss or gradient is not finite; nothing is updated.
        """
        scaler = self.precision.scaler
        with self.precision.networks():
            step: Step = self._parallel(batch, identity)
        self.optimiser.zero_grad()
        scaler.scale(step.total).backward()
        scaler.unscale_(self.optimiser)
        facts = _facts(step, self._shorten())
        skipped = self.precision.may_overflow and math.isfinite(facts.loss)
        if not facts.is_finite and not skipped:
            raise NotFiniteError(facts, batch, not_finite_gradients(self.recipe))
        scaler.step(self.optimiser)
        scaler.update()
        return step, facts

    def _shorten(self) -> Tensor:
        """Shorten the gradient where it is too long; its length before, 0-dim."""
        if self.clip_norm is not None:
            return torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        lengths = [
            torch.linalg.vector_norm(each.grad)
            for each in self.parameters if each.grad is not None
        ]  # fmt: skip
        return torch.linalg.vector_norm(torch.stack(lengths))


def _facts(step: Step, gradient_norm: Tensor) -> StepFacts:
    """The numbers of a step, brought from the device at once."""
    values = [step.total, *(term.value for term in step.terms), gradient_norm]
    loss, *terms, norm = torch.stack([value.detach().double() for value in values]).tolist()
    names = [term.name for term in step.terms]
    return StepFacts(loss, dict(zip(names, terms, strict=True)), norm)
