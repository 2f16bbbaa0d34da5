"""Which packets agree, and where the next one must lie."""

from __future__ import annotations

import pytest

from capture.dca1000.counters import StreamCounters, agreeing, follows, n_behind
from capture.dca1000.packets import (
    COUNT_SPAN,
    PAYLOAD_BYTES,
    SEQUENCE_SPAN,
    PacketBatch,
    PacketRun,
    compose,
    find_runs,
)

P = PAYLOAD_BYTES


def packet(sequence: int, count: int, size: int = P) -> PacketRun:
    batch = PacketBatch.of([compose(sequence, count, bytes(size))])
    return find_runs(batch, batch.well_formed())[0]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((5, 0), (6, P), True),
        ((5, 0), (9, 4 * P), True),
        ((9, 4 * P), (5, 0), True),
        ((5, 0), (6, P + 2), False),
        ((5, 0), (6, 0), False),
        ((5, 0), (5, 0), True),
        ((5, 0, 10), (5, 0, 10), True),
        ((5, 0, 10), (5, 0, 12), False),
        ((5, 0), (5, P), False),
        ((5, 0, 48), (6, 48), True),
        ((5, 0, 48), (6, P), False),
        ((5, 0, 48), (8, 48 + 2 * P), True),
        ((SEQUENCE_SPAN - 1, 0), (0, P), True),
        ((5, COUNT_SPAN - P), (6, 0), True),
        ((0, 0), (1 << 31, 0), False),
    ],
)
def test_two_packets_are_of_one_stream(
    first: tuple[int, ...], second: tuple[int, ...], expected: bool
) -> None:
    assert follows(packet(*first), packet(*second)) is expected
    assert follows(packet(*second), packet(*first)) is expected


def test_packets_agree_through_each_other_across_a_short_one() -> None:
    one, short = packet(1, 0), packet(2, P, 100)
    after, later = packet(3, P + 100), packet(4, 2 * P + 100)
    other = packet(3, 7 * P)
    assert not follows(one, later)
    assert agreeing([later, other, one, after, short], short) == [one, short, after, later]
    assert agreeing([later, other, one], later) == [later]


def test_how_far_behind_a_packet_is() -> None:
    assert n_behind(packet(9, 8 * P), packet(2, P)) == 7
    assert n_behind(packet(2, P), packet(9, 8 * P)) == 0
    assert n_behind(packet(9, 8 * P), packet(2, 2 * P)) == 0


def test_positions_lie_on_the_lines_between_short_packets() -> None:
    stream = StreamCounters(10, 1000, 10)
    assert (stream.sequence, stream.end) == (9, 1000)
    assert [stream.expected(k) for k in (9, 10, 12)] == [1000 - P, 1000, 1000 + 2 * P]
    stream.advance(10, 1000, packet(10, 1000, 50))
    assert (stream.sequence, stream.end) == (10, 1050)
    assert [stream.expected(k) for k in (10, 11, 12)] == [1000, 1050, 1050 + P]


def test_counters_are_extended_to_the_nearest_value() -> None:
    stream = StreamCounters(3 * SEQUENCE_SPAN + 1, 5 * COUNT_SPAN, 1)
    assert stream.extend(packet(2, P)) == (3 * SEQUENCE_SPAN + 2, 5 * COUNT_SPAN + P)
    assert stream.extend(packet(SEQUENCE_SPAN - 1, COUNT_SPAN - P)) == (
        3 * SEQUENCE_SPAN - 1,
        5 * COUNT_SPAN - P,
    )
