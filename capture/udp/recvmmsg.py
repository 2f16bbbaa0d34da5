"""Datagrams from a UDP socket into prepared slots: many per system call, or one by one.

`MmsgSlots` calls recvmmsg(2) through ctypes. The kernel fills up to `CALL_PACKETS` slots in one
call, during which Python's interpreter lock is free: whatever other threads compute, reception
goes on, and needs the lock once per call and not once per packet. The call comes back early when
nothing arrived for `WAIT_S`, or when it has lasted that long.

`PlainSlots` has the same results out of the socket module, for systems without recvmmsg.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
import time
from functools import cache, lru_cache
from typing import Any, Protocol

import numpy as np

from capture.dca1000.packets import SLOT_BYTES, PacketBatch

CALL_PACKETS = 256
"""Most datagrams of one call; at the paper's rate they take 13 ms."""

WAIT_S = 0.01
"""How long a call waits for the next datagram, and about how long it lasts at most."""

_SO_TIMESTAMPNS = 35  # also the type of the control message (asm-generic/socket.h)
_IS_LINUX = sys.platform == "linux"


class Slots(Protocol):
    """A ring of places for datagrams. Slots are filled, read and recycled in turn."""

    def receive(self, first: int, stop: int) -> int:
        """Fill slots from `first` on, up to `stop`; return how many, 0 when none came in time."""
        ...

    def batch(self, first: int, stop: int) -> PacketBatch:
        """Filled slots as a batch that shares their memory."""
        ...

    def recycle(self, first: int, stop: int) -> None:
        """Prepare slots that were read for the next datagrams."""
        ...


class IoVector(ctypes.Structure):
    """struct iovec."""

    _fields_ = [("base", ctypes.c_size_t), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_size_t),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_size_t),
        ("n_vectors", ctypes.c_size_t),
        ("control", ctypes.c_size_t),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class SizedMessage(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [("message", _Message), ("size", ctypes.c_uint32)]


class _TimeMessage(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_size_t),
        ("level", ctypes.c_int),
        ("type", ctypes.c_int),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    ]


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


_NAME = np.dtype([("family", "=u2"), ("port", ">u2"), ("address", ">u4"), ("unused", "V8")])


@cache
def _recvmmsg() -> Any:
    """The function of the C library, or None where there is none."""
    if not _IS_LINUX:
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "recvmmsg", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int,
                             ctypes.c_void_p]  # fmt: skip
        function.restype = ctypes.c_int
    return function


def prepare_slots(receiving: socket.socket, n_slots: int, *, plain: bool = False) -> Slots:
    """Slots for a bound UDP socket: `MmsgSlots` where the system has recvmmsg.

    Parameters
    ----------
    receiving : bound UDP/IPv4 socket; its timeout is set here
    n_slots : size of the ring
    plain : take `PlainSlots` everywhere
    """
    if plain or _recvmmsg() is None:
        return PlainSlots(receiving, n_slots)
    return MmsgSlots(receiving, n_slots)


