"""Why does it not work? One question at a time, each with what to do about it.

Every check takes what it looks at from an `Environment` of functions, so that each answer can be
tried without the hardware. `radarid.live.environment` has the functions of this machine.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capture.config import RadarConfig
from capture.dca1000.link import LinkParams
from capture.errors import CaptureError, ExplainedError

Outcome = Literal["ok", "warning", "fail", "skipped"]
Asked = Literal["network", "serial", "camera", "radar"]

MAX_PACKET_BYTES = 1508
"""A data packet on the Ethernet, with IP and UDP headers."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes
    ----------
    check : what was looked at
    outcome : 'fail' only for what is needed, or was asked for
    text : what was found
    remedy : what to do about it
    """

    check: str
    outcome: Outcome
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface; speed 0 and no MTU when the system does not tell."""

    name: str
    is_up: bool
    speed_mbps: int = 0
    mtu: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came in on the data port: packets and bytes by sender's address, and for how long."""

    packets: dict[str, int]
    n_bytes: dict[str, int]
    seconds: float
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be looked at.

    Attributes
    ----------
    link, radar, folder : network, waveform, and where recordings go
    asked : hardware that the user named: without it, what is missing is no failure
    serial_port, camera : of the radar's command line; number, file or URL
    """

    link: LinkParams
    radar: RadarConfig
    folder: Path
    asked: frozenset[Asked] = frozenset()
    serial_port: str | None = None
    camera: str | None = None

    def missing(self, what: Asked, otherwise: Outcome = "skipped") -> Outcome:
        """Outcome of hardware that is not there."""
        return "fail" if what in self.asked else otherwise


@dataclass(frozen=True)
class Environment:
    """The world as the doctor sees it; raises `ExplainedError` or `OSError` as noted.

    Attributes
    ----------
    bind : bind UDP (host, port), ask for a buffer of so many bytes -> bytes granted; OSError
    interface : which interface has an address, or None
    holder : program that has a UDP port, or None when it cannot be found out
    fpga_version : of the board, by UDP command; ExplainedError
    listen : to the data port for some seconds; with a radar configuration the board is told to
        record meanwhile; ExplainedError
    serial_ports : names of the serial ports
    firmware : of the radar behind a serial port; ExplainedError
    picture_size : width and height of a camera's first picture; ExplainedError
    face_weights : file; ExplainedError
    load_detector : load what finds faces; ImportError, OSError, RuntimeError, CaptureError
    cache_folders : where Numba may keep compiled kernels, in the order it tries them
    can_write : whether a file can be made in a folder (which is made, if need be)
    free_bytes : of the disk of a folder; OSError
    write_rate : bytes a second to it, until they are on the disk; OSError
    version : of an installed distribution, or None
    requirements : distributions that radarid needs
    is_clock_set : whether the system clock is synchronised, or None when it cannot be found out
    """

    bind: Callable[[str, int, int], int]
    interface: Callable[[str], Interface | None]
    holder: Callable[[int], str | None]
    fpga_version: Callable[[LinkParams], str]
    listen: Callable[[LinkParams, RadarConfig | None, float], Traffic]
    serial_ports: Callable[[], Sequence[str]]
    firmware: Callable[[str], str]
    picture_size: Callable[[str], tuple[int, int]]
    face_weights: Callable[[], Path]
    load_detector: Callable[[], None]
    cache_folders: Callable[[], Sequence[Path]]
    can_write: Callable[[Path], bool]
    free_bytes: Callable[[Path], int]
    write_rate: Callable[[Path], float]
    version: Callable[[str], str | None]
    requirements: Callable[[], Sequence[str]]
    is_clock_set: Callable[[], bool | None]


def examine(case: Case, env: Environment) -> list[Finding]:
    """Run all checks; what hangs on a missing address or port is skipped."""
    findings = [check_packages(case, env)]
    network = [check_interface(case, env)]
    if network[0].outcome in ("ok", "warning"):
        network += check_ports(case, env)
    if all(f.outcome in ("ok", "warning") for f in network):
        network += [check_buffer(case, env), check_board(case, env)]
        board = network[-1].outcome
        network.append(
            check_data(case, env) if board == "ok"
            else Finding("data", "skipped", "the board does not answer")
        )  # fmt: skip
    findings += network
    for check in (check_serial, check_camera, check_face_weights, check_detector,
                  check_numba_cache, check_disk, check_clock):
        findings.append(check(case, env))
    return findings


def check_interface(case: Case, env: Environment) -> Finding:
    """Whether an interface has the host's address, is up, and is fast enough."""
    name, host = "interface", case.link.host
    give_it = (f"connect the board and give its interface the address: ip address add {host}/24 "
               "dev INTERFACE; or name another address with --host")
    try:
        env.bind(host, 0, 0)
    except OSError as failure:
        if failure.errno != errno.EADDRNOTAVAIL:
            return Finding(name, "fail", f"{host} cannot be used: {failure.strerror}")
        return Finding(name, case.missing("network"), f"no interface has {host}", give_it)
    found = env.interface(host)
    if found is None:
        return Finding(name, "ok", f"{host} is an address of this machine")
    if not found.is_up:
        return Finding(name, case.missing("network", "warning"), f"{found.name} is down",
                       f"check the cable and power of the board; ip link set {found.name} up")
    told = [f"{host} on {found.name}"]
    told += [f"{found.speed_mbps} Mbit/s"] if found.speed_mbps else []
    told += [f"MTU {found.mtu}"] if found.mtu else []
    text = ", ".join(told)
    if 0 < found.mtu < MAX_PACKET_BYTES - 14:
        return Finding(name, "warning", f"{text}: data packets do not fit",
                       f"ip link set {found.name} mtu 1500")
    if 0 < found.speed_mbps < 1000:
        return Finding(name, "warning", f"{text}: the board sends at 1000 Mbit/s",
                       "use a gigabit interface and a cable with all eight wires (Cat 5e)")
    return Finding(name, "ok", text)


