"""The DCA1000's data packets: their bytes, and batches of them as arrays.

A datagram holds a sequence number (u32, the first is 1), the number of payload bytes sent before
it (u48), both little-endian, and up to 1456 bytes of payload. Source: TI SPRUIJ4 (DCA1000EVM
user's guide), raw mode data packets.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HEADER_BYTES, PAYLOAD_BYTES = 10, 1456
PACKET_BYTES = HEADER_BYTES + PAYLOAD_BYTES
SLOT_BYTES = 1536
"""Room for one received datagram; whatever is longer cannot be a data packet."""

SEQUENCE_MODULUS, POSITION_MODULUS = 1 << 32, 1 << 48


def compose(sequence: int, byte_count: int, payload: bytes | memoryview) -> bytes:
    """One datagram; counters are taken modulo 2^32 and 2^48.

    Examples
    --------
    >>> compose(1, 1456, b"ab").hex(" ")
    '01 00 00 00 b0 05 00 00 00 00 61 62'
    """
    position = byte_count % POSITION_MODULUS
    head = struct.pack("<IIH", sequence % SEQUENCE_MODULUS, position & 0xFFFFFFFF, position >> 32)
    return head + bytes(payload)


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Datagrams in the order of their arrival.

    Attributes
    ----------
    data : uint8 array, shape (n, SLOT_BYTES); bytes beyond a datagram's size mean nothing
    size : int32 array, shape (n,); sizes of the datagrams, bytes
    time_ns : int64 array, shape (n,); times of arrival, nanoseconds since 1970; 0 when unknown
    source : uint64 array, shape (n,); sender's IPv4 address << 16 | port; 0 when unknown
    """

    data: np.ndarray
    size: np.ndarray
    time_ns: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return len(self.size)

    @staticmethod
    def of(
        datagrams: Sequence[bytes],
        time_ns: Sequence[int] | None = None,
        source: Sequence[int] | None = None,
    ) -> PacketBatch:
        """Make a batch of datagrams; longer ones than `SLOT_BYTES` are cut there."""
        n = len(datagrams)
        data = np.zeros((n, SLOT_BYTES), np.uint8)
        for row, datagram in zip(data, datagrams, strict=True):
            part = np.frombuffer(datagram, np.uint8)[:SLOT_BYTES]
            row[: len(part)] = part
        return PacketBatch(
            data=data,
            size=np.array([len(datagram) for datagram in datagrams], np.int32),
            time_ns=np.zeros(n, np.int64) if time_ns is None else np.array(time_ns, np.int64),
            source=np.zeros(n, np.uint64) if source is None else np.array(source, np.uint64),
        )

    def sequence(self) -> np.ndarray:
        """Sequence numbers, int64 (n,)."""
        return np.ascontiguousarray(self.data[:, :4]).view("<u4")[:, 0].astype(np.int64)

    def position(self) -> np.ndarray:
        """Byte counts, int64 (n,)."""
        low = np.ascontiguousarray(self.data[:, 4:8]).view("<u4")[:, 0].astype(np.int64)
        high = np.ascontiguousarray(self.data[:, 8:10]).view("<u2")[:, 0].astype(np.int64)
        return low | high << 32


def endpoint(host: str, port: int) -> int:
    """Number of a sender, as `PacketBatch.source` holds it.

    Examples
    --------
    >>> hex(endpoint("192.168.33.180", 4098))
    '0xc0a821b41002'
    """


    return int(ipaddress.IPv4Address(host)) << 16 | port
