"""Loss of a live capture against packet rate, and against a consumer that stalls, on loopback.

    python benches/live_capture.py [--quick] [--seconds 3] [--json out.json]

A sender process plays a DCA1000 with the paper's frames (942 080 bytes); each receiver is a
process of its own: radarid (`capture.udp.LiveSource`), radarid without recvmmsg, and the `xwr`
package. Every packet carries its number, so that what is counted is what the consumer got in its
frames, not what a receiver says about itself. A stalled consumer computes in Python (it holds the
interpreter lock), every four stalls' time.

Buffers: `default` is a socket that asks for nothing (net.core.rmem_default), `tuned` one that asks
for 8 MiB after `sysctl net.core.rmem_max` allowed it.

Before anything is measured each receiver gets a slow stream with known losses. radarid must return
exactly the bytes sent and exactly the stretches left out, or the bench stops.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from live_stream import (
    BOARD,
    FRAME_BYTES,
    FRAME_WORDS,
    HOST,
    PACKET_WORDS,
    RADAR,
    Point,
    expected_words,
    play,
    sysctl,
)

from capture.dca1000.link import LinkParams
from capture.dca1000.packets import PAYLOAD_BYTES
from capture.udp.live import LiveSource

PATIENCE_S = 5.0
Received = tuple[int, np.ndarray, tuple[tuple[int, int], ...] | None]


# -- the receivers ------------------------------------------------------------------------------
@contextlib.contextmanager
def radarid(point: Point, plain: bool = False) -> Iterator[Iterator[Received]]:
    """Frames of `LiveSource`, with their lost stretches."""
    link = LinkParams(
        host=HOST, dca1000=BOARD, data_port=point.port, receive_buffer_bytes=point.buffer_bytes
    )
    with LiveSource(RADAR, link, plain=plain, idle_timeout_s=PATIENCE_S) as source:

        def frames() -> Iterator[Received]:
            for raw in source.raw_frames():
                yield raw.index, raw.data, raw.lost
                if raw.index >= point.n_frames - 1:
                    return

        yield frames()
        stats = source.stats()
        print(json.dumps({key: stats[key] for key in ("n_kernel_drops", "n_dropped_frames",
                                                      "buffer_bytes")}))  # fmt: skip


def radarid_plain(point: Point) -> contextlib.AbstractContextManager[Iterator[Received]]:
    """The same without recvmmsg."""
    return radarid(point, plain=True)


@contextlib.contextmanager
def xwr(point: Point) -> Iterator[Iterator[Received]]:
    """Frames of xwr's DCA1000 stream (its C extension), which tells complete from incomplete."""
    import logging

    from xwr.capture import DCA1000EVM

    logging.getLogger("xwr").setLevel(logging.CRITICAL + 1)
    board = DCA1000EVM(
        sys_ip=HOST, fpga_ip=BOARD, data_port=point.port, config_port=0, timeout=PATIENCE_S,
        socket_buffer=point.buffer_bytes,
    )  # fmt: skip
    granted = board.data_socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2

    def frames() -> Iterator[Received]:
        for index, frame in enumerate(board.stream([FRAME_BYTES // 2])):
            yield index, np.frombuffer(frame.data, np.uint8), () if frame.complete else None
            if index >= point.n_frames - 1:
                return

    yield frames()
    print(json.dumps({"buffer_bytes": granted}))


RECEIVERS: dict[str, Callable[[Point], Any]] = {
    "radarid": radarid, "radarid, plain": radarid_plain, "xwr": xwr,
}  # fmt: skip


class Judge:
    """Counts what the consumer really got."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.has_packet = np.zeros(point.n_packets, np.bool_)
        self.n_wrong = self.n_complete = 0
        self.lost: list[tuple[int, int]] = []

    def take(self, frame: Received) -> None:
        """Look for the number of each packet that begins in a frame."""
        index, data, lost = frame
        words = data.view("<u4")
        first = -(-index * FRAME_BYTES // PAYLOAD_BYTES)
        stop = min(-(-(index + 1) * FRAME_BYTES // PAYLOAD_BYTES), self.point.n_packets)
        number = np.arange(first, stop)
        place = number * PACKET_WORDS - index * FRAME_WORDS
        is_claimed = np.full(len(number), lost is not None)
        for begin, end in lost or ():
            is_claimed &= (4 * place >= end) | (4 * place < begin)
            self.lost.append((index * FRAME_BYTES + begin, index * FRAME_BYTES + end))
        is_there = words[place] == number
        self.n_wrong += int((is_claimed & ~is_there).sum())
        self.n_complete += lost == ()
        self.has_packet[first:stop] = is_there & (is_claimed | (lost is None))
        if self.point.is_check:
            self._compare(index, words, lost)

    def _compare(self, index: int, words: np.ndarray, lost: Any) -> None:
        right = words == expected_words(index * FRAME_WORDS, FRAME_WORDS)
        for begin, end in lost or ():
            right[begin // 4 : end // 4] = True
        self.n_wrong += 0 if lost is None else int((~right).sum())


def compute(seconds: float) -> None:
    """Keep the interpreter busy."""
    end_s, total = time.perf_counter() + seconds, 0
    while time.perf_counter() < end_s:
        total += sum(range(100))


def receive(point: Point) -> dict[str, Any]:
    """Receive a point's stream; the process's job."""
    judge = Judge(point)
    begin_s = begin_cpu_s = stall_due_s = wall_s = cpu_s = 0.0
    with RECEIVERS[point.receiver](point) as frames:
        print("ready", flush=True)
        for frame in frames:
            judge.take(frame)
            now_s = time.perf_counter()
            if not begin_s:
                begin_s, begin_cpu_s, stall_due_s = now_s, time.process_time(), now_s + 0.2
            wall_s, cpu_s = now_s - begin_s, time.process_time() - begin_cpu_s
            # No stall near the end: packets must follow it, or the last frames never close.
            if point.stall_s and now_s > stall_due_s and frame[0] < 0.7 * point.n_frames:
                compute(point.stall_s)
                stall_due_s = now_s + 4 * point.stall_s
    n_lost = int((~judge.has_packet).sum())
    return {
        "n_packets": point.n_packets,
        "n_lost": n_lost,
        "loss": n_lost / point.n_packets,
        "n_wrong": judge.n_wrong,
        "n_complete": judge.n_complete,
        "cpu": cpu_s / wall_s if wall_s else 0.0,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "lost": judge.lost if point.is_check else [],
    }


# -- the run ------------------------------------------------------------------------------------
def measure(point: Point) -> dict[str, Any]:
    """One point: a receiver and a sender, each a process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        point = replace(point, port=probe.getsockname()[1])
    with job("receive", point) as receiver:
        assert receiver.stdout is not None
        if receiver.stdout.readline() != "ready\n":
            raise SystemExit(f"{point.receiver} did not start")
        with job("play", point) as player:
            sent, _ = player.communicate(timeout=120)
        said, _ = receiver.communicate(timeout=60)
    row = asdict(point) | json.loads(sent)
    for line in said.splitlines():
        row |= json.loads(line)
    return row


def job(role: str, point: Point) -> subprocess.Popen[str]:
    """A process of this script."""
    command = [sys.executable, __file__, "--job", role, json.dumps(asdict(point))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(receiver: str) -> dict[str, Any]:
    """A slow stream with one packet in fifty left out, compared byte by byte."""
    point = Point(receiver, 4000.0, "tuned", n_frames=8, is_check=True)
    lost = np.random.default_rng(0).choice(np.arange(20, point.n_packets - 20), 100, replace=False)
    point = replace(point, lost=tuple(sorted(lost.tolist())))
    row = measure(point)
    truth = np.zeros(point.n_frames * FRAME_BYTES, np.bool_)
    for number in point.lost:
        truth[number * PAYLOAD_BYTES : (number + 1) * PAYLOAD_BYTES] = True
    said = np.zeros_like(truth)
    for begin, end in row["lost"]:
        said[begin:end] = True
    return {
        "receiver": receiver,
        "bytes_right": row["n_wrong"] == 0 and row["n_lost"] == len(point.lost),
        "lost_bytes_exact": bool((said == truth).all()),
        "frames_said_complete": row["n_complete"],
    }


def points(options: argparse.Namespace) -> tuple[list[Point], list[Point]]:
    """What to measure: by rate, and by stall at the paper's rate."""
    rates = (5e3, 20e3) if options.quick else (5e3, 10e3, 20e3, 30e3, 45e3, 58e3, 60e3)
    stalls_s = (0.1,) if options.quick else (0.01, 0.1, 0.5, 2.0)
    seconds = 0.5 if options.quick else options.seconds
    names = [name for name in RECEIVERS if name in options.receivers]

    def n_frames(rate_pps: float, seconds: float) -> int:
        return max(4, round(seconds * rate_pps * PAYLOAD_BYTES / FRAME_BYTES))

    by_rate = [
        Point(name, rate, buffer, n_frames=n_frames(rate, seconds))
        for rate in rates for buffer in ("default", "tuned") for name in names
    ]  # fmt: skip
    by_stall = [
        Point(name, 20e3, buffer, stall_s, n_frames(20e3, max(seconds, 0.5 + 2.2 * stall_s)))
        for stall_s in stalls_s for buffer in ("default", "tuned") for name in names
        if name != "radarid, plain"
    ]  # fmt: skip
    return by_rate, by_stall


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Check every receiver, then measure."""
    report: dict[str, Any] = {"environment": environment()}
    report["checks"] = [check(name) for name in RECEIVERS if name in options.receivers]
    for row in report["checks"]:
        if row["receiver"] != "xwr" and not (row["bytes_right"] and row["lost_bytes_exact"]):
            raise SystemExit(f"frames are wrong, so there is nothing to measure: {row}")
    by_rate, by_stall = points(options)
    report["rates"] = [measure(point) for point in by_rate]
    report["stalls"] = [measure(point) for point in by_stall]
    report["environment"]["load_after"] = os.getloadavg()
    return report


def environment() -> dict[str, Any]:
    """What the numbers depend on, and how busy the machine was with other things."""
    import psutil

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if "model name" in line), "unknown")
    versions = {}
    for name in ("numpy", "xwr"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
        "python": platform.python_version(), **versions,
        "rmem_default": sysctl("rmem_default"), "rmem_max": sysctl("rmem_max"),
        "busy_before_percent": psutil.cpu_percent(1.0), "load_before": os.getloadavg(),
    }  # fmt: skip


def show(report: dict[str, Any]) -> None:
    """Print the report as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=110)
    checks = Table("receiver", "bytes right", "lost bytes told exactly", title="Known losses")
    for row in report["checks"]:
        checks.add_row(row["receiver"], str(row["bytes_right"]), str(row["lost_bytes_exact"]))
    console.print(checks)
    for title, key, label, unit in (
        ("Packets lost against rate", "rates", "rate_pps", "packets/s"),
        ("Packets lost against stalls at 20 000 packets/s", "stalls", "stall_s", "stall / s"),
    ):
        table = Table(unit, "buffer", "receiver", "sent/s", "lost", "of", "%", "wrong", "CPU %",
                      "MiB", title=title)  # fmt: skip
        for row in report[key]:
            table.add_row(
                f"{row[label]:g}", row["buffer"], row["receiver"], f"{row['sent_pps']:.0f}",
                str(row["n_lost"]), str(row["n_packets"]), f"{100 * row['loss']:.3f}",
                str(row["n_wrong"]), f"{100 * row['cpu']:.0f}", f"{row['peak_mib']:.0f}",
            )  # fmt: skip
        console.print(table)
    for name, value in report["environment"].items():
        console.print(f"{name}: {value}")


def main() -> None:
    """Run the comparison, or one of its jobs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--quick", action="store_true", help="two rates, one stall, half a second")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a measurement")
    parser.add_argument("--receivers", nargs="+", choices=RECEIVERS, default=list(RECEIVERS))
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        fields = json.loads(options.job[1])
        point = Point(**fields | {"lost": tuple(fields["lost"])})
        print(json.dumps({"receive": receive, "play": play}[options.job[0]](point)))
        return
    if "xwr" in options.receivers and not importlib.util.find_spec("xwr"):
        print("xwr is not installed, and left out", file=sys.stderr)
        options.receivers.remove("xwr")
    report = compare(options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
