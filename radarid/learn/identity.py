"""What training remembers of each identity, and the weight average that is fair to all of them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from radarid.learn.config import AverageParams
from radarid.learn.losses.base import IdentityState


class IdentityTracker:
    """Accuracy A_k on each identity over the training passes of the previous epoch.

    Parameters
    ----------
    n_subjects : identities
    begin : epochs of warm-up, at least 1

    Attributes
    ----------
    accuracy : float32 tensor, shape (n_subjects,), A_k of the last finished epoch; an identity
        that has not been met yet has 0, one that an epoch did not meet keeps its value

    Notes
    -----
    Counted from the logits before each update, the analogue of CFA's class-wise training
    robustness. IdentityKD section 3 uses A_k in Eq. 12 and 13.
    """

    def __init__(self, n_subjects: int, begin: int) -> None:
        self.begin = begin
        self.accuracy = torch.zeros(n_subjects)
        self._right, self._seen = torch.zeros(2, n_subjects, dtype=torch.int64)

    def observe(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (n, n_subjects) before the update, labels (n,)."""
        labels = labels.cpu()
        right = logits.detach().argmax(1).cpu() == labels
        n = len(self.accuracy)
        self._seen += torch.bincount(labels, minlength=n)
        self._right += torch.bincount(labels[right], minlength=n)

    def finish_epoch(self) -> float:
        """Take over the epoch's accuracies; return the accuracy over all its clips."""
        met = self._seen > 0
        self.accuracy = torch.where(met, self._right / self._seen.clamp(min=1), self.accuracy)
        overall = float(self._right.sum() / self._seen.sum().clamp(min=1))
        self._right.zero_()
        self._seen.zero_()
        return overall

    def state(self, epoch: int, device: str | torch.device = "cpu") -> IdentityState:
        """State for the losses of an epoch, counted from 0."""
        return IdentityState(self.accuracy.to(device), adaptive=epoch >= self.begin)


class FairAverage:
    """Moving average of weights that takes in only epochs that serve every identity (CFA's FAWA).

    Parameters
    ----------
    params : alpha and floor

    Attributes
    ----------
    weights : name -> tensor, as in the student's state dict; empty until an epoch was fair

    Notes
    -----
    `avg = alpha avg + (1 - alpha) w` where `min_k acc_k >= floor * mean_k acc_k` (or `>= floor`),
    starting at w. Parameters and BatchNorm statistics are averaged, integer buffers are copied.
    IdentityKD promises such an average without a formula; CFA's code has it with an absolute floor.
    """

    def __init__(self, params: AverageParams) -> None:
        self.params = params
        self.weights: dict[str, Tensor] = {}

    def update(self, model: nn.Module, accuracy_per_identity: Tensor) -> bool:
        """Take the model's weights in if its validation accuracies, shape (n,), are fair."""
        lowest, mean = float(accuracy_per_identity.min()), float(accuracy_per_identity.mean())
        scale = mean if self.params.floor_of == "mean" else 1.0
        if not self.params.enabled or lowest < self.params.floor * scale:
            return False
        for name, value in model.state_dict().items():
            old = self.weights.get(name)
            if old is None or not value.is_floating_point():
                self.weights[name] = value.detach().cpu().clone()
            else:
                old.lerp_(value.detach().cpu(), 1 - self.params.alpha)
        return True


def reestimate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the statistics of the normalisation layers to those of the batches, all alike.

    Parameters
    ----------
    model : whose weights were averaged; comes back in the mode it was in
    batches : inputs of the model, each of shape (n, ...)

    Notes
    -----
    With momentum None torch keeps the plain mean over batches; dropout plays no part in it.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta, was_training = [layer.momentum for layer in layers], model.training
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(was_training)
