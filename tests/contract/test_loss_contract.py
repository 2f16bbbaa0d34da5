"""Every registered loss, under every reading its options offer, keeps the same promises."""

from __future__ import annotations

from typing import Any

import naive.losses
import numpy as np
import pytest
import torch

from radarid.errors import TrainError
from radarid.learn.losses import build_loss, registered
from radarid.learn.losses.base import IdentityState, Loss, LossInputs, Outputs

# A loss without a row here is tested with its default options alone.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "cross_entropy": [{"of": "fused"}],
    "contrastive": [
        {"against": "fused"}, {"contrast": "kl"}, {"symmetric": True}, {"temperature": 0.1},
        {"contrast": "kl", "symmetric": True, "against": "fused", "temperature": 0.5},
        {"epsilon": 1e-3},
    ],
    "identity_kd": [
        {"margin_mode": "subtract"}, {"kd_pair": "fused_label"}, {"temperature": 3.0},
        {"kd_pair": "teacherhead_student"}, {"margin": 0.4}, {"detach_teacher": False},
        {"beta": 1.0, "lambda1": 0.0, "lambda2": 0.0},
    ],
}
CASES = [(name, options) for name in registered() for options in [{}, *VARIANTS.get(name, [])]]
LABELS = {
    "mixed": [0, 1, 2, 0, 1, 0, 3], "one identity": [2, 2, 2, 2], "batch of one": [1],
    "all different": [3, 1, 0, 2],
}
NETWORKS = ("student", "teacher", "fused")


def values_for(labels: list[int], adaptive: bool = True, seed: int = 5) -> naive.losses.Values:
    rng = np.random.default_rng(seed)
    values: naive.losses.Values = {"labels": np.array(labels), "adaptive": adaptive}
    for network in NETWORKS:
        values[f"{network}.embedding"] = rng.normal(size=(len(labels), 6))
        values[f"{network}.logits"] = 2 * rng.normal(size=(len(labels), 4))
    values["accuracy"] = rng.uniform(size=4)
    return values


def inputs_of(values: naive.losses.Values) -> LossInputs:
    def outputs(network: str) -> Outputs:
        made = [torch.tensor(values[f"{network}.{part}"]) for part in ("embedding", "logits")]
        return Outputs(*(tensor.requires_grad_() for tensor in made))

    return LossInputs(
        labels=torch.tensor(values["labels"]), student=outputs("student"),
        teacher=outputs("teacher"), fused=outputs("fused"),
        identity=IdentityState(torch.tensor(values["accuracy"]), values["adaptive"]),
    )


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


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].items())]))
def case(request: pytest.FixtureRequest) -> tuple[Loss, dict[str, Any]]:
    name, options = request.param
    return build_loss(name, options), options


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_equals_its_twin(
    case: tuple[Loss, dict[str, Any]], labels: list[int], adaptive: bool
) -> None:
    loss, options = case
    values = values_for(labels, adaptive)
    computed = loss(inputs_of(values))
    assert computed.shape == ()
    assert computed.dtype == torch.float64
    expected = naive.losses.TWINS[loss.name](values, **options)
    assert float(computed) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_gradient_is_finite_and_never_reaches_the_teacher(
    case: tuple[Loss, dict[str, Any]], labels: list[int]
) -> None:
    loss, _ = case
    inputs = inputs_of(values_for(labels))
    loss(inputs).backward()
    for part in ("embedding", "logits"):
        assert getattr(inputs.teacher, part).grad is None
    read = [name for name in loss.requires if name.startswith(("student.", "fused."))]
    gradients = [inputs.get(name).grad for name in sorted(read)]
    found = [gradient for gradient in gradients if gradient is not None]
    assert found
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)


def test_gradient_reaches_the_student(case: tuple[Loss, dict[str, Any]]) -> None:
    loss, options = case
    inputs = inputs_of(values_for(LABELS["mixed"]))
    loss(inputs).backward()
    trained = "fused" if options.get("of") == "fused" else "student"
    for name in loss.requires:
        if name.startswith(f"{trained}."):
            gradient = inputs.get(name).grad
            assert gradient is not None
            assert float(gradient.abs().max()) > 1e-6


