"""FD-CMKD: where the bands lie, how large its distances can be, and its classifiers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from radarid.errors import TrainError
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs, Outputs, Sizes
from radarid.learn.losses.fdcmkd import FdCmkd
from radarid.learn.losses.frequency import DIMENSIONS, Axis, split_bands

F64 = torch.float64
AXES: tuple[Axis, ...] = ("channel", "time", "doppler", "hw")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def built(n: int = 512, **options: Any) -> FdCmkd:
    loss = build_loss("fdcmkd", options)
    assert isinstance(loss, FdCmkd)
    shapes = {f"{net}.pooled": (n,) for net in ("student", "teacher")}
    shapes |= {f"{net}.layer4": (3, 8, 4) for net in ("student", "teacher")}
    loss.build(Sizes(4, n, n, shapes))
    return loss.double()


def inputs_of(student: Tensor, teacher: Tensor, place: str = "pooled") -> LossInputs:
    return LossInputs(
        labels=torch.arange(len(student)) % 4, student=Outputs(features={place: student}),
        teacher=Outputs(features={place: teacher}),
    )


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("shape", [(2, 8, 6, 5), (1, 5, 4, 12)])
def test_bands_add_up_to_the_feature_without_its_mean(axis: Axis, shape: tuple[int, ...]) -> None:
    x = random(*shape)
    low, high = split_bands(x, axis)
    expected = x - x.mean(dim=DIMENSIONS[axis], keepdim=True)
    assert torch.allclose(low + high, expected, atol=1e-12)
    # Bands of different frequencies are at right angles.
    assert torch.allclose((low * high).flatten(1).sum(1), torch.zeros(shape[0], dtype=F64),
                          atol=1e-10)


def test_paper_bands_of_512_elements_are_bins_1_to_128_and_129_to_256() -> None:
    turn = 2 * math.pi * torch.arange(512, dtype=F64) / 512
    for number, is_low in ((1, True), (128, True), (129, False), (256, False)):
        wave = (number * turn).cos()
        low, high = split_bands(wave[None, :, None, None] + 7, "channel")
        kept, lost = (low, high) if is_low else (high, low)
        assert torch.allclose(kept[0, :, 0, 0], wave, atol=1e-10)
        assert float(lost.abs().max()) < 1e-10


def test_time_is_the_last_axis_and_doppler_the_one_before() -> None:
    turn = 2 * math.pi * torch.arange(8, dtype=F64) / 8
    along = turn.cos().expand(1, 2, 8, 8)  # slow along time, the same at every velocity
    for axis, values in (("time", along), ("doppler", along.transpose(2, 3))):
        assert torch.allclose(split_bands(values, axis)[0], values, atol=1e-12)  # type: ignore[arg-type]
        assert float(split_bands(values.transpose(2, 3), axis)[0].abs().max()) < 1e-12  # type: ignore[arg-type]


def test_the_higher_of_two_frequencies_decides() -> None:
    turn = 2 * math.pi * torch.arange(8, dtype=F64) / 8
    for down, along, is_low in ((1, 2, True), (3, 0, False), (1, 3, False), (0, 2, True)):
        wave = ((down * turn)[:, None] + (along * turn)[None]).cos()[None, None]
        low, high = split_bands(wave, "hw")
        assert torch.allclose(low if is_low else high, wave, atol=1e-12)


def test_distances_of_the_paper_are_almost_nothing() -> None:
    student, teacher = random(16, 512), random(16, 512, seed=1)
    opposite = built().parts(inputs_of(student, -3 * student))
    assert opposite["low"].item() == pytest.approx(4 / 512, abs=1e-12)
    assert opposite["high"].item() <= 4 / 512
    unrelated = built().parts(inputs_of(student, teacher))
    assert unrelated["low"].item() == pytest.approx(2 / 512, rel=0.1)
    summed = built(reduction="sum_dim").parts(inputs_of(student, teacher))
    for band in ("low", "high"):
        assert summed[band].item() == pytest.approx(512 * unrelated[band].item(), rel=1e-12)


def test_the_distances_know_no_mean_and_no_length() -> None:
    student = random(6, 512)
    parts = built().parts(inputs_of(student, 5 * student + 2))
    assert parts["low"].item() == pytest.approx(0, abs=1e-20)
    assert parts["high"].item() == pytest.approx(0, abs=1e-20)


def test_four_elements_by_hand() -> None:
    # D = 4: bin 1 is low, bin 2 high. x = (1, 0, 0, 0): low = (1, 0, -1, 0) / 2, high =
    # (1, -1, 1, -1) / 4. y = (0, 1, 0, 0): low = (0, 1, 0, -1) / 2, high = -(x's).
    # Unit lows are at right angles: squared distance 2 over 4 elements; unit highs are
    # +-(1, -1, 1, -1) / 2, after the logarithm ln(3/2) each: 4 (2 ln 3/2)^2 / 4.
    loss = built(4)
    for head in loss.heads.values():
        torch.nn.init.zeros_(head.weight)  # type: ignore[arg-type]
    student, teacher = (torch.eye(4, dtype=F64)[i][None] for i in (0, 1))
    parts = loss.parts(inputs_of(student, teacher))
    assert parts["low"].item() == pytest.approx(0.5, abs=1e-12)
    assert parts["high"].item() == pytest.approx(4 * math.log(1.5) ** 2, abs=1e-12)
    # Blind classifiers of four people: ln 4 each, four of them shared, two of the task.
    assert parts["align"].item() == pytest.approx(4 * math.log(4), abs=1e-12)
    assert parts["task"].item() == pytest.approx(2 * math.log(4), abs=1e-12)
    total = built(4, lambda_low=3.0, lambda_high=0.5)
    total.load_state_dict(loss.state_dict())
    expected = 6 * math.log(4) + 3 * 0.5 + 0.5 * 4 * math.log(1.5) ** 2
    assert total(inputs_of(student, teacher)).item() == pytest.approx(expected, abs=1e-12)


def test_classifiers_see_the_rectified_band_as_long_as_it_is() -> None:
    loss = built()
    student, teacher = random(5, 512), random(5, 512, seed=1)
    inputs = inputs_of(student, teacher)
    bands = split_bands(student[:, :, None, None], "channel")
    expected = sum(
        functional.cross_entropy(
            loss.heads[f"task_{name}"](band[:, :, 0, 0].relu()), inputs.labels
        ).item()
        for name, band in zip(("low", "high"), bands, strict=True)
    )
    assert loss.parts(inputs)["task"].item() == pytest.approx(expected, abs=1e-12)


def test_gradients_teach_shared_classifiers_by_both_and_task_ones_by_the_student() -> None:
    loss = built()
    student, teacher = (random(5, 512, seed=seed).requires_grad_() for seed in (0, 1))
    loss(inputs_of(student, teacher)).backward()
    assert teacher.grad is None
    assert student.grad is not None
    # A student without any feature: only the teacher's bands then move the shared classifiers.
    loss.zero_grad()
    loss(inputs_of(torch.zeros(5, 512, dtype=F64), teacher.detach())).backward()
    moved = {n for n, p in loss.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert {n for n in moved if n.endswith("weight")} == {
        "heads.shared_low.weight", "heads.shared_high.weight"
    }  # fmt: skip


def test_other_lengths_are_projected() -> None:
    loss = build_loss("fdcmkd")
    loss.build(Sizes(4, 12, 20, {"student.pooled": (20,), "teacher.pooled": (12,)}))
    value = loss.double()(inputs_of(random(3, 20), random(3, 12)))
    assert math.isfinite(value.item())
    assert loss.get_parameter("projector.weight").shape == (12, 20, 1, 1)
    assert "projector.weight" not in built().state_dict()


@pytest.mark.parametrize("axis", ["time", "doppler", "hw"])
def test_maps_of_one_shape_are_split_before_pooling(axis: str) -> None:
    loss = built(axis=axis)
    x, y = random(3, 3, 8, 4), random(3, 3, 8, 4, seed=1)
    assert loss.parts(inputs_of(x, 2 * x, "layer4"))["low"].item() == pytest.approx(0, abs=1e-20)
    assert loss.parts(inputs_of(x, y, "layer4"))["low"].item() > 1e-3
    with pytest.raises(TrainError, match="one shape"):
        loss(inputs_of(x, y[:, :, :, :3], "layer4"))


def test_an_axis_too_short_for_bands_is_refused() -> None:
    loss = build_loss("fdcmkd", {"axis": "time"})
    shapes = {"student.layer4": (8, 4, 2), "teacher.layer4": (8, 4, 2)}
    with pytest.raises(TrainError, match="too short to be split"):
        loss.build(Sizes(4, 8, 8, shapes))