def check_ports(case: Case, env: Environment) -> list[Finding]:
    """Whether the two UDP ports are free; names the program that has one."""
    findings = []
    for use, port in (("config", case.link.config_port), ("data", case.link.data_port)):
        name = f"{use} port"
        try:
            env.bind(case.link.host, port, 0)
        except OSError as failure:
            if failure.errno != errno.EADDRINUSE:
                findings.append(Finding(name, "fail", f"UDP {port}: {failure.strerror}"))
                continue
            holder = env.holder(port)
            text = f"UDP {port} is taken by {holder or 'another program'}"
            remedy = f"end it (sudo ss -lunp 'sport = :{port}' names it)"
            findings.append(Finding(name, "fail", text, remedy))
        else:
            findings.append(Finding(name, "ok", f"UDP {port} is free"))
    return findings


def check_buffer(case: Case, env: Environment) -> Finding:
    """Whether the kernel grants a socket buffer of two frames."""
    name, needed = "receive buffer", 2 * case.radar.stored_frame_bytes
    asked = max(needed, case.link.receive_buffer_bytes)
    try:
        granted = env.bind(case.link.host, 0, asked)
    except OSError as failure:
        return Finding(name, "fail", f"no socket: {failure.strerror}")
    text = f"{granted:,} bytes granted, {needed:,} are two frames"
    if granted >= needed:
        return Finding(name, "ok", text)
    return Finding(name, "warning", f"{text}: packets are lost when this machine is busy",
                   f"sudo sysctl -w net.core.rmem_max={asked}")


def check_board(case: Case, env: Environment) -> Finding:
    """Whether the DCA1000 answers commands (it never answers ping)."""
    name, link = "DCA1000", case.link
    try:
        version = env.fpga_version(link)
    except CaptureError as failure:
        return Finding(
            name, case.missing("network", "warning"), f"{link.dca1000}: {failure.what}",
            "check 5 V power, the Ethernet cable and its lights; SW2.5 on software configuration, "
            "SW2.6 on default address (192.168.33.180); a firewall may stop UDP "
            f"{link.config_port}; ping says nothing, the board does not answer it",
        )  # fmt: skip
    return Finding(name, "ok", f"{link.dca1000} answers, FPGA {version}")


def check_data(case: Case, env: Environment, seconds: float = 2.0) -> Finding:
    """Whether data packets come in, and from whom."""
    name, board, tried = "data", case.link.dca1000, "radar" in case.asked
    try:
        traffic = env.listen(case.link, case.radar if tried else None, seconds)
    except CaptureError as failure:
        return Finding(name, "fail", failure.what, failure.remedy)
    told = f" (board says: {', '.join(traffic.statuses)})" if traffic.statuses else ""
    own = traffic.packets.get(board, 0)
    others = {sender: n for sender, n in traffic.packets.items() if sender != board}
    if others:
        senders = ", ".join(f"{n} from {sender}" for sender, n in sorted(others.items()))
        text = f"{own} packets from {board}, but also {senders}{told}"
        return Finding(name, "warning" if own else case.missing("network", "warning"), text,
                       "name the board with --dca, or stop the other sender")
    if own:
        rate_mbps = traffic.n_bytes[board] * 8e-6 / traffic.seconds
        return Finding(name, "ok", f"{own} packets in {traffic.seconds:.1f} s, {rate_mbps:.0f} "
                       f"Mbit/s{told}")
    if tried:
        return Finding(
            name, "fail", f"the board records, but no packet in {traffic.seconds:.1f} s{told}",
            "start the radar (sensorStart); enable its LVDS stream (lvdsStreamCfg -1 0 1 0); give "
            "the device's own configuration (2 lanes for xWR16/18/68, 4 for xWR12/14); check the "
            "60-pin cable; a firewall may stop UDP on the data port",
        )  # fmt: skip
    return Finding(name, "skipped", "nothing comes in, as is usual while nobody records",
                   "start the radar and give --radar CONFIG to try")


