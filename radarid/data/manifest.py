"""Who walked, when, and in which walk: from a manifest, a sidecar or the file's name."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from capture.file.sidecar import Sidecar, read_sidecar
from capture.file.stream import group_split_files
from radarid.errors import IngestError

COLUMNS = ("file", "subject", "session", "take", "camera", "camera_offset_s", "radar")
_NAMES = ("subject", "session", "take")
_SPLIT_FILE = re.compile(r"(?P<name>.+)_Raw_(?P<number>\d+)", re.DOTALL)


@dataclass(frozen=True)
class RawRecording:
    """The files of one recording, in stream order.

    Attributes
    ----------
    name : what to call it
    paths : the files; the first one carries sidecar and configuration
    """

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Facts:
    """What is known about a recording besides its bytes.

    Attributes
    ----------
    subject, session, take : who walked, on which day, and which walk it was
    radar : file of the radar configuration, or None
    camera : video file or image folder, or None
    camera_offset_s : time of the camera's first picture on the radar's clock, seconds; None when
        nobody says
    started_at_s : time of the radar's first frame, seconds since 1970 (UTC); None when nobody says
    """

    subject: str
    session: str
    take: str
    radar: Path | None = None
    camera: Path | None = None
    camera_offset_s: float | None = None
    started_at_s: float | None = None


@dataclass(frozen=True)
class FactFinder:
    """Where facts come from: the first of these that knows, for each fact by itself.

    1. the manifest's row of the file, 2. what was said for all files, 3. the sidecar beside the
    file, 4. the file's name.

    Attributes
    ----------
    manifest : resolved path of a file -> its row (see `read_manifest`)
    subject, session, take, camera_offset_s : for all files
    pattern : of the name, such as `{subject}_{session}_{take}`
    """

    manifest: Mapping[Path, Mapping[str, str]] | None = None
    subject: str | None = None
    session: str | None = None
    take: str | None = None
    pattern: str | None = None
    camera_offset_s: float | None = None

    def __post_init__(self) -> None:
        if self.pattern is not None:
            compile_pattern(self.pattern)

    def __call__(self, recording: RawRecording) -> Facts:
        """Find the facts about a recording; the take is its name if nobody says another.

        Raises
        ------
        IngestError
            Nobody says who walked, the manifest does not list the file, or the name does not
            fit the pattern.
        ConfigError
            The sidecar is unreadable.
        """
        first = recording.paths[0]
        row = self._row(recording)
        place = sidecar_path(recording)
        sidecar = read_sidecar(place) if place else Sidecar()
        session = sidecar.session if place else None
        told = {
            "subject": row.get("subject") or self.subject or sidecar.subject,
            "session": row.get("session") or self.session or session,
            "take": row.get("take") or self.take or sidecar.take,
        }
        if self.pattern and not told["subject"]:
            named = _match(self.pattern, recording.name, first)
            told = {key: value or named.get(key) for key, value in told.items()}
        if not told["subject"]:
            raise IngestError(
                "nobody says who walked", where=first,
                remedy="give --subject, a --manifest or a --pattern of the names, or write a "
                f"sidecar ({Sidecar.path_for(first).name})",
            )
        facts = Facts(
            subject=told["subject"],
            session=told["session"] or Sidecar().session,
            take=told["take"] or recording.name,
            radar=Path(row["radar"]) if row.get("radar") else None,
            camera=Path(row["camera"]) if row.get("camera") else None,
            camera_offset_s=_first_known(
                _offset_s(row, first), self.camera_offset_s, sidecar.camera_offset_s
            ),
            started_at_s=_started_at_s(sidecar, first),
        )
        if facts.camera is None and place and sidecar.camera:
            facts = replace(facts, camera=place.parent / sidecar.camera)
        return facts

    def only_for(self, recording: RawRecording) -> FactFinder:
        """Return the same finder with the recording's own rows of the manifest, to send away."""
        if self.manifest is None:
            return self
        own = {path.resolve() for path in recording.paths} & self.manifest.keys()
        return replace(self, manifest={path: self.manifest[path] for path in own})

    def _row(self, recording: RawRecording) -> Mapping[str, str]:
        if self.manifest is None:
            return {}
        for path in recording.paths:
            if path.resolve() in self.manifest:
                return self.manifest[path.resolve()]
        raise IngestError("the manifest does not list this file", where=recording.paths[0])


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _offset_s(row: Mapping[str, str], where: Path) -> float | None:
    cell = row.get("camera_offset_s")
    if not cell:
        return None
    try:
        offset_s = float(cell)
    except ValueError:
        offset_s = math.nan
    if not math.isfinite(offset_s):
        raise IngestError("not a camera offset in seconds", where=where, got=cell)
    return offset_s


