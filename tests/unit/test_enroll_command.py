"""enroll, gallery, identify --gallery and audit, on recordings of points that walk."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from background_store import N_CLIPS, N_PEOPLE, N_WALKS, write_store
from typer.testing import CliRunner, Result
from walk_files import DSP, RADAR, write_walk

from capture.file.recording import open_recording
from radarid.cli import app
from radarid.errors import GalleryError, StoreError
from radarid.learn import openset
from radarid.learn.checkpoint import write_json
from radarid.learn.student_file import TrainedStudent, load_student, save_student
from radarid.learn.students import InputParams, build_student
from radarid.live.enrolment import enroll_recording, new_gallery
from radarid.live.gallery import MatchParams
from radarid.live.gallery_file import read_gallery
from radarid.live.identify import Decider, identify_recording, read_walk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a student of random weights, its store, and recordings."""
    folder = tmp_path_factory.mktemp("enroll")
    store = write_store(folder / "gait.h5")
    torch.manual_seed(0)
    student = TrainedStudent(
        build_student("resnet18", "repeat", 2), "resnet18", InputParams(size=32), ("o0", "o1"),
        RADAR, DSP, openset.unit(np.random.default_rng(0).normal(size=(2, 512))).astype("f4"),
        openset.Calibration(-1e9, 0, 0, 1, 1), {},
    )  # fmt: skip
    (folder / "run").mkdir()
    save_student(folder / "run", student)
    per_person = N_WALKS * N_CLIPS
    rows = {"outsiders": list(range(4 * per_person)), "val": list(range(4 * per_person, 30))}
    names = {"outsiders": [f"o{p}-{w}" for p in range(4) for w in range(3)],
             "val": [f"o4-{w}" for w in range(3)]}  # fmt: skip
    write_json(folder / "run" / "config.json", {"store": str(store)})
    write_json(folder / "run" / "split.json", {"rows": rows, "recordings": names})
    for k, name in enumerate(("w1", "w2", "w3")):
        write_walk(folder / "raw", name, 2.0 + k, 1.3 - 0.2 * k, k)
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def enroll(folder: Path, gallery: Path, name: str, *files: str, options: tuple[object, ...] = ()
           ) -> Result:  # fmt: skip
    paths = [folder / "raw" / f"{each}.bin" for each in files]
    return invoke("enroll", name, *paths, "--gallery", gallery, "--run", folder / "run", *options)


def test_enroll_identify_remove(folder: Path, tmp_path: Path) -> None:
    gallery, walk = tmp_path / "g.h5", folder / "raw" / "w1.bin"
    done = enroll(folder, gallery, "anna", "w1", options=("--json", "--false-accept-rate", 0.2))
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["enrolled"] == ["anna"]
    assert [(t["session"], t["direction"]) for t in result["templates"]] == [("day1", "away")]
    known = read_gallery(gallery)
    assert known.params == MatchParams(false_accept_rate=0.2)
    assert known.source == "never seen"
    assert known.background.people == ("o0", "o1", "o2", "o3")
    # The template is the mean direction of the walk's clips, as the student embeds them.
    student = load_student(folder / "run")
    clips = read_walk(open_recording(walk, RADAR), student).clips
    embeddings = student.embed(np.stack([clip.layers for clip in clips]))[0]
    mean = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).mean(0)
    np.testing.assert_allclose(
        known.templates.embedding[0], mean / np.linalg.norm(mean), atol=1e-6
    )
    again = enroll(folder, gallery, "bob", "w2", options=("--session", "day7", "--norm", "s"))
    assert again.exit_code == 0, again.output
    assert read_gallery(gallery).templates.session.tolist() == ["day1", "day7"]
    assert read_gallery(gallery).params == MatchParams(false_accept_rate=0.2, norm="s")
    found = invoke("identify", walk, "--run", folder / "run", "--gallery", gallery, "--json")
    assert found.exit_code == 0, found.output
    identification = json.loads(found.stdout)[0]["identification"]
    assert identification["best"] == "anna"  # it is the very walk
    assert invoke("gallery", "remove", gallery, "anna").exit_code == 0
    listed = json.loads(invoke("gallery", "list", gallery, "--json").stdout)
    assert [each["subject"] for each in listed["people"]] == ["bob"]
    found = invoke("identify", walk, "--run", folder / "run", "--gallery", gallery, "--json")
    assert json.loads(found.stdout)[0]["identification"]["best"] == "bob"
    audit = invoke("audit", gallery, folder / "run", "--json")
    assert audit.exit_code == 0, audit.output
    assert [report["is_clean"] for report in json.loads(audit.stdout)] == [True] * 3
    assert invoke("gallery", "verify", gallery, "--run", folder / "run").exit_code == 0


def test_the_head_decides_when_asked(folder: Path, tmp_path: Path) -> None:
    gallery, walk = tmp_path / "g.h5", folder / "raw" / "w1.bin"
    assert enroll(folder, gallery, "anna", "w1").exit_code == 0
    plain, head = (
        invoke("identify", walk, "--run", folder / "run", "--json", *options)
        for options in ((), ("--gallery", gallery, "--head"))
    )
    assert plain.stdout == head.stdout
    assert json.loads(head.stdout)[0]["answer"] in ("o0", "o1")


