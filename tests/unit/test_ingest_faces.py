"""Faces on their way into the store: which are kept, at what time, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from walk_files import DSP, recordings, write_walk

from capture.faces import FaceCrop
from radarid.data.ingest import IngestParams, ingest
from radarid.data.process import sharpest
from radarid.data.store import GaitStore


def crop(sharpness: float) -> FaceCrop:
    image = np.full((160, 160, 3), int(sharpness), np.uint8)
    return FaceCrop(image, 0.99, (0.0, 0.0, 9.0, 9.0), sharpness)


def test_the_sharpest_face_of_each_stretch_is_kept() -> None:
    faces = [(0.1 * k, crop(value)) for k, value in enumerate([1, 5, 2, 9, 8, 7, 3, 3, 4])]
    assert [face.sharpness for _, face in sharpest(faces, 3)] == [5, 9, 4]
    assert sharpest(faces, 9) == faces
    assert sharpest([], 3) == []


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    import cv2

    folder = tmp_path / "raw"
    write_walk(folder, "w1", camera="film", camera_offset_s=0.25)
    (folder / "film").mkdir()
    for k in range(30):
        cv2.imwrite(str(folder / "film" / f"{k}.png"), np.full((40, 40, 3), k, np.uint8))
    return folder


def test_faces_come_with_the_radar_s_time(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import capture.faces

    seen: list[int] = []

    def crop_stream(camera: object, *, every_n: int) -> list[tuple[float, FaceCrop]]:
        seen.append(every_n)
        pictures = list(camera)[::every_n]  # type: ignore[call-overload]
        return [(time_s, crop(float(image[0, 0, 0]))) for time_s, image in pictures]

    monkeypatch.setattr(capture.faces, "crop_stream", crop_stream)
    params = IngestParams(max_faces=5, looks_per_face=2)
    out = tmp_path / "gait.h5"
    report = ingest(recordings(filmed, "w1"), out, DSP, params)
    assert seen == [3]  # 30 pictures, 5 x 2 looks
    assert (report.done[0].n_faces, report.done[0].warnings) == (5, ())
    with GaitStore.open(out) as store:
        faces, crops = store.faces(), store.read_faces(range(5))
    # pictures 0 3 .. 27 at 10 a second; the later of two is the "sharper": 3 9 15 21 27
    assert crops[:, 0, 0, 0].tolist() == [3, 9, 15, 21, 27]
    assert np.allclose(faces.time_s, np.array([0.3, 0.9, 1.5, 2.1, 2.7]) + 0.25)
    assert set(faces.subject.tolist()) == {"anna"}


def test_a_film_without_a_face_is_told_and_a_missing_one_fails(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import capture.faces

    monkeypatch.setattr(capture.faces, "crop_stream", lambda *_, **__: [])
    report = ingest(recordings(filmed, "w1"), tmp_path / "a.h5", DSP)
    assert report.done[0].warnings == ("no face was found",)
    for picture in (filmed / "film").iterdir():
        picture.unlink()
    report = ingest(recordings(filmed, "w1"), tmp_path / "b.h5", DSP)
    assert "no picture in the folder" in report.failed[0].reason
    blind = IngestParams(faces=False)
    report = ingest(recordings(filmed, "w1"), tmp_path / "b.h5", DSP, blind)
    assert report.done[0].warnings == ()
