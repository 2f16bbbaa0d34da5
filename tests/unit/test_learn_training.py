"""The training loop: repeatable, resumable, refusing what cannot work, exporting no face."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_store import ToyTeacher, make_store

from radarid import config as configs
from radarid.data.splits import make_split
from radarid.data.store import GaitStore
from radarid.errors import RadaridError, RunError, SplitError, StoreError, TrainError
from radarid.learn.config import FaceUse, TrainConfig
from radarid.learn.export import finish
from radarid.learn.face_bank import build_bank, vary
from radarid.learn.stepper import Stepper
from radarid.learn.student_file import load_student, run, save_student
from radarid.learn.trainer import Trainer, TrainReport, train
from radarid.learn.training_data import load_training_data, shuffle_labels

SMALL = (
    "model.input.size=32", "optim.n_epochs=4", "optim.batch_size=8", "optim.lr=1e-3",
    "identitykd.begin=1", "faces.n_augmentations=1", "augment.time_shift=0.3", "average.floor=0.0",
)  # fmt: skip


def small(*changes: str) -> TrainConfig:
    return configs.load(TrainConfig, "train", None, [*SMALL, *changes])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "gait.h5", n_walks=5, n_clips=2)


@pytest.fixture(scope="module")
def whole(store: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return train(store, out, small(), teacher=ToyTeacher())


def log_of(run_folder: Path) -> list[dict[str, object]]:
    lines = (run_folder / "metrics.jsonl").read_text().splitlines()
    timed = {"seconds", "loading_share"}
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


def weights_of(run_folder: Path) -> bytes:
    return (run_folder / "student.safetensors").read_bytes()


def test_stopped_and_resumed_is_the_same_bit_for_bit(
    whole: TrainReport, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 18 clips in batches of 6: step 11 lies inside epoch 3, and the last state is that of epoch 1,
    # so two epochs are run again.
    out, n_steps = tmp_path / "stopped", 0
    take = Stepper.step

    def stop(self: Stepper, *arguments: Any) -> object:
        nonlocal n_steps
        n_steps += 1
        if n_steps == 11:
            raise KeyboardInterrupt
        return take(self, *arguments)

    monkeypatch.setattr(Stepper, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(store, out, small("save_every=2"), teacher=ToyTeacher())
    assert not (out / "student.json").exists()
    with pytest.raises(RunError, match="no trained student here"):
        load_student(out)
    monkeypatch.undo()
    train(store, out, None, teacher=ToyTeacher())
    assert weights_of(out) == weights_of(whole.run)
    assert log_of(out) == log_of(whole.run)


def test_a_stop_before_the_first_state_starts_over_and_comes_to_the_same(
    whole: TrainReport, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "early"
    out.mkdir()
    shutil.copy(whole.run / "config.json", out)
    train(store, out, None, teacher=ToyTeacher())
    assert weights_of(out) == weights_of(whole.run)


def test_another_seed_comes_to_something_else(store: Path, tmp_path: Path) -> None:
    logs = []
    with GaitStore.open(store) as opened:
        for seed in (0, 1):
            config = small(f"seed={seed}", 'recipe="baseline"')
            data = load_training_data(opened, config, None, tmp_path)
            logs.append(Trainer(data, config).run_epoch(0)["loss"])
    assert logs[0] != logs[1]


def test_log_says_what_happened(whole: TrainReport) -> None:
    lines = log_of(whole.run)
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert [line["lr"] for line in lines] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])
    assert set(lines[0]["losses"]) == {  # type: ignore[call-overload]
        "contrast_teacher", "contrast_fused", "identity_kd", "composer"
    }  # fmt: skip
    best = max(whole.candidates, key=lambda name: whole.candidates[name]["macro_recall"])
    reached = whole.candidates[whole.selected]["macro_recall"]
    assert reached == whole.candidates[best]["macro_recall"]
    assert max(line["val_macro_recall"] for line in lines) == pytest.approx(  # type: ignore[type-var]
        whole.candidates["best"]["macro_recall"]
    )
    assert set(whole.candidates) == {"best", "final", "average"}


def test_the_exported_student_has_no_face_in_it(whole: TrainReport) -> None:
    tensors = load_file(whole.run / "student.safetensors")
    assert {name.partition(".")[0] for name in tensors} == {"backbone", "classifier", "templates"}
    for file in ("student.safetensors", "student.json"):
        content = (whole.run / file).read_bytes().lower()
        for word in (b"teacher", b"composer", b"projector", b"face", b"crop"):
            assert word not in content, (file, word)
    assert "recipe.composer" not in " ".join(tensors)
    state = next((whole.run / "last").glob("recipe-*.safetensors"))
    assert any(name.startswith("composer.") for name in load_file(state))  # the words would be seen


def test_faces_are_embedded_once(whole: TrainReport, store: Path) -> None:
    teacher = ToyTeacher()
    with GaitStore.open(store) as opened:
        data = load_training_data(opened, small(), teacher, whole.run.parent)
        crops = opened.read_faces(np.arange(opened.n_faces))
    assert teacher.n_calls == 0
    assert data.faces is not None
    bank = data.faces.bank.embeddings
    # 3 people x 3 training walks x 2 faces, as they are and varied once; the teacher never learns.
    assert bank.shape == (18, 2, 512)
    embedded = {row.tobytes() for row in teacher.embed(crops)}
    assert all(row.tobytes() in embedded for row in bank[:, 0].numpy())


def test_student_alone_gives_the_validation_logits(store: Path, tmp_path: Path) -> None:
    with GaitStore.open(store) as opened:
        data = load_training_data(opened, small(), ToyTeacher(), tmp_path)
        trainer = Trainer(data, small())
        trainer.run_epoch(0)
        save_student(tmp_path, finish(trainer.student, data, small(), opened, {}))
        clips = opened.read_clips(data.split.val)
    embeddings, logits = run(trainer.recipe.student, data.val.images)
    loaded = load_student(tmp_path)
    found = loaded.embed(clips)
    assert np.array_equal(found[0], embeddings.numpy())
    assert np.array_equal(found[1], logits.numpy())
    assert loaded.subjects == ("p0", "p1", "p2")
    assert np.allclose(np.linalg.norm(loaded.templates, axis=1), 1, atol=1e-6)
    decision = loaded.identify(found[1])
    assert decision.best in loaded.subjects
    assert (decision.subject is not None) == (decision.score >= loaded.threshold)


def test_identifying_loads_no_face_code() -> None:
    code = "import sys, radarid.learn.student_file; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "radarid.learn.openset" in loaded
    faces = {"facenet_pytorch", "cv2", "capture.camera.faces", "radarid.learn.teacher",
             "radarid.learn.face_bank", "radarid.learn.composer", "radarid.learn.recipes"}
    assert not loaded & faces


def test_damaged_students_are_refused(whole: TrainReport, tmp_path: Path) -> None:
    def damaged(name: str, change: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file in ("student.safetensors", "student.json"):
            shutil.copy(whole.run / file, folder)
        facts = json.loads((folder / "student.json").read_text())
        change(facts)  # type: ignore[operator]
        (folder / "student.json").write_text(json.dumps(facts))
        return folder

    cases = {
        "version": (lambda f: f.update(format=99), "another version"),
        "people": (lambda f: f["subjects"].pop(), "damaged"),
        "radar": (lambda f: f["radar"].update(n_samples=128), "radar configuration was changed"),
        "key": (lambda f: f.pop("dsp"), "damaged"),
    }
    for name, (change, message) in cases.items():
        with pytest.raises(RunError, match=message):
            load_student(damaged(name, change))
    folder = damaged("cut", lambda facts: None)
    (folder / "student.safetensors").write_bytes(weights_of(whole.run)[:5000])
    with pytest.raises(RunError, match="cannot be read as safetensors"):
        load_student(folder)


def test_a_loss_that_is_not_finite_stops(store: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"not finite any more.*cross_entropy.*optim\.lr"):
        train(store, tmp_path / "nan", small('recipe="baseline"', "optim.lr=1e30"))


def test_nothing_to_train_with_is_refused(tmp_path: Path) -> None:
    two_walks = make_store(tmp_path / "two.h5", n_walks=2, n_clips=1)
    with pytest.raises(TrainError, match="no walk is left for validation"):
        train(two_walks, tmp_path / "a", small('recipe="baseline"'))
    alone = make_store(tmp_path / "alone.h5", n_people=1, n_clips=1)
    with pytest.raises(TrainError, match="nobody to tell apart"):
        train(alone, tmp_path / "b", small('recipe="baseline"'))


def test_people_without_faces_are_named_or_dropped(tmp_path: Path) -> None:
    store = make_store(tmp_path / "gait.h5", n_walks=3, n_clips=1, faceless=(1,))
    with GaitStore.open(store) as opened:
        with pytest.raises(SplitError, match="p1"):
            load_training_data(opened, small(), ToyTeacher(), tmp_path)
        changed = small('faces.faceless_subjects="drop"')
        data = load_training_data(opened, changed, ToyTeacher(), tmp_path)
        assert data.subjects == ("p0", "p2")
        assert len(data.val) == 2
        plain = load_training_data(opened, small('recipe="baseline"'), None, tmp_path)
        assert plain.subjects == ("p0", "p1", "p2")
        assert plain.faces is None


def test_a_run_is_not_overwritten_nor_mixed_up(
    whole: TrainReport, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainError, match="begun here already"):
        train(store, whole.run, small(), teacher=ToyTeacher())
    with pytest.raises(RunError, match="no training here"):
        train(store, tmp_path / "none", None)
    more = make_store(tmp_path / "more.h5", n_walks=6, n_clips=2)
    with pytest.raises(RunError, match="the store has changed"):
        train(more, whole.run, None, teacher=ToyTeacher())
    other = make_store(tmp_path / "other.h5", n_walks=5, n_clips=2, size=40)
    with pytest.raises(StoreError, match="image_size: 40 != 32"):
        train(other, whole.run, None, teacher=ToyTeacher())


@pytest.mark.parametrize("pairing", ["subject", "synchronous"])
def test_faces_are_of_the_same_person_and_of_training_walks(
    store: Path, tmp_path: Path, pairing: str
) -> None:
    with GaitStore.open(store) as opened:
        changed = small(f'faces.pairing="{pairing}"', "faces.n_augmentations=0")
        data = load_training_data(opened, changed, ToyTeacher(), tmp_path)
        table, faces = opened.table(), opened.faces()
        crops = opened.read_faces(np.arange(len(faces)))
    known = {row.tobytes(): k for k, row in enumerate(ToyTeacher().embed(crops))}
    assert data.faces is not None
    training = set(table.recording[data.split.train].tolist())
    chance, met = np.random.default_rng(0), set()
    for _ in range(20):
        drawn, norms = data.faces.draw(data.train.rows, chance)
        assert norms is None  # the toy teacher does not tell
        for clip, row in zip(data.train.rows, drawn, strict=True):
            face = known[row.numpy().tobytes()]
            met.add(face)
            assert faces.subject[face] == table.subject[clip]
            assert int(faces.recording[face]) in training
            if pairing == "synchronous":
                assert faces.recording[face] == table.recording[clip]
    assert len(met) == 18 if pairing == "subject" else len(met) >= 9


def test_at_most_so_many_faces_of_each_person(store: Path, tmp_path: Path) -> None:
    with GaitStore.open(store) as opened:
        changed = small("faces.max_per_subject=2")
        data = load_training_data(opened, changed, ToyTeacher(), tmp_path)
    assert data.faces is not None
    assert data.faces.bank.embeddings.shape[0] == 3 * 2


def test_variations_of_a_face_stay_near_it() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(30, 220, 160)[None, :, None] * np.ones((160, 1, 3))
    crops = np.repeat(ramp[None].astype(np.uint8), 40, axis=0)
    still = FaceUse(flip=0.0, min_area=1.0, jitter=0.0)
    assert np.abs(vary(crops, still, rng).astype(int) - crops).max() <= 1
    turned = vary(crops, replace(still, flip=1.0), rng)
    assert np.abs(turned.astype(int) - crops[:, :, ::-1]).max() <= 1
    half = vary(crops, replace(still, flip=0.5), rng)
    n_turned = sum(image[0, 0, 0] > image[0, -1, 0] for image in half)
    assert 8 <= n_turned <= 32  # 40 draws at 1/2: 20 +- 3.8 sd of 3.2
    # An area of 0.9 keeps sqrt(0.9) = 95 % of the ramp's 190 levels, at least.
    cut = vary(crops, replace(still, min_area=0.9), rng).astype(int)
    spans = cut[:, 0, -1, 0] - cut[:, 0, 0, 0]
    assert spans.min() >= 0.945 * 190
    assert spans.min() < 189
    bright = vary(np.full((60, 160, 160, 3), 100, np.uint8), replace(still, jitter=0.2), rng)
    levels = bright.mean(axis=(1, 2, 3))
    assert 79 <= levels.min() < 90
    assert 110 < levels.max() <= 121


def test_the_bank_is_cached_by_what_it_depends_on(tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3)).astype(np.uint8)
    teacher, params = ToyTeacher(), FaceUse(n_augmentations=2)
    first = build_bank(crops, teacher, params, 0, tmp_path)
    again = build_bank(crops, teacher, params, 0, tmp_path)
    assert teacher.n_calls == 3
    assert torch.equal(first.embeddings, again.embeddings)
    build_bank(crops, teacher, params, 1, tmp_path)
    build_bank(crops[::-1], teacher, params, 0, tmp_path)
    build_bank(crops, teacher, replace(params, jitter=0.1), 0, tmp_path)
    assert teacher.n_calls == 12
    drawn, _ = first.draw(np.array([2] * 50), np.random.default_rng(0))
    assert {row.tobytes() for row in drawn.numpy()} == {
        row.tobytes() for row in first.embeddings[2].numpy()
    }


def test_shuffled_labels_belong_to_walks_and_keep_their_numbers(store: Path) -> None:
    with GaitStore.open(store) as opened:
        table = opened.table()
    split = make_split(table, small('split.unknown_subjects=["p2"]').split, 0)
    shuffled = shuffle_labels(table, split, seed=0)
    for part in ("train", "val", "test"):
        rows = getattr(split, part)
        assert sorted(shuffled.subject[rows]) == sorted(table.subject[rows])
    walks: dict[object, set[str]] = {}
    for walk, name in zip(table.groups, shuffled.subject, strict=True):
        walks.setdefault(walk, set()).add(str(name))
    assert all(len(names) == 1 for names in walks.values())
    assert (shuffled.subject[split.train] != table.subject[split.train]).any()
    assert (shuffled.subject[split.unknown] == "p2").all()
    other = shuffle_labels(table, split, seed=3)
    assert (other.subject != shuffled.subject).any()


def test_every_error_here_is_explained() -> None:
    for error in (TrainError, RunError, StoreError, SplitError):
        assert issubclass(error, RadaridError)
