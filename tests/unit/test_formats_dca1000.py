"""Configuration files of the DCA1000's recorder: every field, and nothing but the known ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from capture.dca1000.link import LinkParams
from capture.errors import ConfigError
from capture.formats.dca1000_json import Dca1000Config, read_dca1000

ADDRESS = {"DCA1000IPAddress": "10.0.0.7", "DCA1000ConfigPort": 5096, "DCA1000DataPort": 5098}
TABLE: dict[str, Any] = {"DCA1000Config": {
    "dataLoggingMode": "multi",
    "dataTransferMode": "LVDSCapture",
    "dataCaptureMode": "ethernetStream",
    "lvdsMode": 1,
    "dataFormatMode": 2,
    "packetDelay_us": 10,
    "ethernetConfig": ADDRESS,
    "ethernetConfigUpdate": ADDRESS | {
        "systemIPAddress": "10.0.0.1", "DCA1000IPAddress": "10.0.0.8",
        "DCA1000MACAddress": "12.34.56.78.90.12",
    },
    "captureConfig": {
        "fileBasePath": ".\\Data", "filePrefix": "walk", "maxRecFileSize_MB": 512,
        "sequenceNumberEnable": 1, "captureStopMode": "duration", "bytesToCapture": 4000,
        "durationToCapture_ms": 2500, "framesToCapture": 40,
    },
    "dataFormatConfig": {
        "MSBToggle": 0, "laneFmtMap": 0, "reorderEnable": 1,
        "dataPortConfig": [{"portIdx": k, "dataType": "real" if k else "complex"}
                           for k in range(5)],
    },
}}  # fmt: skip


def written(path: Path, *change: Any) -> Path:
    """The table above with the value at a path of keys replaced (`...`: removed)."""
    table = copy.deepcopy(TABLE)
    if change:
        *keys, last, value = change
        place = table["DCA1000Config"]
        for key in keys:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    path.write_text(json.dumps(table))
    return path


def test_every_field(tmp_path: Path) -> None:
    assert read_dca1000(written(tmp_path / "cf.json")) == Dca1000Config(
        link=LinkParams(host="10.0.0.1", dca1000="10.0.0.7", config_port=5096, data_port=5098,
                        packet_delay_us=10.0),
        logging="multi",
        transfer="LVDSCapture",
        capture="ethernetStream",
        lvds_lanes=4,
        adc_bits=14,
        folder=".\\Data",
        prefix="walk",
        max_file_mb=512,
        sequence_numbers=True,
        stop="duration",
        stop_bytes=4000,
        stop_duration_s=2.5,
        stop_frames=40,
        reorder=True,
        msb_toggle=False,
        lane_format_map=0,
        data_types=("complex", "real", "real", "real", "real"),
    )  # fmt: skip


def test_the_table_for_the_next_start_may_be_missing(tmp_path: Path) -> None:
    link = read_dca1000(written(tmp_path / "cf.json", "ethernetConfigUpdate", ...)).link
    assert (link.host, link.dca1000) == (LinkParams().host, "10.0.0.7")


@pytest.mark.parametrize(("change", "message"), [
    (("lvdsMode", 3), "key 'lvdsMode'; got 3; expected a number, 1 to 2"),
    (("lvdsMode", True), "key 'lvdsMode'; got True"),
    (("lvdsMode", ...), "missing key 'lvdsMode'"),
    (("lvdsmode", 1), "unknown key 'lvdsmode'"),
    (("dataLoggingMode", "Raw"), "expected raw, multi"),
    (("dataFormatMode", 0), "key 'dataFormatMode'"),
    (("packetDelay_us", 4), "5 to 500"),
    (("packetDelay_us", "25"), "5 to 500"),
    (("ethernetConfig", "DCA1000IPAddress", "10.0.0.256"), "not an IPv4 address"),
    (("ethernetConfig", "DCA1000DataPort", 70000), "1 to 65535"),
    (("ethernetConfig", "x", 1), "unknown key 'x'; got table 'ethernetConfig'"),
    (("ethernetConfig", []), "'ethernetConfig' is not a table"),
    (("ethernetConfigUpdate", "DCA1000MACAddress", "12:34"), "DCA1000MACAddress"),
    (("ethernetConfigUpdate", "DCA1000IPAddress", "none"), "not an IPv4 address"),
    (("captureConfig", "maxRecFileSize_MB", 1025), "1 to 1024"),
    (("captureConfig", "captureStopMode", "never"), "infinite, bytes"),
    (("captureConfig", "filePrefix", 7), "'filePrefix' is not a string"),
    (("dataFormatConfig", "reorderEnable", 2), "0 to 1"),
    (("dataFormatConfig", "dataPortConfig", []), "ports 0 to 4"),
    (("dataFormatConfig", "dataPortConfig", 4, {"portIdx": 3, "dataType": "real"}), "ports 0 to"),
    (("dataFormatConfig", "dataPortConfig", 0, {"portIdx": 0, "dataType": "c"}), "real, complex"),
])  # fmt: skip
def test_what_does_not_belong_is_named(
    tmp_path: Path, change: tuple[Any, ...], message: str
) -> None:
    path = written(tmp_path / "cf.json", *change)
    with pytest.raises(ConfigError, match=message) as caught:
        read_dca1000(path)
    assert str(path) in str(caught.value)


def test_other_files(tmp_path: Path) -> None:
    for text in ("", "[]", '{"mmWaveDevices": []}', '{"DCA1000Config": 1}',
                 json.dumps(TABLE | {"more": 1})):  # fmt: skip
        (tmp_path / "cf.json").write_text(text)
        with pytest.raises(ConfigError):
            read_dca1000(tmp_path / "cf.json")