def test_a_protected_gallery(folder: Path, tmp_path: Path) -> None:
    gallery, key, walk = tmp_path / "g.h5", tmp_path / "key", folder / "raw" / "w1.bin"
    assert invoke("gallery", "key", key).exit_code == 0
    done = enroll(folder, gallery, "anna", "w1", options=("--key", key))
    assert done.exit_code == 0, done.output
    assert read_gallery(gallery).templates.embedding.shape == (1, 256)
    run = ("--run", folder / "run", "--gallery", gallery)
    assert invoke("identify", walk, *run, "--key", key).exit_code == 0
    assert isinstance(invoke("identify", walk, *run).exception, GalleryError)
    assert isinstance(enroll(folder, gallery, "bob", "w2").exception, GalleryError)
    assert read_gallery(gallery).subjects == ("anna",)
    assert invoke("gallery", "verify", gallery, "--key", key).exit_code == 0


def test_the_background(folder: Path, tmp_path: Path) -> None:
    student, run = load_student(folder / "run"), folder / "run"
    given = new_gallery(student, run, MatchParams(), folder / "gait.h5")
    assert (given.source, len(given.background)) == ("never seen", N_PEOPLE * N_WALKS * N_CLIPS)
    assert given.background.walk.tolist() == np.arange(15).repeat(2).tolist()
    few = tmp_path / "few"
    few.mkdir()
    split = json.loads((run / "split.json").read_text())
    write_json(few / "config.json", json.loads((run / "config.json").read_text()))
    write_json(few / "split.json", split | {
        "rows": split["rows"] | {"outsiders": [0, 1]},
        "recordings": split["recordings"] | {"outsiders": ["o0-0"]},
    })  # fmt: skip
    optimistic = new_gallery(student, few, MatchParams())
    assert (optimistic.source, optimistic.background.people) == ("trained on", ("o0", "o4"))
    write_json(few / "split.json", split | {"recordings": split["recordings"] | {
        "outsiders": ["other"]}})  # fmt: skip
    with pytest.raises(GalleryError, match="the store has changed since the training"):
        new_gallery(student, few, MatchParams())
    with pytest.raises(StoreError, match="another signal processing"):
        new_gallery(replace(student, dsp=replace(DSP, span_db=30.0)), run, MatchParams())


def test_not_enough_signal_says_why(folder: Path, tmp_path: Path) -> None:
    student = load_student(folder / "run")
    source = open_recording(folder / "raw" / "w1.bin", RADAR)

    class Part:
        """Some frames, and of each the first chirps only."""

        def __init__(self, n_frames: int, share: float) -> None:
            self.info, self._n_frames, self._share = source.info, n_frames, share

        def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
            for frame in list(source)[: self._n_frames]:
                valid = np.arange(len(frame.valid)) < self._share * len(frame.valid)
                yield replace(frame, valid=valid)

    (short,) = identify_recording(Part(10, 1.0), Decider(student))
    assert short.answer == "not enough signal"
    assert short.reason == "too short: 0.2 s, a clip takes 0.5 s"
    (lost,) = identify_recording(Part(60, 0.25), Decider(student))
    assert (lost.answer, lost.reason) == (
        "not enough signal", "too much was lost: 25% of the chirps came"
    )  # fmt: skip
    empty = write_walk(tmp_path / "raw", "empty", 2.0, 0.0)
    (nobody,) = identify_recording(open_recording(empty, RADAR), Decider(student))
    assert (nobody.answer, nobody.reason) == (
        "not enough signal", "nobody walks in it, or too far away"
    )  # fmt: skip
    done = enroll(tmp_path, tmp_path / "none.h5", "anna", "empty",
                  options=("--run", folder / "run"))  # fmt: skip
    assert isinstance(done.exception, GalleryError)
    assert "not enough signal to enroll" in str(done.exception)
    assert not (tmp_path / "none.h5").exists()


def test_identifying_with_a_gallery_loads_no_face_code() -> None:
    code = ("import sys, radarid.live.identify, radarid.live.gallery_file, radarid.live.enrolment;"
            "print(*sorted(sys.modules))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    faces = {"facenet_pytorch", "cv2", "capture.camera.faces", "radarid.learn.teacher",
             "radarid.learn.face_bank", "radarid.learn.composer", "radarid.learn.recipes"}
    assert "radarid.live.matcher" in loaded
    assert not loaded & faces


def test_of_two_walkers_nobody_knows_who_is_to_be_enrolled(folder: Path) -> None:
    plain = load_student(folder / "run")
    source = open_recording(folder / "raw" / "w1.bin", RADAR)
    other = open_recording(folder / "raw" / "w3.bin", RADAR)
    together = [replace(one, words=one.words + two.words)
                for one, two in zip(source, other, strict=True)]  # fmt: skip

    class Both:
        info = source.info

        def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
            return iter(together)

    student = replace(plain, dsp=replace(plain.dsp, max_walkers=2))
    assert [found.track for found in identify_recording(Both(), Decider(student))] == [0, 1]
    with pytest.raises(GalleryError, match="2 walkers.*alone"):
        enroll_recording(Both(), student, "anna", "day1")
    assert len(identify_recording(Both(), Decider(plain))) == 1
