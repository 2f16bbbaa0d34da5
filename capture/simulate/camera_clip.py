"""The camera that watches a simulated walk: a video of the walker's face, drawn or real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from capture import seeding
from capture.camera.reader import image_files, natural_key, read_image, resize_image, write_video
from capture.errors import SimulationError
from capture.simulate.face_renderer import render_face
from capture.simulate.face_traits import draw_traits, draw_view

SIZE = 240
"""Width and height of the video, pixels."""

_MIN_PICTURE_PX = 64
_FACE_SHARE = 0.9  # of the video's height
_BACKGROUND = 30.0  # grey level
_BRIGHT = 200.0  # grey level of a photograph's 90th percentile


def assign_faces(subjects: Sequence[str], faces_dir: Path) -> dict[str, Path]:
    """Give every subject the pictures of one real person, never the same person twice.

    The subjects in natural order of their names take the folders in natural order of their paths,
    so the same two lists always give the same pairs.

    Parameters
    ----------
    subjects : names; repeated ones count once
    faces_dir : searched at any depth for folders that hold at least two pictures of 64 pixels or
        more directly

    Returns
    -------
    dict : subject -> folder of pictures of one person

    Raises
    ------
    SimulationError
        No such folder, or fewer people in it than subjects.
    """
    if not faces_dir.is_dir():
        raise SimulationError("no such folder of faces", where=faces_dir)
    folders = [path for path in (faces_dir, *faces_dir.rglob("*")) if path.is_dir()]
    people = [folder for folder in folders if len(_usable(folder)) > 1]
    people.sort(key=lambda folder: natural_key(folder.relative_to(faces_dir).as_posix()))
    names = sorted(set(subjects), key=natural_key)
    if len(people) < len(names):
        raise SimulationError(
            "not enough people among the face pictures", where=faces_dir,
            got=f"{len(people)} folders of pictures", expected=f"at least {len(names)}",
            remedy="fewer subjects, or drawn faces (no folder)",
        )
    return dict(zip(names, people, strict=False))


def write_clip(
    path: Path,
    subject: str,
    seed: int,
    duration_s: float,
    faces_dir: Path | None = None,
    fps: float = 2.0,
) -> Path:
    """Write the video of one walk.

    Parameters
    ----------
    path : ends in .avi
    subject : who walks; a drawn face depends on this name alone
    seed : of this walk: light, background, pose, mien, order of the pictures
    duration_s : float > 0, seconds
    faces_dir : folder of one person's pictures (see `assign_faces`); None for a drawn face
    fps : float > 0, pictures per second

    Returns
    -------
    Path : `path`

    Raises
    ------
    SimulationError
        No time for a picture, or no picture in the folder.
    CameraError
        A picture that cannot be read, or a path that cannot be written.
    """
    n_images = round(duration_s * fps) if duration_s > 0 and fps > 0 else 0
    if n_images < 1:
        raise SimulationError(
            "the clip is too short for a picture", where=path,
            got=f"{duration_s} s at {fps} pictures per second",
        )
    rng = seeding.rng(seed, "clip", subject)
    if faces_dir is None:
        write_video(path, _drawn(subject, rng, n_images), fps)
    else:
        write_video(path, _photographed(faces_dir, rng, n_images), fps)
    return path


def _usable(folder: Path) -> list[Path]:
    """Pictures of a folder; none when they are thumbnails, in which a face cannot be told."""
    files = image_files(folder)
    if files and min(read_image(files[0]).shape[:2]) < _MIN_PICTURE_PX:
        return []
    return files


def _drawn(subject: str, rng: np.random.Generator, n_images: int) -> Iterator[np.ndarray]:
    traits = draw_traits(subject)
    base = draw_view(rng)
    for _ in range(n_images):
        yield render_face(traits, draw_view(rng, base), SIZE)


def _photographed(
    folder: Path, rng: np.random.Generator, n_images: int
) -> Iterator[np.ndarray]:
    files = _usable(folder)
    if not files:
        raise SimulationError(
            "no pictures of one person", where=folder,
            expected=f"picture files of {_MIN_PICTURE_PX} pixels or more",
            remedy="give one of the folders that assign_faces names",
        )
    order = rng.permutation(len(files))
    for index in range(n_images):
        yield _framed(read_image(files[order[index % len(files)]]), rng)


def _framed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put a picture into the video's frame, in an oval on a dark, plain background.

    On plain grey MTCNN misses one in five of the tightly cropped faces of Extended Yale B, in a
    dark oval one in forty; the faces of ORL are found either way.
    """
    share = _FACE_SHARE * float(rng.uniform(0.97, 1.03))
    scale = SIZE * min(share / picture.shape[0], 1 / picture.shape[1])
    height, width = (round(side * scale) for side in picture.shape[:2])
    face = resize_image(picture, height, width).astype(np.float64)
    face *= _BRIGHT / max(float(np.percentile(face, 90)), 1.0) * rng.uniform(0.92, 1.08)
    y, x = np.mgrid[:height, :width]
    radius = np.hypot((x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1)
    oval = np.clip((1.2 - radius) * width / 30, 0, 1)[..., None]
    top, left = (
        int(np.clip((SIZE - side) // 2 + rng.integers(-3, 4), 0, SIZE - side))
        for side in (height, width)
    )
    frame = np.full((SIZE, SIZE, 3), _BACKGROUND)
    frame[top : top + height, left : left + width] += oval * (face - _BACKGROUND)
    return np.clip(np.round(frame), 0, 255).astype(np.uint8)
