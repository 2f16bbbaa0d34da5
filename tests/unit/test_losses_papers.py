"""Losses of F-SKD, the heads and the THz paper: by hand, and what their specifications state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from radarid.errors import TrainError
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import Loss, LossInputs, Outputs, Sizes
from radarid.learn.losses.margin_heads import MarginHead

F64 = torch.float64
LN2 = math.log(2)


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def maps_of(student: Tensor, teacher: Tensor, labels: Tensor | None = None) -> LossInputs:
    return LossInputs(
        labels=torch.zeros(len(student), dtype=torch.int64) if labels is None else labels,
        student=Outputs(features={"layer1": student}),
        teacher=Outputs(features={"layer1": teacher}),
    )


def embedded(vectors: Tensor, labels: list[int]) -> LossInputs:
    return LossInputs(labels=torch.tensor(labels), student=Outputs(embedding=vectors))


def head(name: str, directions: Tensor, **options: Any) -> Loss:
    loss = build_loss(name, options)
    loss.build(Sizes(len(directions), 0, directions.shape[1]))
    assert isinstance(loss, MarginHead)
    loss.weight = torch.nn.Parameter(directions)
    return loss


def test_directions_and_lengths_of_two_pixels_by_hand() -> None:
    # Student (1, 0 | 0, 1), teacher (1, 1 | 0, 0): channels | places of a 2 x 1 x 2 map.
    # Whole map: dot 1, lengths sqrt 2 each: cos 1/2. By place: cos(1,0; 1,0) = 1 and
    # cos(0,1; 1,0) = 0. Lengths are equal; with the student three times as long they differ by
    # 2 sqrt 2, and no direction changes.
    student = tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    teacher = tensor([[[[1.0, 1.0]], [[0.0, 0.0]]]])
    for factor, apart in ((1.0, 0.0), (3.0, 2 * math.sqrt(2))):
        inputs = maps_of(factor * student, teacher)
        for over in ("map", "channel"):
            loss = build_loss("fskd", {"stages": ["layer1"], "cosine_over": over})
            assert loss(inputs).item() == pytest.approx(0.5, abs=1e-12)
        lengths = build_loss("norm_kd", {"stages": ["layer1"]})
        assert lengths(inputs).item() == pytest.approx(apart, abs=1e-12)


@pytest.mark.parametrize("name", ["fskd", "norm_kd"])
def test_maps_of_two_shapes_are_refused(name: str) -> None:
    with pytest.raises(TrainError, match="one shape"):
        build_loss(name, {"stages": ["layer1"]})(maps_of(torch.ones(1, 2, 4, 4),
                                                         torch.ones(1, 2, 2, 2)))


def test_heads_of_one_sample_by_hand() -> None:
    # Directions at 0 and 90 degrees, the sample at 60, its identity the first: cosines 1/2 and
    # sqrt(3)/2. CosFace s = 2, m = 1/4: logits 1/2, sqrt 3. ArcFace m = 30 degrees: cos 90 = 0, so
    # logits 0, sqrt 3.
    directions, sample = tensor([[5.0, 0.0], [0.0, 0.1]]), tensor([[0.5, math.sqrt(0.75)]])
    inputs = embedded(7 * sample, [0])
    for name, margin, own in (("cosface", 0.25, 0.5), ("arcface", math.pi / 6, 0.0)):
        loss = head(name, directions, scale=2.0, margin=margin)
        expected = math.log(1 + math.exp(math.sqrt(3) - own))
        assert loss(inputs).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("beyond", "expected"),
    [("cosine", math.cos(3.5)), ("linear", -math.cos(math.pi - 3) - 0.5 * math.sin(0.5)),
     ("easy", math.cos(3))],
)
def test_arcface_beyond_the_half_circle(beyond: str, expected: float) -> None:
    # The sample lies at 3 radians from its identity; 3 + 0.5 passes pi.
    loss = head("arcface", tensor([[1.0, 0.0], [0.0, 1.0]]), beyond=beyond, scale=1.0, margin=0.5)
    sample = tensor([[math.cos(3), math.sin(3)]])
    value = math.log(1 + math.exp(math.sin(3) - expected))
    assert loss(embedded(sample, [0])).item() == pytest.approx(value, abs=1e-12)


def test_arcface_penalises_ever_more_but_with_the_cosine() -> None:
    angle = torch.linspace(0.01, math.pi - 0.01, 400, dtype=F64)
    falls = {}
    for beyond in ("cosine", "linear"):
        loss = head("arcface", torch.eye(2, dtype=F64), beyond=beyond)
        assert isinstance(loss, MarginHead)
        falls[beyond] = bool((loss.penalised(angle.cos()).diff() < 0).all())
    assert falls == {"cosine": False, "linear": True}


def test_scale_only_has_the_value_of_arcface_and_the_gradient_of_its_plain_cosine() -> None:
    generator = torch.Generator().manual_seed(4)
    directions = torch.randn(3, 5, dtype=F64, generator=generator)
    vectors = torch.randn(4, 5, dtype=F64, generator=generator).requires_grad_()
    inputs = embedded(vectors, [0, 1, 2, 0])
    full = head("arcface", directions, scale=8.0)
    loss = head("arcface", directions, scale=8.0, gradient="scale_only")
    value = loss(inputs)
    assert value.item() == pytest.approx(full(inputs).item(), abs=1e-12)
    # d CE / d z = (p - onehot) / n and d z / d cos = s for every entry, the true one too.
    assert isinstance(loss, MarginHead)
    cosine = loss.cosines(vectors)
    true = functional.one_hot(inputs.labels, 3).bool()
    z = 8.0 * torch.where(true, (cosine.acos() + 0.5).cos(), cosine)
    slope = 8.0 * (z.softmax(1) - true.to(F64)).detach() / 4
    (expected,) = torch.autograd.grad((slope * cosine).sum(), vectors)
    (found,) = torch.autograd.grad(value, vectors)
    assert torch.allclose(found, expected, atol=1e-10)


def test_a_sample_on_its_direction_has_a_finite_gradient() -> None:
    for name in ("cosface", "arcface"):
        vectors = tensor([[1.0, 0.0], [-1.0, 0.0]]).requires_grad_()
        loss = head(name, torch.eye(2, dtype=F64))
        loss(embedded(vectors, [0, 0])).backward()
        assert vectors.grad is not None
        assert bool(torch.isfinite(vectors.grad).all())


def test_supcon_of_three_samples_by_hand() -> None:
    # e1, e1 of identity 0 and e2 of identity 1; with tau = 1 / ln 2 similarities are 2 and 1.
    # Anchors 0 and 1: -ln(2 / (2 + 1)); the anchor kept in, -ln(2 / (2 + 2 + 1)). Anchor 2 is
    # lonely.
    inputs = embedded(tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]]), [0, 0, 1])
    tau = {"temperature": 1 / LN2, "base_temperature": 1 / LN2}
    for more, expected in (
        ({}, math.log(3 / 2)), ({"lonely": "zero"}, 2 / 3 * math.log(3 / 2)),
        ({"denominator": "all"}, math.log(5 / 2)),
        ({"base_temperature": 2 / LN2}, math.log(3 / 2) / 2),
    ):  # fmt: skip
        loss = build_loss("supcon", tau | more)
        assert loss(inputs).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
def test_supcon_without_positives_is_zero_with_zero_gradient(labels: list[int]) -> None:
    vectors = torch.randn(len(labels), 4).requires_grad_()
    loss = build_loss("supcon")(embedded(vectors, labels))
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


def test_supcon_equals_the_cross_entropy_over_the_others_for_pairs() -> None:
    # Two views of each identity: every anchor has one positive, so the loss is the softmax's.
    x = functional.normalize(torch.randn(6, 5, dtype=F64), dim=1)
    scores = (x @ x.T / 0.07).fill_diagonal_(-math.inf)
    expected = functional.cross_entropy(scores, torch.tensor([3, 4, 5, 0, 1, 2]))
    found = build_loss("supcon")(embedded(x, [0, 1, 2, 0, 1, 2]))
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)


def test_feature_distill_by_hand() -> None:
    # Unit vectors at 90 and at 0 degrees: squared distances 2 and 0, mean 1. As they are:
    # (3, 0) - (0, 1): 10 and (2, 0) - (1, 0): 1, mean 5.5.
    inputs = LossInputs(
        labels=torch.tensor([0, 1]), student=Outputs(embedding=tensor([[3.0, 0], [2, 0]])),
        fused=Outputs(embedding=tensor([[0.0, 1], [1, 0]])),
    )
    for normalise, expected in ((True, 1.0), (False, 5.5)):
        loss = build_loss("feature_distill", {"normalise": normalise})
        assert loss(inputs).item() == pytest.approx(expected, abs=1e-12)


def test_feature_distill_as_coded_trains_one_projection_and_keeps_the_other() -> None:
    loss = build_loss("feature_distill", {"form": "code", "against": "teacher"})
    loss.build(Sizes(2, 3, 3, {"student.pooled": (3,), "teacher.pooled": (5,)}))
    assert {name for name, _ in loss.named_parameters()} == {
        "project_student.weight", "project_student.bias",
    }  # fmt: skip
    assert loss.state_dict()["taught_weight"].shape == (256, 5)
    with pytest.raises(TrainError, match=r"fused\.pooled"):
        build_loss("feature_distill", {"form": "code"}).build(
            Sizes(2, 3, 3, {"student.pooled": (3,)})
        )


def test_logit_distill_by_hand() -> None:
    # T = 2; teacher logits 2 ln 3, 0: softened 3/4, 1/4; student 1/2, 1/2.
    divergence = LN2 + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    votes = tensor([[2 * math.log(3), 0.0]])
    for of in ("logits", "direction"):
        inputs = LossInputs(
            labels=torch.tensor([0]), student=Outputs(**{of: 0 * votes}),
            fused=Outputs(**{of: votes}),
        )
        loss = build_loss("logit_distill", {"of": of, "temperature": 2.0})
        assert loss(inputs).item() == pytest.approx(4 * divergence, abs=1e-12)


def test_direction_is_torchs_smoothed_cross_entropy_of_the_known() -> None:
    votes = torch.randn(5, 2, dtype=F64)
    known = [0, 2, 3]
    inputs = LossInputs(
        labels=torch.zeros(5, dtype=torch.int64), student=Outputs(direction=votes),
        directions=torch.tensor([1, -1, 0, 0, -1]),
    )
    expected = functional.cross_entropy(
        votes[known], torch.tensor([1, 0, 0]), label_smoothing=0.1
    )
    assert build_loss("direction")(inputs).item() == pytest.approx(expected.item(), abs=1e-12)
    unknown = LossInputs(
        labels=inputs.labels, student=inputs.student, directions=torch.full((5,), -1)
    )
    assert build_loss("direction")(unknown).item() == 0


def test_every_loss_of_a_picture_is_least_at_the_picture_itself() -> None:
    clean = torch.rand(2, 1, 16, 16, dtype=F64, generator=torch.Generator().manual_seed(1))
    for name, least in (("charbonnier", 1e-3), ("ssim", 0.0)):
        inputs = LossInputs(
            labels=torch.tensor([0, 1]), student=Outputs(reconstruction=clean), clean=clean
        )
        assert build_loss(name)(inputs).item() == pytest.approx(least, abs=1e-12)
    # epsilon^2 of the paper and 1e-6 of its code are the same number.
    moved = LossInputs(
        labels=torch.tensor([0, 1]), student=Outputs(reconstruction=clean + 0.1), clean=clean
    )
    paper = build_loss("charbonnier")(moved).item()
    assert paper == pytest.approx(math.sqrt(0.01 + 1e-6), abs=1e-12)
    coded = build_loss("charbonnier", {"form": "plain", "epsilon": 1e-6})(moved).item()
    assert coded == pytest.approx(paper, abs=1e-15)


def test_ssim_is_scikit_images() -> None:
    from skimage.metrics import structural_similarity

    generator = torch.Generator().manual_seed(2)
    made, clean = (torch.rand(1, 1, 32, 24, dtype=F64, generator=generator) for _ in range(2))
    made = 0.6 * clean + 0.4 * made
    inputs = LossInputs(
        labels=torch.tensor([0]), student=Outputs(reconstruction=made), clean=clean
    )
    _, full = structural_similarity(
        made[0, 0].numpy(), clean[0, 0].numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    expected = 1 - float(np.mean(full[5:-5, 5:-5]))
    found = {w: build_loss("ssim", {"window": w})(inputs).item()
             for w in ("valid", "padded", "global")}
    assert found["valid"] == pytest.approx(expected, abs=1e-9)
    # Three readings of one pair, which differ visibly.
    assert len({round(value, 3) for value in found.values()}) == 3


def test_ssim_and_charbonnier_refuse_what_they_cannot_compare() -> None:
    small = torch.rand(1, 1, 10, 16)
    other = torch.rand(1, 1, 16, 16)
    label = torch.tensor([0])
    with pytest.raises(TrainError, match="10 x 16"):
        build_loss("ssim")(LossInputs(label, Outputs(reconstruction=small), clean=small))
    with pytest.raises(TrainError, match="size of the clip"):
        build_loss("charbonnier")(LossInputs(label, Outputs(reconstruction=small), clean=other))
