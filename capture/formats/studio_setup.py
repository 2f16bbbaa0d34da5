"""The session files of mmWave Studio (`<name>.setup.json`): which waveform, which recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from capture.errors import ConfigError
from capture.formats.dca1000_json import LOGGING_MODES
from capture.formats.studio import read_json


@dataclass(frozen=True, slots=True)
class StudioSetup:
    """One session of mmWave Studio.

    The file names paths of the computer that recorded; they are looked for beside the file, by
    name alone.

    Attributes
    ----------
    path : the .setup.json file
    radar : the waveform file, beside it; whether it is there is for the reader to see
    recordings : .bin files that are there, in the file's order; of a recording with a processed
        and a raw file the processed one
    missing : names of recordings that are not there
    device : part name in capitals ('AWR2243'), None where the file does not say
    logging : 'raw' or 'multi', of the DCA1000; None where the file does not say
    packet_delay_us : of the DCA1000; None where the file does not say
    zero_filled_bytes : bytes that Studio's processing has invented, all recordings together
    """

    path: Path
    radar: Path
    recordings: tuple[Path, ...]
    missing: tuple[str, ...]
    device: str | None
    logging: str | None
    packet_delay_us: float | None
    zero_filled_bytes: int


def read_setup(path: Path | str) -> StudioSetup:
    """Read a .setup.json file.

    Parameters
    ----------
    path : the file

    Returns
    -------
    StudioSetup

    Raises
    ------
    ConfigError
        Unreadable, not a session of mmWave Studio, or with another capture card.
    """
    path = Path(path)
    table = read_json(path)
    if not isinstance(table, dict) or not isinstance(table.get("configUsed"), str):
        raise ConfigError(
            "not a session of mmWave Studio", where=path, remedy="it has no 'configUsed'"
        )
    hardware = table.get("captureHardware", "DCA1000")
    if hardware != "DCA1000":
        raise ConfigError("not recorded with a DCA1000", where=path, got=str(hardware))
    captured = _table(table, "capturedFiles")
    files = captured.get("files") or []
    entries = [e for e in files if isinstance(e, dict)] if isinstance(files, list) else []
    found, missing = _recordings(path, entries)
    card = _table(table, "DCA1000Config")
    delay = card.get("packetDelay_us")
    device = table.get("mmWaveDevice")
    return StudioSetup(
        path=path,
        radar=_beside(path, table["configUsed"]),
        recordings=found,
        missing=missing,
        device=device.upper() if isinstance(device, str) else None,
        logging=card["dataLoggingMode"] if card.get("dataLoggingMode") in LOGGING_MODES else None,
        packet_delay_us=float(delay) if isinstance(delay, int) and 0 < delay < 1000 else None,
        zero_filled_bytes=sum(_zero_filled(entry) for entry in entries),
    )


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def _beside(path: Path, windows_path: str) -> Path:
    name = PureWindowsPath(windows_path).name
    if not name or "\0" in name:
        raise ConfigError("not a file name", where=path, got=windows_path)
    return path.parent / name


def _recordings(
    path: Path, entries: list[dict[str, Any]]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Recordings that lie beside the file, and names of those that do not."""
    found: dict[Path, None] = {}
    missing: dict[str, None] = {}
    for entry in entries:
        names = [entry.get("processedFileName"), entry.get("rawFileName")]
        places = [_beside(path, name) for name in names if isinstance(name, str) and name]
        there = next((place for place in places if place.is_file()), None)
        if there is not None:
            found[there] = None
        elif places:
            missing[places[0].name] = None
    return tuple(found), tuple(missing)


def _zero_filled(entry: dict[str, Any]) -> int:
    count = _table(entry, "processedFileSummary").get("numZeroFillBytes")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
