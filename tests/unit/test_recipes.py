"""What each recipe with a face teacher adds up, and where its gradients go."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch.nn import functional

from radarid import config
from radarid.errors import TrainError
from radarid.learn.composer import Composer
from radarid.learn.config import RecipeName, TrainConfig
from radarid.learn.losses.base import IdentityState
from radarid.learn.losses.contrastive import contrast
from radarid.learn.recipes import RECIPES, build_recipe, needs
from radarid.learn.recipes.base import Batch, Recipe, Step
from radarid.learn.teacher_head import TeacherHead

STATE = IdentityState(torch.tensor([0.2, 0.9, 0.5]), adaptive=True)


def recipe_of(*changes: str) -> Recipe:
    torch.manual_seed(3)
    made = config.load(TrainConfig, "train", None, ["model.input.size=32", *changes])
    recipe = build_recipe(made, n_subjects=3, n_teacher=512)
    if recipe.head is not None:
        recipe.head.weight.normal_()
    return recipe


def batch() -> Batch:
    generator = torch.Generator().manual_seed(6)
    return Batch(
        images=torch.randint(0, 256, (6, 32, 32), dtype=torch.uint8, generator=generator),
        labels=torch.tensor([0, 1, 2, 0, 1, 2]),
        faces=functional.normalize(torch.randn(6, 512, generator=generator), dim=1),
        face_norms=torch.rand(6, generator=generator) + 0.5,
    )


def sides(recipe: Recipe, step: Step) -> dict[str, set[str]]:
    """Which networks each term has a gradient for."""
    named = dict(recipe.named_parameters())
    found = {}
    for term in step.terms:
        gradients = torch.autograd.grad(
            term.value, list(named.values()), retain_graph=True, allow_unused=True
        )
        found[term.name] = {
            name.partition(".")[0] for name, gradient in zip(named, gradients, strict=True)
            if gradient is not None and bool(gradient.abs().max() > 0)
        }  # fmt: skip
    return found


def values(step: Step) -> dict[str, float]:
    return {term.name: float(term.value.detach()) for term in step.terms}


def test_kd_is_the_formula() -> None:
    recipe, pairs = recipe_of('recipe="kd"'), batch()
    step = recipe(pairs, STATE)
    assert recipe.head is not None
    assert pairs.faces is not None
    teacher = (recipe.head(pairs.faces) / 4).softmax(1).double()
    student = (step.logits.detach() / 4).softmax(1).double()
    kd = 16 * (teacher * (teacher / student).log()).sum(1).mean()
    ce = -step.logits.detach().softmax(1)[torch.arange(6), pairs.labels].log().mean()
    assert float(step.total.detach()) == pytest.approx(float(0.1 * ce + 0.9 * kd), rel=1e-5)
    assert sides(recipe, step) == {"cross_entropy": {"student"}, "kd": {"student"}}


def test_mkd_is_the_formula() -> None:
    recipe = recipe_of('recipe="mkd"', "mkd.feature_weight=3.0", "mkd.distil_weight=0.5")
    pairs = batch()
    step = recipe(pairs, STATE)
    inputs = recipe.eval().networks(pairs)  # BatchNorm aside: only the weights are of interest
    again = {term.name: term for term in recipe.terms(inputs)}
    assert pairs.faces is not None
    assert pairs.face_norms is not None
    quality = pairs.face_norms / pairs.face_norms.mean()
    distance = 1 - functional.cosine_similarity(inputs.get("student.embedding"), pairs.faces)
    expected = (quality * (distance - 0.2).clamp(min=0)).mean()
    found = float(again["mkd_feature"].value.detach())
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)
    assert {name: term.weight for name, term in again.items()} == {
        "cross_entropy": 1.0, "mkd_feature": 1.5, "mkd_logit": 0.5
    }  # fmt: skip
    assert set().union(*sides(recipe, step).values()) == {"student"}
    assert needs(recipe.config).norms
    assert not needs(recipe_of('recipe="mkd"', "mkd.quality=false").config).norms


def test_cfkd_gives_the_gradients_of_two_optimisers() -> None:
    # CCL's code, spelt out: one graph, two losses, and each side keeps its own loss's gradient.
    recipe, pairs = recipe_of('recipe="cfkd"', "cfkd.distil_weight=0.7"), batch()
    step = recipe(pairs, STATE)
    student = dict(recipe.student.named_parameters())
    composer = dict(recipe.get_submodule("composer").named_parameters())
    both_sides = [*student.values(), *composer.values()]
    found = torch.autograd.grad(step.total, both_sides, retain_graph=True)

    a, z_a = recipe.student(pairs.images)
    t = pairs.faces
    assert t is not None
    made = recipe.get_submodule("composer")
    assert isinstance(made, Composer)
    c, z_c = made(t, a)
    options = recipe.config.cfkd.contrast

    def both(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return contrast(u, v, pairs.labels, options) + contrast(v, u, pairs.labels, options)

    p, q = z_a.log_softmax(1), z_c.log_softmax(1)
    jsd = ((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2
    loss_a = functional.cross_entropy(z_a, pairs.labels) + 0.7 * (both(a, t) + both(a, c) + jsd)
    loss_c = functional.cross_entropy(z_c, pairs.labels) + 0.7 * (both(c, t) + both(a, c) + jsd)
    expected = [
        *torch.autograd.grad(loss_a, list(student.values()), retain_graph=True),
        *torch.autograd.grad(loss_c, list(composer.values())),
    ]
    assert float(step.total.detach()) == pytest.approx(float((loss_a + loss_c).detach()), rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max() + 1))
    touched = sides(recipe, step)
    for name, networks in touched.items():
        assert networks == ({"composer"} if name.startswith("composer") else {"student"}), name


def test_identitykd_can_take_the_teacher_head() -> None:
    recipe = recipe_of('identitykd.kd.kd_pair="teacherhead_student"', "identitykd.kd.margin=0.0")
    step = recipe(batch(), STATE)
    assert isinstance(recipe.head, TeacherHead)
    before = values(step)["identity_kd"]
    recipe.head.weight.mul_(0)  # a teacher that knows nothing
    assert values(recipe(batch(), STATE))["identity_kd"] != pytest.approx(before, rel=1e-3)
    assert recipe_of().head is None
    assert "composer" not in sides(recipe, step)["identity_kd"]


@pytest.mark.parametrize("name", ["kd", "cfkd", "mkd", "identitykd"])
def test_face_recipes_refuse_to_run_without_faces(name: str) -> None:
    pairs = batch()
    with pytest.raises(TrainError, match="needs the embedding of a face"):
        recipe_of(f'recipe="{name}"')(Batch(pairs.images, pairs.labels), STATE)


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_tuned_is_a_number_of_the_configuration(name: str) -> None:
    key = RECIPES[name].tuned
    assert name in get_args(RecipeName)
    assert (key == "") == (name == "baseline")
    value: object = TrainConfig()
    for part in key.split(".") if key else []:
        value = getattr(value, part)
    assert not key or (isinstance(value, float) and value > 0)


def test_component_losses_can_be_switched_on_in_any_recipe() -> None:
    changes = (
        "extra_losses.fitnet.weight=2.0", 'extra_losses.fitnet.options.of="embedding"',
        'extra_losses.fitnet.options.regressor="conv"',
        "extra_losses.rkd.weight=1.0", "extra_losses.kd.weight=0.5", "extra_losses.cc.weight=0.02",
    )  # fmt: skip
    recipe = recipe_of('recipe="cfkd"', 'model.student="mobilenet_v2"', *changes)
    step = recipe(batch(), STATE)
    assert {"fitnet", "rkd", "kd", "cc"} <= set(values(step))
    assert all(math.isfinite(value) for value in values(step).values())
    total = sum(term.weight * float(term.value.detach()) for term in step.terms)
    assert float(step.total.detach()) == pytest.approx(total, rel=1e-5)
    with pytest.raises(TrainError, match="'at' needs teacher"):
        recipe_of('recipe="cfkd"', "extra_losses.at.weight=1.0")
