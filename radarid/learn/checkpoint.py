"""The state of a training on disk: safetensors and JSON, whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from radarid.errors import RunError
from radarid.learn.json_file import read_json, write_json

_INDEX = "state.json"
Tensors = dict[str, Tensor]
__all__ = [
    "load_state", "optimiser_tensors", "read_json", "read_tensors", "restore_optimiser",
    "save_state", "write_json", "write_tensors",
]  # fmt: skip


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors under a temporary name, then move them into place."""
    partial = path.with_name(path.name + ".partial")
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, partial)
    os.replace(partial, path)


def read_tensors(path: Path) -> Tensors:
    """Read a safetensors file of a run.

    Raises
    ------
    RunError
        Missing, or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as failure:
        raise RunError(f"cannot be read as safetensors: {failure}", where=path) from None


def save_state(folder: Path, epoch: int, files: Mapping[str, Tensors | None], facts: Any) -> None:
    """Save the state after an epoch; the previous one stays valid until this one is whole.

    Parameters
    ----------
    folder : last/ of the run
    epoch : finished epochs
    files : kind -> tensors; None keeps the file of this kind that is there
    facts : plain values that go with it
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / _INDEX
    kept = read_json(index)["files"] if index.is_file() else {}
    names = dict(kept)
    for kind, tensors in files.items():
        if tensors is not None:
            names[kind] = f"{kind}-{epoch:06d}.safetensors"
            write_tensors(folder / names[kind], tensors)
    write_json(index, {"epoch": epoch, "files": names, "facts": facts})
    for path in folder.glob("*.safetensors"):
        if path.name not in names.values():
            path.unlink()


def load_state(folder: Path) -> tuple[int, dict[str, Tensors], Any] | None:
    """Read back what `save_state` saved: epoch, files and facts; None when nothing was saved.

    Raises
    ------
    RunError
        Files that the index names are missing or damaged.
    """
    index = folder / _INDEX
    if not index.is_file():
        return None
    state = read_json(index)
    files = {kind: read_tensors(folder / name) for kind, name in state["files"].items()}
    return int(state["epoch"]), files, state["facts"]


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> Tensors:
    """Moments and step counts of an optimiser, by parameter number and name."""
    return {
        f"{number}.{name}": value
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Give an optimiser the moments that `optimiser_tensors` took from one like it."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        like = parameters[int(number)]
        if value.shape == like.shape:  # moments lie in memory as their parameter does
            value = torch.empty_like(like).copy_(value)
        state.setdefault(int(number), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