def test_order_of_the_batch_does_not_matter(case: tuple[Loss, dict[str, Any]]) -> None:
    loss, _ = case
    values = values_for(LABELS["mixed"])
    order = np.random.default_rng(1).permutation(len(values["labels"]))
    moved = {
        key: value[order] if key == "labels" or "." in key else value
        for key, value in values.items()
    }
    assert not np.array_equal(moved["labels"], values["labels"])
    assert float(loss(inputs_of(moved))) == pytest.approx(float(loss(inputs_of(values))), abs=1e-12)


def test_requires_is_honest(case: tuple[Loss, dict[str, Any]]) -> None:
    loss, _ = case
    whole = inputs_of(values_for(LABELS["mixed"]))
    value = loss(Poisoned(whole, loss.requires))
    assert float(value) == float(loss(whole))
    for name in loss.requires:
        with pytest.raises((AssertionError, TrainError)):
            loss(Poisoned(whole, loss.requires - {name}))


def test_gradient_is_that_of_the_formula(case: tuple[Loss, dict[str, Any]]) -> None:
    loss, _ = case
    inputs = inputs_of(values_for([0, 1, 0, 2]))
    read = sorted(name for name in loss.requires if name.startswith("student."))
    if not read:
        read = sorted(name for name in loss.requires if name.startswith("fused."))

    def value(*tensors: torch.Tensor) -> torch.Tensor:
        parts: dict[str, dict[str, torch.Tensor]] = {network: {} for network in NETWORKS}
        for name in loss.requires - set(read):
            network, dot, part = name.partition(".")
            if dot:
                parts[network][part] = inputs.get(name).detach()
        for name, tensor in zip(read, tensors, strict=True):
            parts[name.partition(".")[0]][name.partition(".")[2]] = tensor
        outputs = {network: Outputs(**found) for network, found in parts.items()}
        return loss(LossInputs(labels=inputs.labels, identity=inputs.identity, **outputs))

    assert torch.autograd.gradcheck(value, [inputs.get(name) for name in read])


def test_half_precision_gives_the_float32_value(case: tuple[Loss, dict[str, Any]]) -> None:
    loss, options = case
    values = values_for(LABELS["mixed"])
    rounded = {
        key: torch.tensor(value).bfloat16().double().numpy() if "." in key else value
        for key, value in values.items()
    }
    inputs = inputs_of(rounded)
    halves = {
        network: Outputs(*(
            getattr(getattr(inputs, network), part).detach().bfloat16()
            for part in ("embedding", "logits")
        ))
        for network in NETWORKS
    }
    with torch.autocast("cpu", dtype=torch.bfloat16):
        computed = loss(LossInputs(labels=inputs.labels, identity=inputs.identity, **halves))
    expected = naive.losses.TWINS[loss.name](rounded, **options)
    assert float(computed) == pytest.approx(expected, rel=2e-5)


def test_state_comes_back(case: tuple[Loss, dict[str, Any]]) -> None:
    loss, options = case
    again = build_loss(loss.name, options)
    again.load_state_dict(loss.state_dict())
    inputs = inputs_of(values_for(LABELS["mixed"]))
    assert float(again(inputs)) == float(loss(inputs))


@pytest.mark.parametrize("name", sorted(registered()))
def test_docstring_names_paper_and_equation(name: str) -> None:
    cls = registered()[name]
    assert cls.paper
    assert cls.equations
    text = cls.__doc__ or ""
    assert cls.paper.partition(",")[0] in text
    assert cls.equations.split("-")[0] in text


def test_every_loss_has_a_twin() -> None:
    assert set(registered()) <= set(naive.losses.TWINS)


def test_the_poison_works() -> None:
    whole = inputs_of(values_for([0, 1]))
    with pytest.raises(AssertionError, match="touched teacher"):
        _ = Poisoned(whole, frozenset({"labels"})).teacher
