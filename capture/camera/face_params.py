"""How faces are found and which are good enough; and what became of those that were seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from capture.errors import ConfigError
from capture.schema import config_class


@config_class
class FaceParams:
    """How faces are found and cut out.

    Attributes
    ----------
    image_size : width and height of a crop, pixels
    margin : pixels of the crop that lie outside the detector's box, both sides together
    min_face_px : smallest face looked for, pixels
    thresholds : of the detector's three stages
    factor : from one scale of the detector's pyramid to the next
    min_confidence : faces below are not returned
    min_size_px : nor are those whose box is smaller in the picture, either way
    min_sharpness : nor those whose crop is more blurred (see `capture.camera.faces.sharpness`): an
        87-pixel face that a Gaussian of 3 pixels has blurred has 1.4, one of 2 pixels 2.5, a sharp
        one 20 to 200
    several : of several faces in a picture take the "best" (largest box area times confidence),
        or "skip" the picture, where nobody can say whose face belongs to the walk
    """

    image_size: int = 160
    margin: int = 0
    min_face_px: int = 20
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709
    min_confidence: float = 0.9
    min_size_px: float = 30.0
    min_sharpness: float = 2.0
    several: Literal["best", "skip"] = "best"

    def __post_init__(self) -> None:
        unit = (*self.thresholds, self.factor, self.min_confidence)
        if not (all(0 < value < 1 for value in unit) and self.min_face_px >= 12):
            raise ConfigError(
                "face parameters out of range", got=self,
                expected="thresholds, factor, min_confidence in (0, 1); min_face_px at least 12",
            )
        if not 0 <= self.margin < self.image_size:
            raise ConfigError("'margin' out of range", got=self.margin,
                              expected=f"0 to {self.image_size - 1}")
        if not (self.min_size_px >= 0 and self.min_sharpness >= 0):
            raise ConfigError("'min_size_px' and 'min_sharpness' must not be below 0",
                              got=f"{self.min_size_px} and {self.min_sharpness}")


@dataclass
class FaceCounts:
    """What became of the pictures that were looked at, and of the faces in them.

    Attributes
    ----------
    n_images : pictures looked at
    n_with_face : of these, pictures with a face that is good enough
    n_several : pictures that show several faces of enough confidence
    n_skipped : pictures left out for that (`FaceParams.several`)
    n_unsure, n_small, n_blurred : faces below `min_confidence`; of the others, those below
        `min_size_px`; of the others, those below `min_sharpness`
    """

    n_images: int = 0
    n_with_face: int = 0
    n_several: int = 0
    n_skipped: int = 0
    n_unsure: int = 0
    n_small: int = 0
    n_blurred: int = 0

    def as_dict(self) -> dict[str, int]:
        """Counts by name."""
        return asdict(self)
