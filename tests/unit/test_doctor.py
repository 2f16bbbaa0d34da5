"""Every answer of the doctor, in a world made of functions."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from capture.config import RadarConfig
from capture.dca1000.link import LinkParams
from capture.errors import CameraError, LinkError
from radarid.errors import TrainError
from radarid.live import doctor
from radarid.live.doctor import Case, Environment, Finding, Interface, Traffic, examine

BOARD = "192.168.33.180"
CASE = Case(LinkParams(), RadarConfig(), Path("/walks"))
NAMED = replace(CASE, asked=frozenset({"network"}))
TRIED = replace(CASE, asked=frozenset({"network", "radar"}))
VERSIONS = {"numpy": "2.1", "numba": "0.61", "torch": "2.5", "opencv-python": "4.10",
            "openradar": "1.0.1"}
HEALTHY = Environment(
    bind=lambda host, port, n_bytes: n_bytes,
    interface=lambda host: Interface("eth1", True, 1000, 1500),
    holder=lambda port: None,
    fpga_version=lambda link: "2.8 (record)",
    listen=lambda link, radar, seconds: Traffic({BOARD: 39_000}, {BOARD: 57_000_000}, seconds),
    serial_ports=lambda: ["/dev/ttyACM0", "/dev/ttyACM1"],
    firmware=lambda port: "xWR18xx, SDK 03.05.00.04, IWR1843",
    picture_size=lambda camera: (640, 480),
    face_weights=lambda: Path("weights.pt"),
    load_detector=lambda: None,
    cache_folders=lambda: [Path("/cache")],
    can_write=lambda folder: True,
    free_bytes=lambda folder: 1 << 40,
    write_rate=lambda folder: 400e6,
    version=VERSIONS.get,
    requirements=lambda: list(VERSIONS),
    is_clock_set=lambda: True,
)


def raising(failure: Exception) -> Callable[..., NoReturn]:
    def fail(*args: Any) -> NoReturn:
        raise failure

    return fail


def no(number: int) -> Callable[..., NoReturn]:
    return raising(OSError(number, os.strerror(number)))


def heard(packets: dict[str, int], *statuses: str) -> Callable[..., Traffic]:
    return lambda link, radar, seconds: Traffic(
        packets, {sender: 1466 * n for sender, n in packets.items()}, seconds, statuses
    )


def taken(host: str, port: int, n_bytes: int) -> int:
    if port == 4098:
        raise OSError(errno.EADDRINUSE, "Address already in use")
    return n_bytes


def test_a_healthy_set_up_has_only_good_lines() -> None:
    case = replace(TRIED, serial_port="/dev/ttyACM0", camera="0")
    findings = examine(case, HEALTHY)
    assert [finding.outcome for finding in findings] == ["ok"] * 14
    told = {finding.check: finding.text for finding in findings}
    assert told["interface"] == "192.168.33.30 on eth1, 1000 Mbit/s, MTU 1500"
    assert told["data"] == "39000 packets in 2.0 s, 228 Mbit/s"  # 8 * 57e6 / 2 s
    assert told["radar serial port"] == "/dev/ttyACM0: xWR18xx, SDK 03.05.00.04, IWR1843"


def test_without_hardware_nothing_fails() -> None:
    bare = replace(HEALTHY, bind=no(errno.EADDRNOTAVAIL), serial_ports=list)
    findings = examine(CASE, bare)
    skipped = {finding.check for finding in findings if finding.outcome == "skipped"}
    assert skipped == {"interface", "radar serial port", "camera"}
    assert {finding.outcome for finding in findings} == {"ok", "skipped"}


def test_a_silent_board_is_not_listened_to() -> None:
    mute = replace(HEALTHY, fpga_version=raising(LinkError("no answer")),
                   listen=raising(AssertionError("listened")))
    found = {finding.check: finding.outcome for finding in examine(NAMED, mute)}
    assert (found["DCA1000"], found["data"]) == ("fail", "skipped")


def test_a_taken_port_is_not_tried_further() -> None:
    world = replace(HEALTHY, bind=taken, fpga_version=raising(AssertionError("asked")))
    found = {finding.check: finding.outcome for finding in examine(NAMED, world)}
    assert found["data port"] == "fail"
    assert "DCA1000" not in found


CHANGES: list[tuple[Callable[..., Any], Case, dict[str, Any], str, str, str]] = [
    # check, case, what is different, outcome, part of the text, part of the remedy
    (doctor.check_interface, NAMED, {"bind": no(errno.EADDRNOTAVAIL)},
     "fail", "no interface has 192.168.33.30", "ip address add 192.168.33.30/24"),
    (doctor.check_interface, CASE, {"bind": no(errno.EADDRNOTAVAIL)},
     "skipped", "no interface has 192.168.33.30", "--host"),
    (doctor.check_interface, CASE, {"bind": no(errno.EPERM)}, "fail", "not permitted", ""),
    (doctor.check_interface, CASE, {"interface": lambda host: None}, "ok", "this machine", ""),
    (doctor.check_interface, CASE, {"interface": lambda host: Interface("eth1", False)},
     "warning", "eth1 is down", "ip link set eth1 up"),
    (doctor.check_interface, NAMED, {"interface": lambda host: Interface("eth1", False)},
     "fail", "eth1 is down", "cable"),
    (doctor.check_interface, CASE, {"interface": lambda host: Interface("eth1", True, 100, 1500)},
     "warning", "100 Mbit/s", "gigabit"),
    (doctor.check_interface, CASE, {"interface": lambda host: Interface("eth1", True, 0, 1400)},
     "warning", "do not fit", "mtu 1500"),
    (doctor.check_buffer, CASE, {"bind": lambda host, port, n_bytes: 212_992},
     # two frames are 2 * 942 080 bytes; asked for are the 8 MiB of the link
     "warning", "212,992 bytes granted, 1,884,160", "net.core.rmem_max=8388608"),
    (doctor.check_buffer, CASE, {"bind": lambda host, port, n_bytes: 1_884_160}, "ok", "", ""),
    (doctor.check_buffer, CASE, {"bind": no(errno.EMFILE)}, "fail", "Too many open files", ""),
    (doctor.check_board, NAMED, {"fpga_version": raising(LinkError("no answer"))},
     "fail", "192.168.33.180: no answer", "SW2.5"),
    (doctor.check_board, CASE, {"fpga_version": raising(LinkError("no answer"))},
     "warning", "no answer", "ping says nothing"),
    (doctor.check_data, NAMED, {"listen": heard({})}, "skipped", "nobody records", "--radar"),
    (doctor.check_data, TRIED, {"listen": heard({}, "no data on the LVDS lanes")},
     "fail", "(board says: no data on the LVDS lanes)", "lvdsStreamCfg -1 0 1 0"),
    (doctor.check_data, TRIED, {"listen": heard({"10.0.0.7": 3})},
     "fail", "0 packets from 192.168.33.180, but also 3 from 10.0.0.7", "--dca"),
    (doctor.check_data, NAMED, {"listen": heard({BOARD: 9, "10.0.0.7": 3})},
     "warning", "9 packets from 192.168.33.180, but also 3 from 10.0.0.7", "other sender"),
    (doctor.check_data, NAMED, {"listen": raising(LinkError("refused", remedy="reset it"))},
     "fail", "refused", "reset it"),
    (doctor.check_serial, CASE, {}, "skipped", "/dev/ttyACM0, /dev/ttyACM1", "--serial"),
    (doctor.check_serial, CASE, {"serial_ports": list}, "skipped", "none", ""),
    (doctor.check_serial, replace(CASE, serial_port="COM9"),
     {"firmware": raising(LinkError("no reply"))}, "fail", "COM9: no reply", "dialout"),
    (doctor.check_camera, CASE, {}, "skipped", "none named", "--camera"),
    (doctor.check_camera, replace(CASE, camera="rtsp://user:secret@cam/1"),
     {"picture_size": raising(CameraError("no picture", where="rtsp://cam/1"))},
     "fail", "rtsp://cam/1: no picture", "video"),
    (doctor.check_face_weights, CASE,
     {"face_weights": raising(TrainError("no weights", remedy="put them there"))},
     "warning", "no weights: no training with faces", "put them there"),
    (doctor.check_detector, CASE, {"load_detector": raising(ImportError("no facenet_pytorch"))},
     "warning", "no facenet_pytorch", "pip install facenet-pytorch"),
    (doctor.check_numba_cache, CASE, {"can_write": lambda folder: False},
     "warning", "not writable: /cache", "NUMBA_CACHE_DIR"),
    (doctor.check_disk, CASE, {"free_bytes": no(errno.ENOENT)}, "fail", "/walks: No such", "--out"),
    # The paper's waveform: 942 080 bytes every 33 ms are 28.5 MB/s.
    (doctor.check_disk, CASE, {"write_rate": lambda folder: 28e6},
     "fail", "28 MB/s for the radar's 28.5", "faster"),
    (doctor.check_disk, CASE, {"write_rate": lambda folder: 50e6}, "warning", "50 MB/s", "faster"),
    (doctor.check_disk, CASE, {"free_bytes": lambda folder: 5 * 60 * 28_547_879},
     "warning", "room for 5 minutes", "larger"),
    (doctor.check_packages, CASE, {"version": {**VERSIONS, "torch": None}.get},
     "fail", "not installed: torch", "pip install torch"),
    (doctor.check_packages, CASE, {"version": {**VERSIONS, "mmwave": "0.1.70"}.get},
     "fail", "'mmwave' is not OpenRadar", "pip uninstall mmwave"),
    (doctor.check_clock, CASE, {"is_clock_set": lambda: False},
     "warning", "not synchronised", "timedatectl"),
    (doctor.check_clock, CASE, {"is_clock_set": lambda: None}, "skipped", "does not tell", ""),
]  # fmt: skip


@pytest.mark.parametrize(("check", "case", "change", "outcome", "text", "remedy"), CHANGES)
def test_what_is_wrong_is_named_with_its_remedy(
    check: Callable[[Case, Environment], Finding], case: Case, change: dict[str, Any],
    outcome: str, text: str, remedy: str,
) -> None:  # fmt: skip
    found = check(case, replace(HEALTHY, **change))
    assert found.outcome == outcome
    assert text in found.text
    assert remedy in (found.remedy or "")
    assert bool(found.remedy) == bool(remedy)


@pytest.mark.parametrize(("holder", "named"), [
    (lambda port: "mmWaveStudio (17)", "mmWaveStudio (17)"), (lambda port: None, "another program"),
])
def test_a_taken_port_names_its_holder(holder: Callable[[int], str | None], named: str) -> None:
    config, data = doctor.check_ports(CASE, replace(HEALTHY, bind=taken, holder=holder))
    assert (config.outcome, data.outcome) == ("ok", "fail")
    assert data.text == f"UDP 4098 is taken by {named}"
    assert "ss -lunp" in (data.remedy or "")


def test_a_port_that_may_not_be_used_is_told() -> None:
    config, data = doctor.check_ports(CASE, replace(HEALTHY, bind=no(errno.EACCES)))
    assert (config.outcome, data.outcome) == ("fail", "fail")
    assert "Permission denied" in data.text


def test_only_a_named_radar_makes_the_board_record() -> None:
    radars: list[RadarConfig | None] = []

    def listen(link: LinkParams, radar: RadarConfig | None, seconds: float) -> Traffic:
        radars.append(radar)
        return Traffic({}, {}, seconds)

    doctor.check_data(NAMED, replace(HEALTHY, listen=listen))
    doctor.check_data(TRIED, replace(HEALTHY, listen=listen))
    assert radars == [None, TRIED.radar]