class MmsgSlots:
    """Slots that recvmmsg(2) fills, with the kernel's times of arrival.

    The arrays of message headers, I/O vectors, names and control messages point into the slots
    and are made once; a call passes the address of its first header.
    """

    def __init__(self, receiving: socket.socket, n_slots: int) -> None:
        receiving.settimeout(None)
        wait = struct.pack("@ll", 0, round(WAIT_S * 1e6))
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
        receiving.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket, self._recvmmsg = receiving, _recvmmsg()
        self._timeout = _Timespec()
        # Written, so that the pages are there before the first packet.
        self._data = np.full((n_slots, SLOT_BYTES), 0xFF, np.uint8)
        self._names = np.zeros(n_slots, _NAME)
        self._control = np.zeros(n_slots, np.dtype(_TimeMessage))
        vectors = np.zeros(n_slots, np.dtype(IoVector))
        vectors["base"] = addresses(self._data)
        vectors["length"] = SLOT_BYTES
        self._headers = np.zeros(n_slots, np.dtype(SizedMessage))
        message = self._headers["message"]
        message["name"], message["control"] = addresses(self._names), addresses(self._control)
        message["vectors"], message["n_vectors"] = addresses(vectors), 1
        self._vectors = vectors  # kept alive: the headers point to it
        self._first_header = int(addresses(self._headers)[0])
        self.recycle(0, n_slots)

    def receive(self, first: int, stop: int) -> int:
        """Fill slots from `first` on, up to `stop`; return how many, 0 when none came in time.

        Raises
        ------
        OSError
            The system call failed.
        """
        # The kernel writes the rest of the time back.
        self._timeout.nanoseconds = round(WAIT_S * 1e9)
        n = self._recvmmsg(
            self._socket.fileno(),
            self._first_header + first * self._headers.itemsize,
            min(stop - first, CALL_PACKETS),
            socket.MSG_TRUNC,  # report the true size of datagrams that do not fit
            ctypes.byref(self._timeout),
        )
        if n >= 0:
            return int(n)
        number = ctypes.get_errno()
        if number in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR):
            return 0
        raise OSError(number, os.strerror(number))

    def batch(self, first: int, stop: int) -> PacketBatch:
        """Filled slots as a batch that shares their memory."""
        control, names = self._control[first:stop], self._names[first:stop]
        has_time = (control["level"] == socket.SOL_SOCKET) & (control["type"] == _SO_TIMESTAMPNS)
        has_time &= self._headers["message"]["control_length"][first:stop] > 0
        time_ns = control["seconds"].astype(np.int64) * 1_000_000_000 + control["nanoseconds"]
        return PacketBatch(
            data=self._data[first:stop],
            size=self._headers["size"][first:stop].astype(np.int32),
            time_ns=np.where(has_time, time_ns, 0),
            source=names["address"].astype(np.uint64) << np.uint64(16) | names["port"],
        )

    def recycle(self, first: int, stop: int) -> None:
        """Prepare slots that were read for the next datagrams."""
        message = self._headers["message"][first:stop]
        message["name_length"] = self._names.itemsize
        message["control_length"] = self._control.itemsize


class PlainSlots:
    """Slots that the socket module fills, a packet a call; kernel times on Linux only."""

    def __init__(self, receiving: socket.socket, n_slots: int) -> None:
        receiving.settimeout(WAIT_S)
        if _IS_LINUX:
            receiving.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket = receiving
        self._data = np.full((n_slots, SLOT_BYTES), 0xFF, np.uint8)
        self._rows = [row.data for row in self._data]
        self._size = np.zeros(n_slots, np.int32)
        self._time_ns = np.zeros(n_slots, np.int64)
        self._source = np.zeros(n_slots, np.uint64)

    def receive(self, first: int, stop: int) -> int:
        """Fill slots from `first` on, up to `stop`; return how many, 0 when none came in time.

        Raises
        ------
        OSError
            The socket failed.
        """
        end_s = time.monotonic() + WAIT_S
        stop = min(stop, first + CALL_PACKETS)
        for slot in range(first, stop):
            try:
                self._receive_one(slot)
            except TimeoutError:
                return slot - first
            if time.monotonic() > end_s:
                return slot + 1 - first
        return stop - first

    def _receive_one(self, slot: int) -> None:
        row = self._rows[slot]
        if _IS_LINUX:
            size, control, _, name = self._socket.recvmsg_into(
                [row], socket.CMSG_SPACE(ctypes.sizeof(_Timespec)), socket.MSG_TRUNC
            )
            self._time_ns[slot] = _time_ns(control)
        else:
            size, name = self._socket.recvfrom_into(row)
            self._time_ns[slot] = time.time_ns()
        self._size[slot] = size
        self._source[slot] = source_number(*name)

    def batch(self, first: int, stop: int) -> PacketBatch:
        """Filled slots as a batch that shares their memory."""
        slots = slice(first, stop)
        return PacketBatch(
            self._data[slots], self._size[slots], self._time_ns[slots], self._source[slots]
        )

    def recycle(self, first: int, stop: int) -> None:
        """Prepare slots that were read for the next datagrams: nothing to do."""


@lru_cache(256)
def source_number(address: str, port: int) -> int:
    """A sender as `PacketBatch.source` has it: IPv4 address << 16 | port."""
    return int.from_bytes(socket.inet_aton(address), "big") << 16 | port


def _time_ns(control: list[tuple[int, int, bytes]]) -> int:
    for level, kind, content in control:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("@ll", content)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return 0


def addresses(rows: np.ndarray) -> np.ndarray:
    """Memory address of every row of an array."""
    return rows.ctypes.data + rows.strides[0] * np.arange(len(rows), dtype=np.uintp)
