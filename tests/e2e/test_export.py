"""export, and identify --model in a process that cannot import torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from bfloat16_here import needs_bfloat16
from tiny_student import tiny_student
from toy_store import clip_image
from typer.testing import CliRunner, Result
from walk_files import DSP, RADAR, write_walk

from radarid import config as configs
from radarid.cli import app
from radarid.data.store import GaitStore
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import Clip
from radarid.errors import GalleryError, RunError
from radarid.learn.config import TrainConfig
from radarid.learn.json_file import write_json
from radarid.learn.student_facts import GaitStudent
from radarid.learn.student_file import TrainedStudent, load_student
from radarid.learn.trainer import train
from radarid.live import export as exporting
from radarid.live.audit import Finding, Report
from radarid.live.onnx_graph import to_onnx
from radarid.live.onnx_student import OnnxStudent, load_onnx, pack
from radarid.live.retest import Trial, read_trial, retest

WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "facenet_pytorch", "onnx"):
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, NoTorch())
from radarid.cli import main
main()
"""
SETTINGS = (
    'recipe="baseline"', 'model.student="resnet18"', "model.input.size=32", "optim.batch_size=8",
    "optim.n_epochs=2", "average.enabled=false",
)  # fmt: skip


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def write_store(path: Path) -> Path:
    rng = np.random.default_rng(0)
    with GaitStore.create(path, RADAR, DSP) as store:
        for person in range(4):
            for walk in range(5):
                clips = [
                    Clip(clip_image(person, rng.uniform(0, 6), DSP.image_size, 0.2, rng),
                         np.ones(DSP.image_size, bool), 0.25 * k, 1.0, "away", 1.2, 3.0)
                    for k in range(2)
                ]  # fmt: skip
                name = f"o{person}-{walk}"
                entry = RecordingEntry(
                    name, f"o{person}", "s", str(walk), name, RADAR, "IIQQ", 60
                )
                store.add_recording(entry, clips)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, recordings of its radar, and the run's student exported twice."""
    folder = tmp_path_factory.mktemp("export")
    store = write_store(folder / "gait.h5")
    train(store, folder / "run", configs.load(TrainConfig, "train", None, list(SETTINGS)))
    write_json(folder / "run" / "evaluation.json", {
        "clips": {"accuracy": 0.625, "accuracy_interval": [0.5, 0.75]},
        "open_set": {"dir_at_far": {"0.01": 0.375}}, "chance": {"guessing": 0.25},
        "split": {"parts": {"test": {"n_clips": 8, "n_groups": 4, "subjects": ["o0", "o1"]}}},
        "undegraded": {"clips": {"accuracy": 0.875}},
    })  # fmt: skip
    write_walk(folder / "raw", "w1")
    graphs = []

    def export_once(student: TrainedStudent) -> bytes:
        if not graphs:
            graphs.append(to_onnx(student))
        return graphs[0]

    for name, options in (("float", ()), ("int8", ("--int8",))):
        with pytest.MonkeyPatch.context() as patch:  # for it takes a while
            patch.setattr(exporting, "to_onnx", export_once)
            done = invoke("export", folder / "run", "--onnx", folder / f"{name}.onnx", "--json",
                          *options)  # fmt: skip
        assert done.exit_code == 0, done.output
        (folder / f"{name}.json").write_text(done.stdout)
    return folder


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *(str(each) for each in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          env=os.environ | {"COLUMNS": "200"})  # fmt: skip


def test_what_export_says(folder: Path) -> None:
    plain, small = (json.loads((folder / f"{n}.json").read_text()) for n in ("float", "int8"))
    assert plain["check"]["logits"] <= 1e-4
    # 5 walks of each of 4 people: one is the test's, of 2 clips; 8 clips are made up.
    assert (plain["check"]["n_real"], plain["check"]["n_clips"]) == (8, 16)
    assert plain["audit"]["findings"] == []
    assert small["n_bytes"] < 0.3 * plain["n_bytes"]
    assert set(small["cost"]) == {"float32", "int8"}
    assert small["cost"]["float32"]["logit_difference"] == 0
    assert small["cost"]["int8"]["least_cosine"] > 0.9
    assert not list(folder.glob("*.partial.onnx"))
    card = (folder / "float.md").read_text()
    for fact in ("| clips named rightly | 0.625 | 0.500 to 0.750 |",
                 "| found at 1 % false alarms (DIR) | 0.375 |  |", "no recording trains and tests",
                 "- test: 2 people, 4 walks, 8 clips", "0.875 are named rightly as they are",
                 "`radarid audit`: clean", "biometric"):
        assert fact in card
    assert str(folder) not in card
    assert str(folder).encode() not in (folder / "float.onnx").read_bytes()
    assert "| int8 |" in (folder / "int8.md").read_text()


