"""Recipes: which networks are trained, with which losses and weights."""

from __future__ import annotations

from radarid.learn.config import TrainConfig
from radarid.learn.recipes.base import Ingredients, Recipe
from radarid.learn.recipes.baseline import Baseline
from radarid.learn.recipes.identitykd import IdentityKd
from radarid.learn.students import build_student

RECIPES: dict[str, type[Recipe]] = {"baseline": Baseline, "identitykd": IdentityKd}


def build_recipe(config: TrainConfig, n_subjects: int, n_teacher: int) -> Recipe:
    """Build the recipe of a configuration with fresh weights (from torch's generator).

    Parameters
    ----------
    config : names the recipe and the student
    n_subjects : people to tell apart
    n_teacher : length of the teacher's embeddings; only recipes with faces use it

    Raises
    ------
    TrainError
        A loss is unknown, or needs what the recipe does not provide.
    """
    student = build_student(config.model.student, config.model.input.channels, n_subjects)
    recipe = RECIPES[config.recipe](Ingredients(config, student, n_subjects, n_teacher))
    recipe.prepare()
    return recipe


def uses_faces(config: TrainConfig) -> bool:
    """Whether the recipe of a configuration needs face embeddings."""
    return RECIPES[config.recipe].uses_faces
