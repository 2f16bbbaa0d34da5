"""What the doctor looks at, on this machine."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import psutil

import radarid.dsp
from capture.camera.torchvision_guard import import_torchvision
from capture.config import RadarConfig
from capture.dca1000.commands import Dca1000, explain_status
from capture.dca1000.link import LinkParams
from capture.dca1000.radar_cli import RadarCli, serial_ports
from capture.udp.receiver import UdpReceiver, ask_for_buffer
from radarid.learn.teacher import find_weights
from radarid.live.doctor import Environment, Interface, Traffic

_TRIAL_BYTES = 32 << 20
_TIMEX_BYTES, _TIME_ERROR = 512, 5  # adjtimex(2): more than struct timex, and "not synchronised"


def this_machine() -> Environment:
    """The doctor's functions on this machine."""
    return Environment(
        bind=bind,
        interface=interface,
        holder=holder,
        fpga_version=fpga_version,
        listen=listen,
        serial_ports=serial_ports,
        firmware=firmware,
        picture_size=picture_size,
        face_weights=find_weights,
        load_detector=load_detector,
        cache_folders=cache_folders,
        can_write=can_write,
        free_bytes=lambda folder: shutil.disk_usage(folder).free,
        write_rate=write_rate,
        version=version,
        requirements=requirements,
        is_clock_set=is_clock_set,
    )


def bind(host: str, port: int, buffer_bytes: int) -> int:
    """Bind a UDP socket for a moment; the receive buffer that it was granted."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind((host, port))
        granted, _ = ask_for_buffer(trial, buffer_bytes)
    return granted


def interface(host: str) -> Interface | None:
    """The interface that has an address."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == host for address in addresses):
            stats = psutil.net_if_stats().get(name)
            return Interface(name, stats.isup, stats.speed, stats.mtu) if stats else None
    return None


def holder(port: int) -> str | None:
    """Name and number of the process that has a UDP port, as far as this user may know."""
    try:
        connections = psutil.net_connections("udp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} ({connection.pid})"
            except psutil.Error:
                return f"process {connection.pid}"
    return None


def fpga_version(link: LinkParams) -> str:
    """Version of the board's FPGA, after a sign of life."""
    with Dca1000(link) as board:
        board.alive()
        return str(board.version())


def listen(link: LinkParams, radar: RadarConfig | None, seconds: float) -> Traffic:
    """Count data packets; with a radar configuration, while the board records."""
    packets: Counter[str] = Counter()
    n_bytes: Counter[str] = Counter()
    with (
        UdpReceiver(link.host, link.data_port, source_host=link.dca1000) as receiver,
        _recording(link, radar) as statuses,
    ):
        start_s = time.monotonic()
        while (passed_s := time.monotonic() - start_s) < seconds:
            batch = receiver.read(min(0.1, seconds - passed_s))
            for sender in np.unique(batch.source >> np.uint64(16)):
                own = batch.source >> np.uint64(16) == sender
                packets[str(IPv4Address(int(sender)))] += int(own.sum())
                n_bytes[str(IPv4Address(int(sender)))] += int(batch.size[own].sum())
    return Traffic(dict(packets), dict(n_bytes), seconds, tuple(statuses))


@contextmanager
def _recording(link: LinkParams, radar: RadarConfig | None) -> Iterator[list[str]]:
    """Let the board record; its statuses are known at the end."""
    statuses: list[str] = []
    if radar is None:
        yield statuses
        return
    with Dca1000(link) as board:
        board.configure(radar)
        board.start()
        try:
            yield statuses
        finally:
            board.stop()
            statuses += [text for bits in board.statuses() for text in explain_status(bits)]


def firmware(port: str) -> str:
    """Firmware and SDK of the radar behind a serial port, in one line."""
    with RadarCli(port) as radar:
        found = radar.version()
    return f"{found.platform or 'unknown platform'}, SDK {found.sdk or 'unknown'}, {found.device}"


def picture_size(camera: str) -> tuple[int, int]:
    """Width and height of a camera's first picture."""
    from capture.camera.reader import open_camera

    info = open_camera(int(camera) if camera.isdecimal() else camera).info
    return info.width, info.height


def load_detector() -> None:
    """Import MTCNN."""
    import_torchvision()
    from capture.camera.faces import FaceCropper

    FaceCropper()


def cache_folders() -> list[Path]:
    """Where Numba keeps compiled kernels: the first of these that it may write to."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    beside = Path(radarid.dsp.__path__[0]) / "__pycache__"
    own = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "numba"
    return [*([Path(given)] if given else []), beside, own]


def can_write(folder: Path) -> bool:
    """Whether a file can be made in a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def write_rate(folder: Path) -> float:
    """Bytes a second to a file in a folder, until they are on the disk."""
    block = memoryview(bytes(1 << 20))
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        start_s = time.monotonic()
        for _ in range(_TRIAL_BYTES // len(block)):
            file.write(block)
        os.fsync(file.fileno())
        return _TRIAL_BYTES / (time.monotonic() - start_s)


def version(distribution: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> list[str]:
    """Distributions that radarid needs, without the optional ones."""
    try:
        lines = metadata.requires("radarid") or []
    except metadata.PackageNotFoundError:
        return []
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]


def is_clock_set() -> bool | None:
    """Whether the kernel holds the clock for synchronised (adjtimex(2))."""
    if sys.platform != "linux":
        return None
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
