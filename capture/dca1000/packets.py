"""Data packets of the DCA1000: their ten-byte header, batches of them, and runs in a batch.

A raw-mode packet is a UDP datagram of a 32-bit sequence number (the first is 1), a 48-bit count of
the payload bytes sent before it, both little-endian, and at most 1456 bytes of samples
(DCA1000EVM user's guide SPRUIJ4, raw mode data format).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.errors import CaptureError

HEADER_BYTES = 10
"""Sequence number and byte count."""

PAYLOAD_BYTES = 1456
"""Samples of a full packet; only the last one before a pause of two seconds is shorter."""

SLOT_BYTES = 1472
"""Row of a batch: the largest datagram of an Ethernet frame, so that too long ones show."""

SEQUENCE_SPAN, COUNT_SPAN = 1 << 32, 1 << 48
"""Where the two counters wrap."""

_HEADER = np.dtype([("sequence", "<u4"), ("low", "<u4"), ("high", "<u2")])


def compose(sequence: int, byte_count: int, payload: bytes) -> bytes:
    """One data packet as the DCA1000 sends it.

    Parameters
    ----------
    sequence : number of the packet, from 1; taken modulo 2^32
    byte_count : payload bytes sent before it; taken modulo 2^48
    payload : at most `PAYLOAD_BYTES` bytes

    Raises
    ------
    CaptureError
        The payload is too long for a packet.
    """
    if len(payload) > PAYLOAD_BYTES:
        raise CaptureError(
            "payload too long for a packet", got=len(payload), expected=f"up to {PAYLOAD_BYTES}"
        )
    head = (sequence % SEQUENCE_SPAN).to_bytes(4, "little")
    return head + (byte_count % COUNT_SPAN).to_bytes(6, "little") + payload


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Datagrams in the order of their arrival.

    Attributes
    ----------
    data : uint8 array, shape (n, SLOT_BYTES); what lies beyond a datagram's size means nothing
    size : int32 array, shape (n,); UDP payload sizes, more than SLOT_BYTES for a truncated one
    time_ns : int64 array, shape (n,); kernel time of arrival since 1970, 0 when unknown
    source : uint64 array, shape (n,); IPv4 address << 16 | port of the sender, 0 when unknown
    """

    data: np.ndarray
    size: np.ndarray
    time_ns: np.ndarray
    source: np.ndarray

    @staticmethod
    def of(
        datagrams: Sequence[bytes],
        time_ns: Sequence[int] | None = None,
        source: Sequence[int] | None = None,
    ) -> PacketBatch:
        """Make a batch of separate datagrams."""
        n = len(datagrams)
        data = np.zeros((n, SLOT_BYTES), np.uint8)
        for row, datagram in zip(data, datagrams, strict=True):
            kept = datagram[:SLOT_BYTES]
            row[: len(kept)] = np.frombuffer(kept, np.uint8)
        return PacketBatch(
            data,
            np.array([len(datagram) for datagram in datagrams], np.int32),
            np.zeros(n, np.int64) if time_ns is None else np.array(time_ns, np.int64),
            np.zeros(n, np.uint64) if source is None else np.array(source, np.uint64),
        )

    def __len__(self) -> int:
        return len(self.size)

    def headers(self) -> tuple[np.ndarray, np.ndarray]:
        """Sequence numbers (int64 array, shape (n,)) and byte counts (int64 array, shape (n,))."""
        head = np.ascontiguousarray(self.data[:, :HEADER_BYTES]).view(_HEADER)[:, 0]
        count = head["low"].astype(np.int64) | head["high"].astype(np.int64) << 32
        return head["sequence"].astype(np.int64), count

    def well_formed(self) -> np.ndarray:
        """Which datagrams can be data packets: a header and 2 to 1456 bytes, an even number.

        Returns
        -------
        bool array, shape (n,)
        """
        n_payload = self.size - HEADER_BYTES
        return (n_payload > 0) & (n_payload <= PAYLOAD_BYTES) & (n_payload % 2 == 0)


