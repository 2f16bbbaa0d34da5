"""The terahertz paper's network on radar, its decoder, and attention as IdentityKD's composer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from toy_store import ToyTeacher, make_store

from radarid import config
from radarid.errors import TrainError
from radarid.learn.config import TrainConfig
from radarid.learn.decoder import Decoder
from radarid.learn.losses.base import IdentityState
from radarid.learn.recipes import build_recipe
from radarid.learn.recipes.base import Batch, Recipe, Step
from radarid.learn.trainer import train

STATE = IdentityState(torch.tensor([0.2, 0.9, 0.5]), adaptive=True)


def batch(planes: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(0, 256, (2, 6, 3, 64, 64), dtype=torch.uint8, generator=generator)
    views = images if planes == 3 else images[:, :, 0]
    return Batch(
        views[0], torch.tensor([0, 1, 2, 0, 1, 2]),
        functional.normalize(torch.randn(6, 512, generator=generator), dim=1),
        clean=views[1], directions=torch.tensor([0, 1, -1, 0, 1, 1]),
    )  # fmt: skip


def recipe_of(*changes: str) -> Recipe:
    torch.manual_seed(3)
    made = config.load(TrainConfig, "train", None, ["model.input.size=64", *changes])
    return build_recipe(made, 3, 512)


def thz(*changes: str) -> Recipe:
    return recipe_of('recipe="thz"', *changes)


def touched(recipe: Recipe, step: Step, name: str) -> set[str]:
    """Networks that a term has a gradient for."""
    (value,) = (term.value for term in step.terms if term.name == name)
    named = dict(recipe.named_parameters())
    found = torch.autograd.grad(value, list(named.values()), retain_graph=True, allow_unused=True)
    return {
        name.partition(".")[0] for name, gradient in zip(named, found, strict=True)
        if gradient is not None and bool(gradient.abs().max() > 0)
    }  # fmt: skip


def test_weights_are_those_of_the_paper_s_code() -> None:
    recipe = thz()
    step = recipe(batch(), STATE)
    weights = {term.name: term.weight for term in step.terms}
    assert weights == {
        "supcon_student": 1, "supcon_fused": 0.5, "direction_student": 1, "direction_fused": 0.5,
        "cross_entropy_student": 1, "cross_entropy_fused": 0.5, "feature_distill": 1,
        "logit_distill": 0.5, "charbonnier": 1, "ssim": 0.6,
    }  # fmt: skip
    total = sum(term.weight * float(term.value.detach()) for term in step.terms)
    assert float(step.total.detach()) == pytest.approx(total, rel=1e-5)
    with pytest.raises(TrainError, match="weights"):
        thz("thz.lpips_weight=0.4")


def test_gradients_go_where_the_paper_sends_them() -> None:
    recipe = thz()
    step = recipe(batch(), STATE)
    for name in ("supcon_student", "cross_entropy_student", "feature_distill", "logit_distill"):
        assert touched(recipe, step, name) == {"student"}, name
    assert touched(recipe, step, "direction_student") == {"student", "direction"}
    for name in ("charbonnier", "ssim"):
        assert touched(recipe, step, name) == {"student", "decoders"}
    for name in ("supcon_fused", "direction_fused", "cross_entropy_fused"):
        assert touched(recipe, step, name) == {"student", "composer"}
    apart = thz("thz.detach_radar=true")
    assert touched(apart, apart(batch(), STATE), "supcon_fused") == {"composer"}


def test_every_clip_is_seen_degraded_and_clean() -> None:
    recipe, clips = thz().eval(), batch()
    inputs = recipe.networks(clips)
    assert inputs.labels.tolist() == clips.labels.tolist() * 2
    assert inputs.directions is not None
    assert inputs.directions.tolist() == [0, 1, -1, 0, 1, 1] * 2
    assert clips.clean is not None
    assert inputs.clean is not None
    target = torch.cat([clips.clean, clips.clean])[:, None].float() / 255
    assert torch.equal(inputs.clean, target)
    embedding = inputs.get("student.embedding")
    for half, views in ((embedding[:6], clips.images), (embedding[6:], clips.clean)):
        assert torch.allclose(half, recipe.student(views)[0], atol=1e-5)
    once = thz("thz.clean_views=false").eval().networks(clips)
    assert once.labels.shape == (6,)
    assert once.get("student.reconstruction").shape == (6, 1, 64, 64)
    three = thz('model.input.channels="stack"').eval().networks(batch(planes=3))
    assert three.get("student.reconstruction").shape == (12, 1, 64, 64)
    assert three.get("clean").shape == (12, 1, 64, 64)


def test_of_two_decoders_the_direction_chooses() -> None:
    chosen = {}
    for kind in ("label", "predicted"):
        recipe = thz(f'thz.decoder="{kind}"', "thz.clean_views=false").eval()
        with torch.no_grad():
            for value, decoder in zip((-40.0, 40.0), recipe.get_submodule("decoders"), strict=True):
                decoder.last.weight.zero_()
                decoder.last.bias.fill_(value)
            inputs = recipe.networks(batch())
        chosen[kind] = inputs.get("student.reconstruction").mean((1, 2, 3)).round().tolist()
        predicted = inputs.get("student.direction").argmax(1).tolist()
        expected = [0, 1, predicted[2], 0, 1, 1] if kind == "label" else predicted
        assert chosen[kind] == expected
    assert chosen["label"] != chosen["predicted"]


@pytest.mark.parametrize(("name", "size"), [("resnet18", 64), ("resnet18", 48), ("vgg16", 48)])
def test_the_decoder_paints_at_the_size_of_the_clip(name: str, size: int) -> None:
    student = recipe_of('recipe="baseline"', f'model.student="{name}"').student
    shapes = student.feature_shapes(size, ("layer1", "layer2", "layer3", "layer4"))
    decoder = Decoder({key: shape[0] for key, shape in shapes.items()})
    features = {key: torch.randn(2, *shape, requires_grad=True) for key, shape in shapes.items()}
    painted = decoder(features, size)
    assert painted.shape == (2, 1, size, size)
    assert 0 < float(painted.detach().min()) < float(painted.detach().max()) < 1
    for value in features.values():  # every stage has a say
        (gradient,) = torch.autograd.grad(painted.sum(), value, retain_graph=True)
        assert float(gradient.abs().max()) > 0


def test_the_decoder_learns_a_picture() -> None:
    torch.manual_seed(2)
    decoder = Decoder({"layer1": 4, "layer2": 4, "layer3": 4, "layer4": 4})
    features = {f"layer{k}": torch.randn(1, 4, 64 >> k + 1, 64 >> k + 1) for k in (1, 2, 3, 4)}
    target = torch.zeros(1, 1, 64, 64)
    target[..., 20:40, 10:50] = 1
    optimiser = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    for _ in range(40):
        optimiser.zero_grad()
        loss = (decoder(features, 64) - target).square().mean()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.06  # the mean of the picture alone leaves 0.20 * 0.80 = 0.16


def test_attention_can_be_the_composer() -> None:
    recipe, clips = recipe_of('identitykd.composer="cross_attention"'), batch()
    step = recipe(clips, STATE)
    assert touched(recipe, step, "contrast_fused") == {"student", "composer"}
    assert touched(recipe, step, "composer") == {"composer"}
    assert touched(recipe, step, "identity_kd") == {"student"}
    small = recipe_of('identitykd.composer="cross_attention"', 'model.student="mobilenet_v2"')
    assert torch.isfinite(small(clips, STATE).total)


def test_thz_needs_faces_and_clean_clips() -> None:
    clips = batch()
    with pytest.raises(TrainError, match="before degradation"):
        thz()(Batch(clips.images, clips.labels, clips.faces), STATE)
    with pytest.raises(TrainError, match="embedding of a face"):
        thz()(Batch(clips.images, clips.labels, clean=clips.clean), STATE)


def test_thz_trains_and_exports_a_student_alone(tmp_path: Path) -> None:
    store = make_store(tmp_path / "gait.h5", n_walks=4, n_clips=1)
    changes = ("model.input.size=32", "optim.n_epochs=1", "optim.batch_size=6",
               "faces.n_augmentations=0")
    made = config.load(TrainConfig, "train", "thz", changes)
    train(store, tmp_path / "run", made, teacher=ToyTeacher())
    exported = load_file(tmp_path / "run" / "student.safetensors")
    assert {key.partition(".")[0] for key in exported} == {"backbone", "classifier", "templates"}
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert line["losses"]["ssim"] > 0
    content = (tmp_path / "run" / "student.json").read_bytes().lower()
    assert not any(word in content for word in (b"teacher", b"composer", b"face", b"decoder"))


# -- shipped configurations ----------------------------------------------------------------------
@pytest.mark.parametrize("name", [
    name for name in config.shipped("train") if not name.startswith("preset-")
])  # fmt: skip
def test_shipped_recipes_load_under_their_names(name: str) -> None:
    made = config.load(TrainConfig, "train", name)
    assert name.startswith(made.recipe)
    if name == "identitykd":
        assert made == TrainConfig()
