"""The receiving end of the DCA1000's data port: a thread that does nothing but receive.

The thread moves datagrams from the kernel's socket buffer into a ring of slots and never parses
one. When a slow consumer lets the ring fill up the thread stops, the socket buffer takes the rest
of the stall, and what does not fit there is dropped by the kernel and counted: a slot is never
overwritten before it was read.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import numpy as np

from capture.dca1000.packets import PacketBatch
from capture.errors import LinkError
from capture.udp.recvmmsg import WAIT_S, prepare_slots, source_number
from capture.udp.sockets import open_udp

_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55  # asm-generic/socket.h
_MEMINFO_DROPS, _N_MEMINFO = 8, 9
_READ_PACKETS = 4096
_SWITCH_INTERVAL_S = 0.0005


@dataclass(slots=True)
class ReceiverStats:
    """What a receiver has seen.

    Attributes
    ----------
    n_received : datagrams taken from the kernel
    n_kernel_drops : datagrams the kernel threw away; None where the system does not tell
    n_foreign : datagrams read whose sender is not `source_host`
    buffer_bytes : socket buffer granted
    remedy : what to do about a buffer smaller than asked for; None when it is not
    """

    n_received: int = 0
    n_kernel_drops: int | None = None
    n_foreign: int = 0
    buffer_bytes: int = 0
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Counters by name."""
        return asdict(self)


