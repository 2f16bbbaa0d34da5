"""Files of packet records, put together record by record from a list of what arrived."""

from __future__ import annotations

PAYLOAD_BYTES = 1456


def record(sequence: int, count: int, payload: bytes) -> bytes:
    """Sequence number u32, length u32, byte count u48, payload."""
    head = (sequence % 2**32).to_bytes(4, "little") + len(payload).to_bytes(4, "little")
    return head + count.to_bytes(6, "little") + payload


def records_of(payload: bytes, first_sequence: int = 1) -> list[bytes]:
    """The records of a recording in which nothing went wrong."""
    places = range(0, len(payload), PAYLOAD_BYTES)
    return [
        record(first_sequence + k, place, payload[place : place + PAYLOAD_BYTES])
        for k, place in enumerate(places)
    ]


def received(payload: bytes, kept: set[int]) -> tuple[bytes, list[tuple[int, int]]]:
    """The payload with zeros where packets are missing, and (start, length) of those stretches."""
    out, gaps, end = bytearray(), [], 0
    for k, place in enumerate(range(0, len(payload), PAYLOAD_BYTES)):
        if k not in kept:
            continue
        if place > end:
            gaps.append((end, place - end))
            out += bytes(place - end)
        out += payload[place : place + PAYLOAD_BYTES]
        end = len(out)
    return bytes(out), gaps
