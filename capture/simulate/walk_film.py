"""A walker filmed from where the radar stands: what a camera beside it would have seen.

A pinhole camera at the radar's place looks along boresight. The body is drawn as capsules between
its joints, the head as a disc with the walker's face when it comes nearer. Unlike
`camera_clip`, which shows a face as large as the picture, this film moves as the walker does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from capture import seeding
from capture.camera.reader import resize_image, write_video
from capture.simulate.face_renderer import render_face
from capture.simulate.face_traits import draw_traits, draw_view
from capture.simulate.motion import BodyMotion, Floats

WIDTH, HEIGHT = 480, 360
_FOCAL_PX = 400.0
_EYE_LEVEL_M = 1.2
_HORIZON_PX = 150.0
_NOISE = 2.0  # grey levels
_HEAD_M = 0.13
_LIMBS = (
    ("l_hip", "l_knee", 0.085), ("l_knee", "l_ankle", 0.06), ("l_ankle", "l_toe", 0.045),
    ("r_hip", "r_knee", 0.085), ("r_knee", "r_ankle", 0.06), ("r_ankle", "r_toe", 0.045),
    ("pelvis", "chest", 0.16), ("l_shoulder", "r_shoulder", 0.09), ("chest", "neck", 0.1),
    ("l_shoulder", "l_elbow", 0.055), ("l_elbow", "l_wrist", 0.045),
    ("r_shoulder", "r_elbow", 0.055), ("r_elbow", "r_wrist", 0.045),
)  # fmt: skip
"""Joints between which the body is drawn, legs first, and its radius there, metres."""
_N_LEG_PARTS = 6


def write_film(
    path: Path, placed: BodyMotion, subject: str, seed: int, *, start_s: float, n_images: int,
    fps: float = 15.0,
) -> Path:  # fmt: skip
    """Film a walk.

    Parameters
    ----------
    path : ends in .avi
    placed : the motion in room coordinates (see `scene.place`); before its first time and after
        its last the walker stands still
    subject : who walks; the face depends on this name alone
    seed : of clothes, room and the camera's noise
    start_s : time of the first picture on the motion's clock, seconds
    n_images : pictures
    fps : pictures per second

    Returns
    -------
    Path : `path`

    Raises
    ------
    CameraError
        A path that cannot be written, or no picture.
    """
    time_s = start_s + np.arange(n_images) / fps
    seen_s = np.clip(time_s, placed.time_s[0], placed.time_s[-1])
    position_m = dict(zip(placed.joints, np.moveaxis(placed.at(seen_s), 1, 0), strict=True))
    write_video(path, _pictures(position_m, subject, seeding.rng(seed, "film", subject)), fps)
    return path


def _pictures(
    position_m: dict[str, Floats], subject: str, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    coarse = rng.uniform(125, 165, (9, 12, 1)) + rng.uniform(-12, 12, 3)
    room = resize_image(coarse.astype(np.uint8), HEIGHT, WIDTH).astype(np.float32)
    trousers, shirt = rng.uniform(15, 75, 3), rng.uniform(40, 235, 3)
    shades = rng.uniform(0.85, 1.1, (len(_LIMBS), 1))
    legs = np.arange(len(_LIMBS))[:, None] < _N_LEG_PARTS
    clothes = (shades * np.where(legs, trousers, shirt)).astype(np.float32)
    face = render_face(draw_traits(subject), draw_view(rng), 2 * WIDTH)
    range_m = np.linalg.norm(position_m["pelvis"][:, :2], axis=1)
    comes = range_m[-1] < range_m[0]
    for k in range(len(range_m)):
        picture = room.copy()
        order = np.argsort([-position_m[a][k, 1] - position_m[b][k, 1] for a, b, _ in _LIMBS])
        for limb in order:
            start, end, radius_m = _LIMBS[limb]
            _draw(picture, position_m[start][k], position_m[end][k], radius_m, clothes[limb])
        _draw_head(picture, position_m["head"][k], face if comes else None)
        picture += rng.normal(0, _NOISE, (HEIGHT, WIDTH, 1)).astype(np.float32)
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _project(point_m: Floats) -> tuple[float, float, float]:
    """Column and row of a point in the picture, and pixels per metre at its depth."""
    scale = _FOCAL_PX / max(float(point_m[1]), 0.3)
    return (WIDTH / 2 + scale * float(point_m[0]),
            _HORIZON_PX - scale * (float(point_m[2]) - _EYE_LEVEL_M), scale)


def _draw(
    picture: np.ndarray, start_m: Floats, end_m: Floats, radius_m: float, colour: np.ndarray
) -> None:
    """Paint a capsule with soft edges."""
    (x0, y0, s0), (x1, y1, s1) = _project(start_m), _project(end_m)
    radius = radius_m * (s0 + s1) / 2
    left, right = (int(np.clip(edge, 0, WIDTH)) for edge in
                   (min(x0, x1) - radius - 2, max(x0, x1) + radius + 3))
    top, bottom = (int(np.clip(edge, 0, HEIGHT)) for edge in
                   (min(y0, y1) - radius - 2, max(y0, y1) + radius + 3))
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    cover = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    picture[top:bottom, left:right] += cover * (colour - picture[top:bottom, left:right])


def _draw_head(picture: np.ndarray, head_m: Floats, face: np.ndarray | None) -> None:
    """Paint a head: from behind a disc of hair, from the front the walker's face."""
    if face is None:
        _draw(picture, head_m, head_m, _HEAD_M, np.array([50, 40, 35], np.float32))
        return
    x, y, scale = _project(head_m)
    side = max(4, round(3.4 * _HEAD_M * scale))
    left, top = round(x - side / 2), round(y - side / 2)
    small = resize_image(face, side, side).astype(np.float32)
    v, u = np.mgrid[:side, :side]
    disc = np.hypot((u + 0.5) / side * 2 - 1, (v + 0.5) / side * 2 - 1)
    cover = np.clip((0.72 - disc) * side / 4, 0, 1)[..., None]
    rows = slice(max(0, top), min(HEIGHT, top + side))
    columns = slice(max(0, left), min(WIDTH, left + side))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    inner = (slice(rows.start - top, rows.stop - top),
             slice(columns.start - left, columns.stop - left))
    picture[rows, columns] += cover[inner] * (small[inner] - picture[rows, columns])
