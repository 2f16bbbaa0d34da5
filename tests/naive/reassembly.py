"""Slow, obvious twin of the reassembler: every byte of the stream in a dictionary."""

from __future__ import annotations

from collections.abc import Iterable


def frames(
    placed: Iterable[tuple[int, bytes]], frame_bytes: int
) -> dict[int, tuple[bytes, tuple[tuple[int, int], ...]]]:
    """Data (lost bytes zero) and lost stretches of each frame of which anything came.

    `placed` are the true positions and payloads of all packets that arrived, in any order.
    """
    stream: dict[int, int] = {}
    for position, payload in placed:
        for offset, value in enumerate(payload):
            stream[position + offset] = value
    result = {}
    for index in sorted({position // frame_bytes for position in stream}):
        places = range(index * frame_bytes, (index + 1) * frame_bytes)
        data = bytes(stream.get(place, 0) for place in places)
        result[index] = (data, stretches([place not in stream for place in places]))
    return result


def stretches(flags: list[bool]) -> tuple[tuple[int, int], ...]:
    """(start, stop) of each stretch of True."""
    found, start = [], None
    for place, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = place
        if not flag and start is not None:
            found.append((start, place))
            start = None
    return tuple(found)
