"""Every registered loss, under every reading its options offer, keeps the same promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from loss_cases import (
    LABELS,
    TWINS,
    VARIANTS,
    Poisoned,
    built,
    inputs_of,
    shapes_for,
    tensors_of,
    trained,
    twin,
    values_for,
)

from radarid.errors import TrainError
from radarid.learn.losses import registered
from radarid.learn.losses.base import Loss

ELSEWHERE = {"lpips"}  # wants a file of weights; tests/unit/test_losses_lpips.py
# A loss without variants is tested with its default options alone.
CASES = [
    (name, options)
    for name in registered() if name not in ELSEWHERE
    for options in [{}, *VARIANTS.get(name, [])]
]  # fmt: skip
IN_ORDER = {"cc"}  # compares neighbours in the batch

Case = tuple[Loss, dict[str, Any]]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].items())]))
def case(request: pytest.FixtureRequest) -> Case:
    name, options = request.param
    return built(name, options), options


def drawn(loss: Loss, labels: str = "mixed", **changes: Any) -> dict[str, Any]:
    return values_for(LABELS[labels], features=shapes_for(loss.name), **changes)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_equals_its_twin(case: Case, labels: str, adaptive: bool) -> None:
    loss, options = case
    values = drawn(loss, labels, adaptive=adaptive)
    computed = loss(inputs_of(values))
    assert computed.shape == ()
    assert computed.dtype == torch.float64
    assert computed.item() == pytest.approx(twin(loss, values, options), abs=1e-9)


@pytest.mark.parametrize("which", ["student", "teacher", "both"])
def test_equals_its_twin_where_vectors_and_maps_are_zero(case: Case, which: str) -> None:
    loss, options = case
    values = drawn(loss)
    networks = ("student", "teacher") if which == "both" else (which,)
    for name in values:
        if name.startswith(networks) and name.endswith(("embedding", "pooled", "1", "2", "3", "4")):
            values[name][1:3] = 0
    inputs = inputs_of(values)
    computed = loss(inputs)
    assert computed.item() == pytest.approx(twin(loss, values, options), abs=1e-9)
    computed.backward()
    for tensor in trained(loss, inputs).values():
        assert tensor.grad is None or bool(torch.isfinite(tensor.grad).all())


@pytest.mark.parametrize("labels", LABELS)
def test_gradient_is_finite_and_never_reaches_the_teacher(case: Case, labels: str) -> None:
    loss, _ = case
    inputs = inputs_of(drawn(loss, labels))
    loss(inputs).backward()
    for tensor in tensors_of(inputs, "teacher").values():
        assert tensor.grad is None
    moved = [*loss.parameters()]
    for network in ("student", "fused", "composer"):
        moved += tensors_of(inputs, network).values()
    found = [tensor.grad for tensor in moved if tensor.grad is not None]
    assert found
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)


def test_gradient_reaches_what_it_trains(case: Case) -> None:
    loss, _ = case
    inputs = inputs_of(drawn(loss))
    loss(inputs).backward()
    for name, tensor in [*trained(loss, inputs).items(), *loss.named_parameters()]:
        assert tensor.grad is not None, name
        assert float(tensor.grad.abs().max()) > 1e-6, name


def test_order_of_the_batch_does_not_matter(case: Case) -> None:
    loss, _ = case
    values = drawn(loss)
    n = len(values["labels"])
    order = np.random.default_rng(1).permutation(n)
    whole = {"adaptive", "accuracy"}
    moved = {key: value if key in whole else value[order] for key, value in values.items()}
    assert not np.array_equal(moved["labels"], values["labels"])
    before, after = loss(inputs_of(values)).item(), loss(inputs_of(moved)).item()
    assert (after == pytest.approx(before, abs=1e-12)) is (loss.name not in IN_ORDER)


def test_requires_is_honest(case: Case) -> None:
    loss, _ = case
    whole = inputs_of(drawn(loss))
    value = loss(Poisoned(whole, loss.requires))
    assert value.item() == loss(whole).item()
    for name in loss.requires:
        with pytest.raises((AssertionError, TrainError)):
            loss(Poisoned(whole, loss.requires - {name}))


def test_gradient_is_that_of_the_formula(case: Case) -> None:
    loss, _ = case
    inputs = inputs_of(values_for([0, 1, 0, 2], features=shapes_for(loss.name)))
    leaves = [*trained(loss, inputs).values(), *loss.parameters()]
    # gradcheck moves the leaves in place, so the loss sees them move.
    assert torch.autograd.gradcheck(lambda *_: loss(inputs), leaves)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_gives_the_float32_value(case: Case, half: torch.dtype) -> None:
    loss, options = case
    values = drawn(loss)
    outputs = {key: value for key, value in values.items() if "." in key or key == "clean"}
    rounded = values | {k: torch.tensor(v).to(half).double().numpy() for k, v in outputs.items()}
    expected = twin(loss.float(), rounded, options)
    with torch.autocast("cpu", dtype=half):
        computed = loss(inputs_of(rounded, half))
    assert computed.dtype == torch.float32
    assert computed.item() == pytest.approx(expected, rel=2e-5)


def test_the_largest_halves_do_not_overflow(case: Case) -> None:
    loss, _ = case
    values = drawn(loss)
    for name, value in values.items():
        if name.endswith(("embedding", "logits")) or ".features." in name:
            values[name] = 6e4 * value / np.abs(value).max()  # float16 ends at 65504
    with torch.autocast("cpu", dtype=torch.float16):
        computed = loss.float()(inputs_of(values, torch.float16))
    assert bool(torch.isfinite(computed))


def test_state_comes_back(case: Case) -> None:
    loss, options = case
    again = built(loss.name, options)
    for parameter in again.parameters():
        parameter.data.zero_()
    again.load_state_dict(loss.state_dict())
    inputs = inputs_of(drawn(loss))
    assert again(inputs).item() == loss(inputs).item()


@pytest.mark.parametrize("name", sorted(registered()))
def test_docstring_names_paper_and_equation(name: str) -> None:
    cls = registered()[name]
    assert cls.paper
    assert cls.equations
    text = " ".join((cls.__doc__ or "").split())
    assert cls.paper.partition(",")[0].partition(" (")[0] in text
    assert cls.equations.split("-")[0] in text


def test_every_loss_has_a_twin() -> None:
    assert set(registered()) <= set(TWINS) | ELSEWHERE


def test_the_poison_works() -> None:
    whole = inputs_of(values_for([0, 1]))
    with pytest.raises(AssertionError, match="touched teacher"):
        _ = Poisoned(whole, frozenset({"labels"})).teacher
    with pytest.raises(AssertionError, match=r"touched teacher\.features"):
        _ = Poisoned(whole, frozenset({"teacher.logits"})).teacher.features
