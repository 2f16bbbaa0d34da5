"""A camera brought to the radar's clock by the motion that both saw; the offset written down."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from capture.camera.reader import Camera, open_camera
from capture.camera.sync import History, Sync, SyncParams, find_offset, radar_motion, video_motion
from capture.errors import CameraError
from capture.file.sidecar import Sidecar, read_sidecar, write_sidecar
from radarid.data.manifest import FactFinder, group_files
from radarid.data.process import OFFSET_SOURCES, camera_offset
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices
from radarid.errors import IngestError

Box = tuple[float, float, float, float]
_ASSUMED = OFFSET_SOURCES[-1]


@dataclass(frozen=True)
class CameraBeside:
    """The camera of a recording, and when it is believed to have started.

    Attributes
    ----------
    path : video or image folder
    camera : opened
    known : offset in seconds and where it is known from; None when nobody says
    """

    path: Path
    camera: Camera
    known: tuple[float, str] | None


def camera_beside(recording: Path, camera: Path | None = None) -> CameraBeside:
    """Open the camera of a recording.

    Parameters
    ----------
    recording : .bin file
    camera : video or image folder; None for the one that the sidecar names

    Raises
    ------
    IngestError
        No camera is known.
    CameraError
        It cannot be opened.
    """
    facts = FactFinder(subject="-")(group_files([recording])[0])
    path = camera or facts.camera
    if path is None:
        raise IngestError("no camera is known", where=recording,
                          remedy="name the video: --camera FILE")  # fmt: skip
    opened = open_camera(path)
    if opened.info.n_images is None:
        raise CameraError("not a recorded video", where=path)
    offset_s, how = camera_offset(facts, opened.info.started_at_s)
    return CameraBeside(path, opened, None if how == _ASSUMED else (offset_s, how))


def align(
    slices: Slices, axes: Axes, dsp: DspParams, beside: CameraBeside,
    params: SyncParams | None = None,
) -> tuple[Sync, History, History]:  # fmt: skip
    """Find the camera's offset around the one that is believed, or around 0.

    Returns
    -------
    the search; motion as the radar saw it; motion as the camera saw it, on its own clock

    Raises
    ------
    CameraError
        One of them is too short, or saw no motion.
    """
    radar = radar_motion(slices.time_s, slices.power, axes.velocity_mps,
                         slices.valid >= dsp.min_valid)  # fmt: skip
    camera = video_motion(beside.camera)
    around_s = beside.known[0] if beside.known else 0.0
    return find_offset(radar, camera, params, around_s), radar, camera


def stills_between(
    camera: Camera, start_s: float, stop_s: float, n: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield `n` pictures of a camera, evenly spread over some of its time; all if not more."""
    wanted = list(np.linspace(start_s, stop_s, n + 2)[1:-1])
    for time_s, image in camera:
        if wanted and time_s >= wanted[0]:
            while wanted and time_s >= wanted[0]:
                wanted.pop(0)
            yield time_s, image


def write_offset(recording: Path, camera: Path, offset_s: float) -> Path:
    """Write a camera's offset to the sidecar of a recording, which is made if there is none.

    Parameters
    ----------
    recording : .bin file; the first of a series carries the sidecar
    camera : video or image folder
    offset_s : time of its first picture on the radar's clock

    Returns
    -------
    Path
        The sidecar.
    """
    path = Sidecar.path_for(group_files([recording])[0].paths[0])
    sidecar = read_sidecar(path) if path.is_file() else Sidecar()
    name = os.path.relpath(camera, path.parent)
    write_sidecar(path, replace(sidecar, camera=name, camera_offset_s=round(offset_s, 4)))
    return path
