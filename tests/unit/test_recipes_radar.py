"""Recipes whose teacher is a radar network: what is added up, and which clips are seen by whom."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from toy_store import ToyTeacher, make_store

from capture.schema import to_mapping
from radarid import config
from radarid.errors import RunError, TrainError
from radarid.learn.config import TrainConfig
from radarid.learn.losses.base import IdentityState
from radarid.learn.radar_teacher import RadarTeacher, ensure_radar_teacher, teacher_config
from radarid.learn.recipes import RECIPES, build_recipe, needs
from radarid.learn.recipes.base import Batch, Recipe, Step
from radarid.learn.students import Student, build_student
from radarid.learn.trainer import train

STATE = IdentityState(torch.tensor([0.2, 0.9, 0.5]), adaptive=True)
STAGES = ("layer1", "layer2", "layer3", "layer4")


def a_teacher() -> Student:
    torch.manual_seed(9)
    student = build_student("resnet18", "repeat", 3)
    with torch.no_grad():
        for _ in range(5):
            student(batch().images)
    return student


def batch() -> Batch:
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(0, 256, (2, 6, 64, 64), dtype=torch.uint8, generator=generator)
    faces = functional.normalize(torch.randn(6, 512, generator=generator), dim=1)
    return Batch(images[0], torch.tensor([0, 1, 2, 0, 1, 2]), faces, clean=images[1])


def recipe_of(*changes: str) -> Recipe:
    torch.manual_seed(3)
    made = config.load(TrainConfig, "train", None, ["model.input.size=64", *changes])
    return build_recipe(made, 3, 512, a_teacher())


def touched(recipe: Recipe, step: Step, name: str) -> set[str]:
    """Parameters that a term has a gradient for."""
    (value,) = (term.value for term in step.terms if term.name == name)
    named = dict(recipe.named_parameters())
    kept = {key: value for key, value in named.items() if value.requires_grad}
    found = torch.autograd.grad(value, list(kept.values()), retain_graph=True, allow_unused=True)
    return {
        key for key, gradient in zip(kept, found, strict=True)
        if gradient is not None and bool(gradient.abs().max() > 0)
    }  # fmt: skip


@pytest.mark.parametrize("distil", ["fskd", "fitnet", "norm_kd"])
def test_fskd_is_the_formula(distil: str) -> None:
    recipe, clips = recipe_of('recipe="fskd"', f'fskd.distil="{distil}"'), batch()
    assert recipe.teacher is not None
    assert clips.clean is not None
    with torch.no_grad():
        step = recipe(clips, STATE)
        mine = copy.deepcopy(recipe.student).train().observe(clips.images, STAGES)[2]
        theirs = a_teacher().eval().observe(clips.clean, STAGES)[2]
    rows = []
    for stage in STAGES:
        s, t = mine[stage].flatten(1).double(), theirs[stage].flatten(1).double()
        lengths = s.square().sum(1).sqrt(), t.square().sum(1).sqrt()
        rows.append({
            "fskd": (1 - (s * t).sum(1) / (lengths[0] * lengths[1])).mean(),
            "fitnet": (s - t).square().mean(),
            "norm_kd": (lengths[1] - lengths[0]).abs().mean(),
        }[distil])
    (term,) = (term for term in step.terms if term.name == distil)
    assert term.weight == 5.0
    assert float(term.value) == pytest.approx(float(torch.stack(rows).mean()), rel=1e-5)


def test_the_margin_head_trains_the_backbone_and_the_votes_follow() -> None:
    recipe = recipe_of('recipe="fskd"')
    step = recipe(batch(), STATE)
    assert touched(recipe, step, "cross_entropy") == {
        "student.classifier.weight", "student.classifier.bias"
    }  # fmt: skip
    felt = touched(recipe, step, "cosface")
    assert "student.backbone.conv1.weight" in felt
    assert not any(name.startswith("student.classifier") for name in felt)
    assert all(name.startswith("student.backbone") for name in touched(recipe, step, "fskd"))
    plain = recipe_of('recipe="fskd"', 'fskd.head="linear"')
    step = plain(batch(), STATE)
    assert [term.name for term in step.terms] == ["cross_entropy", "fskd"]
    assert "student.backbone.conv1.weight" in touched(plain, step, "cross_entropy")


def test_the_radar_teacher_stays_as_it_is() -> None:
    recipe, clips = recipe_of('recipe="fskd"'), batch()
    assert isinstance(recipe.teacher, RadarTeacher)
    before = {name: value.clone() for name, value in recipe.teacher.state_dict().items()}
    recipe.train()
    trained = [each for each in recipe.parameters() if each.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        recipe(clips, STATE).total.backward()
        optimiser.step()
    assert not recipe.teacher.student.training
    for name, value in recipe.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not {id(each) for each in trained} & {id(p) for p in recipe.teacher.parameters()}


@pytest.mark.parametrize(("axis", "faces"), [("channel", True), ("doppler", False)])
def test_fdcmkd_takes_the_teacher_that_has_the_axis(axis: str, faces: bool) -> None:
    changes = ('recipe="fdcmkd"', f'fdcmkd.match.axis="{axis}"', 'fdcmkd.match.of="layer2"',
               "fdcmkd.distil_weight=2.0", "fdcmkd.match.lambda_high=3.0")
    made = config.load(TrainConfig, "train", None, changes)
    assert (needs(made).faces, needs(made).radar_teacher) == (faces, not faces)
    recipe = build_recipe(made, 3, 512, None if faces else a_teacher())
    step = recipe(batch(), STATE)
    assert {term.name: term.weight for term in step.terms} == {
        "cross_entropy": 1, "fdcmkd_task": 1, "fdcmkd_align": 1, "fdcmkd_low": 2, "fdcmkd_high": 6
    }  # fmt: skip
    assert "student.backbone.conv1.weight" in touched(recipe, step, "fdcmkd_high")
    shared = touched(recipe, step, "fdcmkd_align")
    assert not any("task" in name or "classifier" in name for name in shared)
    assert any("shared_low" in name for name in shared)


def test_radar_recipes_refuse_what_they_cannot_use() -> None:
    made = config.load(TrainConfig, "train", None, ('recipe="fskd"',))
    with pytest.raises(TrainError, match="no radar teacher.*teacher_run"):
        build_recipe(made, 3, 0)
    clips = batch()
    with pytest.raises(TrainError, match="before degradation"):
        recipe_of('recipe="fskd"')(Batch(clips.images, clips.labels), STATE)


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"baseline", "kd", "mkd"}))
def test_networks_in_half_precision_give_about_the_same_loss(name: str) -> None:
    totals, clips = {}, batch()
    for half in (False, True):
        recipe = recipe_of(f'recipe="{name}"').eval()  # without dropout, to compare
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            step = recipe(clips, STATE)
        step.total.backward()
        assert all(term.value.dtype == torch.float32 for term in step.terms)
        stem = recipe.student.backbone.get_submodule("conv1").weight.grad
        assert isinstance(stem, torch.Tensor)
        assert bool(torch.isfinite(stem).all())
        totals[half] = float(step.total.detach())
    assert totals[True] == pytest.approx(totals[False], rel=0.02)  # bfloat16: 3 digits


# -- whole trainings -----------------------------------------------------------------------------
SMALL = (
    "model.input.size=32", "optim.n_epochs=1", "optim.batch_size=12", "optim.lr=1e-3",
    "faces.n_augmentations=0", "average.enabled=false", "degrade.doppler=[2]",
)  # fmt: skip


def small(*changes: str) -> TrainConfig:
    return config.load(TrainConfig, "train", None, [*SMALL, *changes])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "gait.h5", n_walks=4, n_clips=1)


def test_a_teacher_is_trained_once_on_clean_clips(store: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        changed = small('recipe="fskd"', f"seed={seed}")
        train(store, tmp_path / f"run{seed}", changed, cache=tmp_path / "shared")
    (teacher,) = (tmp_path / "shared").glob("radar-teacher-*")
    facts = json.loads((teacher / "config.json").read_text())["config"]
    assert facts["recipe"] == "baseline"
    assert facts["degrade"]["doppler"] == [1]
    assert ensure_radar_teacher(store, small('recipe="fskd"'), tmp_path / "shared") == teacher
    exported = load_file(tmp_path / "run0" / "student.safetensors")
    assert {name.partition(".")[0] for name in exported} == {"backbone", "classifier", "templates"}
    line = json.loads((tmp_path / "run0" / "metrics.jsonl").read_text())
    assert set(line["losses"]) == {"cross_entropy", "cosface", "fskd"}


def test_a_named_teacher_must_fit(store: Path, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other.h5", n_walks=4, n_clips=1, n_people=4, seed=1)
    train(other, tmp_path / "teacher", small('recipe="baseline"'))
    named = f'teacher_run="{tmp_path / "teacher"}"'
    with pytest.raises(RunError, match="trained on other clips"):
        train(store, tmp_path / "a", small('recipe="fskd"', named))
    with pytest.raises(RunError, match="sees clips another way"):
        train(other, tmp_path / "b", small('recipe="fskd"', named, "model.input.fold=true"))
    done = train(other, tmp_path / "c", small('recipe="fskd"', named, 'fskd.head="linear"'))
    assert done.subjects == ("p0", "p1", "p2", "p3")


def test_a_control_has_a_teacher_of_shuffled_labels(tmp_path: Path) -> None:
    named = small('recipe="fskd"', 'teacher_run="elsewhere"', "seed=5")
    assert ensure_radar_teacher(tmp_path, named, tmp_path) == Path("elsewhere")
    control = small('recipe="fskd"', 'teacher_run="elsewhere"', "seed=5", "shuffle_labels=true")
    made = teacher_config(control)
    assert (made.shuffle_labels, made.seed, made.teacher_run) == (True, 5, "")
    assert teacher_config(named).seed == 0
    assert to_mapping(made.optim) == to_mapping(control.optim)


def test_noise_belongs_to_the_span_of_the_clips(store: Path, tmp_path: Path) -> None:
    changed = small('recipe="baseline"', "degrade.noise_db=[10.0]", "degrade.span_db=60.0")
    with pytest.raises(TrainError, match=r"another span.*degrade\.span_db=45"):
        train(store, tmp_path / "run", changed)


class NormTeacher(ToyTeacher):
    """A toy teacher that also tells lengths."""

    def measure(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        embeddings = self.embed(crops)
        return embeddings, 1 + embeddings[:, 0] ** 2


@pytest.mark.parametrize("name", ["kd", "cfkd", "mkd", "fdcmkd"])
def test_the_exported_student_has_nothing_of_its_teacher(
    store: Path, tmp_path: Path, name: str
) -> None:
    train(store, tmp_path / name, small(f'recipe="{name}"'), teacher=NormTeacher())
    exported = load_file(tmp_path / name / "student.safetensors")
    assert {key.partition(".")[0] for key in exported} == {"backbone", "classifier", "templates"}
    for file in ("student.safetensors", "student.json"):
        content = (tmp_path / name / file).read_bytes().lower()
        for word in (b"teacher", b"composer", b"projector", b"face", b"crop"):
            assert word not in content, (file, word)


def test_lengths_of_faces_are_asked_for_before_training(store: Path, tmp_path: Path) -> None:
    extra = small("extra_losses.mkd.weight=1.0")
    assert needs(extra).norms
    for k, changed in enumerate((extra, small('recipe="mkd"'))):
        with pytest.raises(TrainError, match="how long the face embeddings were"):
            train(store, tmp_path / str(k), changed, teacher=ToyTeacher())
    assert not needs(small('recipe="baseline"')).norms
