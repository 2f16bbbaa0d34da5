"""Every way in which packets go wrong, worked out by hand on frames of three packets."""

from __future__ import annotations

import numpy as np
import pytest

from capture.dca1000.packets import (
    COUNT_SPAN,
    HEADER_BYTES,
    PAYLOAD_BYTES,
    SEQUENCE_SPAN,
    PacketBatch,
    compose,
    find_runs,
)
from capture.dca1000.reassembler import RawFrame, Reassembler, ReassemblyParams
from capture.errors import CaptureError, ConfigError

P = PAYLOAD_BYTES
FRAME_BYTES = 3 * P
SECOND = 1_000_000_000


def payload(k: int, stream: int = 0, size: int = P) -> bytes:
    return np.random.default_rng([stream, k % SEQUENCE_SPAN]).bytes(size)


def packet(k: int, stream: int = 0, size: int = P) -> bytes:
    """Packet number k of a stream of full packets; frame f holds packets 3 f + 1 to 3 f + 3."""
    return compose(k, (k - 1) * P, payload(k, stream, size))


def reassemble(
    datagrams: list[bytes], times_ns: list[int] | None = None, **options: object
) -> tuple[list[RawFrame], Reassembler]:
    reassembler = Reassembler(FRAME_BYTES, **options)  # type: ignore[arg-type]
    frames = reassembler.push(PacketBatch.of(datagrams, times_ns))
    return frames + reassembler.flush(), reassembler


def outline(frames: list[RawFrame]) -> list[tuple[int, list[tuple[float, float]]]]:
    """Index and lost stretches in packets."""
    return [(f.index, [(a / P, b / P) for a, b in f.lost]) for f in frames]


# name, packets in order of arrival, frames with what they lost (in packets), counters
CASES = [
    ("in order", [1, 2, 3, 4, 5, 6], [(0, []), (1, [])], {"n_used": 6}),
    (
        "one lost: the frame closes three packets beyond its end",
        [1, 3, 4, 5, 6],
        [(0, [(1, 2)]), (1, [])],
        {"n_lost": 1, "lost_bytes": P, "n_incomplete": 1},
    ),
    ("swapped", [1, 3, 2, 5, 4, 6], [(0, []), (1, [])], {"n_reordered": 2, "n_lost": 0}),
    (
        "just within the horizon: the stream has not come to 6 packets yet",
        [1, 3, 4, 5, 2, 6],
        [(0, []), (1, [])],
        {"n_reordered": 1, "n_late": 0},
    ),
    (
        "late: packet 6 closed the frame",
        [1, 3, 4, 5, 6, 2, 7],
        [(0, [(1, 2)]), (1, []), (2, [(1, 3)])],
        {"n_late": 1, "n_lost": 1, "n_reordered": 0},
    ),
    (
        "doubled, before and after the frame closed",
        [1, 1, 2, 3, 3, 1, 4, 5, 6],
        [(0, []), (1, [])],
        {"n_duplicate": 3, "n_used": 6},
    ),
    (
        "first packet lost",
        [2, 3, 4, 5, 6],
        [(0, [(0, 1)]), (1, [])],
        {"n_lost": 1, "lost_bytes": P},
    ),
    (
        "a whole frame lost, no more than the horizon",
        [1, 2, 3, 7, 8, 9],
        [(0, []), (2, [])],
        {"n_lost": 3, "n_missing_frames": 1, "lost_bytes": 3 * P, "n_resyncs": 0},
    ),
    (
        "a complete frame waits for an earlier one",
        [1, 2, 4, 5, 6, 3, 7, 8, 9],
        [(0, [(2, 3)]), (1, []), (2, [])],
        {"n_late": 1},
    ),
    (
        "a stall: eight packets confirm the jump, and none of them is lost",
        [1, 2, 3, *range(14, 23)],
        [(0, []), (4, [(0, 1)]), (5, []), (6, []), (7, [(1, 3)])],
        {"n_lost": 10, "n_missing_frames": 3, "lost_bytes": 10 * P, "n_resyncs": 1},
    ),
    (
        "a stall, and two packets before the end",
        [1, 2, 3, 14, 15],
        [(0, []), (4, [(0, 1)])],
        {"n_lost": 10, "n_resyncs": 1},
    ),
    (
        "one packet from far away is not believed",
        [1, 2, 3, 1000, 4, 5, 6],
        [(0, []), (1, [])],
        {"n_stray": 1, "n_lost": 0, "n_missing_frames": 0},
    ),
    (
        "joined in the middle: packet 5001 is the last third of frame 1666",
        [*range(5001, 5011)],
        [(1666, [(0, 2)]), (1667, []), (1668, []), (1669, [])],
        {"n_lost": 0, "n_restarts": 0, "n_used": 10},
    ),
    ("a single packet from the middle is nothing", [5001], [], {"n_stray": 1, "n_frames": 0}),
]


