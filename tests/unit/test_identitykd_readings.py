"""Every reading of IdentityKD's unclear equations does what the specification says of it."""

from __future__ import annotations

import math

import pytest
import torch

from radarid import config as configs
from radarid.learn.config import TrainConfig
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import IdentityState, LossInputs, Outputs
from radarid.learn.losses.contrastive import ContrastOptions, contrast
from radarid.learn.losses.identity_kd import IdentityKd, IdentityKdOptions

F64 = torch.float64
ACCURACY = torch.tensor([0.0, 0.25, 0.92, 1.0], dtype=F64)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=F64, generator=generator).requires_grad_()


def inputs(adaptive: bool = True) -> LossInputs:
    """Five samples of four identities; every output is a leaf."""
    return LossInputs(
        labels=torch.tensor([0, 1, 2, 3, 1]),
        student=Outputs(drawn(1, 5, 6), drawn(2, 5, 4)),
        teacher=Outputs(drawn(3, 5, 6), drawn(4, 5, 4)),
        fused=Outputs(drawn(5, 5, 6), drawn(6, 5, 4)),
        identity=IdentityState(ACCURACY, adaptive),
    )


def test_margin_follows_m_and_not_the_printed_beta() -> None:
    # Eq. 12 is printed with beta; CFA's code has (lambda1 + accuracy) epsilon, epsilon = 8/255.
    loss = IdentityKd(IdentityKdOptions(beta=6.0))
    margin, beta = loss.margin_and_weight(IdentityState(ACCURACY, adaptive=True))
    assert margin.tolist() == pytest.approx([(0.5 + a) * 8 / 255 for a in (0, 0.25, 0.92, 1)])
    assert beta.tolist() == pytest.approx([2.4, 3.9, 7.92, 8.4])
    assert float(margin.max()) < 0.05


def test_warm_up_treats_everybody_alike() -> None:
    loss = IdentityKd(IdentityKdOptions(beta=6.0))
    margin, beta = loss.margin_and_weight(IdentityState(ACCURACY, adaptive=False))
    assert margin.tolist() == [8 / 255] * 4
    assert beta.tolist() == [6.0] * 4


@pytest.mark.parametrize(("beta", "share"), [(6.0, 0.11), (1.0, 0.43)])
def test_cross_entropy_keeps_the_share_that_beta_leaves_it(beta: float, share: float) -> None:
    # At accuracy 0.92 the specification computed 0.11 and 0.43. With a margin that nothing
    # exceeds only the cross-entropy is left, times 1 / (1 + beta_k).
    given = inputs()
    one = LossInputs(
        labels=torch.tensor([2]), student=Outputs(logits=given.get("student.logits")[2:3]),
        fused=Outputs(logits=given.get("fused.logits")[2:3]), identity=given.identity,
    )
    alone = build_loss("cross_entropy")(one).item()
    loss = build_loss("identity_kd", {"beta": beta, "margin": 1e6})(one).item()
    assert loss / alone == pytest.approx(share, abs=0.005)


def test_a_harder_identity_has_less_tolerance_and_a_lighter_teacher() -> None:
    loss = IdentityKd(IdentityKdOptions())
    margin, beta = loss.margin_and_weight(IdentityState(ACCURACY, adaptive=True))
    assert bool((margin.diff() > 0).all())
    assert bool((beta.diff() > 0).all())
    share = beta / (1 + beta)  # of the teacher, as in CFA's code
    assert bool((share.diff() > 0).all())


def test_lambdas_of_zero_silence_the_teacher_of_who_is_never_recognised() -> None:
    given = inputs()
    loss = build_loss("identity_kd", {"lambda1": 0.0, "lambda2": 0.0})
    student, labels = given.get("student.logits"), given.labels
    (gradient,) = torch.autograd.grad(loss(given), student)
    ce = torch.nn.functional.cross_entropy(student, labels, reduction="sum") / len(labels)
    (plain,) = torch.autograd.grad(ce, student)
    assert torch.allclose(gradient[0], plain[0])
    assert not torch.allclose(gradient[2], plain[2], atol=1e-3)


@pytest.mark.parametrize("kd_pair", ["fused_student", "fused_label", "teacherhead_student"])
def test_the_printed_label_divergence_teaches_the_student_nothing(kd_pair: str) -> None:
    # Eq. 14 as printed compares the fused prediction with the label: nothing of it reaches the
    # student's logits, and a heavier beta only weakens the cross-entropy there.
    light, heavy = (
        torch.autograd.grad(
            build_loss("identity_kd", {"kd_pair": kd_pair, "beta": beta, "margin": 0.0,
                                       "detach_teacher": False})(given),
            given.get("student.logits"),
        )[0]
        for given, beta in ((inputs(adaptive=False), 1.0), (inputs(adaptive=False), 3.0))
    )
    # 2 L(1) = CE + D and 4 L(3) = CE + 3 D: their difference is 2 D.
    taught = (4 * heavy - 2 * light) / 2
    assert (float(taught.abs().max()) > 1e-3) is (kd_pair != "fused_label")


