"""What a made-up face is (traits of a person) and how a picture shows it (view)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture import seeding

Colour = tuple[float, float, float]

_SKIN: tuple[Colour, ...] = (
    (0.95, 0.79, 0.69), (0.89, 0.69, 0.55), (0.76, 0.55, 0.40), (0.58, 0.39, 0.27),
    (0.40, 0.26, 0.18),
)
_HAIR: tuple[Colour, ...] = (
    (0.06, 0.05, 0.05), (0.20, 0.12, 0.08), (0.38, 0.22, 0.11), (0.72, 0.55, 0.30),
    (0.55, 0.20, 0.08), (0.62, 0.61, 0.60),
)
_IRIS: tuple[Colour, ...] = ((0.20, 0.11, 0.06), (0.25, 0.38, 0.55), (0.28, 0.40, 0.25))
HAIR_STYLES = ("bald", "short", "parted", "fringe", "long", "bun")
BEARDS = ("none", "none", "none", "stubble", "moustache", "full")
GLASSES = ("none", "none", "none", "round", "square")


@dataclass(frozen=True, slots=True)
class FaceTraits:
    """What stays the same from picture to picture of a person.

    Lengths are in units of half the face's height, colours RGB in [0, 1].
    """

    skin: Colour
    hair: Colour
    iris: Colour
    hair_style: str
    beard: str
    glasses: str
    face_width: float
    jaw: float
    squareness: float
    hairline: float
    ear_size: float
    eye_spread: float
    eye_height: float
    eye_width: float
    eye_opening: float
    eye_tilt: float
    brow_height: float
    brow_thickness: float
    brow_angle: float
    nose_width: float
    nose_tip: float
    nose_bridge: float
    mouth_height: float
    mouth_width: float
    lip_thickness: float
    lip_redness: float
    cheeks: float
    chin: float


@dataclass(frozen=True, slots=True)
class FaceView:
    """What changes from picture to picture.

    Attributes
    ----------
    scale : half the face's height over the picture's height
    centre : of the face, in fractions of the picture's width and height
    roll_rad, yaw_rad, pitch_rad : pose; positive roll turns clockwise,
        yaw to the picture's right, pitch down
    light : direction to the lamp (right, down, towards the camera)
    ambient : share of the light that has no direction, in [0, 1]
    gain : of the whole picture
    smile : -1 to 1
    blink : 0 (eyes open) to 1
    background, clothes : colours
    noise : standard deviation of the sensor noise, in [0, 1]
    noise_seed : of the noise
    """

    scale: float = 0.30
    centre: tuple[float, float] = (0.5, 0.5)
    roll_rad: float = 0.0
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    light: tuple[float, float, float] = (-0.3, -0.5, 1.0)
    ambient: float = 0.45
    gain: float = 1.0
    smile: float = 0.0
    blink: float = 0.0
    background: Colour = (0.62, 0.66, 0.70)
    clothes: Colour = (0.25, 0.28, 0.36)
    noise: float = 0.01
    noise_seed: int = 0


def _mix(table: tuple[Colour, ...], position: float) -> Colour:
    """Colour at `position` in [0, 1] along a table."""
    place = position * (len(table) - 1)
    low = min(int(place), len(table) - 2)
    part = place - low
    first, second = np.array(table[low]), np.array(table[low + 1])
    red, green, blue = first + (second - first) * part
    return float(red), float(green), float(blue)


def draw_traits(subject: str) -> FaceTraits:
    """Face of a subject; it depends on the name alone, so every recording shows the same one."""
    rng = seeding.rng(0, "face", subject)
    darkness = rng.beta(1.1, 1.3)
    # Fair hair goes with fair skin; grey with any.
    hair = _HAIR[int(rng.integers(len(_HAIR) if darkness < 0.5 else 2))]
    iris = _IRIS[int(rng.integers(3 if darkness < 0.5 else 1))]

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return FaceTraits(
        skin=_mix(_SKIN, float(darkness)), hair=hair, iris=iris,
        hair_style=str(rng.choice(HAIR_STYLES)), beard=str(rng.choice(BEARDS)),
        glasses=str(rng.choice(GLASSES)),
        face_width=between(0.66, 0.86), jaw=between(0.05, 0.42), squareness=between(2.0, 2.7),
        hairline=between(-0.78, -0.56), ear_size=between(0.10, 0.19),
        eye_spread=between(0.29, 0.39), eye_height=between(-0.21, -0.10),
        eye_width=between(0.115, 0.165), eye_opening=between(0.042, 0.075),
        eye_tilt=between(-0.20, 0.20), brow_height=between(0.12, 0.19),
        brow_thickness=between(0.018, 0.050), brow_angle=between(-0.28, 0.28),
        nose_width=between(0.085, 0.155), nose_tip=between(0.17, 0.32),
        nose_bridge=between(0.10, 0.22), mouth_height=between(0.48, 0.60),
        mouth_width=between(0.20, 0.33), lip_thickness=between(0.030, 0.080),
        lip_redness=between(0.0, 1.0), cheeks=between(0.0, 1.0), chin=between(0.0, 1.0),
    )


def draw_view(rng: np.random.Generator, base: FaceView | None = None) -> FaceView:
    """Draw a picture's conditions; with `base`, a small change of pose and mien from those."""
    if base is None:
        light = (float(rng.normal(0, 0.5)), float(rng.normal(-0.5, 0.25)), 1.0)
        return FaceView(
            scale=float(rng.uniform(0.25, 0.33)),
            centre=(float(rng.uniform(0.44, 0.56)), float(rng.uniform(0.47, 0.54))),
            roll_rad=float(rng.normal(0, 0.06)), yaw_rad=float(rng.normal(0, 0.14)),
            pitch_rad=float(rng.normal(0, 0.07)), light=light,
            ambient=float(rng.uniform(0.35, 0.6)), gain=float(rng.uniform(0.8, 1.15)),
            smile=float(rng.uniform(-0.4, 1.0)), blink=float(rng.beta(1, 6)),
            background=_grey(rng, 0.25, 0.85), clothes=_grey(rng, 0.1, 0.7),
            noise=float(rng.uniform(0.005, 0.02)), noise_seed=int(rng.integers(2**31)),
        )
    x, y = base.centre
    return FaceView(
        scale=base.scale * float(np.exp(rng.normal(0, 0.02))),
        centre=(x + float(rng.normal(0, 0.012)), y + float(rng.normal(0, 0.008))),
        roll_rad=base.roll_rad + float(rng.normal(0, 0.03)),
        yaw_rad=base.yaw_rad + float(rng.normal(0, 0.06)),
        pitch_rad=base.pitch_rad + float(rng.normal(0, 0.03)),
        light=base.light, ambient=base.ambient, gain=base.gain,
        smile=float(np.clip(base.smile + rng.normal(0, 0.25), -0.4, 1.0)),
        blink=float(rng.beta(1, 6)), background=base.background, clothes=base.clothes,
        noise=base.noise, noise_seed=int(rng.integers(2**31)),
    )


def _grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    red, green, blue = np.clip(rng.uniform(low, high) + rng.normal(0, 0.05, 3), 0, 1)
    return float(red), float(green), float(blue)