def check_serial(case: Case, env: Environment) -> Finding:
    """Whether the radar answers on its serial port, and with which firmware."""
    name = "radar serial port"
    ports = list(env.serial_ports())
    listed = ", ".join(ports) or "none"
    if case.serial_port is None:
        hint = "name the radar's command port with --serial" if ports else None
        return Finding(name, "skipped", f"serial ports here: {listed}", hint)
    try:
        firmware = env.firmware(case.serial_port)
    except CaptureError as failure:
        return Finding(
            name, "fail", f"{case.serial_port}: {failure.what}",
            failure.remedy or f"serial ports here: {listed}; take the first of the board's two "
            "(XDS110 application/user UART), join the group 'dialout', close other terminals",
        )  # fmt: skip
    return Finding(name, "ok", f"{case.serial_port}: {firmware}")


def check_camera(case: Case, env: Environment) -> Finding:
    """Whether the camera gives a picture."""
    if case.camera is None:
        return Finding("camera", "skipped", "none named", "name one with --camera to try it")
    try:
        width, height = env.picture_size(case.camera)
    except CaptureError as failure:
        return Finding("camera", "fail", f"{failure.where or case.camera}: {failure.what}",
                       failure.remedy or "try another number; close other programs that film; "
                       "join the group 'video'")
    return Finding("camera", "ok", f"{case.camera} gives pictures of {width} x {height}")


def check_face_weights(case: Case, env: Environment) -> Finding:
    """Whether the face teacher has weights; only training asks for them."""
    try:
        return Finding("face weights", "ok", str(env.face_weights()))
    except ExplainedError as failure:
        return Finding("face weights", "warning", f"{failure.what}: no training with faces",
                       failure.remedy)


def check_detector(case: Case, env: Environment) -> Finding:
    """Whether the face detector can be loaded; only ingest with a camera asks for it."""
    try:
        env.load_detector()
    except (ImportError, OSError, RuntimeError, CaptureError) as failure:
        return Finding("face detector", "warning", f"MTCNN does not load: {failure}",
                       "pip install facenet-pytorch with the torch and torchvision that fit it")
    return Finding("face detector", "ok", "MTCNN loads")


def check_numba_cache(case: Case, env: Environment) -> Finding:
    """Whether compiled kernels can be kept."""
    folders = list(env.cache_folders())
    for folder in folders:
        if env.can_write(folder):
            return Finding("Numba cache", "ok", str(folder))
    tried = ", ".join(map(str, folders))
    return Finding("Numba cache", "warning", f"not writable: {tried}; every start compiles anew",
                   "export NUMBA_CACHE_DIR=FOLDER, one that you may write to")


def check_disk(case: Case, env: Environment) -> Finding:
    """Whether the disk has room and keeps up with the radar."""
    name, needed = "disk", case.radar.data_rate_bps / 8
    try:
        free, rate = env.free_bytes(case.folder), env.write_rate(case.folder)
    except OSError as failure:
        return Finding(name, "fail", f"{case.folder}: {failure.strerror}",
                       "record to a folder that you may write to (--out)")
    text = (f"{rate / 1e6:.0f} MB/s for the radar's {needed / 1e6:.1f}; room for "
            f"{free / needed / 60:.0f} minutes")
    if rate < needed:
        return Finding(name, "fail", text, "record to a faster disk")
    if rate < 2 * needed or free < 600 * needed:
        return Finding(name, "warning", text, "record to a larger or faster disk")
    return Finding(name, "ok", text)


def check_packages(case: Case, env: Environment) -> Finding:
    """Whether all packages are there, and `mmwave` is OpenRadar's."""
    name = "packages"
    missing = [each for each in env.requirements() if env.version(each) is None]
    if missing:
        return Finding(name, "fail", f"not installed: {', '.join(missing)}",
                       f"pip install {' '.join(missing)}")
    if env.version("mmwave") is not None:
        return Finding(name, "fail", "the package 'mmwave' is not OpenRadar, and hides it",
                       "pip uninstall mmwave; pip install --force-reinstall --no-deps openradar")
    shown = ("numpy", "numba", "torch", "opencv-python", "openradar")
    versions = ", ".join(f"{each} {env.version(each)}" for each in shown)
    return Finding(name, "ok", versions)


def check_clock(case: Case, env: Environment) -> Finding:
    """Whether times can be compared with those of other machines."""
    is_set = env.is_clock_set()
    if is_set is None:
        return Finding("clock", "skipped", "the system does not tell whether it is synchronised")
    if is_set:
        return Finding("clock", "ok", "synchronised")
    return Finding("clock", "warning", "not synchronised: fits cameras on this machine only",
                   "start a time service (timedatectl set-ntp true)")
