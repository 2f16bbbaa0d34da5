"""Every registered loss under every reading, with inputs for it, and fields that bite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import naive.losses
import naive.losses_components
import naive.losses_papers
import numpy as np
import torch

from radarid.learn.losses import build_loss
from radarid.learn.losses.base import IdentityState, Loss, LossInputs, Outputs, Sizes

MODULES = (naive.losses, naive.losses_components, naive.losses_papers)
TWINS: dict[str, Callable[..., float]] = {k: v for m in MODULES for k, v in m.TWINS.items()}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    k: v for m in MODULES for k, v in m.VARIANTS.items()
}
LABELS = {
    "mixed": [0, 1, 2, 0, 1, 0, 3], "one identity": [2, 2, 2, 2], "batch of one": [1],
    "all different": [3, 1, 0, 2],
}
N_SUBJECTS, N_EMBEDDING, N_DIRECTIONS, IMAGE = 4, 6, 2, (1, 12, 12)
NETWORKS = ("student", "teacher", "fused", "composer")
# Channels and sizes of the two networks agree where a loss wants them to, and differ elsewhere.
FEATURES: dict[str, tuple[int, ...]] = {
    "student.layer1": (3, 4, 4), "student.layer2": (2, 4, 4), "student.layer3": (2, 2, 2),
    "student.layer4": (3, 2, 2), "student.pooled": (3,), "teacher.layer1": (2, 4, 4),
    "teacher.layer2": (3, 2, 2), "teacher.layer3": (4, 2, 2), "teacher.layer4": (3, 2, 2),
    "teacher.pooled": (4,),
}  # fmt: skip
ALIKE = {name: FEATURES[name.replace("teacher", "student")] for name in FEATURES}


def shapes_for(name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the features that a loss is tested on: alike if its twin's module says so."""
    module = next(m for m in MODULES if name in m.TWINS)
    return ALIKE if name in getattr(module, "ALIKE", ()) else FEATURES


def values_for(
    labels: list[int], *, adaptive: bool = True, seed: int = 5,
    features: Mapping[str, tuple[int, ...]] = FEATURES,
) -> naive.losses.Values:
    """Everything that `LossInputs` can hold, drawn at random, as float64 arrays."""
    rng, n = np.random.default_rng(seed), len(labels)
    values: naive.losses.Values = {"labels": np.array(labels), "adaptive": adaptive}
    for network in NETWORKS:
        values[f"{network}.embedding"] = rng.normal(size=(n, N_EMBEDDING))
        values[f"{network}.logits"] = 2 * rng.normal(size=(n, N_SUBJECTS))
    for name, shape in features.items():
        values[name.replace(".", ".features.")] = rng.normal(size=(n, *shape))
    values["accuracy"] = rng.uniform(size=N_SUBJECTS)
    values["teacher.norm"] = rng.uniform(1, 9, size=n)
    for network in ("student", "fused"):
        values[f"{network}.direction"] = rng.normal(size=(n, N_DIRECTIONS))
    values["student.reconstruction"] = rng.uniform(size=(n, *IMAGE))
    values["clean"] = rng.uniform(size=(n, *IMAGE))
    values["directions"] = np.resize([0, 1, 1, -1], n)
    return values


def inputs_of(
    values: naive.losses.Values, dtype: torch.dtype = torch.float64, gradient: bool = True
) -> LossInputs:
    """The same as tensors; every output of a network is a leaf."""

    def tensor(name: str) -> torch.Tensor:
        return torch.tensor(values[name], dtype=dtype)

    def outputs(network: str) -> Outputs:
        names = [name for name in values if name.startswith(network + ".")]
        made = {name: tensor(name).requires_grad_(gradient) for name in names}
        features = {k.split(".")[2]: v for k, v in made.items() if ".features." in k}
        whole = {k.split(".")[1]: v for k, v in made.items() if ".features." not in k}
        return Outputs(**whole, features=features)

    networks = {network: outputs(network) for network in NETWORKS}
    return LossInputs(
        labels=torch.tensor(values["labels"]), clean=tensor("clean"),
        directions=torch.tensor(values["directions"]), **networks,
        identity=IdentityState(torch.tensor(values["accuracy"]), values["adaptive"]),
    )


def built(name: str, options: dict[str, Any]) -> Loss:
    """A loss with its parameters made, in double precision."""
    torch.manual_seed(3)
    loss = build_loss(name, options)
    sizes = Sizes(N_SUBJECTS, N_EMBEDDING, N_EMBEDDING, shapes_for(name))
    loss.build(sizes)
    return loss.double()


def twin(loss: Loss, values: naive.losses.Values, options: dict[str, Any]) -> float:
    """What the slow twin of a loss makes of the same values and parameters."""
    own = {k: v.detach().double().numpy().copy() for k, v in loss.state_dict().items()}
    return TWINS[loss.name]({**values, "parameters": own}, **options)


def tensors_of(inputs: LossInputs, network: str) -> dict[str, torch.Tensor]:
    """Every tensor that one network gave, by its dotted name."""
    outputs = getattr(inputs, network)
    parts = {k: v for k, v in vars(outputs).items() if isinstance(v, torch.Tensor)}
    parts |= {f"features.{k}": v for k, v in outputs.features.items()}
    return {f"{network}.{name}": tensor for name, tensor in parts.items()}


def trained(loss: Loss, inputs: LossInputs) -> dict[str, torch.Tensor]:
    """The fields that a loss is to move: the student's, or those of the composer it judges."""
    for network in ("student", "fused", "composer"):
        read = {n: inputs.get(n) for n in sorted(loss.requires) if n.startswith(network + ".")}
        if read:
            return read
    raise AssertionError(f"{loss.name} looks at no network that is trained")


class Poisoned:
    """LossInputs of which every field outside `allowed` raises when it is touched."""

    def __init__(self, inputs: LossInputs, allowed: frozenset[str], prefix: str = "") -> None:
        self._all, self._allowed, self._prefix = inputs, allowed, prefix

    def __getattr__(self, name: str) -> Any:
        path = self._prefix + name
        if path in self._allowed:
            return getattr(self._all, name)
        if any(other.startswith(path + ".") for other in self._allowed):
            return Poisoned(getattr(self._all, name), self._allowed, path + ".")
        raise AssertionError(f"touched {path}, which it does not require")

    def get(self, name: str) -> torch.Tensor:
        assert name in self._allowed, f"asked for {name}, which it does not require"
        return self._all.get(name)
