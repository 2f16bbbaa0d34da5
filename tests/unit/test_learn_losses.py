"""The losses by hand arithmetic, at their edges, and their registry."""

from __future__ import annotations

import math
from importlib import metadata

import pytest
import torch

from capture.errors import ConfigError
from radarid.errors import TrainError
from radarid.learn import losses
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import (
    IdentityState,
    Loss,
    LossInputs,
    Outputs,
    check_needs,
    register_loss,
)
from radarid.learn.losses.contrastive import ContrastOptions, contrast

F64 = torch.float64


def test_contrast_of_three_samples_by_hand() -> None:
    # Student and teacher embeddings of the same three unit vectors: e1, e1 (identity 0), e2
    # (identity 1). Cosines: 1, 1, 0 / 1, 1, 0 / 0, 0, 1. With tau = 1 / ln 2, exp(1/tau) = 2:
    #   rows 0 and 1: P = 2/5, 2/5, 1/5;  row 2: P = 1/4, 1/4, 1/2.
    # nce rows 0, 1: -ln(2/5) - ln(1 - 1/5);  row 2: -ln(1/2) - ln(3/4).
    # kl  rows 0, 1: -ln(2/5) - ln 2;         row 2: -ln(1/2) - ln 1.
    v = torch.tensor([[3.0, 0], [1, 0], [0, 2]], dtype=F64)  # lengths must not matter
    u = torch.tensor([[1.0, 0], [5, 0], [0, 1]], dtype=F64)
    labels = torch.tensor([0, 0, 1])
    tau = 1 / math.log(2)
    nce = (2 * (math.log(5 / 2) + math.log(5 / 4)) + math.log(2) + math.log(4 / 3)) / 3
    kl = (2 * (math.log(5 / 2) - math.log(2)) + math.log(2)) / 3
    for kind, expected in (("nce", nce), ("kl", kl)):
        options = ContrastOptions(contrast=kind, temperature=tau, epsilon=1e-15)
        assert float(contrast(u, v, labels, options)) == pytest.approx(expected, abs=1e-12)


def test_identity_kd_of_three_samples_by_hand() -> None:
    # Two classes. Student probabilities of class 0: 1/2 each. Fused: 1/2, 3/4, 3/4; labels 0, 0, 1.
    # CE = ln 2 each. KL(fused || student) = 0 and ln 2 + 3/4 ln 3/4 + 1/4 ln 1/4 = 0.130812...
    # m = 0.1, beta = 2, lambda1 = 0.5, lambda2 = 0.4, A = (0.5, 0.1):
    #   m_k = 0.1, 0.06;  beta_k = 1.8, 1.0.
    kl = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    ln2 = math.log(2)
    expected = (ln2 / 2.8 + (ln2 + 1.8 * (kl - 0.1)) / 2.8 + (ln2 + 1.0 * (kl - 0.06)) / 2.0) / 3
    # During the warm-up: m = 0.1 and beta = 2 for all.
    uniform = (ln2 / 3 + 2 * (ln2 + 2 * (kl - 0.1)) / 3) / 3
    loss = build_loss("identity_kd", {"margin": 0.1, "beta": 2.0})
    fused = torch.tensor([[0.5, 0.5], [0.75, 0.25], [0.75, 0.25]], dtype=F64).log()
    for adaptive, value in ((True, expected), (False, uniform)):
        inputs = LossInputs(
            labels=torch.tensor([0, 0, 1]), student=Outputs(logits=torch.zeros(3, 2, dtype=F64)),
            fused=Outputs(logits=fused),
            identity=IdentityState(torch.tensor([0.5, 0.1], dtype=F64), adaptive),
        )
        assert float(loss(inputs)) == pytest.approx(value, abs=1e-12)


