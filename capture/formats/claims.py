"""What a configuration file says about values that follow from its waveform, to be checked.

Nothing is ever taken from a claim. Three kinds of file make them: `[claims]` of our own TOML
(what a paper or a data sheet states), the header comments that TI's visualizer and spreadsheets
write into `.cfg` files, and the `sceneParameters` of mmWave Studio, which Studio never computes.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from capture.errors import ConfigError
from capture.schema import config_class


@config_class
class Claims:
    """Values that somebody states; None where nothing is stated.

    Attributes
    ----------
    bandwidth_hz : swept bandwidth that the range resolution is to follow from
    ramp_bandwidth_hz : bandwidth of the whole ramp
    range_resolution_m, max_range_m : one range cell; farthest range, all of it or the usable part
    velocity_resolution_mps, max_velocity_mps : one Doppler cell; highest unambiguous speed
    frame_rate_hz, frame_period_s : frames per second, time from frame to frame
    active_s : time in a frame during which chirps run
    source : who says so, for people
    """

    bandwidth_hz: float | None = None
    ramp_bandwidth_hz: float | None = None
    range_resolution_m: float | None = None
    max_range_m: float | None = None
    velocity_resolution_mps: float | None = None
    max_velocity_mps: float | None = None
    frame_rate_hz: float | None = None
    frame_period_s: float | None = None
    active_s: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name, value in self.values().items():
            if not (value > 0 and math.isfinite(value)):
                raise ConfigError(f"claim '{name}' must be positive and finite", got=value)

    def values(self) -> dict[str, float]:
        """Return the claims that are made, by name."""
        made = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: v for name, v in made.items() if v is not None and name != "source"}


_COMMENTS = (
    (r"sweep bw \(useful\)\s+mhz\s", "bandwidth_hz", 6),
    (r"total bw\s+mhz\s", "ramp_bandwidth_hz", 6),
    (r"range resolution\s*(?:\(m\):|m\s)", "range_resolution_m", 0),
    (r"maximum unambiguous range\(m\):", "max_range_m", 0),
    (r"max dist(?:ance)?(?: \(\d+%\))?\s+m\s", "max_range_m", 0),
    (r"(?:radial )?velocity resolution\s*(?:\(m/s\):|m/s\s)", "velocity_resolution_mps", 0),
    (r"(?:maximum radial velocity\(m/s\):|velocity maximum\s+m/s\s)", "max_velocity_mps", 0),
    (r"frame duration\(msec\):", "frame_period_s", -3),
    (r"frame time \((?:total|active time)\)\s+ms\s", "active_s", -3),
)
"""Start of a comment (TI's demo visualizer; TI's profile files), claim, power of ten to SI."""

_SCENE = {
    "rangeResolution_cm": ("range_resolution_m", "0.01"),
    "maxDetectableRange_m": ("max_range_m", "1"),
    "velocityResolution_kmph": ("velocity_resolution_mps", "KMPH"),
    "maxVelocity_kmph": ("max_velocity_mps", "KMPH"),
    "measurementRate": ("frame_rate_hz", "1"),
}


def claims_of_cfg(text: str) -> list[Claims]:
    """Claims in the comments of a .cfg file.

    Parameters
    ----------
    text : the file

    Returns
    -------
    one for every column of numbers that the comments have (TI's file with four subframes has
    four); one without a claim where there are none
    """
    columns: dict[int, dict[str, Any]] = {0: {}}
    for line in text.splitlines():
        if line.startswith("%"):
            _read_comment(line.lstrip("% \t").lower(), columns)
    return [Claims(**columns[k], source="comments in the file") for k in sorted(columns)]


def _read_comment(comment: str, columns: dict[int, dict[str, Any]]) -> None:
    for pattern, name, exponent in _COMMENTS:
        found = re.match(pattern, comment)
        if found is None:
            continue
        for k, word in enumerate(comment[found.end() :].split()[:8]):
            if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", word, re.ASCII) or not float(word):
                break
            columns.setdefault(k, {}).setdefault(name, float(Decimal(word).scaleb(exponent)))


def claims_of_scene(scene: object) -> Claims:
    """Claims in the `sceneParameters` of a mmWave Studio file; what is no number is passed over."""
    if not isinstance(scene, Mapping):
        return Claims()
    found: dict[str, float] = {}
    for key, (name, factor) in _SCENE.items():
        value = scene.get(key)
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 < value < 10**9:
            found[name] = float(value) / 3.6 if factor == "KMPH" else float(value * Decimal(factor))
    return Claims(**found, source="sceneParameters, which mmWave Studio does not compute")
