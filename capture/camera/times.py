"""When pictures were taken: tables of times beside them, and times in the names of files.

A table is CSV with a header. Column `unix_s` (seconds since 1970, UTC) or `time_s` (seconds of the
camera's own clock) holds the times; column `file` may say to which picture of a folder each one
belongs, other columns are not read.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from capture.errors import CameraError

FOLDER_TIMES = "times.csv"
_CALENDAR = re.compile(
    r"(?<!\d)((?:19|20)\d\d)-?(\d\d)-?(\d\d)[T_ -]?(\d\d)[:.-]?(\d\d)[:.-]?(\d\d)"
    r"(?:[._,-]?(\d{1,9}))?(?!\d)"
)
_UNIX = re.compile(r"(?<!\d)(\d{10})(?:[._,-]?(\d{1,9}))?(?!\d)")


@dataclass(frozen=True)
class CameraTimes:
    """Times of pictures.

    Attributes
    ----------
    time_s : float64 array, shape (n,), seconds since the first picture, strictly ascending
    started_at_s : of the first picture, seconds since 1970 (UTC); None when nobody says
    files : names of the pictures, if the table has them
    """

    time_s: np.ndarray
    started_at_s: float | None = None
    files: tuple[str, ...] | None = None


def times_beside(video: Path) -> Path | None:
    """Table of a video's times: `clip.avi.csv`, or else `clip.camera.csv`, for `clip.avi`."""
    for path in (video.with_name(video.name + ".csv"), video.with_suffix(".camera.csv")):
        if path.is_file():
            return path
    return None


def read_times(path: Path) -> CameraTimes:
    """Read a table of times.

    Raises
    ------
    CameraError
        Unreadable, without a column of times, or with times that are no numbers or do not ascend.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as failure:
        raise CameraError(f"not a readable table of times: {failure}", where=path) from None
    column = next((name for name in ("unix_s", "time_s") if name in header), None)
    if column is None or not rows:
        raise CameraError(
            "not a table of the pictures' times", where=path,
            got=f"{len(rows)} rows, columns {', '.join(header) or 'none'}",
            expected="a header with unix_s or time_s, and a row a picture",
        )
    files = tuple(row["file"] or "" for row in rows) if "file" in header else None
    seconds = [_number(row[column], path, k + 2) for k, row in enumerate(rows)]
    return _ascending(seconds, column == "unix_s", path, files)


def write_times(path: Path, unix_s: Sequence[float] | np.ndarray) -> None:
    """Write the table of a video's times, seconds since 1970 (UTC), to the microsecond."""
    lines = ["unix_s", *(f"{second:.6f}" for second in unix_s)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def folder_times(folder: Path, files: Sequence[Path]) -> CameraTimes | None:
    """Times of a folder's pictures: from its `times.csv`, or from all of their names.

    Parameters
    ----------
    folder : of the pictures
    files : in their order

    Returns
    -------
    One time a file; None when nothing tells them. Names tell them as a date and time of day
    (20261121_081714_250, 2026-11-21T08-17-14.250; taken as UTC), or as seconds, milli-, micro- or
    nanoseconds since 1970.

    Raises
    ------
    CameraError
        The table is wrong, or does not list these pictures in this order.
    """
    table = folder / FOLDER_TIMES
    if not table.is_file():
        return times_in_names([path.stem for path in files])
    times = read_times(table)
    names = tuple(path.name for path in files)
    if times.files is None and len(times.time_s) != len(names):
        raise CameraError(
            "not as many times as pictures", where=table, got=len(times.time_s),
            expected=len(names),
        )
    if times.files is not None and times.files != names:
        other = next((n for n in names if n not in times.files), "another order, or more files")
        raise CameraError(
            "does not list the pictures of its folder", where=table, got=other,
            expected="every picture once, in natural order of the names",
        )
    return times


def times_in_names(stems: Sequence[str]) -> CameraTimes | None:
    """Times that file names tell, or None if one of them does not or they do not ascend."""
    seconds = [_time_in(stem) for stem in stems]
    told = [second for second in seconds if second is not None]
    if not told or len(told) < len(seconds) or (np.diff(told) <= 0).any():
        return None
    return _ascending(told, True, stems[0], None)


def _time_in(stem: str) -> float | None:
    """Seconds since 1970 that a name tells."""
    match = _CALENDAR.search(stem)
    if match is not None:
        numbers = [int(group) for group in match.groups()[:6]]
        try:
            whole_s = datetime(*numbers, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
        except ValueError:
            return None
    else:
        match = _UNIX.search(stem)
        if match is None:
            return None
        whole_s = float(match[1])
    fraction = match.groups()[-1]
    return whole_s + (float(f"0.{fraction}") if fraction else 0.0)


def _number(cell: str | None, path: Path, line: int) -> float:
    try:
        number = float(cell or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CameraError("not a time in seconds", where=f"{path}:{line}", got=repr(cell))
    return number


def _ascending(
    seconds: Sequence[float], is_unix: bool, where: object, files: tuple[str, ...] | None
) -> CameraTimes:
    time_s = np.asarray(seconds, np.float64)
    backwards = np.flatnonzero(np.diff(time_s) <= 0)
    if backwards.size:
        k = int(backwards[0]) + 1
        raise CameraError(
            f"the time of picture {k} does not increase", where=where,
            got=f"{time_s[k]:.6f} s after {time_s[k - 1]:.6f} s",
        )
    return CameraTimes(time_s - time_s[0], float(time_s[0]) if is_unix else None, files)