class UdpReceiver:
    """Receive datagrams in a thread of its own; a context manager.

    Parameters
    ----------
    host, port : address to bind to; port 0 takes a free one
    source_host : datagrams of other senders are counted as foreign (and still handed out:
        `PacketBatch.source` tells them apart)
    buffer_bytes : socket buffer to ask the kernel for
    ring_packets : slots of the ring
    plain : use the socket module only, also where recvmmsg exists

    Attributes
    ----------
    port : the port bound to

    Raises
    ------
    LinkError
        The address is not one of this machine's, or the port is taken.

    Examples
    --------
    >>> with UdpReceiver("127.0.0.1", 0, ring_packets=16) as receiver:
    ...     sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ...     _ = sender.sendto(b"hello", ("127.0.0.1", receiver.port))
    ...     batch = receiver.read(timeout_s=5)
    ...     sender.close()
    >>> bytes(batch.data[0, : batch.size[0]])
    b'hello'
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        source_host: str | None = None,
        buffer_bytes: int = 8 << 20,
        ring_packets: int = 32768,
        plain: bool = False,
    ) -> None:
        self._source = None if source_host is None else source_number(source_host, 0) >> 16
        self._socket = open_udp(host, port)
        self.port: int = self._socket.getsockname()[1]
        try:
            granted, self._remedy = ask_for_buffer(self._socket, buffer_bytes)
            self._slots = prepare_slots(self._socket, ring_packets, plain=plain)
        except OSError:
            self._socket.close()
            raise
        self._n_slots, self._buffer_bytes = ring_packets, granted
        # Datagrams received, handed out, and given back, since the start. Each counter has one
        # writer; slot k of the ring holds datagrams k, k + ring_packets, ...
        self._n_received = self._n_read = self._n_recycled = 0
        self._n_foreign = 0
        self._n_drops: int | None = None
        self._arrived = threading.Event()
        self._stopped = threading.Event()
        self._closing = threading.Lock()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._receive, name="radarid-receive", daemon=True)
        self._cleanup = ExitStack()

    def __enter__(self) -> UdpReceiver:
        self._cleanup.enter_context(_quick_switching())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the thread and close the socket; what was received can still be read."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._closing:
            if self._socket.fileno() >= 0:
                self._n_drops = kernel_drops(self._socket)
                self._socket.close()
        self._cleanup.close()

    @property
    def stats(self) -> ReceiverStats:
        """Counters so far."""
        with self._closing:
            if self._socket.fileno() >= 0:
                self._n_drops = kernel_drops(self._socket)
        return ReceiverStats(
            n_received=self._n_received,
            n_kernel_drops=self._n_drops,
            n_foreign=self._n_foreign,
            buffer_bytes=self._buffer_bytes,
            remedy=self._remedy,
        )

    def read(self, timeout_s: float) -> PacketBatch:
        """Datagrams that have come since the last call, in the order of their arrival.

        Parameters
        ----------
        timeout_s : how long to wait when there are none

        Returns
        -------
        PacketBatch, empty when none came; it shares memory with the ring and is valid until the
        next call

        Raises
        ------
        LinkError
            Receiving failed; everything received before it has been handed out.
        """
        self._recycle()
        end_s = time.monotonic() + timeout_s
        while self._n_received == self._n_read:
            if self._failure is not None:
                raise LinkError(f"receiving failed: {self._failure.strerror}") from self._failure
            left_s = end_s - time.monotonic()
            if left_s <= 0 or self._stopped.is_set():
                break
            self._arrived.clear()
            if self._n_received == self._n_read:
                self._arrived.wait(min(left_s, 10 * WAIT_S))
        first, stop = self._span(self._n_read, min(self._n_received, self._n_read + _READ_PACKETS))
        batch = self._slots.batch(first, stop)
        self._n_read += stop - first
        if self._source is not None:
            self._n_foreign += int((batch.source >> np.uint64(16) != self._source).sum())
        return batch

    def _recycle(self) -> None:
        first, stop = self._span(self._n_recycled, self._n_read)
        self._slots.recycle(first, stop)
        self._n_recycled = self._n_read

    def _span(self, begin: int, end: int) -> tuple[int, int]:
        """Slots of the datagrams `begin` to `end`, up to the end of the ring."""
        first = begin % self._n_slots
        return first, min(first + end - begin, self._n_slots)

    def _receive(self) -> None:
        slots, n_slots = self._slots, self._n_slots
        try:
            while not self._stopped.is_set():
                first, stop = self._span(self._n_received, self._n_recycled + n_slots)
                if first == stop:
                    self._stopped.wait(WAIT_S / 10)
                    continue
                n = slots.receive(first, stop)
                if n:
                    self._n_received += n
                    self._arrived.set()
        except OSError as failure:
            self._failure = failure
            self._arrived.set()


def ask_for_buffer(receiving: socket.socket, asked_bytes: int) -> tuple[int, str | None]:
    """Ask for a socket buffer and see what the kernel granted.

    Linux caps SO_RCVBUF at net.core.rmem_max without a word, unless the process may force it, and
    reports twice what it granted, since it counts its own bookkeeping too (socket(7)).

    Returns
    -------
    bytes granted, and the remedy when they are fewer than asked for
    """
    is_linux = sys.platform == "linux"
    try:
        option = _SO_RCVBUFFORCE if is_linux else socket.SO_RCVBUF
        receiving.setsockopt(socket.SOL_SOCKET, option, asked_bytes)
    except PermissionError:
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, asked_bytes)
    granted = receiving.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // (2 if is_linux else 1)
    if granted >= asked_bytes:
        return granted, None
    raise_limit = f"sudo sysctl -w net.core.rmem_max={asked_bytes}"
    how = raise_limit if is_linux else "raise the system's limit for socket buffers"
    return granted, (
        f"the kernel granted a receive buffer of {granted} of {asked_bytes} bytes; "
        f"against losses when the machine is busy: {how}"
    )


def kernel_drops(receiving: socket.socket) -> int | None:
    """Datagrams for this socket that the kernel dropped (SO_MEMINFO); None if it does not tell."""
    if sys.platform != "linux":
        return None
    report = receiving.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _N_MEMINFO)
    return int(struct.unpack(f"={_N_MEMINFO}I", report)[_MEMINFO_DROPS])


_switching = threading.Lock()
_n_switching, _usual_interval_s = 0, 0.0


@contextmanager
def _quick_switching() -> Iterator[None]:
    """Make a thread that computes give way to others after half a millisecond.

    Between two calls the receive thread needs the interpreter lock. With Python's default it
    waits 5 ms for it: a hundred packets at the paper's rate, more than a default socket buffer
    holds.
    """
    global _n_switching, _usual_interval_s
    with _switching:
        _n_switching += 1
        if _n_switching == 1:
            _usual_interval_s = sys.getswitchinterval()
            sys.setswitchinterval(min(_SWITCH_INTERVAL_S, _usual_interval_s))
    try:
        yield
    finally:
        with _switching:
            _n_switching -= 1
            if not _n_switching:
                sys.setswitchinterval(_usual_interval_s)
