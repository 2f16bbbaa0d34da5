"""Component losses switched on in recipes: sizes fit, students move, parameters are trained."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from radarid import config
from radarid.errors import TrainError
from radarid.learn.config import TrainConfig
from radarid.learn.losses.base import IdentityState
from radarid.learn.recipes import build_recipe
from radarid.learn.recipes.base import Batch, Recipe
from radarid.learn.students import build_student

STATE = IdentityState(torch.tensor([0.2, 0.9, 0.5]), adaptive=True)
OF_FACES = {
    "rkd": "{}", "sp": "{}", "pkt": "{}", "cc": "{}", "vid": '{of="embedding"}',
    "fitnet": '{of="embedding", regressor="conv"}',
}
OF_MAPS = {
    "at": "{}", "vid": "{}", "fitnet": "{}", "sp": '{of="layer3"}', "rkd": '{of="pooled"}',
    "pkt": '{of="pooled"}', "cc": '{of="pooled"}',
}


def recipe_with(losses: dict[str, str], *changes: str) -> Recipe:
    torch.manual_seed(3)
    extra = [f"extra_losses.{name}.options={options}" for name, options in losses.items()]
    made = config.load(TrainConfig, "train", None, ["model.input.size=64", *changes, *extra])
    return build_recipe(made, 3, 512, build_student("resnet18", "repeat", 3))


def batch() -> Batch:
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(0, 256, (2, 6, 64, 64), dtype=torch.uint8, generator=generator)
    faces = functional.normalize(torch.randn(6, 512, generator=generator), dim=1)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    return Batch(images[0], labels, faces, torch.ones(6), clean=images[1])


@pytest.mark.parametrize(
    ("losses", "changes"),
    [
        (OF_FACES, ('recipe="identitykd"',)),
        (OF_FACES, ('recipe="identitykd"', 'model.student="mobilenet_v2"')),
        (OF_MAPS, ('recipe="fskd"',)),
    ],
    ids=["faces", "faces, projected", "maps"],
)  # fmt: skip
def test_all_move_the_student_and_their_own_parameters(
    losses: dict[str, str], changes: tuple[str, ...]
) -> None:
    recipe = recipe_with(losses, *changes)
    terms = {term.name: term.value for term in recipe(batch(), STATE).terms}
    torch.stack([terms[name] for name in losses]).sum().backward()
    first = next(recipe.student.parameters())
    own = [p for name, p in recipe.named_parameters() if name.startswith("extra.")]
    assert len(own) >= 4 + 1  # of vid and fitnet
    for parameter in [first, *own]:
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) > 0
    assert all(bool(torch.isfinite(terms[name])) for name in losses)


def test_a_recipe_of_faces_has_no_maps_to_compare() -> None:
    with pytest.raises(TrainError, match=r"'at' needs teacher\.features\.layer1"):
        recipe_with({"at": "{}"}, 'recipe="identitykd"')
