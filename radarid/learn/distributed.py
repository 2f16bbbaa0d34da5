"""Training in several processes: each takes its share of every batch, losses see all of it.

`torchrun --nproc-per-node N -m radarid train ...` starts N processes. Batches are those of one
process, and every process computes the same total loss over the gathered batch; so N processes
train what one does, within rounding. `DistributedDataParallel` averages the gradients.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from radarid.errors import TrainError
from radarid.learn.losses.base import Loss, LossInputs, as_float
from radarid.progress import log

_PATIENCE = timedelta(hours=12)  # the first process embeds all faces while the others wait


def rank() -> int:
    """Number of this process among those of the training, 0 without others."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """Processes of the training."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process is the one that writes files and speaks; holds outside a session too."""
    return int(os.environ.get("RANK", 0)) == 0


def local_device(device: str) -> str:
    """The GPU of this process where `device` is "cuda"; any other device as it is.

    Raises
    ------
    TrainError
        More processes on this machine than GPUs.
    """
    if device != "cuda" or "LOCAL_RANK" not in os.environ:
        return device
    number, n_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= n_gpus:
        raise TrainError(
            "more processes than GPUs", got=f"process {number} and {n_gpus} GPUs",
            remedy=f"--nproc-per-node {n_gpus}, or --set device=cpu",
        )  # fmt: skip
    return f"cuda:{number}"


@contextlib.contextmanager
def session(device: str) -> Iterator[None]:
    """Join the other processes that torchrun started, if it did; NCCL on GPUs, else gloo."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    level = log.level
    if not is_main():
        log.setLevel(max(log.getEffectiveLevel(), logging.WARNING))
    try:
        yield
        wait()
    finally:
        log.setLevel(level)
        dist.destroy_process_group()


def wait() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Let the first process do something (and leave a file behind) before the others do it."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


def share(n: int) -> slice:
    """This process's part of `n` things in a row; parts differ by one at most."""
    each, more = divmod(n, size())
    start = rank() * each + min(rank(), more)
    return slice(start, start + each + (rank() < more))


# -- tensors of all processes -------------------------------------------------------------------


class _SumOfAll(torch.autograd.Function):
    """Sum over the processes; what the sum is blamed for by any of them, each share is."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *blame: Tensor) -> Tensor:
        total = blame[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class _RowsOfAll(torch.autograd.Function):
    """Rows of all processes, in their order.

    Every process goes on to compute the same loss from them, so the gradients of all are equal,
    and the sum that `DistributedDataParallel` halves (N = 2) is one of them times N.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        lengths = _lengths(len(rows), rows.device)
        padded = rows.new_zeros(max(lengths), *rows.shape[1:])
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(found, padded)
        ctx.own = slice(sum(lengths[: rank()]), sum(lengths[: rank() + 1]))
        return torch.cat([part[:n] for part, n in zip(found, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, *blame: Tensor) -> Tensor:
        return blame[0][ctx.own] * size()


def _lengths(n: int, device: torch.device) -> list[int]:
    found = [torch.empty(1, dtype=torch.int64, device=device) for _ in range(size())]
    dist.all_gather(found, torch.tensor([n], device=device))
    return [int(one) for one in found]


def gather_rows(rows: Tensor) -> Tensor:
    """Join the rows of all processes, in their order; differentiable.

    Parameters
    ----------
    rows : tensor, shape (n, ...), of this process; n may differ from process to process

    Returns
    -------
    tensor, shape (sum of n, ...), equal in every process
    """
    return cast(Tensor, _RowsOfAll.apply(rows)) if size() > 1 else rows


def gather(inputs: LossInputs) -> LossInputs:
    """What the networks of all processes say of the whole batch, in full precision.

    Half-precision tensors become float32, so that losses compute in it whatever the networks do.
    """

    def whole(found: Any) -> Any:
        if isinstance(found, Tensor):
            return gather_rows(as_float(found) if found.is_floating_point() else found)
        if isinstance(found, Mapping):
            return {name: whole(value) for name, value in found.items()}
        if found is None:
            return None
        columns = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
        return dataclasses.replace(found, **{name: whole(each) for name, each in columns.items()})

    # The state of the identities has no clips, and is the same in every process.
    return dataclasses.replace(
        cast(LossInputs, whole(dataclasses.replace(inputs, identity=None))),
        identity=inputs.identity,
    )


# -- networks of all processes ------------------------------------------------------------------


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation over the clips of all processes, on any device.

    Notes
    -----
    Mean and biased variance of the whole batch normalise; the running variance takes the unbiased
    one, as `torch.nn.BatchNorm2d` in one process does. torch's own SyncBatchNorm is for GPUs.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of places after (n, channels)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise float (n, channels, ...) over all axes but the second."""
        if not self.training:
            return super().forward(input)
        values = as_float(input)
        axes = [0, *range(2, values.dim())]
        shape = [1, -1] + [1] * (values.dim() - 2)
        n = values.new_tensor([values.numel() / values.shape[1]])
        sums = _SumOfAll.apply(torch.cat([values.sum(axes), n]))
        mean, n_all = sums[:-1] / sums[-1], sums[-1].detach()
        centred = values - mean.view(shape)
        variance = _SumOfAll.apply(centred.square().sum(axes)) / n_all
        self._remember(mean.detach(), variance.detach() * n_all / (n_all - 1))
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats:
            return
        n_seen = cast(Tensor, self.num_batches_tracked)
        n_seen.add_(1)
        speed = self.momentum if self.momentum is not None else 1 / float(n_seen)
        cast(Tensor, self.running_mean).lerp_(mean, speed)
        cast(Tensor, self.running_var).lerp_(variance, speed)


def parallel(recipe: nn.Module, device: str) -> nn.Module:
    """`recipe` as every process is to call it: itself where there is one.

    Batch normalisation is exchanged in place by one over all processes, but for that of losses,
    which see the whole batch anyway. Names of parameters stay, so states fit any N.
    """
    if size() == 1:
        return recipe
    kind = nn.SyncBatchNorm if device.startswith("cuda") else SharedBatchNorm
    _share_batch_norm(recipe, kind)
    return DistributedDataParallel(recipe, broadcast_buffers=False, find_unused_parameters=True)


def _share_batch_norm(module: nn.Module, kind: type[_BatchNorm]) -> None:
    for name, child in module.named_children():
        if isinstance(child, Loss):
            continue
        if isinstance(child, _BatchNorm):
            fresh = kind(
                child.num_features, child.eps, child.momentum, child.affine,
                child.track_running_stats,
            )  # fmt: skip
            fresh._parameters, fresh._buffers = child._parameters, child._buffers
            fresh.train(child.training)
            setattr(module, name, fresh)
        else:
            _share_batch_norm(child, kind)
