"""Galleries: what goes in comes out, what is removed is gone, and nothing else fits."""

from __future__ import annotations

import functools
import json
from dataclasses import fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from galleries import Crowd, gallery

from capture.config import RadarConfig
from radarid.dsp.params import DspParams
from radarid.errors import GalleryError, StoreError
from radarid.learn import openset
from radarid.learn.student_file import TrainedStudent
from radarid.learn.students import InputParams, Student, build_student
from radarid.live.gallery import Gallery, MatchParams, to_templates
from radarid.live.gallery_file import change_gallery, create_gallery, is_gallery, read_gallery
from radarid.live.gallery_report import export, people, verify


@pytest.fixture
def known() -> Gallery:
    crowd = Crowd(np.random.default_rng(2), spread=0.05, scatter=0.05)
    return gallery(crowd, {name: crowd.person() for name in ("anna", "bob", "çelik")},
                   MatchParams(norm="s", false_accept_rate=0.1))  # fmt: skip


@pytest.fixture
def path(known: Gallery, tmp_path: Path) -> Path:
    create_gallery(tmp_path / "g.h5", known)
    return tmp_path / "g.h5"


def assert_same(one: Gallery, other: Gallery) -> None:
    for each in fields(Gallery):
        a, b = getattr(one, each.name), getattr(other, each.name)
        if each.name in ("templates", "background"):
            for column in fields(a):
                np.testing.assert_array_equal(getattr(a, column.name), getattr(b, column.name))
        else:
            assert a == b, each.name


def test_templates_are_mean_directions_by_hand() -> None:
    clips = np.array([[3.0, 0, 0], [0, 0.5, 0], [0, 0, 2], [0, 0, 7]])
    found = to_templates(clips, ["towards", "towards", "away", "away"], "anna", "d1", "r1")
    root = np.sqrt(0.5)
    np.testing.assert_allclose(found.embedding, [[0, 0, 1], [root, root, 0]], atol=1e-7)
    assert found.direction.tolist() == ["away", "towards"]
    assert found.n_clips.tolist() == [2, 2]
    with pytest.raises(GalleryError, match="not enough signal"):
        to_templates(np.empty((0, 3)), [], "anna", "d1", "r1")


def test_a_file_gives_back_what_was_written(known: Gallery, path: Path) -> None:
    assert_same(read_gallery(path), known)
    assert is_gallery(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob("*.partial"))
    with h5py.File(path) as file:  # and any reader of HDF5 can open it
        assert file["templates/subject"][0].decode() == "anna"
    create_gallery(path.with_name("e.h5"), known.remove("anna").remove("bob").remove("çelik"))
    assert read_gallery(path.with_name("e.h5")).subjects == ()


def test_nothing_of_the_removed_is_left_in_the_file(known: Gallery, path: Path) -> None:
    own = known.templates.of(["çelik"])
    traces = ["çelik".encode(), *(str(r).encode() for r in own.recording)]
    traces += [row[k : k + 2].tobytes() for row in own.embedding for k in range(15)]
    data = path.read_bytes()
    assert all(trace in data for trace in traces)
    left = change_gallery(path, lambda known: known.remove("çelik"))
    data = path.read_bytes()
    assert not any(trace in data for trace in traces)
    assert left.subjects == read_gallery(path).subjects == ("anna", "bob")
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_is_enrolled_is_no_stranger_any_more(known: Gallery) -> None:
    name = known.background.people[0]
    walk = to_templates(np.eye(16)[:2], ["away"] * 2, name, "d", "r" * 16)
    enrolled = known.enroll(walk)
    assert name in enrolled.subjects
    assert name not in enrolled.background.people
    with pytest.raises(GalleryError, match=f"cannot stand for strangers; got {name}"):
        replace(known, templates=walk)


def test_what_cannot_be_enrolled_or_removed(known: Gallery) -> None:
    again = known.templates.of(["bob"])
    with pytest.raises(GalleryError, match="enrolled already.*got as bob.*gallery remove bob"):
        known.enroll(replace(again, subject=np.full(len(again), "dora")))
    for name in ("", "  ", "a\x1b[2J", "x" * 101, "two\nlines"):
        with pytest.raises(GalleryError, match="not a name"):
            known.enroll(to_templates(np.eye(16)[:1], ["away"], name, "d", "q" * 16))
    with pytest.raises(GalleryError, match="nobody of this name.*got dora; expected one of anna"):
        known.remove("dora")