@pytest.mark.parametrize(("name", "order", "frames", "counters"), CASES, ids=[c[0] for c in CASES])
def test_a_damaged_stream(
    name: str,
    order: list[int],
    frames: list[tuple[int, list[tuple[float, float]]]],
    counters: dict[str, int],
) -> None:
    got, reassembler = reassemble([packet(k) for k in order])
    assert outline(got) == frames
    stats = reassembler.stats.as_dict()
    assert {key: stats[key] for key in counters} == counters
    assert stats["n_received"] == len(order)
    for frame in got:
        for third in range(3):
            is_lost = any(a <= third * P < b for a, b in frame.lost)
            true = bytes(P) if is_lost else payload(3 * frame.index + third + 1)
            assert frame.data[third * P : (third + 1) * P].tobytes() == true


@pytest.mark.parametrize("reached", [1, 7, 8, 100])
def test_a_restart_parts_the_frames_of_the_two_streams(reached: int) -> None:
    old = [packet(k) for k in range(1, reached + 1)]
    frames, reassembler = reassemble([*old, *(packet(k, stream=1) for k in range(1, 10))])
    before = [f for f in frames if f.segment == 0]
    after = [f for f in frames if f.segment == 1]
    last = (reached - 1) // 3
    assert [f.index for f in before] == list(range(last + 1))
    # One index is left out, so that slow time never runs on across a restart.
    assert outline(after) == [(last + 2, []), (last + 3, []), (last + 4, [])]
    assert reassembler.stats.n_restarts == 1
    assert after[0].data.tobytes() == b"".join(payload(k, 1) for k in (1, 2, 3))
    kept = reached - 3 * last
    assert before[-1].data[: kept * P].tobytes() == b"".join(
        payload(k) for k in range(3 * last + 1, reached + 1)
    )
    assert before[-1].lost == (((kept * P, FRAME_BYTES),) if kept < 3 else ())


