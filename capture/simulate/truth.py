"""`<stem>.truth.npz` beside a simulated .bin: what a perfect processing would find."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capture.errors import SimulationError
from capture.simulate.scatterers import Scatterers

_HALF_STEP_S = 1e-3
_NUMBERS = ("time_s", "range_m", "radial_velocity_mps", "stride_hz", "mean_speed_mps")


@dataclass(frozen=True, eq=False)
class Truth:
    """Where every body segment was, and how it moved along the line of sight.

    Attributes
    ----------
    time_s : float64 array, shape (n_times,), seconds of the recording
    names : body segments
    range_m : float32 array, shape (n_times, n_segments), metres from the radar
    radial_velocity_mps : float32 array, same shape, m/s, positive means moving away
    stride_hz : strides (two steps) per second, nan where nobody strides
    mean_speed_mps : net horizontal speed of the walk
    traits : what made the walker, as plain JSON values
    """

    time_s: NDArray[np.float64]
    names: tuple[str, ...]
    range_m: NDArray[np.float32]
    radial_velocity_mps: NDArray[np.float32]
    stride_hz: float
    mean_speed_mps: float
    traits: dict[str, Any]

    @staticmethod
    def path_for(recording: Path) -> Path:
        """Where the truth of a .bin file lies."""
        return recording.with_suffix(".truth.npz")

    def segment(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Range and radial velocity of one segment, each float32 (n_times,)."""
        if name not in self.names:
            raise SimulationError(
                f"no segment '{name}'", where="Truth", expected=f"one of {', '.join(self.names)}"
            )
        column = self.names.index(name)
        return self.range_m[:, column], self.radial_velocity_mps[:, column]


def segment_motion(
    scatterers: Scatterers, radar_position_m: ArrayLike, time_s: ArrayLike
) -> tuple[tuple[str, ...], NDArray[np.float32], NDArray[np.float32]]:
    """Range and radial velocity of every segment.

    Parameters
    ----------
    scatterers : points in the room; a segment's range is the mean of its points' ranges
    radar_position_m : float64 array, shape (3,), metres
    time_s : float64 array, shape (n_times,), seconds

    Returns
    -------
    names : segments, in the order in which they first appear
    range_m, radial_velocity_mps : float32 arrays, shape (n_times, n_segments)
        The velocity is the central difference of the exact range over 2 ms (shorter at the ends).
    """
    names = tuple(dict.fromkeys(scatterers.names))
    member = np.array([[point == name for name in names] for point in scatterers.names], float)
    mean = member / member.sum(axis=0)
    first, last = scatterers.time_s[0], scatterers.time_s[-1]
    now = np.asarray(time_s, np.float64)
    before = np.maximum(now - _HALF_STEP_S, first)
    after = np.minimum(now + _HALF_STEP_S, last)

    def range_at(times: NDArray[np.float64]) -> NDArray[np.float64]:
        away = scatterers.position_at(times) - np.asarray(radar_position_m, np.float64)
        return np.asarray(np.linalg.norm(away, axis=-1) @ mean)

    speed = (range_at(after) - range_at(before)) / (after - before)[:, None]
    return names, range_at(now).astype(np.float32), speed.astype(np.float32)


def write_truth(path: Path, truth: Truth) -> None:
    """Write a truth file (plain arrays; names and traits as JSON text, nothing pickled)."""
    parts: dict[str, Any] = {name: getattr(truth, name) for name in _NUMBERS}
    parts["names"] = np.array(json.dumps(truth.names))
    parts["traits"] = np.array(json.dumps(truth.traits))
    np.savez_compressed(path, **parts)


def read_truth(path: Path) -> Truth:
    """Read a truth file.

    Raises
    ------
    SimulationError
        Missing, not a truth file, or one of its parts is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as parts:
            return Truth(
                time_s=parts["time_s"],
                names=tuple(json.loads(str(parts["names"]))),
                range_m=parts["range_m"],
                radial_velocity_mps=parts["radial_velocity_mps"],
                stride_hz=float(parts["stride_hz"]),
                mean_speed_mps=float(parts["mean_speed_mps"]),
                traits=json.loads(str(parts["traits"])),
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as failure:
        raise SimulationError(f"not a readable truth file: {failure}", where=path) from None