def _started_at_s(sidecar: Sidecar, where: Path) -> float | None:
    """When the radar's first frame was, seconds since 1970; a time without a zone is UTC."""
    if sidecar.live is None or not sidecar.live.started_at:
        return None
    try:
        started = datetime.fromisoformat(sidecar.live.started_at)
    except ValueError:
        raise IngestError(
            "its sidecar's started_at is no time", where=where, got=sidecar.live.started_at,
            expected="ISO 8601",
        ) from None
    return (started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp()


def read_manifest(path: Path) -> dict[Path, dict[str, str]]:
    """Read a table of recordings.

    Parameters
    ----------
    path : CSV file with a header; columns file and subject, and any of session, take, camera,
        camera_offset_s, radar. Files are named relative to the CSV's folder. An empty cell says
        nothing.

    Returns
    -------
    Resolved path of each file -> its row; camera and radar as absolute paths

    Raises
    ------
    IngestError
        Unreadable, an unknown or missing column, a row too long or short, or a file twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = reader.fieldnames or []
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as failure:
        raise IngestError(f"not a readable manifest: {failure}", where=path) from None
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in COLUMNS[:2] if name not in header]
    if unknown or missing:
        raise IngestError(
            "a manifest with other columns", where=path, got=", ".join(header) or "none",
            expected=f"file, subject and any of {', '.join(COLUMNS[2:])}",
        )
    found: dict[Path, dict[str, str]] = {}
    for number, row in lines:
        if None in row or None in row.values():
            raise IngestError(
                "a row that does not have as many cells as the header", where=f"{path}:{number}"
            )
        cells = {name: value.strip() for name, value in row.items()}
        file = (path.parent / cells.pop("file")).resolve()
        if file in found:
            raise IngestError("a file listed twice", where=f"{path}:{number}", got=file.name)
        for name in ("camera", "radar"):
            if cells.get(name):
                cells[name] = str((path.parent / cells[name]).resolve())
        found[file] = cells
    return found


def group_files(paths: Iterable[Path]) -> list[RawRecording]:
    """Put files that a recorder split together, in numeric order.

    TI's recorders write `x_Raw_0.bin` and, after 1 GiB, go on in the middle of a chirp in
    `x_Raw_1.bin`. All numbers of one x in one folder are one recording, called x.
    """
    found = []
    for files in group_split_files(dict.fromkeys(paths)):
        match = _SPLIT_FILE.fullmatch(files[0].stem)
        found.append(RawRecording(match["name"] if match else files[0].stem, files))
    return found


def check_series(recording: RawRecording) -> None:
    """Check that no file of a split recording was forgotten.

    Raises
    ------
    IngestError
        A number is missing, or the next one lies beside the last file.
    """
    match = _SPLIT_FILE.fullmatch(recording.paths[0].stem)
    if match is None:
        return
    beside = recording.paths[0].parent.glob(f"*{recording.paths[0].suffix}")
    others = [_SPLIT_FILE.fullmatch(path.stem) for path in beside]
    numbers = {int(m["number"]) for m in others if m and m["name"] == match["name"]}
    last = max(numbers, default=0)
    if len(recording.paths) != last + 1 or len(numbers) != last + 1:
        raise IngestError(
            "one recording in several files, of which some are missing",
            where=recording.paths[0], got=", ".join(path.name for path in recording.paths),
            expected=f"numbers 0 to {last}", remedy="give all of them",
        )


def sidecar_path(recording: RawRecording) -> Path | None:
    """Sidecar of a recording's first file, or None when there is none."""
    path = Sidecar.path_for(recording.paths[0])
    return path if path.is_file() else None


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Regular expression of a pattern such as `{subject}_{session}_{take}`.

    Each name takes as little as the text between the names allows.

    Raises
    ------
    IngestError
        An unknown name, a name twice, or no {subject}.
    """
    names = re.findall(r"\{(\w*)\}", pattern)
    if sorted(set(names)) != sorted(names) or "subject" not in names or set(names) - set(_NAMES):
        raise IngestError(
            "not a pattern of file names", got=pattern,
            expected="{subject}, and {session} or {take} if you like, once each",
        )
    escaped = re.escape(pattern)
    for name in names:
        escaped = escaped.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.+?)")
    return re.compile(escaped)


def _match(pattern: str, name: str, where: Path) -> dict[str, str]:
    match = compile_pattern(pattern).fullmatch(name)
    if match is None:
        raise IngestError("the name does not fit the pattern", where=where, expected=pattern)
    return match.groupdict()