def test_identify_without_torch_says_the_same(folder: Path) -> None:
    walk = folder / "raw" / "w1.bin"
    done = without_torch("identify", walk, "--model", folder / "float.onnx", "--json")
    assert done.returncode == 0, done.stderr
    own = invoke("identify", walk, "--run", folder / "run", "--json")
    [found], [expected] = json.loads(done.stdout), json.loads(own.stdout)
    assert found["answer"] == expected["answer"]
    assert found["threshold"] == expected["threshold"]
    assert len(found["clips"]) == len(expected["clips"]) > 0
    for one, other in zip(found["clips"], expected["clips"], strict=True):
        assert one["start_s"] == other["start_s"]
        for key in ("score", "second"):
            assert one["identification"][key] == pytest.approx(
                other["identification"][key], abs=1e-4
            )
    failed = without_torch("identify", walk, "--run", folder / "run")
    assert "No module named 'torch'" in failed.stderr  # so it was indeed without


def test_galleries_are_exchanged_with_float32_only(folder: Path, tmp_path: Path) -> None:
    walk, gallery = folder / "raw" / "w1.bin", tmp_path / "g.h5"
    enrol = ("enroll", "ada", walk, "--gallery", gallery)
    done = invoke(*enrol, "--run", folder / "run", "--background", folder / "gait.h5")
    assert done.exit_code == 0, done.output
    look = ("identify", walk, "--gallery", gallery, "--json", "--model")
    done = without_torch(*look, folder / "float.onnx")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["identification"]["best"] == "ada"
    other = folder / "int8.onnx"
    done = invoke(*look, other)
    assert isinstance(done.exception, GalleryError)
    assert "made by another student" in str(done.exception)
    gallery.unlink()
    done = invoke(*enrol, "--model", other)
    assert "--background STORE" in str(done.exception)
    done = without_torch(*enrol, "--model", other, "--background", folder / "gait.h5")
    assert done.returncode == 0, done.stderr
    done = invoke(*look, other)
    assert json.loads(done.stdout)[0]["identification"]["best"] == "ada"


@needs_bfloat16
def test_what_bfloat16_costs_is_measured_and_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "to_onnx", lambda _: (folder / "float.onnx").read_bytes())
    path = tmp_path / "s.onnx"
    done = invoke("export", folder / "run", "--onnx", path, "--bfloat16", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["precision"], found["held_against"]) == ("float32", "bfloat16")
    cost = found["cost"]
    assert set(cost) == {"float32", "bfloat16"}
    assert cost["float32"]["logit_difference"] == 0
    assert cost["bfloat16"]["logit_difference"] > 0
    # Each layer's errors, of up to 2**-8, turn an embedding by a few times that: cos(4 %) = 0.999.
    assert cost["bfloat16"]["least_cosine"] > 0.999
    card = path.with_suffix(".md").read_text()
    assert "| bfloat16 |" in card
    assert "float32 weights" in card
    done = invoke("export", folder / "run", "--onnx", path, "--bfloat16", "--int8")
    assert "--int8 and --bfloat16" in str(done.exception)


@needs_bfloat16
def test_identify_in_bfloat16_says_so_and_keeps_its_galleries_apart(
    folder: Path, tmp_path: Path
) -> None:
    walk, gallery, model = folder / "raw" / "w1.bin", tmp_path / "g.h5", folder / "float.onnx"
    background = ("--background", folder / "gait.h5")
    rounded = ("--model", model, "--bfloat16")
    [found] = json.loads(without_torch("identify", walk, *rounded, "--json").stdout)
    [exact] = json.loads(invoke("identify", walk, "--model", model, "--json").stdout)
    assert (found["precision"], exact["precision"]) == ("bfloat16", "float32")
    assert found["answer"] == exact["answer"]
    done = invoke("enroll", "ada", walk, "--gallery", gallery, *rounded, *background)
    assert done.exit_code == 0, done.output
    done = invoke("identify", walk, "--gallery", gallery, "--model", model)
    assert "made by another student" in str(done.exception)
    done = invoke("identify", walk, "--gallery", gallery, *rounded, "--json")
    assert json.loads(done.stdout)[0]["identification"]["best"] == "ada"


