"""`<stem>.json` beside a .bin: who walked, when, and what else belongs to the recording."""

from __future__ import annotations

import json
import os
from dataclasses import field
from pathlib import Path
from typing import Any

from capture.errors import ConfigError
from capture.schema import config_class, from_mapping, to_mapping

_N_INDENTED = 1000


@config_class
class LiveFacts:
    """How a recording of the live stream went.

    Attributes
    ----------
    complete : False while recording, and for ever after a crash
    n_bytes : stored bytes for which `Sidecar.lost` is known; what a file holds beyond it was
        written just before a crash, and counts as lost
    packets : packet counters by name
    lost_granule_bytes : what `Sidecar.lost` is rounded outwards to; 1 when it is exact
    frame_period_s, clock_residual_s : fitted on the times of arrival; None without a fit
    started_at : UTC time of the first frame, ISO 8601
    """

    complete: bool = False
    n_bytes: int = 0
    lost_granule_bytes: int = 1
    packets: dict[str, int] = field(default_factory=dict)
    frame_period_s: float | None = None
    clock_residual_s: float | None = None
    started_at: str | None = None


@config_class
class Sidecar:
    """What a recording's maker knows about it.

    Attributes
    ----------
    subject : pseudonym of the walker, or None when unknown
    session : day or session name
    take : name of the walk within the session; recordings that share one never part in a split
    radar : file name of the radar configuration, relative to the sidecar
    camera : file name of the camera stream (video file or image folder), relative to the sidecar
    camera_offset_s : time of the camera's first picture on the radar's clock, seconds; None when
        it is not known
    lost : (start byte, number of bytes) stretches of the payload that were never received
    made_by : program and version that wrote the recording
    live : how the live recording went; None for other recordings
    """

    subject: str | None = None
    session: str = "s1"
    take: str | None = None
    radar: str | None = None
    camera: str | None = None
    camera_offset_s: float | None = None
    lost: tuple[tuple[int, int], ...] = ()
    made_by: str = ""
    live: LiveFacts | None = None

    @staticmethod
    def path_for(recording: Path) -> Path:
        """Where the sidecar of a .bin file lies."""
        return recording.with_suffix(".json")


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar file.

    Raises
    ------
    ConfigError
        Not JSON, an unknown key, or a value of the wrong type.
    """
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as failure:
        raise ConfigError(f"not a readable sidecar: {failure}", where=path) from None
    if not isinstance(table, dict):
        raise ConfigError("not a sidecar", where=path, got=type(table).__name__, expected="table")
    return from_mapping(Sidecar, table, where=path)


def write_sidecar(path: Path, sidecar: Sidecar, *, durable: bool = False) -> None:
    """Write a sidecar file; a reader sees the one before or the new one, nothing in between.

    Parameters
    ----------
    path : the file
    sidecar : its content
    durable : return when it is on the disk, with the names of new files in its folder
    """
    is_long = len(sidecar.lost) > _N_INDENTED
    text = json.dumps(to_mapping(sidecar), indent=None if is_long else 2) + "\n"
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)
    if durable and os.name == "posix":
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