def test_hinge_gives_no_divergence_gradient_inside_the_margin() -> None:
    labels = torch.tensor([0, 1])
    logits = torch.tensor([[0.3, -0.1], [0.2, 0.4]], dtype=F64, requires_grad=True)
    fused = logits.detach() + torch.tensor([[0.01, 0.0], [0.0, 0.01]])
    inputs = LossInputs(
        labels=labels, student=Outputs(logits=logits), fused=Outputs(logits=fused),
        identity=IdentityState(torch.tensor([0.9, 0.3], dtype=F64), adaptive=True),
    )
    beta = (0.4 + torch.tensor([0.9, 0.3], dtype=F64)) * 6
    ce = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    (expected,) = torch.autograd.grad((ce / (1 + beta)).mean(), logits)
    gradient = {}
    for mode in ("hinge", "subtract"):
        loss = build_loss("identity_kd", {"margin_mode": mode})
        (gradient[mode],) = torch.autograd.grad(loss(inputs), logits)
    assert torch.allclose(gradient["hinge"], expected, atol=1e-15)
    assert not torch.allclose(gradient["subtract"], expected, atol=1e-6)


def test_printed_margin_has_no_gradient_at_all() -> None:
    logits = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(2))
    logits.requires_grad_()
    inputs = LossInputs(
        labels=torch.tensor([0, 1, 2, 0]), student=Outputs(logits=logits),
        fused=Outputs(logits=logits.detach().flip(0)),
        identity=IdentityState(torch.rand(3, dtype=F64), adaptive=True),
    )
    gradients = [
        torch.autograd.grad(
            build_loss("identity_kd", {"margin_mode": "subtract", "margin": margin})(inputs), logits
        )[0]
        for margin in (0.0, 0.5)
    ]
    assert torch.equal(*gradients)


def test_perfect_separation_moves_the_paper_temperature_little() -> None:
    # 128 samples of 36 identities: with tau = 5 all of learning is worth less than 0.4 nats.
    labels = torch.arange(128) % 36
    perfect = torch.eye(36, dtype=F64)[labels]
    moved = {}
    for tau in (5.0, 0.2):
        options = ContrastOptions(temperature=tau)
        indistinct = torch.ones(128, 36, dtype=F64)
        moved[tau] = float(
            contrast(indistinct, indistinct.clone(), labels, options)
            - contrast(perfect, perfect.clone(), labels, options)
        )
    assert moved[5.0] < 0.4
    assert moved[0.2] > 8 * moved[5.0]


def test_extreme_similarities_stay_finite_in_float32() -> None:
    u = torch.tensor([[1.0, 0], [-1, 0]], requires_grad=True)
    loss = contrast(u, u.detach().clone(), torch.tensor([0, 0]), ContrastOptions())
    apart = contrast(
        u, u.detach().flip(0), torch.tensor([0, 1]), ContrastOptions(temperature=0.005)
    )
    (loss + apart).backward()
    assert u.grad is not None
    assert bool(torch.isfinite(u.grad).all())
    # tau = 0.005: the wrong one takes all, so both terms reach -ln(eps) = 23.03 nats.
    assert float(apart) == pytest.approx(-2 * math.log(1e-10), rel=1e-5)


def test_an_embedding_against_itself_is_refused() -> None:
    u = torch.randn(3, 2)
    with pytest.raises(TrainError, match="with itself"):
        contrast(u, u, torch.tensor([0, 1, 2]), ContrastOptions())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("identity_kd", {"lamda1": 1.0}, "lambda1"),
        ("contrastive", {"temperature": 0.0}, "temperature"),
        ("contrastive", {"against": "student"}, "against"),
        ("contrastive", {"temperature": "hot"}, "temperature"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(name, options)


def test_unknown_loss_names_the_nearest() -> None:
    with pytest.raises(TrainError, match="did you mean 'contrastive'"):
        build_loss("contrastiv")


def test_needs_are_checked_by_name() -> None:
    with pytest.raises(TrainError, match=r"'identity_kd' needs fused\.logits, identity"):
        check_needs([build_loss("identity_kd")], frozenset({"labels", "student.logits"}))


def test_a_name_is_taken_once() -> None:
    class Other(Loss):
        pass

    with pytest.raises(TrainError, match="two losses of one name"):
        register_loss("contrastive", paper="none", equations="none")(Other)


def test_a_broken_plug_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("mine", "no_such_package.losses", losses.ENTRY_POINTS)
    monkeypatch.setattr(losses.metadata, "entry_points", lambda group: [point])
    with pytest.raises(TrainError, match="'mine' cannot be loaded"):
        losses._load_entry_points.__wrapped__()
