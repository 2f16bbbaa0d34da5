"""What a student sees of a clip: one plane copied, coloured or alone, or three of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_store import make_store

from capture.schema import fingerprint
from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.errors import TrainError
from radarid.learn.clip_augment import N_CHANCES, ClipAugment, augment
from radarid.learn.config import AverageParams, TrainConfig
from radarid.learn.evaluate import evaluate
from radarid.learn.identity import FairAverage
from radarid.learn.student_file import load_student, run
from radarid.learn.students import InputParams, Student, build_student, to_input
from radarid.learn.trainer import train
from radarid.learn.training_data import load_part


def planes_of(n: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (n, 3, size, size)).astype(np.uint8)
    )


def twins(first: str, second: str) -> tuple[Student, Student]:
    """Students of two kinds with the same weights."""
    one, two = (build_student("resnet18", channels, 3).eval() for channels in (first, second))
    weights = one.state_dict() | two.state_dict()
    one.load_state_dict({name: weights[name] for name in one.state_dict()})
    return one, two


def test_a_repeated_plane_is_a_stack_of_copies() -> None:
    repeat, stack = twins("repeat", "stack")
    image = planes_of(2)[:, 0]
    with torch.inference_mode():
        found, expected = repeat(image), stack(torch.stack([image] * 3, dim=1))
    assert torch.equal(found[1], expected[1])


def test_a_stack_is_three_different_planes_in_their_order() -> None:
    _, stack = twins("repeat", "stack")
    planes = planes_of(2)
    with torch.inference_mode():
        logits = stack(planes)[1]
        assert not torch.allclose(logits, stack(planes[:, [1, 0, 2]])[1], atol=1e-4)
        assert not torch.allclose(logits, stack(planes[:, [0, 2, 1]])[1], atol=1e-4)


def test_colours_are_those_of_viridis() -> None:
    student, stack = twins("colormap", "stack")
    assert student.colours is not None
    table = student.colours.numpy().astype(int)
    # As its authors published it: #440154 at the bottom, #21918c in the middle, #fde725 on top.
    for level, colour in ((0, 0x440154), (255, 0xFDE725)):
        assert (table[level] * (65536, 256, 1)).sum() == colour
    assert np.abs(table[[127, 128]] - (0x21, 0x91, 0x8C)).max() <= 1
    luma = table @ (0.299, 0.587, 0.114)
    assert (luma[4:] > luma[:-4]).all()  # brighter means more
    image = planes_of(2)[:, 0]
    by_hand = np.stack([[table[level] for level in plane.ravel()] for plane in image.numpy()])
    rgb = by_hand.reshape(2, 32, 32, 3).transpose(0, 3, 1, 2).astype(np.uint8)
    with torch.inference_mode():
        assert torch.equal(student(image)[1], stack(torch.from_numpy(rgb))[1])


def test_no_average_of_weights_moves_a_colour() -> None:
    student = build_student("resnet18", "colormap", 3)
    average = FairAverage(AverageParams(alpha=0.37, floor=0.0))
    for _ in range(3):
        average.update(student, torch.ones(3))
    assert student.colours is not None
    assert torch.equal(average.weights["colours"], student.colours)


def test_every_plane_is_brought_to_the_student_s_size() -> None:
    clips, params = planes_of(4, 64).numpy(), InputParams(size=32, channels="stack")
    found = to_input(clips, params)
    assert found.shape == (4, 3, 32, 32)
    for k in range(3):
        alone = to_input(clips[:, k], InputParams(size=32))
        assert torch.equal(found[:, k], alone)
    assert torch.equal(found, to_input(clips / np.float32(255), params))


@pytest.mark.parametrize("channels", ["repeat", "colormap", "single"])
def test_of_several_planes_a_student_of_one_sees_the_first(channels: str) -> None:
    clips = planes_of(4).numpy()
    params = InputParams(size=32, channels=channels)  # type: ignore[arg-type]
    assert torch.equal(to_input(clips, params), to_input(clips[:, 0], params))
    assert to_input(clips, params).shape == (4, 32, 32)


def test_planes_are_folded_together_as_the_first_demands() -> None:
    clips = np.zeros((2, 3, 32, 32), np.uint8)
    clips[0, 0, 20:25] = 200  # away
    clips[1, 0, 5:9] = 200  # towards
    clips[:, 1:, 30] = 255  # the other planes are brighter on the other side
    folded = to_input(clips, InputParams(size=32, channels="stack", fold=True)).numpy()
    assert np.array_equal(folded[0], clips[0])
    assert np.array_equal(folded[1], clips[1, :, ::-1])


@pytest.mark.parametrize("shape", [(2, 32, 32), (2, 1, 32, 32), (2, 2, 32, 32)])
def test_a_stack_needs_three_planes(shape: tuple[int, ...]) -> None:
    with pytest.raises(TrainError, match="three image planes.*got clips of [12]"):
        to_input(np.zeros(shape, np.uint8), InputParams(size=32, channels="stack"))


def test_variations_change_all_planes_alike() -> None:
    params = ClipAugment(mirror=0.5, time_shift=0.5, time_mask=0.4, velocity_mask=0.4)
    planes = planes_of(6)
    chance = np.random.default_rng(5).random((len(planes), N_CHANCES))
    varied = augment(planes, params, chance)
    assert varied.shape == planes.shape
    assert not torch.equal(varied, planes)
    for k in range(3):
        alone = augment(planes[:, k], params, chance)
        assert torch.equal(varied[:, k], alone)


# -- training and after -------------------------------------------------------------------------
SMALL = (
    'recipe="baseline"', "model.input.size=32", "optim.n_epochs=2", "optim.batch_size=8",
    "optim.lr=1e-3",
)  # fmt: skip


def small(*changes: str) -> TrainConfig:
    return configs.load(TrainConfig, "train", None, [*SMALL, *changes])


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "gait.h5"
    return make_store(path, n_people=2, n_walks=3, n_clips=2, n_faces=0, planes="multires")


def test_a_stack_is_trained_scored_and_loaded(stacked: Path, tmp_path: Path) -> None:
    train(stacked, tmp_path / "run", small('model.input.channels="stack"'))
    student = load_student(tmp_path / "run")
    assert student.input.channels == "stack"
    with GaitStore.open(stacked) as store:
        layers, table = store.read_layers(np.arange(4)), store.table()
        part = load_part(store, table, np.arange(4), student.subjects, student.input)
        none = load_part(store, table, np.arange(0), student.subjects, student.input)
    assert np.array_equal(part.images.numpy(), layers)  # 32 pixels, as they are
    assert none.images.shape == (0, 3, 32, 32)
    _, logits = student.embed(layers / np.float32(255))
    assert np.array_equal(logits, run(student.model, part.images)[1].numpy())
    changed = layers.copy()
    changed[:, 2] = 0
    assert not np.allclose(student.embed(changed)[1], logits, atol=1e-5)
    assert "accuracy" in evaluate(tmp_path / "run", control=False)["clips"]
    with pytest.raises(TrainError, match="three image planes"):
        student.embed(layers[:, 0])


def test_colours_are_saved_with_the_student(stacked: Path, tmp_path: Path) -> None:
    train(stacked, tmp_path / "run", small('model.input.channels="colormap"'))
    student = load_student(tmp_path / "run")
    fresh = build_student("resnet18", "colormap", 2).colours
    assert student.model.colours is not None
    assert fresh is not None
    assert torch.equal(student.model.colours, fresh)


def test_a_store_of_one_plane_trains_no_stack(tmp_path: Path) -> None:
    store = make_store(tmp_path / "gait.h5", n_people=2, n_walks=3, n_clips=1, n_faces=0)
    with pytest.raises(TrainError, match=r"one image plane a clip.*planes=stack"):
        train(store, tmp_path / "run", small('model.input.channels="stack"'))


def test_students_made_before_newer_parameters_are_loaded(stacked: Path, tmp_path: Path) -> None:
    train(stacked, tmp_path / "run", small("optim.n_epochs=1"))
    path = tmp_path / "run" / "student.json"
    facts = json.loads(path.read_text())
    before = load_student(tmp_path / "run").dsp
    del facts["dsp"]["highpass_hz"]
    facts["dsp_fingerprint"] = fingerprint(facts["dsp"])
    path.write_text(json.dumps(facts))
    assert load_student(tmp_path / "run").dsp == before
