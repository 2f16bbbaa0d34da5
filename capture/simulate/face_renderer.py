"""Pictures of made-up people that a real face detector and a real face network accept as faces.

A face is a height map (skull, brows, nose, lips, cheeks, chin) lit by one lamp, with an albedo map
(skin, eyes, lips, hair, glasses) painted on it. Coordinates: u to the right, v downwards, in units
of half the face's height; (0, 0) is the middle of the face, v = -1 the crown, v = 1 the chin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.simulate.face_traits import Colour, FaceTraits, FaceView

_DEPTH = 0.8
"""Depth of the skull in front of its outline, in half face heights."""
_WHITE = (0.90, 0.88, 0.86)
_DARK = (0.05, 0.04, 0.04)


@dataclass
class _Canvas:
    """The picture being made.

    Attributes
    ----------
    u, v : float32 arrays (size, size), coordinates of the head's outline
    x, y : the same, moved with the pose by the depth at each place: coordinates of the features
    inside : signed distance to the face's outline, positive inside
    px : size of a pixel in these coordinates
    albedo : float32 array (3, size, size)
    height : float32 array (size, size), towards the camera
    """

    u: np.ndarray
    v: np.ndarray
    x: np.ndarray
    y: np.ndarray
    inside: np.ndarray
    px: float
    albedo: np.ndarray
    height: np.ndarray

    def cover(self, distance: np.ndarray, softness: float = 0.0) -> np.ndarray:
        """Coverage in [0, 1] of a shape given by its signed distance (positive inside)."""
        return np.clip(distance / (self.px + softness) + 0.5, 0, 1)

    def paint(self, mask: np.ndarray, colour: Colour | np.ndarray) -> None:
        """Blend a colour, or one for each pixel, over the albedo, by the mask."""
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size:
            part = slice(rows[0], rows[-1] + 1)
            paint = np.asarray(colour, dtype=np.float32)
            paint = paint[:, None, None] if paint.ndim == 1 else paint[:, part]
            self.albedo[:, part] += mask[part] * (paint - self.albedo[:, part])

    def bump(self, u: float, v: float, a: float, b: float) -> np.ndarray:
        """Gaussian hill of height 1 and half-widths a, b at (u, v) of the face."""
        return np.exp(-(((self.x - u) / a) ** 2) - ((self.y - v) / b) ** 2)

    def ellipse(self, u: float, v: float, a: float, b: float, angle: float = 0.0) -> np.ndarray:
        """Signed distance to an ellipse on the face; exact on its edge, nearly so elsewhere."""
        x, y = _turn(self.x - u, self.y - v, angle)
        return (1 - np.hypot(x / a, y / b)) * min(a, b)


def _turn(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def render_face(traits: FaceTraits, view: FaceView, size: int = 240) -> np.ndarray:
    """Render a head and shoulders.

    Parameters
    ----------
    traits : who
    view : how; see `draw_view`
    size : width and height, pixels

    Returns
    -------
    uint8 array, shape (size, size, 3), RGB
    """
    canvas = _blank(traits, view, size)
    _body(canvas, traits, view)
    _hair_behind(canvas, traits)
    _skin(canvas, traits)
    _relief(canvas, traits)
    _eyes(canvas, traits, view)
    _nose(canvas, traits)
    _mouth(canvas, traits, view)
    _beard(canvas, traits)
    _hair_in_front(canvas, traits)
    _glasses(canvas, traits)
    return _develop(canvas, view)


def _blank(traits: FaceTraits, view: FaceView, size: int) -> _Canvas:
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    u, v = np.meshgrid((grid - view.centre[0]) / view.scale, (grid - view.centre[1]) / view.scale)
    u, v = _turn(u, v, view.roll_rad)
    width = traits.face_width * (1 - traits.jaw * np.clip(v, 0, 1) ** 2)
    power = traits.squareness
    radius = (np.abs(u / width) ** power + np.abs(v) ** power) ** (1 / power)
    depth = _DEPTH * np.sqrt(np.clip(1 - radius**2, 0, 1) + np.float32(0.02))
    shift = np.where(radius < 1, depth, depth.min())
    return _Canvas(
        u=u, v=v, x=u - np.sin(view.yaw_rad) * shift, y=v - np.sin(view.pitch_rad) * shift,
        inside=(1 - radius) * traits.face_width, px=1 / (size * view.scale),
        albedo=np.empty((3, size, size), np.float32), height=depth,
    )


def _body(c: _Canvas, traits: FaceTraits, view: FaceView) -> None:
    """Background, shoulders and neck."""
    fall = 1 + (0.10 * np.tanh(c.v * 0.5) + 0.06 * c.u) * view.light[0]
    c.albedo[:] = np.array(view.background, dtype=np.float32)[:, None, None] * fall
    shoulders = (1 - np.hypot(c.u / 1.75, (c.v - 2.15) / 1.0)) * 1.0
    c.paint(c.cover(shoulders), np.multiply(view.clothes, 0.9))
    neck = np.minimum(0.66 * traits.face_width - np.abs(c.u), 1.38 - 0.3 * c.u**2 - c.v)
    c.paint(c.cover(np.minimum(neck, c.v)), np.multiply(traits.skin, 0.72))


def _streaks(c: _Canvas, traits: FaceTraits) -> np.ndarray:
    """Hair colour with strands, float32 (3, size, size)."""
    angle = np.arctan2(c.u, 1.4 - c.v)
    strands = np.sin(90 * angle + 3 * np.sin(7 * c.v)) * np.sin(37 * angle + 2.0 * c.v)
    shine = 0.25 * np.exp(-(((c.v + 0.85) / 0.18) ** 2))
    colour = np.asarray(traits.hair, dtype=np.float32)
    return (1 + 0.16 * strands + shine) * colour[:, None, None] + np.float32(0.012)


def _hair_behind(c: _Canvas, traits: FaceTraits) -> None:
    if traits.hair_style == "bald":
        return
    wide = traits.face_width * 1.16
    shape = (1 - np.hypot(c.u / wide, (c.v + 0.12) / 1.02)) * 0.8
    if traits.hair_style == "long":
        fall = np.minimum(wide * 1.04 - np.abs(c.u), 1.25 - c.v)
        shape = np.maximum(shape, np.minimum(fall, c.v + 0.2))
    elif traits.hair_style == "bun":
        shape = np.maximum(shape, (1 - np.hypot(c.u / 0.36, (c.v + 1.15) / 0.30)) * 0.3)
    c.paint(c.cover(shape, 0.02), _streaks(c, traits) * 0.8)


def _skin(c: _Canvas, traits: FaceTraits) -> None:
    for side in (-1, 1):
        u = side * traits.face_width * 0.99 - c.u
        ear = (1 - np.hypot(u / (traits.ear_size * 0.75), (c.v - 0.02) / (traits.ear_size * 1.5)))
        c.paint(c.cover(ear * traits.ear_size), np.multiply(traits.skin, 0.85))
    c.paint(c.cover(c.inside, 0.02), traits.skin)
    red = np.multiply(traits.skin, (1.0, 0.80, 0.78))
    for side in (-1, 1):
        blush = c.bump(side * 0.55 * traits.face_width, 0.28, 0.2, 0.17)
        c.paint(0.35 * blush * c.cover(c.inside), red)


def _relief(c: _Canvas, traits: FaceTraits) -> None:
    """Height of brows, eye sockets, nose, cheeks, mouth and chin."""
    nose = traits.nose_width
    along = np.clip((c.y - traits.eye_height) / (traits.nose_tip - traits.eye_height), 0, 1)
    ridge = np.exp(-((c.x / (0.05 + 0.05 * along)) ** 2))
    end = c.cover(traits.nose_tip - c.y, 0.09) * c.cover(c.y - traits.eye_height + 0.1, 0.2)
    c.height += (0.3 + 0.7 * along) * traits.nose_bridge * ridge * end
    c.height += 0.11 * c.bump(0, traits.nose_tip - 0.02, nose * 0.55, 0.065)
    for side in (-1, 1):
        eye_u = side * traits.eye_spread
        c.height += 0.07 * c.bump(side * nose * 0.85, traits.nose_tip, nose * 0.42, 0.05)
        c.height -= 0.10 * c.bump(eye_u * 0.92, traits.eye_height, 0.17, 0.10)
        c.height += 0.05 * c.bump(eye_u, traits.eye_height, traits.eye_width, 0.07)
        c.height += 0.06 * c.bump(eye_u, traits.eye_height - traits.brow_height, 0.20, 0.06)
        cheek = (0.03 + 0.07 * traits.cheeks)
        c.height += cheek * c.bump(side * 0.62 * traits.face_width, 0.20, 0.17, 0.16)
    mouth = traits.mouth_height
    c.height += 0.04 * c.bump(0, mouth, 0.24, 0.16)
    c.height -= 0.04 * c.bump(0, mouth + 0.15, 0.15, 0.035)
    c.height += (0.03 + 0.06 * traits.chin) * c.bump(0, mouth + 0.28, 0.16, 0.11)


def _eyes(c: _Canvas, traits: FaceTraits, view: FaceView) -> None:
    shade = np.multiply(traits.skin, (0.72, 0.66, 0.64))
    opening = traits.eye_opening * (1 - 0.75 * view.blink)
    for side in (-1, 1):
        u, v = side * traits.eye_spread, traits.eye_height
        tilt = -side * traits.eye_tilt
        c.paint(0.55 * c.bump(u, v - 0.01, traits.eye_width * 1.25, 0.095), shade)
        x, y = _turn(c.x - u, c.y - v, tilt)
        lid = 1 - (x / traits.eye_width) ** 2
        eye = np.minimum(y + opening * lid, 0.75 * opening * lid - y)
        open_mask = c.cover(eye)
        c.paint(open_mask, _WHITE)
        radius = 0.46 * traits.eye_width
        iris = radius - np.hypot(x, y + 0.008)
        c.paint(open_mask * c.cover(iris), np.multiply(traits.iris, 1.1))
        c.paint(open_mask * c.cover(iris - 0.55 * radius), _DARK)
        glint = 0.018 - np.hypot(x + 0.35 * radius, y + 0.4 * radius)
        c.paint(0.85 * open_mask * c.cover(glint), _WHITE)
        upper = 0.016 - np.abs(y + opening * lid - 0.004)
        c.paint(0.9 * c.cover(np.minimum(upper, (lid + 0.05) * 0.1), 0.01), _DARK)
        crease = 0.008 - np.abs(y + opening * lid + 0.035)
        c.paint(0.5 * c.cover(np.minimum(crease, lid * 0.1), 0.01), shade * 0.8)
        lower = 0.006 - np.abs(y - 0.75 * opening * lid)
        c.paint(0.45 * c.cover(np.minimum(lower, lid * 0.1), 0.008), shade * 0.7)
        _brow(c, traits, side)


def _brow(c: _Canvas, traits: FaceTraits, side: int) -> None:
    u = side * traits.eye_spread * 1.02
    v = traits.eye_height - traits.brow_height
    x, y = _turn(c.x - u, c.y - v, -side * traits.brow_angle)
    half = traits.eye_width * 1.35
    arch = y - 0.9 * x**2 / half + 0.02
    thickness = traits.brow_thickness * (1 - 0.45 * np.clip(side * x / half, -0.3, 1))
    brow = np.minimum(thickness - np.abs(arch), half - np.abs(x))
    c.paint(0.85 * c.cover(brow, 0.02), np.multiply(traits.hair, 0.7) + 0.02)


def _nose(c: _Canvas, traits: FaceTraits) -> None:
    dark = np.multiply(traits.skin, (0.42, 0.32, 0.30))
    v = traits.nose_tip + 0.035
    for side in (-1, 1):
        nostril = c.ellipse(side * traits.nose_width * 0.48, v, traits.nose_width * 0.26, 0.020,
                            side * 0.3)
        c.paint(0.85 * c.cover(nostril, 0.012), dark)
        wing = 0.010 - np.abs(np.hypot((c.x - side * traits.nose_width * 0.72)
                                       / traits.nose_width * 0.16, c.y - v + 0.03) - 0.052)
        outer = np.minimum(wing, side * c.x - traits.nose_width * 0.75)
        c.paint(0.45 * c.cover(np.minimum(outer, 0.05 - np.abs(c.y - v + 0.02)), 0.012), dark)
    c.paint(0.35 * c.bump(0, v + 0.02, traits.nose_width * 0.9, 0.025), dark)


def _mouth(c: _Canvas, traits: FaceTraits, view: FaceView) -> None:
    natural = np.multiply(traits.skin, (0.80, 0.58, 0.56))
    lips = natural + traits.lip_redness * 0.45 * (np.array((0.66, 0.22, 0.24)) - natural)
    half = traits.mouth_width * (1 + 0.16 * view.smile)
    x = c.x / half
    line = traits.mouth_height - 0.05 * view.smile * (x**2 - 0.4) + 0.012 * np.cos(9 * x)
    taper = np.clip(1 - x**2, 0, 1)
    ends = half - np.abs(c.x)
    thick = traits.lip_thickness
    upper = np.minimum(np.minimum(line - c.y, c.y - line + 0.85 * thick * taper), ends)
    lower = np.minimum(np.minimum(c.y - line, line + 1.15 * thick * np.sqrt(taper) - c.y), ends)
    c.paint(c.cover(upper, 0.015), lips * 0.88)
    c.paint(c.cover(lower, 0.015), lips)
    parted = 0.028 * max(view.smile - 0.35, 0) / 0.65
    if parted > 0:
        teeth = np.minimum(parted * taper - np.abs(c.y - line), 0.85 * half - np.abs(c.x))
        c.paint(c.cover(teeth, 0.008), (0.86, 0.84, 0.80))
    gap = np.minimum(0.011 - np.abs(c.y - line - parted * taper), ends + 0.01)
    c.paint(0.85 * c.cover(gap, 0.012), lips * 0.32)
    c.height += c.cover(ends, 0.1) * (0.03 * c.cover(lower, 0.04) + 0.015 * c.cover(upper, 0.04))


def _beard(c: _Canvas, traits: FaceTraits) -> None:
    if traits.beard == "none":
        return
    hair = _streaks(c, traits) * 0.75
    mouth = traits.mouth_height
    gap = (mouth + traits.nose_tip) / 2 + 0.03
    lip = c.ellipse(0, gap + 0.015, traits.mouth_width * 1.1, 0.055)
    jaw = np.minimum(c.inside + 0.04, c.y - mouth + 0.32 - 0.9 * np.abs(c.x) ** 1.5)
    jaw = np.minimum(jaw, -c.ellipse(0, mouth, traits.mouth_width * 1.08, 0.105))
    if traits.beard == "stubble":
        c.paint(0.30 * c.cover(np.maximum(jaw, lip), 0.12), hair)
    else:
        shape = lip if traits.beard == "moustache" else np.maximum(jaw, lip)
        c.paint(0.92 * c.cover(shape, 0.05), hair)


def _hair_in_front(c: _Canvas, traits: FaceTraits) -> None:
    style = traits.hair_style
    if style == "bald":
        return
    side = c.u / traits.face_width
    edge = {
        "short": traits.hairline + 0.35 * np.clip(np.abs(side) - 0.62, 0, 1) * 5,
        "parted": traits.hairline + 0.22 * (side + 0.35) ** 2 + 0.25 * np.clip(side, 0, 1),
        "fringe": traits.hairline + 0.22 + 0.02 * np.sin(26 * side) + 0.5 * side**6,
        "long": traits.hairline - 0.06 + 1.1 * np.abs(side) ** 2.4,
        "bun": traits.hairline - 0.10 + 0.25 * side**2,
    }[style]
    if style == "long":
        edge = edge + 3 * np.clip(np.abs(side) - 0.86, 0, 1)
    outline = 1 - np.hypot(c.u / (traits.face_width * 1.10), (c.v + 0.10) / 1.0)
    shape = np.minimum(edge - c.v, outline)
    if style == "short":
        shape = np.minimum(shape, 0.05 - c.v)
    mask = c.cover(shape, 0.03)
    shadow = c.cover(edge + 0.06 - c.v, 0.08) * c.cover(np.minimum(c.inside, outline))
    c.paint(0.30 * shadow, np.multiply(traits.skin, 0.5))
    c.paint(mask, _streaks(c, traits))
    c.height += 0.06 * mask


def _glasses(c: _Canvas, traits: FaceTraits) -> None:
    if traits.glasses == "none":
        return
    frame = (0.10, 0.08, 0.08)
    for side in (-1, 1):
        u, v = side * traits.eye_spread, traits.eye_height + 0.03
        power = 2 if traits.glasses == "round" else 6
        x, y = np.abs(c.x - u) / 0.225, np.abs(c.y - v) / (0.20 if power == 2 else 0.155)
        radius = (x**power + y**power) ** (1 / power)
        ring = 0.016 - np.abs(1 - radius) * 0.19
        c.paint(0.06 * c.cover(1 - radius), (1.0, 1.0, 1.0))
        c.paint(c.cover(ring), frame)
        arm = np.minimum(0.014 - np.abs(c.y - v + 0.05), side * c.x - traits.eye_spread - 0.22)
        c.paint(c.cover(np.minimum(arm, c.inside + 0.05)), frame)
    bridge = 0.013 - np.abs(c.y - traits.eye_height + 0.02)
    c.paint(c.cover(np.minimum(bridge, traits.eye_spread - 0.215 - np.abs(c.x))), frame)


def _develop(c: _Canvas, view: FaceView) -> np.ndarray:
    """Light the head and make the picture: Lambert's law, soft highlights, noise, 8 bits."""
    down, right = np.gradient(c.height, c.px)
    light = np.asarray(view.light) / np.linalg.norm(view.light)
    facing = (light[2] - light[0] * right - light[1] * down) / np.sqrt(1 + right**2 + down**2)
    shade = view.ambient + (1 - view.ambient) * 1.2 * np.clip(facing, 0, 1)
    head = c.cover(c.inside, 0.03)
    shade = 1 + head * (shade - 1)
    picture = c.albedo * shade + 0.10 * head * np.clip(facing, 0, 1) ** 24
    rng = np.random.default_rng(view.noise_seed)
    noise = view.noise * rng.standard_normal(picture.shape, dtype=np.float32)
    eight_bits = np.clip(np.round((picture * view.gain + noise) * 255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(eight_bits.transpose(1, 2, 0))
