"""What the live bench sends: the paper's frames in packets that carry their numbers, at a rate."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capture.config import RadarConfig
from capture.dca1000.packets import HEADER_BYTES, PAYLOAD_BYTES
from capture.udp.sendmmsg import PacketSender
from capture.udp.sockets import open_udp

HOST, BOARD = "127.0.0.30", "127.0.0.31"
RADAR = RadarConfig()
FRAME_BYTES, FRAME_WORDS = RADAR.stored_frame_bytes, RADAR.stored_frame_bytes // 4
PACKET_WORDS, N_ROWS, MARK = PAYLOAD_BYTES // 4, 4096, 1 << 31
HEAD = np.dtype([("sequence", "<u4"), ("low", "<u4"), ("high", "<u2"), ("number", "<u4")])
BURST_S, MOST_LATE_S = 0.25e-3, 0.5e-3
EXTRA_FRAMES = 2
"""Sent and not counted: they push the last counted frame out of every receiver."""


@dataclass(frozen=True)
class Point:
    """One measurement; `lost` are the numbers of packets that are never sent."""

    receiver: str
    rate_pps: float
    buffer: str = "default"
    stall_s: float = 0.0
    n_frames: int = 20
    lost: tuple[int, ...] = ()
    port: int = 0
    is_check: bool = False

    @property
    def n_packets(self) -> int:
        """Packets that begin in the counted frames."""
        return -(-self.n_frames * FRAME_BYTES // PAYLOAD_BYTES)

    @property
    def buffer_bytes(self) -> int:
        """What to ask the kernel for; it doubles the number."""
        return (
            sysctl("rmem_default") // 2
            if self.buffer == "default"
            else min(sysctl("rmem_max"), 8 << 20)
        )


def sysctl(name: str) -> int:
    """A limit of net.core, in bytes."""
    return int(Path("/proc/sys/net/core", name).read_text())


def expected_words(first: int, n: int) -> np.ndarray:
    """Words of the stream: a packet is its number, then 363 times a mark of it."""
    packet, place = np.divmod(np.arange(first, first + n), PACKET_WORDS)
    return np.where(place == 0, packet, MARK | packet % N_ROWS).astype("<u4")


def play(point: Point) -> dict[str, Any]:
    """Send a point's stream in bursts of a quarter of a millisecond; the process's job."""
    n_bytes = (point.n_frames + EXTRA_FRAMES) * FRAME_BYTES
    number = np.arange(-(-n_bytes // PAYLOAD_BYTES))
    sizes = np.minimum(n_bytes - number * PAYLOAD_BYTES, PAYLOAD_BYTES) + HEADER_BYTES
    heads = np.zeros(len(number), HEAD)
    heads["sequence"], heads["number"] = number + 1, number
    heads["low"], heads["high"] = number * PAYLOAD_BYTES % (1 << 32), number * PAYLOAD_BYTES >> 32
    begin_s = due_s = time.perf_counter()
    n_held_up = 0
    with open_udp(BOARD, 0) as sending:
        sender = PacketSender(sending, (HOST, point.port), N_ROWS)
        tails = sender.rows[:, HEAD.itemsize : HEADER_BYTES + PAYLOAD_BYTES].view()
        tails[:] = (MARK | np.arange(N_ROWS, dtype="<u4"))[:, None].repeat(363, 1).view(np.uint8)
        for first, stop in bursts(number, point):
            row = first % N_ROWS
            rows = sender.rows[row : row + stop - first, : HEAD.itemsize]
            rows[:] = heads[first:stop, None].view(np.uint8)
            sender.send(row, row + stop - first, sizes[first:stop])
            due_s += (stop - first) / point.rate_pps
            left_s = due_s - time.perf_counter()
            if left_s > 0:
                time.sleep(left_s)
            elif left_s < -MOST_LATE_S:
                # The real board has no backlog to send faster than at its rate either.
                due_s -= left_s + MOST_LATE_S
                n_held_up += 1
    return {"sent_pps": len(number) / (time.perf_counter() - begin_s), "held_up": n_held_up}


def bursts(number: np.ndarray, point: Point) -> Iterator[tuple[int, int]]:
    """Stretches of packets to send at once, without the lost ones."""
    size = max(1, round(point.rate_pps * BURST_S))
    cuts = {*range(0, len(number), size), *range(0, len(number), N_ROWS), len(number)}
    edges = sorted(cuts | {*point.lost} | {k + 1 for k in point.lost})
    lost = set(point.lost)
    return ((a, b) for a, b in itertools.pairwise(edges) if a not in lost)
