"""The component losses by hand arithmetic, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from capture.errors import ConfigError
from radarid.errors import TrainError
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs, Outputs, Sizes

# KL of (3/4, 1/4) against (1/2, 1/2), and the other way round.
KL = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
BACK = 0.5 * math.log(4 / 3)
SKEWED, EVEN = [math.log(3), 0.0], [0.0, 0.0]


def tensor(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def embedded(student: Any, teacher: Any, norm: Any = None) -> LossInputs:
    return LossInputs(
        labels=torch.arange(len(student)), student=Outputs(tensor(student)),
        teacher=Outputs(tensor(teacher), norm=None if norm is None else tensor(norm)),
    )


def judged(student: Any, teacher: Any, fused: Any = EVEN) -> LossInputs:
    return LossInputs(
        labels=torch.tensor([0]), student=Outputs(logits=tensor([student])),
        teacher=Outputs(logits=tensor([teacher])), fused=Outputs(logits=tensor([fused])),
    )


def mapped(student: Any, teacher: Any, layer: str = "layer1") -> LossInputs:
    return LossInputs(
        labels=torch.arange(len(student)), student=Outputs(features={layer: tensor(student)}),
        teacher=Outputs(features={layer: tensor(teacher)}),
    )


def value(name: str, inputs: LossInputs, **options: Any) -> float:
    return build_loss(name, options)(inputs).item()


def test_kd() -> None:
    # At T = 2 the teacher's logits (2 ln 3, 0) are (3/4, 1/4).
    inputs = judged(EVEN, [2 * math.log(3), 0])
    assert value("kd", inputs, temperature=2.0) == pytest.approx(4 * KL)
    assert value("kd", inputs, temperature=2.0, against="fused") == pytest.approx(0, abs=1e-12)


def test_jeffreys() -> None:
    inputs = judged(SKEWED, EVEN, EVEN)
    assert value("jeffreys", inputs) == pytest.approx((KL + BACK) / 2)


def test_jeffreys_moves_both_sides() -> None:
    logits = [tensor([SKEWED]).requires_grad_(), tensor([EVEN]).requires_grad_()]
    inputs = LossInputs(
        labels=torch.tensor([0]), student=Outputs(logits=logits[0]),
        fused=Outputs(logits=logits[1]),
    )
    build_loss("jeffreys")(inputs).backward()
    # d/dz of (KL(p||q) + KL(q||p)) / 2 at z_q: (q - p) / 2 + q_k (log(q_k/p_k) - KL(q||p)) / 2.
    by_hand = ((0.5 - 0.75) + 0.5 * (math.log(0.5 / 0.75) - BACK)) / 2
    assert logits[1].grad is not None
    assert logits[1].grad[0, 0].item() == pytest.approx(by_hand)
    assert logits[0].grad is not None
    assert float(logits[0].grad.abs().max()) > 0.1


def test_fitnet_without_and_with_a_regressor() -> None:
    inputs = embedded([[1, 2], [3, 4]], [[1, 0], [0, 0]])
    options = {"of": "embedding", "regressor": "none"}
    loss = build_loss("fitnet", options)
    loss.build(Sizes(2, 2, 2))
    assert loss(inputs).item() == (0 + 4 + 9 + 16) / 4
    loss = build_loss("fitnet", options | {"regressor": "conv"})
    loss.build(Sizes(2, 2, 2))
    weight = loss.double().regressor.weight.data
    assert weight.shape == (2, 2, 1, 1)
    assert 0.001 < float(weight.abs().max()) <= 0.005
    weight[:, :, 0, 0] = tensor([[2, 0], [0, 1]])
    # r = (2, 2), (6, 4)
    assert loss(inputs).item() == (1 + 4 + 36 + 16) / 4


def test_fitnet_of_maps_normalises_and_rectifies() -> None:
    # Rectified, the student's map is (0, 2): normalised (-1, 1) / sqrt(1 + 1e-5), rectified again.
    inputs = mapped([[[[-7.0, 2.0]]]], [[[[-3.0, 4.0]]]])
    loss = build_loss("fitnet", {"of": "layer1"})
    loss.build(Sizes(2, 0, 0, {"student.layer1": (1, 1, 2), "teacher.layer1": (1, 1, 2)}))
    loss.double().regressor[0].weight.data.fill_(1.0)
    assert loss(inputs).item() == pytest.approx((4 - 1 / math.sqrt(1 + 1e-5)) ** 2 / 2)


def test_attention() -> None:
    # Students attend to the first of two places, teachers to the second: (1, 0) and (0, 1).
    apart = mapped([[[[3.0, 0.0]]]], [[[[0.0, 4.0]]]])
    assert value("at", apart, layers=["layer1"]) == pytest.approx(1)
    # Two channels, (1, 1) of mean square: evenly; and what is negative does not count.
    even = mapped([[[[1.0, 1.0]], [[1.0, 1.0]]]], [[[[5.0, -9.0]]]])
    assert value("at", even, layers=["layer1"]) == pytest.approx((2 - math.sqrt(2)) / 2)
    # Of a map of two places and of four, the larger is averaged: (0 + 8) / 2 = 4 and 0.
    sizes = mapped([[[[0.0, 8.0, 0.0, 0.0]]]], [[[[0.0, 4.0]]]])
    assert value("at", sizes, layers=["layer1"]) == pytest.approx(1)


def test_attention_sums_over_stages() -> None:
    one = mapped([[[[3.0, 0.0]]]], [[[[0.0, 4.0]]]])
    student, teacher = ({"layer1": f, "layer3": f} for f in (
        one.student.features["layer1"], one.teacher.features["layer1"]))
    both = LossInputs(labels=one.labels, student=Outputs(features=student),
                      teacher=Outputs(features=teacher))
    assert value("at", both, layers=["layer1", "layer3"]) == pytest.approx(2)


def test_rkd_of_a_right_triangle_and_a_line() -> None:
    # Student: sides 3, 4, 5 over their mean 4. Teacher, 0 1 2 on a line: 1, 2, 1 over 4/3.
    #   |d01 - d01'| = 0, |d02 - d02'| = |1 - 3/2|, |d12 - d12'| = |5/4 - 3/4|: 1/8 twice, and
    #   again for the mirrored pairs: 1/2 over 9.
    # Cosines at 0, 1, 2: 0, 3/5, 4/5 and 1, -1, 1: differences 1, 8/5, 1/5, of smooth L1
    #   1/2, 11/10, 1/50, each for two orders of the ends: 3.24 over 27.
    inputs = embedded([[0, 0], [3, 0], [0, 4]], [[0, 0], [1, 0], [2, 0]])
    assert value("rkd", inputs, distance_weight=1.0, angle_weight=0.0) == pytest.approx(1 / 18)
    assert value("rkd", inputs, distance_weight=0.0, angle_weight=1.0) == pytest.approx(0.12)
    assert value("rkd", inputs) == pytest.approx(25 / 18 + 6)


def test_rkd_keeps_small_distances_in_float32() -> None:
    # Far from the origin the Gram matrix of float32 would lose distances of 1/8 altogether.
    near = torch.tensor([[0.0, 0], [1, 0], [0, 2]]) / 8
    inputs = LossInputs(
        labels=torch.arange(3), student=Outputs(near + 4096), teacher=Outputs(near)
    )
    assert value("rkd", inputs) == 0


def test_similarity() -> None:
    # Student: both samples alike, rows (1, 1) / sqrt 2. Teacher: orthogonal, rows of the identity.
    inputs = embedded([[1, 0], [1, 0]], [[0, 3, 0], [5, 0, 0]])
    assert value("sp", inputs) == pytest.approx((2 - math.sqrt(2)) / 2)


def test_pkt() -> None:
    # Student: alike, rows (1, 1) / 2. Teacher: orthogonal, nearness (1, 1/2), rows (2, 1) / 3.
    inputs = embedded([[1, 0], [2, 0]], [[0, 3, 0], [5, 0, 0]])
    by_hand = (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)) / 2
    assert value("pkt", inputs, epsilon=1e-15) == pytest.approx(by_hand)


def test_correlation_of_neighbours() -> None:
    # |D| = (1, 2), (3, 1), (1, 5): 3 + 2 and 3 + 5.
    inputs = embedded([[2, -1], [3, 0], [0, 5]], [[1, 1], [0, 1], [1, 0]])
    assert value("cc", inputs) == pytest.approx(6.5)


def test_vid() -> None:
    loss = build_loss("vid", {"of": "embedding", "initial_variance": 3.0})
    loss.build(Sizes(2, 1, 1))
    for name, parameter in loss.double().named_parameters():
        if name.startswith("mean"):
            parameter.data.fill_(1.0)
    by_hand = ((5 - 2) ** 2 / 3 + math.log(3)) / 2
    assert loss(embedded([[2.0]], [[5.0]])).item() == pytest.approx(by_hand, rel=1e-6)


def test_mkd_of_features_and_quality() -> None:
    # Distances 1 and 0 beyond 0.2; lengths 1 and 3 weigh 1/2 and 3/2.
    inputs = embedded([[1, 0], [2, 0]], [[0, 1], [7, 0]], norm=[1.0, 3.0])
    assert value("mkd", inputs) == pytest.approx(0.5 * 0.8 / 2)
    assert value("mkd", inputs, quality=False) == pytest.approx(0.8 / 2)
    assert value("mkd", inputs, margin=1.0) == 0


@pytest.mark.parametrize(
    ("scale", "expected"),
    [("after", 4 * (KL - 8 / 255)), ("before", 4 * KL - 8 / 255), ("none", KL - 8 / 255)],
)
def test_mkd_of_logits(scale: str, expected: float) -> None:
    inputs = judged(EVEN, [2 * math.log(3), 0])
    options = {"level": "logit", "temperature": 2.0, "quality": False, "scale": scale}
    assert value("mkd", inputs, **options) == pytest.approx(expected)


def test_mkd_inside_the_margin_has_no_gradient() -> None:
    student = tensor([[1, 0.1], [0.2, 1]]).requires_grad_()
    inputs = LossInputs(
        labels=torch.arange(2), student=Outputs(student), teacher=Outputs(tensor([[1, 0], [0, 1]]))
    )
    build_loss("mkd", {"quality": False})(inputs).backward()
    assert student.grad is not None
    assert not student.grad.any()


@pytest.mark.parametrize("name", ["rkd", "cc", "sp", "pkt"])
def test_relations_of_a_single_sample(name: str) -> None:
    # No pair, no relation; sp and pkt compare the sample with itself, which is 1 for both.
    student = tensor([[1.0, 2.0]]).requires_grad_()
    inputs = LossInputs(
        labels=torch.tensor([0]), student=Outputs(student), teacher=Outputs(tensor([[5.0, 1.0]]))
    )
    loss = build_loss(name)(inputs)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("at", {"layers": []}, "layers"), ("at", {"layers": ["layer5"]}, "layers"),
        ("rkd", {"of": "layer1"}, "of"), ("vid", {"initial_variance": 1e-6}, "initial_variance"),
        ("kd", {"temperature": 0.0}, "temperature"), ("mkd", {"margin": -0.1}, "margin"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(name, options)


def test_signs_are_not_regressed_through_a_rectifier() -> None:
    with pytest.raises(TrainError, match="negative elements"):
        build_loss("fitnet", {"of": "embedding"})


@pytest.mark.parametrize("name", ["cc", "fitnet"])
def test_unequal_lengths_are_refused_rather_than_broadcast(name: str) -> None:
    loss = build_loss(name, {"of": "embedding", "regressor": "none"} if name == "fitnet" else {})
    loss.build(Sizes(2, 3, 1))
    with pytest.raises(TrainError, match="element by element"):
        loss(embedded([[1], [2]], [[1, 2, 3], [4, 5, 6]]))
