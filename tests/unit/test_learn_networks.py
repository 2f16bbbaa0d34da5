"""Students, composer, gradient routing, per-identity state: the parts between losses and loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from capture.errors import ConfigError
from capture.schema import from_mapping
from radarid import config
from radarid.errors import TrainError
from radarid.learn.clip_augment import N_CHANCES, ClipAugment, augment
from radarid.learn.composer import Composer
from radarid.learn.config import AverageParams, ExtraLoss, OptimParams, TrainConfig, pick_device
from radarid.learn.identity import FairAverage, IdentityTracker
from radarid.learn.losses.base import IdentityState
from radarid.learn.recipes import build_recipe
from radarid.learn.recipes.base import Batch, Recipe
from radarid.learn.students import BACKBONES, InputParams, build_student, to_input

STATE = IdentityState(torch.tensor([0.2, 0.9, 0.5]), adaptive=True)


@pytest.mark.parametrize("channels", ["repeat", "single"])
@pytest.mark.parametrize("name", BACKBONES)
def test_embedding_is_what_the_classifier_sees(name: str, channels: str) -> None:
    student = build_student(name, channels, n_subjects=3).eval()
    images = torch.randint(0, 256, (2, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        embedding, logits = student(images)
        expected = student.classifier(embedding)
    assert embedding.shape == (2, BACKBONES[name].n_embedding)
    assert torch.allclose(logits, expected)
    stem = next(m for m in student.modules() if isinstance(m, torch.nn.Conv2d))
    assert stem.in_channels == (1 if channels == "single" else 3)


def test_unknown_student_is_refused() -> None:
    with pytest.raises(TrainError, match="resnet18"):
        build_student("resnet19", "repeat", 2)


def test_input_is_the_mean_over_each_area() -> None:
    clips = np.arange(2 * 64 * 64, dtype=np.int64).reshape(2, 64, 64) * 7 % 256
    by_hand = clips.reshape(2, 32, 2, 32, 2).mean(axis=(2, 4))
    found = to_input(clips.astype(np.uint8), InputParams(size=32))
    assert np.abs(found.numpy() - by_hand).max() <= 0.5
    same = to_input(clips.astype(np.uint8), InputParams(size=64))
    assert np.array_equal(same.numpy(), clips)


def test_folding_makes_everybody_walk_away() -> None:
    away = np.zeros((64, 64), np.uint8)
    away[40:50] = 200  # rows are velocity, ascending: the upper half of the index is away
    away[20, :9] = 90  # a swing backwards stays where it is, relative to the body
    params = InputParams(size=64, fold=True)
    folded = to_input(np.stack([away, away[::-1]]), params)
    assert np.array_equal(folded.numpy(), np.stack([away, away]))
    plain = to_input(away[None, ::-1], InputParams(size=64))
    assert np.array_equal(plain.numpy()[0], away[::-1])


def test_a_clip_is_the_same_before_and_after_storage() -> None:
    fresh = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    stored = np.rint(255 * fresh).astype(np.uint8)
    params = InputParams(size=48)
    assert torch.equal(to_input(fresh, params), to_input(stored, params))


def test_composer_is_the_formula() -> None:
    composer = Composer(4, 3).double()
    t, a = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    fused, logits = composer(t, a)
    w, b = composer.residual.weight.detach(), composer.residual.bias.detach()
    for i in range(5):
        both = torch.cat([t[i] / t[i].norm(), a[i] / a[i].norm()])
        assert torch.allclose(fused[i], t[i] + w @ both + b)
        expected = composer.classifier.weight @ fused[i] + composer.classifier.bias
        assert torch.allclose(logits[i], expected)


def recipe_and_batch(*changes: str) -> tuple[Recipe, tuple[torch.Tensor, ...]]:
    torch.manual_seed(3)
    made = config.load(TrainConfig, "train", None, changes)
    recipe = build_recipe(made, n_subjects=3, n_teacher=512)
    images = torch.randint(0, 256, (6, 32, 32), dtype=torch.uint8)
    faces = torch.nn.functional.normalize(torch.randn(6, 512), dim=1)
    return recipe, (images, torch.tensor([0, 1, 2, 0, 1, 2]), faces)


def gradients_of(recipe: Recipe, total: torch.Tensor) -> dict[str, torch.Tensor]:
    parameters = dict(recipe.named_parameters())
    found = torch.autograd.grad(
        total, list(parameters.values()), retain_graph=True, allow_unused=True
    )
    return {
        name: gradient for name, gradient in zip(parameters, found, strict=True)
        if gradient is not None and bool(gradient.abs().max() > 0)
    }  # fmt: skip


def test_gradients_take_the_routes_of_the_specification() -> None:
    recipe, (images, labels, faces) = recipe_and_batch()
    faces.requires_grad_()
    step = recipe(Batch(images, labels, faces), STATE)
    by_term = {term.name: gradients_of(recipe, term.value) for term in step.terms}

    def sides(name: str) -> set[str]:
        return {parameter.partition(".")[0] for parameter in by_term[name]}

    assert sides("contrast_teacher") == {"student"}
    assert sides("contrast_fused") == {"student", "composer"}
    assert sides("identity_kd") == {"student"}
    assert sides("composer") == {"composer"}
    fused_route = by_term["contrast_fused"]
    assert "composer.residual.weight" in fused_route
    assert "composer.classifier.weight" not in fused_route


def test_the_student_also_feels_the_way_through_the_composer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, (images, labels, faces) = recipe_and_batch()

    def student_gradient() -> torch.Tensor:
        step = recipe(Batch(images, labels, faces), STATE)
        term = next(term for term in step.terms if term.name == "contrast_fused")
        return gradients_of(recipe, term.value)["student.backbone.conv1.weight"]

    whole, again = student_gradient(), student_gradient()
    forward = Composer.forward
    monkeypatch.setattr(Composer, "forward", lambda self, t, a: forward(self, t, a.detach()))
    assert torch.allclose(whole, again, rtol=1e-4)
    assert not torch.allclose(whole, student_gradient(), rtol=1e-2)


def test_total_is_the_weighted_sum() -> None:
    recipe, (images, labels, faces) = recipe_and_batch(
        "identitykd.gamma=0.7", "identitykd.contrast_weight=2.0", "identitykd.kd_weight=3.0",
        "identitykd.composer_weight=0.5",
    )
    step = recipe(Batch(images, labels, faces), STATE)
    value = {term.name: float(term.value.detach()) for term in step.terms}
    by_hand = (2 * (0.7 * value["contrast_teacher"] + 0.3 * value["contrast_fused"])
               + 3 * value["identity_kd"] + 0.5 * value["composer"])  # fmt: skip
    assert float(step.total.detach()) == pytest.approx(by_hand, rel=1e-6)


def test_distillation_reaches_the_composer_only_when_asked() -> None:
    recipe, (images, labels, faces) = recipe_and_batch("identitykd.kd.detach_teacher=false")
    step = recipe(Batch(images, labels, faces), STATE)
    term = next(term for term in step.terms if term.name == "identity_kd")
    assert "composer.classifier.weight" in gradients_of(recipe, term.value)


def test_projector_only_where_lengths_differ() -> None:
    small, batch = recipe_and_batch('model.student="mobilenet_v2"')
    assert small.projector.weight.shape == (512, 1280)
    assert torch.isfinite(small(Batch(*batch), STATE).total)
    assert not list(recipe_and_batch()[0].projector.parameters())


def test_extra_losses_are_added_and_checked() -> None:
    name = "extra_losses.contrastive"
    changes = (f"{name}.weight=0.25", f'{name}.options.contrast="kl"')
    recipe, batch = recipe_and_batch(*changes)
    assert [term.weight for term in recipe(Batch(*batch), STATE).terms
            if term.name == "contrastive"] == [0.25]  # fmt: skip
    with pytest.raises(TrainError, match="'contrastive' needs teacher.embedding"):
        recipe_and_batch('recipe="baseline"', *changes)
    assert ExtraLoss().weight == 1


def test_identitykd_refuses_to_run_without_faces() -> None:
    recipe, (images, labels, _) = recipe_and_batch()
    with pytest.raises(TrainError, match="needs the embedding of a face"):
        recipe(Batch(images, labels), STATE)


def test_identity_accuracy_by_hand() -> None:
    tracker = IdentityTracker(3, begin=2)
    logits = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 2, 0], [0, 0, 2]])
    tracker.observe(logits, torch.tensor([0, 0, 1, 1]))  # right: 0 and 1
    assert tracker.finish_epoch() == 0.5
    assert tracker.accuracy.tolist() == [0.5, 0.5, 0.0]
    tracker.observe(logits[:1], torch.tensor([0]))
    tracker.finish_epoch()
    assert tracker.accuracy.tolist() == [1.0, 0.5, 0.0]  # not met: kept
    assert [tracker.state(epoch).adaptive for epoch in range(4)] == [False, False, True, True]


class Weights(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("running", torch.tensor([10.0]))
        self.register_buffer("count", torch.tensor(3))


def test_fair_average_by_hand() -> None:
    model, average = Weights(), FairAverage(AverageParams(alpha=0.75, floor=0.5))
    assert not average.update(model, torch.tensor([0.2, 0.9]))  # 0.2 < 0.5 * 0.55
    assert average.weights == {}
    assert average.update(model, torch.tensor([0.3, 0.9]))  # 0.3 >= 0.5 * 0.6
    with torch.no_grad():
        model.w += 4
        model.running += 2
        model.count += 5
    assert average.weights["w"].tolist() == [1.0, 2.0]  # a copy, not a view
    assert average.update(model, torch.tensor([1.0, 1.0]))
    assert average.weights["w"].tolist() == [2.0, 3.0]  # 0.75 old + 0.25 new
    assert average.weights["running"].tolist() == [10.5]
    assert average.weights["count"].item() == 8
    assert not average.update(model, torch.tensor([0.0, 1.0]))
    assert average.weights["w"].tolist() == [2.0, 3.0]
    assert not FairAverage(AverageParams(enabled=False)).update(model, torch.ones(2))


def test_learning_rate_falls_at_the_milestones() -> None:
    optim = OptimParams()  # 200 epochs, 1e-4, x 0.1 at 50 % and 75 %
    rates = [optim.lr_at(epoch) for epoch in (0, 99, 100, 149, 150, 199)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6])


def test_variations_of_clips_by_hand() -> None:
    image = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4) + 1
    rng = np.random.default_rng(0)
    assert torch.equal(augment(image, ClipAugment(), rng.random((1, N_CHANCES))), image)
    chances = rng.random((60, N_CHANCES))
    assert torch.equal(augment(image, ClipAugment(mirror=1.0), chances[:1]), image.flip(1))
    shifted = {
        tuple(one.flatten().tolist())
        for one in augment(image.expand(60, -1, -1), ClipAugment(time_shift=0.5), chances)
    }
    rolled = {tuple(image.roll(k, 2).flatten().tolist()) for k in (-2, -1, 0, 1, 2)}
    assert shifted == rolled


def test_masks_blank_one_stripe_of_bounded_width() -> None:
    images = torch.full((200, 20, 40), 9, dtype=torch.uint8)
    chances = np.random.default_rng(1).random((200, N_CHANCES))
    masked = augment(images, ClipAugment(time_mask=0.25), chances)
    widths = (masked == 0).all(dim=1).sum(1)
    assert set(widths.tolist()) == set(range(11))
    for columns in (masked[:, 0] == 0).int():
        assert int((columns[1:] - columns[:-1]).abs().sum()) <= 2
    masked = augment(images, ClipAugment(velocity_mask=0.5), chances)
    assert int((masked == 0).all(dim=2).sum(1).max()) == 10


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"optim": {"n_epoch": 3}}, "n_epochs"),
        ({"recipe": "identity"}, "recipe"),
        ({"model": {"input": {"size": 8}}}, "size"),
        ({"identitykd": {"contrast": {"against": "fused"}}}, "against"),
        ({"faces": {"faceless_subjects": "ignore"}}, "faceless_subjects"),
    ],
)
def test_wrong_configurations_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(TrainConfig, table)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrainError, match="device cannot be used"):
        pick_device("cuda:99")
