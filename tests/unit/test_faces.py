"""MTCNN finds real faces, cuts them as the teacher wants them, and counts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from capture.camera.faces import FaceCounts, FaceCropper, FaceParams, crop_stream, sharpness
from capture.camera.reader import Camera, CameraInfo, image_files, read_image, resize_image
from capture.errors import CameraError, ConfigError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
ASTRONAUT = data.astronaut()
FACE = (175.0, 60.0, 272.0, 178.0)  # hairline to chin, ear to ear; read off the picture by eye


@pytest.fixture(scope="module")
def cropper() -> FaceCropper:
    return FaceCropper()


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (sum(area) - common)


def test_face_of_a_known_picture(cropper: FaceCropper) -> None:
    (faces,) = cropper.crop([ASTRONAUT])
    assert len(faces) == 1
    face = faces[0]
    assert iou(face.box, FACE) > 0.7
    assert face.confidence > 0.99
    assert face.image.shape == (160, 160, 3)
    assert face.image.dtype == np.uint8
    x1, y1, x2, y2 = (round(edge) for edge in face.box)
    region = ASTRONAUT[y1:y2, x1:x2].mean(axis=(0, 1))
    np.testing.assert_allclose(face.image.mean(axis=(0, 1)), region, atol=2)  # RGB stays RGB


def test_one_batch_may_mix_faces_no_face_several_faces_and_sizes(cropper: FaceCropper) -> None:
    top = ASTRONAUT[:256]
    images = [ASTRONAUT, np.zeros_like(ASTRONAUT), np.concatenate([top, top]), top,
              np.zeros((5, 9, 3), np.uint8)]
    faces = cropper.crop(images)
    assert [len(found) for found in faces] == [1, 0, 2, 1, 0]
    lower = sorted(faces[2], key=lambda face: face.box[1])[1]
    assert iou(lower.box, (FACE[0], FACE[1] + 256, FACE[2], FACE[3] + 256)) > 0.7


def test_best_face_is_the_larger_one(cropper: FaceCropper) -> None:
    small = resize_image(ASTRONAUT[:256], 128, 256)
    small = np.concatenate([small, np.zeros((128, 256, 3), np.uint8)], axis=1)
    (faces,) = cropper.crop([np.concatenate([small, ASTRONAUT[:256]])])
    assert len(faces) == 2
    assert faces[0].box[3] - faces[0].box[1] > 1.5 * (faces[1].box[3] - faces[1].box[1])


def test_boxes_of_small_pictures_are_in_their_own_pixels(cropper: FaceCropper) -> None:
    window = ASTRONAUT[20:220, 130:330]
    (faces,) = cropper.crop([resize_image(window, 80, 80)])  # 80 < 160: enlarged for the detector
    x1, y1, x2, y2 = FACE
    in_window = ((x1 - 130) * 0.4, (y1 - 20) * 0.4, (x2 - 130) * 0.4, (y2 - 20) * 0.4)
    assert iou(faces[0].box, in_window) > 0.7


def test_margin_widens_the_crop() -> None:
    # margin / (size - margin) = 1 / 3 of the box is added on both sides together.
    (plain,), (wide,) = (
        FaceCropper(FaceParams(margin=margin)).crop([ASTRONAUT])[0] for margin in (0, 40)
    )
    inner = resize_image(wide.image[20:140, 20:140], 160, 160)
    difference = np.abs(inner.astype(int) - plain.image.astype(int))
    assert difference.mean() < 8


def test_confidence_threshold_is_obeyed() -> None:
    strict = FaceCropper(FaceParams(min_confidence=0.9999999))
    assert strict.crop([ASTRONAUT]) == [[]]  # one face, but no score of this kind reaches 1


def test_sharpness_by_hand_and_by_blur() -> None:
    # One white pixel on black: the Laplacian over the 3x3 inner pixels is -4 a once, a four
    # times, 0 four times: mean 0, variance 20 a^2 / 9.
    spot = np.zeros((5, 5, 3), np.uint8)
    spot[2, 2] = 90
    assert sharpness(spot) == pytest.approx(20 * 90**2 / 9)
    face = ASTRONAUT[62:172, 181:268]
    blurred = resize_image(resize_image(face, 20, 20), 110, 87)
    assert sharpness(blurred) < sharpness(face) / 4


def stream(images: list[np.ndarray]) -> Camera:
    info = CameraInfo("test", 10.0, images[0].shape[1], images[0].shape[0], len(images))
    return Camera(info, lambda: ((k / 10, image) for k, image in enumerate(images)))


def test_stream_gives_the_best_face_of_each_picture_at_its_time() -> None:
    face, none = ASTRONAUT[20:220, 130:330], np.zeros((200, 200, 3), np.uint8)
    camera = stream([face, none, face, none, none, face])
    assert [time_s for time_s, _ in crop_stream(camera)] == [0.0, 0.2, 0.5]
    assert [time_s for time_s, _ in crop_stream(camera, max_faces=2)] == [0.0, 0.2]
    assert [time_s for time_s, _ in crop_stream(camera, every_n=2)] == [0.0, 0.2]
    assert crop_stream(stream([none])) == []
    with pytest.raises(CameraError, match="at least 1; got 0 and None"):
        crop_stream(camera, every_n=0)


def test_not_a_picture(cropper: FaceCropper) -> None:
    with pytest.raises(CameraError, match=r"image 1 is not an RGB picture; got float64 \(9, 9\)"):
        cropper.crop([ASTRONAUT, np.zeros((9, 9))])


def beside(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts, axis=1)


def test_every_face_is_taken_or_counted_with_the_reason() -> None:
    # Left to right: a face of 97 pixels, one of half that size, one blurred beyond use.
    window = ASTRONAUT[20:220, 130:330]
    half = np.zeros_like(window)
    half[:100, :100] = resize_image(window, 100, 100)
    dim = resize_image(resize_image(window, 20, 20), 200, 200)
    pictures = [beside(window, half), beside(half, half), beside(dim, half), beside(half, dim)]
    pictures.append(np.zeros_like(pictures[0]))
    found = {}
    for several in ("best", "skip"):
        counts = FaceCounts()
        cropper = FaceCropper(FaceParams(min_size_px=60, min_sharpness=5.0, several=several))
        faces = cropper.crop(pictures, counts)
        found[several] = [len(crops) for crops in faces], counts
    assert found["best"][0] == [1, 0, 0, 0, 0]
    assert found["skip"][0] == [0, 0, 0, 0, 0]
    best = found["best"][1].as_dict()
    n_dim = best["n_blurred"] + best["n_unsure"]  # the detector may have doubts about a blur
    assert n_dim == 2
    assert (best["n_images"], best["n_with_face"]) == (5, 1)
    assert best["n_several"] == 2 + best["n_blurred"]
    assert (best["n_small"], best["n_skipped"]) == (1 + 2 + 1 + 1, 0)
    assert found["skip"][1].n_skipped == found["skip"][1].n_several == best["n_several"]


def test_a_face_knows_how_many_were_in_view(cropper: FaceCropper) -> None:
    window = ASTRONAUT[20:220, 130:330]
    (two,) = cropper.crop([beside(window, window)])
    assert [face.n_in_view for face in two] == [2, 2]
    (one,) = cropper.crop([window])
    assert [face.n_in_view for face in one] == [1]


@pytest.mark.parametrize("wrong", [
    {"margin": 160}, {"factor": 1.0}, {"min_face_px": 5}, {"min_size_px": -1.0},
    {"min_sharpness": -1.0},
])
def test_params_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="out of range|must not be below"):
        FaceParams(**wrong)


@needs_shared
def test_real_faces_of_orl_are_found(cropper: FaceCropper) -> None:
    people = sorted((SHARED / "faces" / "orl").glob("s*"))[::2]
    images = [read_image(image_files(person)[k % 10]) for k, person in enumerate(people)]
    faces = cropper.crop(images)
    assert sum(len(found) == 1 for found in faces) >= 19  # of 20; each shows one person