def test_the_printed_label_divergence_reaches_the_composer_alone() -> None:
    given = inputs()
    build_loss("identity_kd", {"kd_pair": "fused_label"})(given).backward()
    gradient = given.get("fused.logits").grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 1e-3
    given = inputs()
    build_loss("identity_kd")(given).backward()
    assert given.get("fused.logits").grad is None


def test_symmetric_adds_the_other_direction() -> None:
    given = inputs()
    one_way = build_loss("contrastive")(given).item()
    a, t = given.get("student.embedding"), given.get("teacher.embedding")
    back = contrast(t, a, given.labels, ContrastOptions()).item()
    both = build_loss("contrastive", {"symmetric": True})(given).item()
    assert both == pytest.approx(one_way + back, abs=1e-12)
    assert back != pytest.approx(one_way, abs=1e-6)


def test_the_denominator_runs_over_all_teachers_and_not_over_matched_pairs() -> None:
    # With the diagonal in the denominator, as printed, equal matched similarities are all that
    # counts, and pushing another identity's teacher away from anchor 0 changes nothing.
    anchors = torch.eye(3, dtype=F64)
    near = torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], dtype=F64)
    far = torch.tensor([[1.0, 0, 0], [-0.6, 0.8, 0], [0, 0, 1]], dtype=F64)
    labels = torch.arange(3)
    matched = [(anchors * others).sum(1).tolist() for others in (near, far)]
    assert matched[0] == matched[1]
    options = ContrastOptions(temperature=0.2)
    assert contrast(anchors, far, labels, options) < contrast(anchors, near, labels, options) / 2


@pytest.mark.parametrize(("temperature", "nats"), [(5.0, 0.19), (0.2, 3.37)])
def test_what_there_is_to_learn_at_a_temperature(temperature: float, nats: float) -> None:
    # 128 samples of 36 identities, from "all alike" to "alike within an identity, else orthogonal":
    # with m samples of an identity, P goes from 1/128 to e / (m e + 128 - m), e = exp(1 / tau).
    # (The specification's 0.38 nats at tau = 5 take similarities of -1 between all identities.)
    labels = torch.arange(128) % 36
    alike, perfect = torch.ones(128, 36, dtype=F64), torch.eye(36, dtype=F64)[labels]
    options = ContrastOptions(temperature=temperature, epsilon=1e-15)
    moved = contrast(alike, alike.clone(), labels, options) - contrast(
        perfect, perfect.clone(), labels, options
    )
    e, total = math.exp(1 / temperature), 0.0
    for m, n_such in ((4, 4 * 20), (3, 3 * 16)):  # 128 = 20 * 4 + 16 * 3
        bottom = m * e + 128 - m
        pull = math.log(128 * e / bottom)
        push = math.log(1 - 1 / bottom) - math.log(1 - 1 / 128)
        total += n_such * (pull + push) / 128
    assert moved.item() == pytest.approx(total, abs=1e-9)
    assert total == pytest.approx(nats, abs=0.01)


@pytest.mark.parametrize(("preset", "temperature"), [("ccl", 0.1), ("scale5", 0.2)])
def test_presets_change_the_temperature_alone(preset: str, temperature: float) -> None:
    plain = configs.load(TrainConfig, "train", "identitykd")
    changed = configs.load(TrainConfig, "train", ["identitykd", f"preset-{preset}"])
    assert plain.identitykd.contrast.temperature == 5.0
    assert changed.identitykd.contrast.temperature == temperature
    back = configs.load(
        TrainConfig, "train", ["identitykd", f"preset-{preset}"],
        ["identitykd.contrast.temperature=5.0"],
    )
    assert back == plain


def test_the_kl_form_is_a_divergence_from_evenly_shared_positives() -> None:
    # Table 5: KL of the row distribution from 1/|pos| on the positives, which is 0 only there.
    u = drawn(7, 6, 3).detach()
    v = drawn(8, 6, 3).detach()
    labels = torch.tensor([0, 1, 0, 2, 2, 2])
    unit = [torch.nn.functional.normalize(x, dim=1) for x in (u, v)]
    total = 0.0
    for i in range(6):
        row = torch.softmax(unit[0][i] @ unit[1].T / 0.5, dim=0)
        target = (labels == labels[i]).double() / (labels == labels[i]).sum()
        total += sum(float(t) * math.log(float(t / p)) for t, p in zip(target, row, strict=True)
                     if t > 0)  # fmt: skip
    options = ContrastOptions(contrast="kl", temperature=0.5)
    assert contrast(u, v, labels, options).item() == pytest.approx(total / 6, abs=1e-12)