@pytest.mark.parametrize(("pause_s", "index"), [(10.0, 100), (0.31, 4), (0.0, 4), (-5.0, 4)])
def test_a_restart_takes_the_index_from_the_clock_when_it_can(pause_s: float, index: int) -> None:
    # Frames 0 to 2 began at 1.0, 1.1 and 1.2 s; the new stream begins `pause_s` after 1.0 s.
    times = [SECOND + k // 3 * SECOND // 10 for k in range(9)]
    again = [SECOND + round(pause_s * SECOND) + k // 3 * SECOND // 10 for k in range(9)]
    datagrams = [packet(k + 1, s) for s in (0, 1) for k in range(9)]
    frames, _ = reassemble(datagrams, times + again, frame_period_s=0.1)
    assert [f.index for f in frames] == [0, 1, 2, index, index + 1, index + 2]
    assert [f.time_ns for f in frames] == [*times[::3], *again[::3]]


def test_a_restart_is_seen_when_its_first_packets_are_lost_or_few() -> None:
    old = [packet(k) for k in range(1, 301)]
    frames, reassembler = reassemble([*old, *(packet(k, 1) for k in range(3, 13))])
    assert outline(frames)[100:] == [(101, [(0, 2)]), (102, []), (103, []), (104, [])]
    assert reassembler.stats.n_lost == 2
    # Two packets at the very end are believed when they are the first of a stream.
    frames, _ = reassemble([*old, packet(1, 1), packet(2, 1)])
    assert outline(frames)[100:] == [(101, [(2, 3)])]
    frames, reassembler = reassemble([*old, packet(2, 1), packet(3, 1)])
    assert len(frames) == 100
    assert reassembler.stats.n_late == 2


def test_a_restart_with_a_gap_longer_than_the_horizon_keeps_all_that_came() -> None:
    old = [packet(k) for k in range(1, 301)]
    frames, reassembler = reassemble([*old, packet(1, 1), *(packet(k, 1) for k in range(8, 16))])
    # Of the new stream came packets 1 and 8 to 15: its frame 1 (packets 4 to 6) is missing.
    assert outline(frames)[100:] == [(101, [(1, 3)]), (103, [(0, 1)]), (104, []), (105, [])]
    assert reassembler.stats.n_stray == 0


def test_two_restarts_in_a_row_are_not_mixed() -> None:
    order = [(k, 0) for k in range(1, 101)] + [(k, 1) for k in range(1, 6)]
    order += [(k, 2) for k in range(1, 10)]
    frames, reassembler = reassemble([packet(k, stream) for k, stream in order])
    assert outline(frames)[33:] == [(33, [(1, 3)]), (35, []), (36, []), (37, [])]
    for frame, first in zip(frames[34:], (1, 4, 7), strict=True):
        assert frame.data.tobytes() == b"".join(payload(first + k, 2) for k in range(3))
    assert reassembler.stats.n_late == 5


def test_a_restart_that_comes_back_ahead_of_the_old_stream_is_a_restart() -> None:
    # Packet 1 has other bytes than before. Packet 15 falls so far behind packet 25 that both are
    # dropped, but what was learnt from packet 1 stays: 15 to 22 do not go on with the old 10.
    old = [packet(k) for k in range(1, 11)]
    frames, _ = reassemble([*old, *(packet(k, 1) for k in (1, 25, *range(15, 23)))])
    assert outline(frames)[3:] == [
        (3, [(1, 3)]), (5, [(0, 2)]), (6, []), (7, []), (8, [(1, 3)]),
    ]
    assert [f.segment for f in frames] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_after_a_flush_the_next_stream_is_a_restart() -> None:
    reassembler = Reassembler(FRAME_BYTES)
    assert outline(reassembler.push(PacketBatch.of([packet(k) for k in (1, 2, 3)]))) == [(0, [])]
    assert reassembler.flush() == []
    frames = reassembler.push(PacketBatch.of([packet(k, 1) for k in (1, 2, 3)]))
    assert [(f.index, f.segment) for f in frames] == [(2, 1)]


def test_other_bytes_at_the_same_place_are_never_mixed_in() -> None:
    # The stream began anew after two packets: had packet 3 been taken, frame 0 would be a mixture.
    frames, _ = reassemble([packet(1), packet(2), *(packet(k, 1) for k in (1, 2, 3))])
    assert outline(frames) == [(0, [(2, 3)]), (2, [])]


@pytest.mark.parametrize(
    "bad",
    [b"", bytes(9), bytes(HEADER_BYTES), bytes(HEADER_BYTES + 3), bytes(1468), bytes(1600)],
    ids=len,
)
def test_what_is_no_data_packet_is_counted_as_malformed(bad: bytes) -> None:
    frames, reassembler = reassemble([packet(1), bad, packet(2), bad, packet(3)])
    assert outline(frames) == [(0, [])]
    assert reassembler.stats.n_malformed == 2


@pytest.mark.parametrize(
    "bad",
    [
        bytes(14),
        b"\xff" * 14,
        compose(4, 2 * P, payload(9)),
        compose(2, 3 * P, payload(9)),
        compose(4, 3 * P + (1 << 20), payload(9)),
        compose(4 + (1 << 31), 3 * P, payload(9)),
    ],
    ids=["zeros", "ones", "count low", "sequence low", "count high", "sequence far"],
)
def test_counters_that_do_not_agree_place_nothing(bad: bytes) -> None:
    order = [packet(1), packet(2), packet(3), bad, packet(5), packet(6), packet(7), packet(8)]
    frames, reassembler = reassemble(order)
    assert outline(frames) == [(0, []), (1, [(0, 1)]), (2, [(2, 3)])]
    assert reassembler.stats.n_stray == 1
    assert reassembler.stats.n_lost == 1


def test_another_sender_is_not_listened_to() -> None:
    own, other = 5 << 16 | 4098, 6 << 16 | 4098
    batch = PacketBatch.of(
        [packet(1), packet(2, 1), packet(2), packet(3)], source=[own, other, 0, own]
    )
    reassembler = Reassembler(FRAME_BYTES, source=own)
    assert outline(reassembler.push(batch)) == [(0, [])]
    assert reassembler.stats.n_foreign == 1


def test_a_short_last_packet_ends_the_stream() -> None:
    frames, reassembler = reassemble([packet(1), packet(2), packet(3, size=48)])
    assert frames[0].lost == ((2 * P + 48, FRAME_BYTES),)
    assert frames[0].data[: 2 * P + 48].tobytes() == payload(1) + payload(2) + payload(3, size=48)
    # Bytes that were never sent are not lost ones.
    assert reassembler.stats.lost_bytes == 0
    assert reassembler.stats.n_bytes == 2 * P + 48


def test_the_stream_goes_on_behind_a_short_packet_even_when_they_are_swapped() -> None:
    short = compose(2, P, payload(2, size=1000))
    rest = [compose(k, P + 1000 + (k - 3) * P, payload(k)) for k in (3, 4)]
    true = (payload(1) + payload(2, size=1000) + payload(3) + payload(4))[:FRAME_BYTES]
    full = packet(1)
    for order in (
        [full, short, *rest],
        [full, rest[0], short, rest[1]],
        [full, *rest, short],
        [rest[0], full, short, rest[1]],
    ):
        frames, reassembler = reassemble(order)
        assert frames[0].lost == ()
        assert frames[0].data.tobytes() == true
        assert reassembler.stats.n_used == 4


def test_a_packet_that_lost_its_tail_does_not_fill_a_gap() -> None:
    frames, reassembler = reassemble([packet(1), packet(3), packet(2, size=100), packet(4)])
    assert outline(frames)[0] == (0, [(1, 2)])
    assert reassembler.stats.n_stray == 1


def test_both_counters_wrap() -> None:
    first = SEQUENCE_SPAN - 2
    start = COUNT_SPAN // FRAME_BYTES * FRAME_BYTES - FRAME_BYTES
    datagrams = [compose(first + k, start + k * P, payload(k)) for k in range(12)]
    # Frames count on beyond 2^48 bytes; a lost packet at the wrap is lost like any other.
    frames, reassembler = reassemble(datagrams[:3] + datagrams[4:])
    index = start // FRAME_BYTES
    assert start + 12 * P > COUNT_SPAN
    assert outline(frames) == [
        (index, []), (index + 1, [(0, 1)]), (index + 2, []), (index + 3, []),
    ]
    assert frames[3].data.tobytes() == b"".join(payload(k) for k in (9, 10, 11))
    assert reassembler.stats.n_restarts == 0


def test_frames_of_the_paper_are_not_whole_packets() -> None:
    # 942,080 = 647 * 1456 + 48: packet 648 carries 48 bytes of frame 0 and 1408 of frame 1.
    frame_bytes = 942_080
    stream = np.random.default_rng(3).integers(0, 256, 3 * frame_bytes, np.uint8)
    datagrams = [
        compose(k + 1, k * P, stream[k * P : (k + 1) * P].tobytes())
        for k in range(-(-3 * frame_bytes // P))
    ]
    reassembler = Reassembler(frame_bytes)
    frames = reassembler.push(PacketBatch.of(datagrams[:647]))
    assert frames == []
    frames = reassembler.push(PacketBatch.of(datagrams[648:]))
    # Frame 0 ends 48 bytes into the lost packet, frame 1 begins with the rest of it.
    assert [f.lost for f in frames] == [((942_032, 942_080),), ((0, 1408),), ()]
    assert [f.index for f in frames] == [0, 1, 2]
    assert np.array_equal(frames[1].data[1408:], stream[frame_bytes + 1408 : 2 * frame_bytes])
    assert np.array_equal(frames[2].data, stream[2 * frame_bytes :])
    assert reassembler.stats.lost_bytes == P


def test_a_packet_late_for_one_frame_still_fills_the_next() -> None:
    frame_bytes = 3 * P + 100  # packet 4 holds 100 bytes of frame 0, the rest is of frame 1
    reassembler = Reassembler(frame_bytes)
    frames = reassembler.push(PacketBatch.of([packet(k) for k in (1, 2, 3, 5, 6, 7)]))
    assert [(f.index, f.lost) for f in frames] == [(0, ((3 * P, frame_bytes),))]
    frames += reassembler.push(PacketBatch.of([packet(k) for k in (4, 8)]))
    assert [(f.index, f.lost) for f in frames[1:]] == [(1, ())]
    assert not frames[0].data[3 * P :].any()
    assert frames[1].data[: P - 100].tobytes() == payload(4)[100:]


def test_a_jump_over_terabytes_takes_no_memory_and_no_time() -> None:
    far = 2_000_000_000
    frames, reassembler = reassemble([packet(k) for k in [1, 2, 3, *range(far, far + 9)]])
    assert frames[1].index == (far - 1) // 3
    assert reassembler.stats.n_missing_frames == (far - 1) // 3 - 1
    assert reassembler.stats.n_lost == far - 4


def test_runs_hold_what_they_say() -> None:
    batch = PacketBatch.of([packet(1), packet(2, size=10), packet(3), b"?", packet(4), packet(5)])
    runs = find_runs(batch, batch.well_formed())
    assert [(r.sequence, len(r), r.n_bytes) for r in runs] == [
        (1, 2, P + 10), (3, 1, P), (4, 2, 2 * P),
    ]
    assert find_runs(batch, np.zeros(6, np.bool_)) == []


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(CaptureError, match="payload too long"):
        compose(1, 0, bytes(P + 1))
    with pytest.raises(CaptureError, match="no bytes in a frame"):
        Reassembler(0)
    with pytest.raises(CaptureError, match="not positive"):
        Reassembler(4, frame_period_s=0.0)
    with pytest.raises(ConfigError, match="horizon_frames"):
        ReassemblyParams(horizon_frames=-1.0)
    with pytest.raises(ConfigError, match="resync_packets"):
        ReassemblyParams(resync_packets=1)
