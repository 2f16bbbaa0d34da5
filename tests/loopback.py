"""Sending to loopback sockets, for the tests of the receiving side."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from capture.dca1000.packets import PAYLOAD_BYTES, compose
from capture.udp.receiver import UdpReceiver

BOARD = "127.0.0.2"


def free_port(host: str) -> int:
    """A UDP port that nobody has bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def sender(host: str = BOARD) -> Iterator[socket.socket]:
    """A socket that sends from an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.bind((host, 0))
        yield sending


def packets_of(payload: bytes) -> list[bytes]:
    """A payload stream as the DCA1000 cuts it."""
    starts = range(0, len(payload), PAYLOAD_BYTES)
    return [
        compose(k + 1, start, payload[start : start + PAYLOAD_BYTES])
        for k, start in enumerate(starts)
    ]


def send(
    sending: socket.socket, to: tuple[str, int], datagrams: Iterable[bytes], pause_every: int = 32
) -> None:
    """Send datagrams, with a pause of a millisecond every few."""
    for k, datagram in enumerate(datagrams):
        sending.sendto(datagram, to)
        if k % pause_every == pause_every - 1:
            time.sleep(0.001)


def drain(receiver: UdpReceiver, n: int, patience_s: float = 5.0) -> tuple[list[bytes], np.ndarray]:
    """Read until `n` datagrams came, or none for a while: contents, and times of arrival."""
    datagrams: list[bytes] = []
    times = [np.zeros(0, np.int64)]
    while len(datagrams) < n:
        batch = receiver.read(patience_s)
        if not len(batch):
            break
        pairs = zip(batch.data, batch.size, strict=True)
        datagrams += [row[:size].tobytes() for row, size in pairs]
        times.append(batch.time_ns.copy())
    return datagrams, np.concatenate(times)
