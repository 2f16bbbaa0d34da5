"""audit: students, galleries, stores without faces are clean; what was slipped in is named."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from galleries import Crowd, gallery
from safetensors.torch import load_file, save_file
from toy_store import RADAR, ToyTeacher, make_store
from typer.testing import CliRunner

from radarid.cli import app
from radarid.dsp.params import DspParams
from radarid.errors import AuditError, RunError, StoreError
from radarid.learn import openset
from radarid.learn.checkpoint import read_tensors
from radarid.learn.student_file import TrainedStudent, load_student, save_student
from radarid.learn.students import InputParams, build_student
from radarid.live.audit import audit
from radarid.live.audit_search import Faces
from radarid.live.gallery_file import create_gallery


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_student(folder, TrainedStudent(
        build_student("resnet18", "colormap", 3), "resnet18",
        InputParams(size=32, channels="colormap"), ("a", "b", "c"), RADAR,
        DspParams(), openset.unit(np.random.default_rng(0).normal(size=(3, 512))).astype("f4"),
        openset.Calibration(0, 0, 0, 1, 1), {},
    ))  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray]:
    """A store of crops, a cache of their embeddings, and these."""
    store = make_store(tmp_path_factory.mktemp("faces") / "gait.h5", n_walks=1, n_clips=1)
    with h5py.File(store) as file:
        vectors = ToyTeacher().embed(file["faces/crop"][:])
    cache = store.with_name("face-embeddings-1.safetensors")
    save_file({"embeddings": torch.from_numpy(vectors[:, None])}, cache)
    return store, cache, vectors


def with_tensors(run: Path, folder: Path, **more: torch.Tensor) -> Path:
    path = folder / "student.safetensors"
    save_file(load_file(run / "student.safetensors") | more, path)
    return path


def test_a_student_is_clean_to_the_last_tensor(run: Path) -> None:
    tensors, facts = audit(run)
    assert tensors.is_clean
    assert facts.is_clean
    assert tensors.kind == "student (resnet18)"
    assert tensors.n_examined == len(load_file(run / "student.safetensors"))


def test_whatever_is_no_part_of_a_student_is_named(run: Path, tmp_path: Path) -> None:
    path = with_tensors(run, tmp_path, **{
        "composer.residual.weight": torch.zeros(8, 4), "teacher.last": torch.zeros(2),
        "templates": torch.zeros(4, 512), "embeddings": torch.zeros(5, 512),
    })  # fmt: skip
    found = {finding.place: finding.what for finding in audit(path)[0].findings}
    assert set(found) == {"composer.residual.weight", "teacher.last", "templates", "embeddings"}
    assert "the composer's" in found["composer.residual.weight"]
    assert "the face teacher's" in found["teacher.last"]
    assert "(4, 512)" in found["templates"]
    save_file(load_file(run / "student.safetensors"), path, metadata={"face": "0.1 0.2"})
    assert [f.place for f in audit(path)[0].findings] == ["metadata face"]


def test_json_with_a_vector_or_long_text_is_named(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "student.json"
    facts = json.loads((run / "student.json").read_text())
    facts["facts"] = {"face": [0.5] * 64, "deep": [{"text": "x" * 4001}], "few": [0.5] * 9}
    path.write_text(json.dumps(facts))
    found = {finding.place: finding.what for finding in audit(path)[0].findings}
    assert set(found) == {"facts.face", "facts.deep[0].text"}
    path.write_text("[" * 100_000)
    with pytest.raises(AuditError, match="not JSON"):
        audit(path)


def test_faces_in_a_store_are_named_even_if_not_counted(
    faces: tuple[Path, Path, np.ndarray], tmp_path: Path
) -> None:
    store = faces[0]
    assert [(f.place, f.what) for f in audit(store)[0].findings] == [
        ("faces/crop", "6 pictures of faces")
    ]
    path = shutil.copy(store, tmp_path / "uncounted.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["n_faces"] = 0
    assert [f.what for f in audit(path)[0].findings] == ["6 pictures of faces"]
    with h5py.File(path, "r+") as file:
        file["faces/crop"].resize(0, axis=0)
        file["clips/notes"] = np.zeros((2, 512), "f4")
        file["clips/subject"].attrs["portrait"] = np.zeros(512)
    assert {f.place for f in audit(path)[0].findings} == {"clips/notes", "clips/subject@portrait"}
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(StoreError, match="not a gait store"):
        audit(path)


def test_known_faces_are_found_wherever_they_lie(
    run: Path, faces: tuple[Path, Path, np.ndarray], tmp_path: Path
) -> None:
    store, cache, vectors = faces
    by_vector, by_picture = Faces.read(cache), Faces.read(store)
    clean = audit(run)[0]
    for searcher in (by_vector, by_picture):
        assert searcher.look_into(clean).is_clean
    # In the place of the templates a face embedding has the right shape, but not the right numbers.
    hidden = torch.from_numpy(2 * vectors[:3] + 0.001)
    [report] = audit(with_tensors(run, tmp_path, templates=hidden))
    assert report.is_clean
    found = by_vector.look_into(report).findings
    assert [(f.place, f.what) for f in found] == [("templates", "a known face's embedding")]
    with h5py.File(store) as file:
        pixels = file["faces/crop"][0]
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": 1}')
    [report] = audit(path)
    path.write_bytes(b"abc" + vectors[0].tobytes() + pixels.tobytes())
    for searcher in (by_vector, by_picture):
        assert [f.what for f in searcher.look_into(report).findings] == [
            "the very bytes of a known face"
        ]
    assert not by_picture.look_into(audit(store)[0]).is_clean
    with pytest.raises(AuditError, match="no face"):
        Faces.read(run / "student.safetensors")


def test_pickles_and_unknown_files_are_not_trusted(tmp_path: Path) -> None:
    for name, data in (("a.pt", b"PK\x03\x04rest"), ("a.safetensors", pickle.dumps([1]))):
        (tmp_path / name).write_bytes(data)
        [report] = audit(tmp_path / name)
        assert "loading it can run code" in report.findings[0].what
    for name in ("a.bin", "none.json"):
        if name != "none.json":
            (tmp_path / name).write_bytes(b"1234")
        with pytest.raises(AuditError, match="cannot be (searched|read)"):
            audit(tmp_path / name)
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(AuditError, match="cannot be read as safetensors"):
        audit(tmp_path / "b.safetensors")


def test_the_command(run: Path, faces: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    crowd = Crowd(np.random.default_rng(1))
    create_gallery(tmp_path / "g.h5", gallery(crowd, {"anna": crowd.person()}))
    done = CliRunner().invoke(app, ["audit", str(run), str(tmp_path / "g.h5")])
    assert done.exit_code == 0, done.output
    assert done.stdout.count(": clean (") == 3
    done = CliRunner().invoke(app, ["audit", str(run), str(faces[0]), "--json"])
    assert done.exit_code == 1
    reports = json.loads(done.stdout)
    assert [report["is_clean"] for report in reports] == [True, True, False]


def test_mutated_students_are_refused_or_whole(run: Path, tmp_path: Path) -> None:
    """Neither reading nor searching trips over a damaged header or table."""
    small, n_read = tmp_path / "s.safetensors", 0
    save_file({"templates": torch.ones(2, 4), "classifier.weight": torch.ones(2, 4)}, small)
    raw, table = small.read_bytes(), (run / "student.json").read_bytes()
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        data = bytearray(raw if seed % 4 else table)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        path = small if seed % 4 else tmp_path / "student.json"
        path.write_bytes(data)
        try:
            n_read += bool(audit(path) and (not seed % 4 or read_tensors(path)))
        except (AuditError, RunError):
            continue
    assert 0 < n_read < 700


def test_mutated_tables_do_not_load(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "student.safetensors", tmp_path)
    table = (run / "student.json").read_bytes()
    for seed in range(60):
        data, rng = bytearray(table), np.random.default_rng(seed)
        data[rng.integers(0, len(data))] = rng.integers(256)
        (tmp_path / "student.json").write_bytes(data)
        try:
            student = load_student(tmp_path)
        except RunError:
            continue
        assert student.templates.shape == (3, 512)
