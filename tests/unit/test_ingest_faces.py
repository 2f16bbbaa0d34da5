"""Faces on their way into the store: which are kept, at what time, and what is told of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner
from walk_files import DSP, recordings, write_walk

from capture.camera.face_params import FaceCounts, FaceParams
from capture.camera.faces import FaceCrop
from capture.camera.times import write_times
from capture.file.sidecar import LiveFacts, Sidecar, read_sidecar, write_sidecar
from radarid.cli import app
from radarid.data.ingest import IngestParams, ingest
from radarid.data.manifest import FactFinder, Facts, RawRecording, read_manifest
from radarid.data.process import camera_offset, sharpest
from radarid.data.store import GaitStore
from radarid.errors import IngestError

WINDOW = data.astronaut()[20:220, 130:330]  # one face


def crop(sharpness: float) -> FaceCrop:
    image = np.full((160, 160, 3), int(sharpness), np.uint8)
    return FaceCrop(image, 0.99, (0.0, 0.0, 9.0, 9.0), sharpness)


def test_the_sharpest_face_of_each_stretch_is_kept() -> None:
    faces = [(0.1 * k, crop(value)) for k, value in enumerate([1, 5, 2, 9, 8, 7, 3, 3, 4])]
    assert [face.sharpness for _, face in sharpest(faces, 3)] == [5, 9, 4]
    assert sharpest(faces, 9) == faces
    assert sharpest([], 3) == []


def film(folder: Path, images: list[np.ndarray], **facts: object) -> Path:
    raw = folder / "raw"
    write_walk(raw, "w1", camera="film", **facts)
    (raw / "film").mkdir()
    for k, image in enumerate(images):
        cv2.imwrite(str(raw / "film" / f"{k}.png"), image[..., ::-1])
    return raw


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    return film(tmp_path, [np.full((40, 40, 3), k, np.uint8) for k in range(30)],
                camera_offset_s=0.25)


def fake_detector(monkeypatch: pytest.MonkeyPatch, every: list[int]) -> None:
    """A face in every picture, as sharp as the picture is bright."""

    def crop_stream(
        camera: object, params: FaceParams, *, every_n: int, counts: FaceCounts
    ) -> list[tuple[float, FaceCrop]]:
        every.append(every_n)
        pictures = list(camera)[::every_n]  # type: ignore[call-overload]
        counts.n_images += len(pictures)
        counts.n_with_face += len(pictures)
        return [(time_s, crop(float(image[0, 0, 0]))) for time_s, image in pictures]

    monkeypatch.setattr("capture.camera.faces.crop_stream", crop_stream)


def test_faces_come_with_the_radar_s_time(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fake_detector(monkeypatch, seen)
    params = IngestParams(max_faces=5, looks_per_face=2)
    out = tmp_path / "gait.h5"
    report = ingest(recordings(filmed, "w1"), out, DSP, params)
    assert seen == [3]  # 30 pictures, 5 x 2 looks
    assert (report.done[0].n_faces, report.done[0].face_counts["n_images"]) == (5, 10)
    with GaitStore.open(out) as store:
        faces, crops, (entry,) = store.faces(), store.read_faces(range(5)), store.recordings()
    # pictures 0 3 .. 27 at 10 a second; the later of two is the "sharper": 3 9 15 21 27
    assert crops[:, 0, 0, 0].tolist() == [3, 9, 15, 21, 27]
    assert np.allclose(faces.time_s, np.array([0.3, 0.9, 1.5, 2.1, 2.7]) + 0.25)
    assert set(faces.subject.tolist()) == {"anna"}
    assert entry.evidence["camera_offset"] == "0.25 s, given"
    # The radar recorded 1.2 s: of 0.55, 1.15, 1.75, 2.35, 2.95 s three are later.
    assert report.done[0].warnings == (
        "3 of 5 faces were seen before or after the radar's recording "
        "(camera offset 0.25 s, given)",
    )


def test_a_film_without_a_face_is_told_and_a_missing_one_fails(
    filmed: Path, tmp_path: Path
) -> None:
    report = ingest(recordings(filmed, "w1"), tmp_path / "a.h5", DSP)
    assert report.done[0].warnings == ("no face was found in 30 pictures",)
    assert (report.done[0].n_clips, report.done[0].n_faces) == (3, 0)
    for picture in (filmed / "film").iterdir():
        picture.unlink()
    report = ingest(recordings(filmed, "w1"), tmp_path / "b.h5", DSP)
    assert "no picture in the folder" in report.failed[0].reason
    report = ingest(recordings(filmed, "w1"), tmp_path / "b.h5", DSP, IngestParams(faces="none"))
    assert report.done[0].warnings == ()


def test_no_face_is_a_warning_and_no_failure_of_the_command(filmed: Path, tmp_path: Path) -> None:
    settings = [f"--set={key}={getattr(DSP, key)}"
                for key in ("clip_s", "hop_s", "image_size", "window_chirps")]
    command = ["ingest", str(filmed / "w1.bin"), "--out", str(tmp_path / "gait.h5"), "-j", "1"]
    done = CliRunner().invoke(app, [*command, "--json", *settings])
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)["done"]
    assert told["warnings"] == ["no face was found in 30 pictures"]
    assert told["face_counts"]["n_images"] == 30


def test_what_became_of_real_faces_is_told(tmp_path: Path) -> None:
    two = np.concatenate([WINDOW, WINDOW], axis=1)
    one = np.concatenate([WINDOW, np.zeros_like(WINDOW)], axis=1)
    raw = film(tmp_path, [one, two, np.zeros_like(one)], camera_offset_s=0.0)
    report = ingest(recordings(raw, "w1"), tmp_path / "a.h5", DSP)
    assert report.done[0].n_faces == 2
    assert report.done[0].warnings == ("several faces in 1 of 3 pictures: the best was taken",)
    with GaitStore.open(tmp_path / "a.h5") as store:
        assert store.faces().n_in_view.tolist() == [1, 2]
        assert store.recordings()[0].face_counts == dict(report.done[0].face_counts)
    strict = IngestParams(detector=FaceParams(several="skip", min_size_px=150))
    report = ingest(recordings(raw, "w1"), tmp_path / "b.h5", DSP, strict)
    assert report.done[0].warnings == (
        "no face was found in 3 pictures (1 too small, 1 among several)",
        "several faces in 1 of 3 pictures: left out",
    )
    strict = IngestParams(detector=FaceParams(min_sharpness=1e6))
    report = ingest(recordings(raw, "w1"), tmp_path / "c.h5", DSP, strict)
    assert "3 too blurred" in report.done[0].warnings[0]


# -- when the camera started ----------------------------------------------------------------


@pytest.mark.parametrize(("given_s", "camera_s", "radar_s", "expected"), [
    (0.25, 100.0, 90.0, (0.25, "given")),
    (None, 100.5, 90.0, (10.5, "wall clock")),
    (None, None, 90.0, (0.0, "assumed: camera and radar start together")),
    (None, 100.5, None, (0.0, "assumed: camera and radar start together")),
])
def test_where_the_camera_s_offset_comes_from(
    given_s: float | None, camera_s: float | None, radar_s: float | None,
    expected: tuple[float, str],
) -> None:  # fmt: skip
    facts = Facts("anna", "s1", "t1", camera_offset_s=given_s, started_at_s=radar_s)
    assert camera_offset(facts, camera_s) == expected


def test_clocks_of_both_sides_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_detector(monkeypatch, [])
    raw = film(tmp_path, [np.full((40, 40, 3), 9, np.uint8)] * 3)
    place = Sidecar.path_for(raw / "w1.bin")
    live = LiveFacts(started_at="2026-11-21T12:00:00.500+01:00", complete=True, n_bytes=10**9)
    write_sidecar(place, dataclasses.replace(read_sidecar(place), live=live))
    write_times(raw / "film" / "times.csv", 1795258800.75 + np.array([0, 0.2, 0.6]))  # 11:00:00 UTC
    report = ingest(recordings(raw, "w1"), tmp_path / "gait.h5", DSP)
    assert report.done[0].warnings == ()
    with GaitStore.open(tmp_path / "gait.h5") as store:
        assert np.allclose(store.faces().time_s, [0.25, 0.45, 0.85])
        assert store.recordings()[0].evidence["camera_offset"] == "0.25 s, wall clock"


def test_an_unknown_start_is_assumed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_detector(monkeypatch, [])
    raw = film(tmp_path, [np.full((40, 40, 3), 9, np.uint8)] * 3)
    report = ingest(recordings(raw, "w1"), tmp_path / "gait.h5", DSP)
    assert ["nobody says when the camera started" in text for text in report.done[0].warnings] == [
        True
    ]


def test_offsets_of_manifest_option_and_sidecar_in_this_order(tmp_path: Path) -> None:
    path = write_walk(tmp_path / "raw", "w1", camera_offset_s=3.0)
    (tmp_path / "m.csv").write_text("file,subject,camera_offset_s\nraw/w1.bin,anna,1.5\n")
    recording = RawRecording("w1", (path,))
    rows = read_manifest(tmp_path / "m.csv")
    for finder, offset_s in (
        (FactFinder(manifest=rows, camera_offset_s=2.0), 1.5),
        (FactFinder(camera_offset_s=2.0), 2.0), (FactFinder(camera_offset_s=0.0), 0.0),
        (FactFinder(), 3.0),
    ):  # fmt: skip
        assert finder(recording).camera_offset_s == offset_s
    (tmp_path / "m.csv").write_text("file,subject,camera_offset_s\nraw/w1.bin,anna,soon\n")
    with pytest.raises(IngestError, match="not a camera offset in seconds; got soon"):
        FactFinder(manifest=read_manifest(tmp_path / "m.csv"))(recording)
