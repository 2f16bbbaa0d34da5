"""Many datagrams in one system call: `sendmmsg` of Linux through ctypes, `sendto` elsewhere."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
from typing import Any

import numpy as np

from capture.dca1000.packets import SLOT_BYTES
from capture.errors import LinkError


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("name_bytes", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p), ("n_vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )  # fmt: skip


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("n_sent_bytes", ctypes.c_uint))


class _Address(ctypes.Structure):
    _fields_ = (
        ("family", ctypes.c_uint16), ("port", ctypes.c_uint8 * 2), ("ip", ctypes.c_uint8 * 4),
        ("zero", ctypes.c_uint8 * 8),
    )  # fmt: skip


class PacketSender:
    """Slots for datagrams to one address, sent many at once.

    Parameters
    ----------
    sender : UDP socket, blocking
    target : IPv4 address and port
    n_slots : rows
    plain : use one `sendto` a datagram even where `sendmmsg` exists

    Attributes
    ----------
    rows : uint8 array, shape (n_slots, SLOT_BYTES); what to send
    """

    def __init__(
        self, sender: socket.socket, target: tuple[str, int], n_slots: int, *, plain: bool = False
    ) -> None:
        self.rows = np.zeros((n_slots, SLOT_BYTES), np.uint8)
        self._socket, self._target = sender, target
        self._call = None if plain else _find_sendmmsg()
        port = (ctypes.c_uint8 * 2)(*target[1].to_bytes(2, "big"))
        ip = (ctypes.c_uint8 * 4)(*socket.inet_aton(target[0]))
        self._address = _Address(socket.AF_INET, port, ip)
        self._vectors = (_IoVector * n_slots)()
        self._messages = (_Message * n_slots)()
        for k in range(n_slots):
            self._vectors[k].base = self.rows.ctypes.data + k * SLOT_BYTES
            header = self._messages[k].header
            header.name = ctypes.addressof(self._address)
            header.name_bytes = ctypes.sizeof(_Address)
            header.vectors = ctypes.addressof(self._vectors[k])
            header.n_vectors = 1
        words = np.frombuffer(memoryview(self._vectors).cast("B"), np.uintp).reshape(n_slots, 2)
        self._lengths = words[:, 1]

    def send(self, start: int, stop: int, sizes: np.ndarray) -> None:
        """Send rows `start` to `stop`.

        Parameters
        ----------
        sizes : bytes of every datagram, int array, shape (stop - start,)

        Raises
        ------
        LinkError
            The system does not send (no route, interface down).
        """
        try:
            if self._call is None:
                for row, size in zip(self.rows[start:stop], sizes, strict=True):
                    self._socket.sendto(row[:size], self._target)
                return
            self._lengths[start:stop] = sizes
            while start < stop:
                start += self._send_some(start, stop)
        except OSError as failure:
            raise LinkError(
                f"data packets cannot be sent: {failure.strerror}",
                where=f"{self._target[0]}:{self._target[1]}",
                remedy="check that the interface is up and the address is reachable from it",
            ) from None

    def _send_some(self, start: int, stop: int) -> int:
        place = ctypes.addressof(self._messages[start])
        n_sent = int(self._call(self._socket.fileno(), place, stop - start, 0))  # type: ignore[misc]
        if n_sent >= 0:
            return n_sent
        code = ctypes.get_errno()
        if code == errno.EINTR:
            return 0
        raise OSError(code, os.strerror(code))


def _find_sendmmsg() -> Any:
    """The C library's function, or None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), "sendmmsg", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        call.restype = ctypes.c_int
    return call
