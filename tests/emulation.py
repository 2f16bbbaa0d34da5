"""A small radar, its recording, and a listener: what tests need around the emulator."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType

import numpy as np

from capture.config import RadarConfig
from capture.dca1000.link import LinkParams

RADAR = RadarConfig(n_samples=100, rx_mask=0b0011, n_loops=10, frame_period_s=2e-3)
"""800 bytes a chirp, 8000 a frame: no multiple of a packet's 1456."""

_board = itertools.count()


def own_link() -> LinkParams:
    """Host and board on addresses that no other test has."""
    pid, k = os.getpid(), next(_board)
    board = f"127.{pid // 250 % 250 + 1}.{pid % 250 + 1}.{k % 250 + 2}"
    host = board.rpartition(".")[0] + ".1"
    return LinkParams(
        host=host, dca1000=board, config_port=20_000 + k, data_port=30_000 + k,
        packet_delay_us=5,
    )  # fmt: skip


def record(path: Path, n_bytes: int, seed: int = 0) -> bytes:
    """Write random samples; their bytes."""
    payload = np.random.default_rng(seed).bytes(n_bytes)
    path.write_bytes(payload)
    return payload


class Listener:
    """Everything that arrives at a port, with its time on `time.monotonic`."""

    def __init__(self, link: LinkParams) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind((link.host, link.data_port))
        self._socket.settimeout(0.05)
        self.datagrams: list[bytes] = []
        self.times_s: list[float] = []
        self.senders: set[tuple[str, int]] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                datagram, sender = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.times_s.append(time.monotonic())
            self.datagrams.append(datagram)
            self.senders.add(sender)

    def await_packets(self, n: int, patience_s: float = 10.0) -> list[bytes]:
        """The datagrams, once there are `n`, or patience is at its end."""
        end_s = time.monotonic() + patience_s
        while len(self.datagrams) < n and time.monotonic() < end_s:
            time.sleep(0.005)
        return list(self.datagrams)

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()


def payload_of(datagrams: list[bytes]) -> bytes:
    """Payloads in the order of arrival."""
    return b"".join(datagram[10:] for datagram in datagrams)


def counters_of(datagrams: list[bytes]) -> list[tuple[int, int]]:
    """Sequence numbers and byte counts."""
    return [
        (int.from_bytes(datagram[:4], "little"), int.from_bytes(datagram[4:10], "little"))
        for datagram in datagrams
    ]
