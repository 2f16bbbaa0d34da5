"""The configuration files of TI's command-line recorder for the DCA1000 (`cf.json`).

Names, units and codes: DCA1000EVM_CLI developer's guide, "Configuration file". The file holds no
waveform; it says how samples are carried to disk, which may contradict the waveform.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from capture.dca1000.link import LinkParams
from capture.errors import ConfigError
from capture.formats.studio import read_json
from capture.schema import config_class, from_mapping

LOGGING_MODES = ("raw", "multi")
_TRANSFERS = ("LVDSCapture", "playback")
_CAPTURES = ("ethernetStream", "SDCardStorage")
_STOPS = ("infinite", "bytes", "duration", "frames")
_TYPES = ("real", "complex")
_MAC = re.compile(r"[0-9A-Fa-f]{1,2}([.:-][0-9A-Fa-f]{1,2}){5}", re.ASCII)


@config_class
class Dca1000Config:
    """How a DCA1000 and TI's command-line recorder carry samples to disk.

    Attributes
    ----------
    link : addresses, ports and packet delay
    logging : 'raw', one stream; 'multi', streams apart by the headers of the radar
    transfer : 'LVDSCapture', or 'playback' of recorded samples
    capture : 'ethernetStream', or 'SDCardStorage'
    lvds_lanes : lanes that the board listens to: lvdsMode 1 is 4 (xWR12/14), 2 is 2
    adc_bits : bits that the board takes a sample to have (dataFormatMode)
    folder, prefix : where files go and how their names begin
    max_file_mb : size at which a new file begins, MiB
    sequence_numbers : whether packets are checked and put in order by their numbers
    stop : 'infinite', 'bytes', 'duration' or 'frames'; only the named one of the next three counts
    stop_bytes, stop_duration_s, stop_frames : when to stop
    reorder : samples are put in the order I Q I Q while recording ('IQIQ' files)
    msb_toggle : the top bit of every sample is inverted while recording
    lane_format_map : order of antennas on the lanes (0: as they come)
    data_types : 'real' or 'complex', for the data ports 0 to 4
    """

    link: LinkParams
    logging: Literal["raw", "multi"]
    transfer: Literal["LVDSCapture", "playback"]
    capture: Literal["ethernetStream", "SDCardStorage"]
    lvds_lanes: Literal[2, 4]
    adc_bits: Literal[12, 14, 16]
    folder: str
    prefix: str
    max_file_mb: int
    sequence_numbers: bool
    stop: Literal["infinite", "bytes", "duration", "frames"]
    stop_bytes: int
    stop_duration_s: float
    stop_frames: int
    reorder: bool
    msb_toggle: bool
    lane_format_map: int
    data_types: tuple[Literal["real", "complex"], ...]


def read_dca1000(path: Path | str) -> Dca1000Config:
    """Read a cf.json file.

    Parameters
    ----------
    path : the file

    Returns
    -------
    Dca1000Config

    Raises
    ------
    ConfigError
        Not such a file, or a key that is missing, unknown or out of its range.
    """
    path = Path(path)
    root = read_json(path)
    if not isinstance(root, dict) or "DCA1000Config" not in root:
        raise ConfigError("not a DCA1000 configuration (cf.json)", where=path)
    try:
        outer = _Table(root, "")
        config = outer.table("DCA1000Config")
        values = _values(config)
        config.done()
        outer.done()
        return from_mapping(Dca1000Config, values)
    except ConfigError as failure:
        failure.where = path
        raise


class _Table:
    """A table of which every key must be taken once, and none may be left."""

    def __init__(self, table: Any, name: str) -> None:
        if not isinstance(table, dict):
            raise ConfigError(f"'{name}' is not a table", got=str(table)[:40])
        self._rest, self._name = dict(table), name

    def take(self, key: str) -> Any:
        """Value of a key that must be there."""
        if key not in self._rest:
            raise ConfigError(f"missing key '{key}'", got=f"table '{self._name}'")
        return self._rest.pop(key)

    def whole(self, key: str, lowest: int, highest: int) -> int:
        """A whole number in a closed range."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ConfigError(
                f"key '{key}'", got=str(value)[:40], expected=f"a number, {lowest} to {highest}"
            )
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of some words."""
        value = self.take(key)
        if value not in choices:
            raise ConfigError(f"key '{key}'", got=str(value)[:40], expected=", ".join(choices))
        return str(value)

    def text(self, key: str) -> str:
        """A string."""
        value = self.take(key)
        if not isinstance(value, str):
            raise ConfigError(f"key '{key}' is not a string", got=str(value)[:40])
        return value

    def table(self, key: str) -> _Table:
        """A table inside."""
        return _Table(self.take(key), key)

    def done(self) -> None:
        """Refuse keys that nobody has taken."""
        if self._rest:
            name = next(iter(self._rest))
            raise ConfigError(f"unknown key '{name}'", got=f"table '{self._name}'")

    def has(self, key: str) -> bool:
        """Whether a key is there and was not taken."""
        return key in self._rest


def _values(config: _Table) -> dict[str, Any]:
    values: dict[str, Any] = {
        "logging": config.choice("dataLoggingMode", LOGGING_MODES),
        "transfer": config.choice("dataTransferMode", _TRANSFERS),
        "capture": config.choice("dataCaptureMode", _CAPTURES),
        "lvds_lanes": 4 if config.whole("lvdsMode", 1, 2) == 1 else 2,
        "adc_bits": (12, 14, 16)[config.whole("dataFormatMode", 1, 3) - 1],
    }
    values["link"] = _link(config)
    return values | _recorder(config.table("captureConfig")) | _format(
        config.table("dataFormatConfig")
    )


def _link(config: _Table) -> dict[str, Any]:
    """Addresses now in use; those of `ethernetConfigUpdate` become so with the next EEPROM write.

    Only that table knows the host's address.
    """
    ethernet = config.table("ethernetConfig")
    link = _address(ethernet) | {"packet_delay_us": config.whole("packetDelay_us", 5, 500)}
    ethernet.done()
    if config.has("ethernetConfigUpdate"):
        update = config.table("ethernetConfigUpdate")
        link["host"] = update.text("systemIPAddress")
        mac = update.text("DCA1000MACAddress")
        if not _MAC.fullmatch(mac):
            raise ConfigError("key 'DCA1000MACAddress' is no such address", got=mac)
        from_mapping(LinkParams, _address(update))
        update.done()
    return link


def _address(table: _Table) -> dict[str, Any]:
    return {
        "dca1000": table.text("DCA1000IPAddress"),
        "config_port": table.whole("DCA1000ConfigPort", 1, 65535),
        "data_port": table.whole("DCA1000DataPort", 1, 65535),
    }


def _recorder(table: _Table) -> dict[str, Any]:
    values = {
        "folder": table.text("fileBasePath"),
        "prefix": table.text("filePrefix"),
        "max_file_mb": table.whole("maxRecFileSize_MB", 1, 1024),
        "sequence_numbers": bool(table.whole("sequenceNumberEnable", 0, 1)),
        "stop": table.choice("captureStopMode", _STOPS),
        "stop_bytes": table.whole("bytesToCapture", 0, 1 << 40),
        "stop_duration_s": table.whole("durationToCapture_ms", 0, 1 << 40) / 1000,
        "stop_frames": table.whole("framesToCapture", 0, 1 << 40),
    }
    table.done()
    return values


def _format(table: _Table) -> dict[str, Any]:
    ports = table.take("dataPortConfig")
    entries = [_Table(p, "dataPortConfig") for p in ports] if isinstance(ports, list) else []
    kinds = {entry.whole("portIdx", 0, 4): entry.choice("dataType", _TYPES) for entry in entries}
    if sorted(kinds) != list(range(5)) or len(entries) != len(kinds):
        raise ConfigError("key 'dataPortConfig'", got=sorted(kinds), expected="ports 0 to 4")
    for entry in entries:
        entry.done()
    values = {
        "msb_toggle": bool(table.whole("MSBToggle", 0, 1)),
        "reorder": bool(table.whole("reorderEnable", 0, 1)),
        "lane_format_map": table.whole("laneFmtMap", 0, 1),
        "data_types": [kinds[k] for k in range(5)],
    }
    table.done()
    return values