def test_a_failed_change_leaves_the_file(known: Gallery, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(GalleryError, match="nobody of this name"):
        change_gallery(path, lambda known: known.remove("dora"))
    assert path.read_bytes() == before
    other = path.with_name("g.h5.partial")
    other.touch()
    with pytest.raises(GalleryError, match="wait for the other radarid.*delete"):
        change_gallery(path, lambda known: known.remove("bob"))
    assert path.read_bytes() == before
    other.unlink()
    with pytest.raises(GalleryError, match="exists already"):
        create_gallery(path, known)
    with pytest.raises(GalleryError, match="cannot be read: No such file.*radarid enroll"):
        read_gallery(path.with_name("none.h5"))


@functools.cache
def network(seed: int) -> Student:
    torch.manual_seed(seed)
    return build_student("resnet18", "repeat", 2)


def student(seed: int = 0, **changes: object) -> TrainedStudent:
    facts: dict[str, object] = {
        "name": "resnet18", "input": InputParams(size=32), "subjects": ("a", "b"),
        "radar": RadarConfig(), "dsp": DspParams(), "templates": np.eye(2, 512),
        "calibration": openset.Calibration(0, 0, 0, 1, 1), "facts": {},
    }  # fmt: skip
    return TrainedStudent(network(seed), **facts | changes)  # type: ignore[arg-type]


def test_only_the_student_that_made_it_fits(known: Gallery) -> None:
    own = student()
    known = replace(known, model=own.fingerprint)
    known.require(own)
    known.require(student(dsp=DspParams(max_walkers=2)))  # each walker is drawn alike
    assert student().fingerprint == own.fingerprint
    with pytest.raises(GalleryError, match="another student.*remedy name its --run or --model"):
        known.require(student(seed=1))
    with pytest.raises(GalleryError, match="made by another student"):
        known.require(student(input=InputParams(size=64)))
    with pytest.raises(GalleryError, match="gallery != student.*n_samples"):
        known.require(student(radar=RadarConfig(n_samples=128)))
    with pytest.raises(GalleryError, match="gallery != student.*span_db"):
        known.require(student(dsp=DspParams(span_db=30.0)))


def test_export_and_list(known: Gallery, tmp_path: Path) -> None:
    assert people(known)[0] == {
        "subject": "anna", "n_templates": 4, "n_clips": 8, "sessions": ["day0", "day1"],
        "directions": ["away", "towards"],
    }  # fmt: skip
    out = tmp_path / "bob.json"
    export(known, out, "bob")
    assert out.stat().st_mode & 0o777 == 0o600
    table = json.loads(out.read_text())
    assert {row["subject"] for row in table["templates"]} == {"bob"}
    rows = np.array([row["embedding"] for row in table["templates"]], np.float32)
    np.testing.assert_array_equal(rows, known.templates.of(["bob"]).embedding)
    with pytest.raises(StoreError, match="exists already"):
        export(known, out)
    with pytest.raises(GalleryError, match="nobody of this name"):
        export(known, tmp_path / "none.json", "dora")


def test_verify_says_what_decisions_are_worth(known: Gallery, path: Path) -> None:
    report = verify(known, path)
    assert report.threshold is not None
    assert report.threshold.calibration.n_strangers == 32
    assert not any("others can read" in each for each in report.remarks)
    few = verify(known.with_params(MatchParams(false_accept_rate=0.001)), path)
    assert "32 walks of strangers are few to promise 0.1% false accepts" in few.remarks
    optimistic = verify(replace(known, source="trained on", key_id="0" * 16), path)
    assert any("trained on" in each for each in optimistic.remarks)
    path.chmod(0o644)
    assert f"others can read it: chmod 600 {path}" in verify(known, path).remarks
    swapped = np.where(np.arange(len(known.templates)) == 0, "bob", known.templates.subject)
    mixed = replace(known, templates=replace(known.templates, subject=swapped))
    assert any("a walk of bob (day0, away) is more like anna" in each
               for each in verify(mixed, path).remarks)  # fmt: skip