@dataclass(frozen=True, slots=True, eq=False)
class PacketRun:
    """Packets of which each continues the one before; only the last may be short.

    Attributes
    ----------
    sequence, byte_count : counters of the first packet, as received
    payloads : uint8 array, shape (n, PAYLOAD_BYTES); a view of the batch
    n_bytes : payload bytes in sum
    time_ns : int64 array, shape (n,)
    """

    sequence: int
    byte_count: int
    payloads: np.ndarray
    n_bytes: int
    time_ns: np.ndarray

    def __len__(self) -> int:
        return len(self.payloads)

    def part(self, start: int, stop: int) -> PacketRun:
        """Packets `start` to `stop` as a run of their own."""
        before = start * PAYLOAD_BYTES
        return PacketRun(
            (self.sequence + start) % SEQUENCE_SPAN,
            (self.byte_count + before) % COUNT_SPAN,
            self.payloads[start:stop],
            min(stop * PAYLOAD_BYTES, self.n_bytes) - before,
            self.time_ns[start:stop],
        )

    def equals(self, other: PacketRun) -> bool:
        """Whether two single packets have the same counters and the same payload."""
        return self._same_place(other) and np.array_equal(
            self.payloads[0, : self.n_bytes], other.payloads[0, : other.n_bytes]
        )

    def contradicts(self, other: PacketRun) -> bool:
        """Whether two single packets have the same counters, and not the same payload."""
        return self._same_place(other) and not self.equals(other)

    def _same_place(self, other: PacketRun) -> bool:
        return (self.sequence, self.byte_count) == (other.sequence, other.byte_count)

    def copy(self) -> PacketRun:
        """The same run in memory of its own, for keeping beyond the life of the batch."""
        return PacketRun(
            self.sequence, self.byte_count, self.payloads.copy(), self.n_bytes, self.time_ns.copy()
        )

    def read(self, start: int, target: np.ndarray) -> None:
        """Copy payload bytes from byte `start` of the run on into a contiguous uint8 array."""
        row, skip = divmod(start, PAYLOAD_BYTES)
        if skip:
            n = min(PAYLOAD_BYTES - skip, len(target))
            target[:n] = self.payloads[row, skip : skip + n]
            target, row = target[n:], row + 1
        n_rows, rest = divmod(len(target), PAYLOAD_BYTES)
        whole = target[: n_rows * PAYLOAD_BYTES].reshape(n_rows, PAYLOAD_BYTES)
        whole[:] = self.payloads[row : row + n_rows]
        if rest:
            target[n_rows * PAYLOAD_BYTES :] = self.payloads[row + n_rows, :rest]


def find_runs(batch: PacketBatch, wanted: np.ndarray) -> list[PacketRun]:
    """Cut a batch into runs of consecutive packets, in the order of arrival.

    Parameters
    ----------
    batch : datagrams
    wanted : bool array, shape (n,); the others are left out, and end a run
    """
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return []
    sequence, count = batch.headers()
    n_payload = batch.size.astype(np.int64) - HEADER_BYTES
    before, after = rows[:-1], rows[1:]
    joined = (
        (after == before + 1)
        & ((sequence[after] - sequence[before]) % SEQUENCE_SPAN == 1)
        & ((count[after] - count[before]) % COUNT_SPAN == PAYLOAD_BYTES)
        & (n_payload[before] == PAYLOAD_BYTES)
    )
    cuts = np.flatnonzero(~joined) + 1
    payloads = batch.data[:, HEADER_BYTES : HEADER_BYTES + PAYLOAD_BYTES]
    runs = []
    for first, last in zip(rows[np.r_[0, cuts]], rows[np.r_[cuts - 1, len(rows) - 1]], strict=True):
        n_bytes = int(last - first) * PAYLOAD_BYTES + int(n_payload[last])
        packets = slice(first, last + 1)
        runs.append(
            PacketRun(
                int(sequence[first]), int(count[first]), payloads[packets], n_bytes,
                batch.time_ns[packets],
            )
        )
    return runs