def test_one_student_must_be_named(folder: Path) -> None:
    walk = folder / "raw" / "w1.bin"
    for options in ((), ("--run", folder / "run", "--model", folder / "float.onnx")):
        done = invoke("identify", walk, *options)
        assert isinstance(done.exception, RunError)
        assert "one student must be named" in str(done.exception)
    done = invoke("export", folder / "run", "--onnx", folder / "float.bin")
    assert "a name in .onnx" in str(done.exception)


def test_what_differs_is_not_exported(tmp_path: Path) -> None:
    path = tmp_path / "s.onnx"
    student, other = tiny_student(), tiny_student(seed=1)
    path.write_bytes(pack(to_onnx(other), other, "float32", "x"))
    graph = load_onnx(path, 1)
    assert exporting.check_same(other, graph, "no store").n_real == 0
    with pytest.raises(RunError, match="says something else than the student"):
        exporting.check_same(student, graph, "no store")
    other.model.classifier.bias.data[0] = np.nan
    with pytest.raises(RunError, match="got nan"):
        exporting.check_same(other, graph, "no store")


def test_nothing_is_left_when_the_audit_finds_something(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "to_onnx", lambda _: b"graph")
    monkeypatch.setattr(exporting, "load_onnx", lambda _: None)
    monkeypatch.setattr(exporting, "check_same", lambda *_: exporting.Check(1, 0, 0.0, 0.0))
    found = Report(tmp_path, "ONNX", 1, (Finding("teacher.last", "the face teacher's"),))
    monkeypatch.setattr(exporting, "audit", lambda _: [found])
    with pytest.raises(RunError, match="teacher.last: the face teacher's"):
        exporting.export(folder / "run", tmp_path / "s.onnx")
    assert not list(tmp_path.iterdir())


def test_without_its_store_the_cost_is_not_measured(folder: Path, tmp_path: Path) -> None:
    student = load_student(folder / "run")
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "split.json"):
        text = (folder / "run" / name).read_text()
        (run / name).write_text(text.replace("gait.h5", "gone.h5"))
    why = read_trial(run, student)
    assert isinstance(why, str)
    assert "gone.h5" in why


class Stub:
    """A student whose logits and embeddings are given."""

    def __init__(self, embeddings: np.ndarray, logits: np.ndarray) -> None:
        self.embeddings, self.logits = embeddings, logits

    def embed(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.embeddings[clips], self.logits[clips]


def test_scores_of_students_worked_out_by_hand() -> None:
    logits = np.array([[2, 0], [0, 1], [0, 2], [3, 0]], np.float64)
    own = Stub(np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]]), logits)
    worse = Stub(np.array([[1.0, 0], [0, 2], [1, 1], [1, 0]]), logits - [[0, 2.5]] * 4)
    part = Trial(np.arange(4), np.array([0, 0, 1, 1]), np.array([7, 7, 9, 9]),
                    np.arange(0), np.arange(0))  # fmt: skip
    found = retest(part, {"own": own, "worse": worse})  # type: ignore[dict-item]
    # Clips 0 and 2 are right; walk 7 sums to (2, 1): right; walk 9 to (3, 2): wrong.
    assert (found["own"].clips, found["own"].walks) == (0.5, 0.5)
    assert (found["own"].logit_difference, found["own"].least_cosine) == (0, 1)
    # With 2.5 off the second logit everything is named 0.
    assert (found["worse"].clips, found["worse"].walks) == (0.5, 0.5)
    assert found["worse"].logit_difference == 2.5
    assert found["worse"].least_cosine == pytest.approx(np.sqrt(0.5))
    # Enrolled with clips 0 and 2: cosines to (1, 0) and (0, 1) decide, here for clips 1 and 3.
    part = Trial(np.array([1, 3]), np.array([1, 0]), np.array([7, 9]), np.array([0, 2]),
                    np.array([0, 1]))  # fmt: skip
    found = retest(part, {"own": own})  # type: ignore[dict-item]
    assert (found["own"].clips, found["own"].walks) == (1.0, 1.0)


def test_both_students_have_all_that_a_student_has() -> None:
    wanted = {name for name in vars(GaitStudent) if not name.startswith("_")}
    assert len(wanted) > 10
    for kind in (TrainedStudent, OnnxStudent):
        assert wanted <= {each.name for each in fields(kind)} | set(vars(kind))
