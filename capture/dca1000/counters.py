"""The two wrapping counters of a packet stream: where a packet belongs, and which ones agree."""

from __future__ import annotations

from collections.abc import Sequence

from capture.dca1000.packets import COUNT_SPAN, PAYLOAD_BYTES, SEQUENCE_SPAN, PacketRun

_N_LINES = 4


def _nearest(difference: int, span: int) -> int:
    """The value of smallest size that is congruent to a difference of wrapping counters."""
    return (difference + span // 2) % span - span // 2


def follows(first: PacketRun, second: PacketRun) -> bool:
    """Whether two packets can be of one stream: only full packets lie between them, or none."""
    n_packets = _nearest(second.sequence - first.sequence, SEQUENCE_SPAN)
    n_bytes = _nearest(second.byte_count - first.byte_count, COUNT_SPAN)
    if n_packets < 0:
        first, n_packets, n_bytes = second, -n_packets, -n_bytes
    if n_packets == 0:
        return n_bytes == 0 and first.n_bytes == second.n_bytes
    return n_bytes == first.n_bytes + (n_packets - 1) * PAYLOAD_BYTES


def n_behind(first: PacketRun, second: PacketRun) -> int:
    """How many packets before the first one of its stream the second was sent; 0 if not of it."""
    if not follows(first, second):
        return 0
    return max(-_nearest(second.sequence - first.sequence, SEQUENCE_SPAN), 0)


def agreeing(packets: Sequence[PacketRun], anchor: PacketRun) -> list[PacketRun]:
    """Those packets that follow from `anchor`, directly or through each other, in stream order."""
    group, rest = [anchor], [packet for packet in packets if packet is not anchor]
    for member in group:
        group += [packet for packet in rest if follows(member, packet)]
        rest = [packet for packet in rest if not follows(member, packet)]
    return sorted(group, key=lambda p: _nearest(p.sequence - anchor.sequence, SEQUENCE_SPAN))


class StreamCounters:
    """How far a stream has come, in counters that never wrap.

    Between short packets, byte count and sequence number lie on a straight line; the last few
    lines are kept, so that a swapped packet can be checked to the byte.

    Attributes
    ----------
    sequence : of the latest packet, wraps undone
    end : position in the stream after it, bytes
    origin : sequence number from which on missing packets count as lost
    """

    __slots__ = ("sequence", "end", "origin", "_lines")

    def __init__(self, sequence: int, position: int, origin: int) -> None:
        self.origin = origin
        self._lines: list[tuple[int, int]] = []
        self.rejoin(sequence, position)

    def extend(self, packet: PacketRun) -> tuple[int, int]:
        """Sequence number and position of a packet, by the nearest values without a wrap."""
        return (
            self.sequence + _nearest(packet.sequence - self.sequence, SEQUENCE_SPAN),
            self.end + _nearest(packet.byte_count - self.end, COUNT_SPAN),
        )

    def expected(self, sequence: int) -> int:
        """Position at which a packet must begin."""
        line = self._lines[0]
        for candidate in self._lines:
            if sequence >= candidate[0]:
                line = candidate
        return line[1] + (sequence - line[0]) * PAYLOAD_BYTES

    def advance(self, sequence: int, position: int, run: PacketRun) -> None:
        """Go on behind a run that begins at the given place."""
        self.sequence = sequence + len(run) - 1
        self.end = position + run.n_bytes
        if run.n_bytes < len(run) * PAYLOAD_BYTES:
            self._add_line(sequence + len(run), self.end)

    def rejoin(self, sequence: int, position: int) -> None:
        """Expect a packet at a place that does not follow from the ones before."""
        self.sequence, self.end = sequence - 1, position
        self._add_line(sequence, position)

    def _add_line(self, sequence: int, position: int) -> None:
        self._lines = [*self._lines[1 - _N_LINES :], (sequence, position)]
