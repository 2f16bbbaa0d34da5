"""Recipes: which networks are trained, with which losses and weights."""

from __future__ import annotations

from dataclasses import replace

from radarid.learn.config import TrainConfig
from radarid.learn.imagenet import load_imagenet
from radarid.learn.losses import build_loss
from radarid.learn.recipes.base import Ingredients, Needs, Recipe
from radarid.learn.recipes.baseline import Baseline
from radarid.learn.recipes.cfkd import Cfkd
from radarid.learn.recipes.fdcmkd import FdCmkd
from radarid.learn.recipes.fskd import Fskd
from radarid.learn.recipes.identitykd import IdentityKd
from radarid.learn.recipes.kd import Kd
from radarid.learn.recipes.mkd import Mkd
from radarid.learn.recipes.thz import Thz
from radarid.learn.students import Student, build_student

RECIPES: dict[str, type[Recipe]] = {
    "baseline": Baseline, "identitykd": IdentityKd, "kd": Kd, "cfkd": Cfkd, "mkd": Mkd,
    "fskd": Fskd, "fdcmkd": FdCmkd, "thz": Thz,
}  # fmt: skip


def build_recipe(
    config: TrainConfig, n_subjects: int, n_teacher: int, radar_teacher: Student | None = None
) -> Recipe:
    """Build the recipe of a configuration with fresh weights (from torch's generator).

    Parameters
    ----------
    config : names the recipe and the student
    n_subjects : people to tell apart
    n_teacher : length of the teacher's embeddings; only recipes with faces use it
    radar_teacher : a trained student, for recipes that need one

    Raises
    ------
    TrainError
        A loss is unknown, or needs what the recipe does not provide; or no ImageNet weights.
    """
    student = build_student(config.model.student, config.model.input.channels, n_subjects)
    if config.model.init == "imagenet":
        load_imagenet(student, config.model.student, config.model.weights)
    given = Ingredients(config, student, n_subjects, n_teacher, radar_teacher)
    recipe = RECIPES[config.recipe](given)
    recipe.prepare()
    return recipe


def needs(config: TrainConfig) -> Needs:
    """What the recipe of a configuration, and its extra losses, need beside clips and labels."""
    found = RECIPES[config.recipe].needs(config)
    extra = (build_loss(name, entry.options) for name, entry in config.extra_losses.items())
    weigh_faces = any("teacher.norm" in loss.requires for loss in extra)
    return replace(found, norms=found.norms or (found.faces and weigh_faces))


def uses_faces(config: TrainConfig) -> bool:
    """Whether the recipe of a configuration needs face embeddings."""
    return needs(config).faces
