"""Thousands of damaged packet streams: nothing wrongly valid, nothing wrongly lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import reassembly as naive

from capture.dca1000.packets import COUNT_SPAN, HEADER_BYTES, PAYLOAD_BYTES, PacketBatch, compose
from capture.dca1000.reassembler import RawFrame, Reassembler, ReassemblyParams

OWN, OTHER = (0xC0A821B4 << 16) | 4098, (0xC0A82105 << 16) | 4098
SPAN = 6  # packets are moved by up to this many places


@dataclass
class Stream:
    """One true stream: payloads, the counters it starts with, and where each packet lies."""

    payloads: list[bytes]
    sequence: int
    start: int
    positions: list[int] = field(init=False)

    def __post_init__(self) -> None:
        ends = np.cumsum([len(p) for p in self.payloads]).tolist()
        self.positions = [self.start, *(self.start + end for end in ends[:-1])]

    def packet(self, k: int) -> bytes:
        return compose(self.sequence + k, self.positions[k], self.payloads[k])


def make_stream(rng: random.Random, n: int, joined: bool = False, shorts: bool = True) -> Stream:
    sizes = [PAYLOAD_BYTES] * n
    if shorts:
        sizes[-1] = rng.choice([PAYLOAD_BYTES, 2, 48, 1024, 2 * rng.randint(1, 728)])
        if rng.random() < 0.3:
            sizes[rng.randrange(n)] = 2 * rng.randint(1, 727)
    payloads = [rng.randbytes(size) for size in sizes]
    if not joined:
        return Stream(payloads, 1, 0)
    near_wrap = (1 << 32) - rng.randint(0, n)
    sequence = rng.choice([near_wrap, rng.randint(10_000, 1 << 32)])
    near_wrap = COUNT_SPAN - 2 * rng.randint(0, n * 728)
    return Stream(payloads, sequence, rng.choice([near_wrap, (sequence - 1) * PAYLOAD_BYTES]))


def with_bad_header(rng: random.Random, packet: bytes) -> bytes:
    """A copy with one of its two counters changed by random bits."""
    field_of = rng.choice([(0, 4), (4, 10)])
    place = rng.randrange(*field_of)
    return packet[:place] + bytes([packet[place] ^ rng.randint(1, 255)]) + packet[place + 1 :]


def junk(rng: random.Random) -> bytes:
    size = rng.choice([0, 1, 9, HEADER_BYTES, 11, 14, 13, 1467, 1500, 1466, rng.randint(0, 2000)])
    return rng.choice([rng.randbytes(size), bytes(size), b"\xff" * size])


def push_all(
    reassembler: Reassembler, arrivals: list[tuple[bytes, int]], rng: random.Random
) -> list[RawFrame]:
    frames, at = [], 0
    while at < len(arrivals):
        n = rng.choice([1, 2, 3, 7, 20, 64, len(arrivals)])
        chunk = arrivals[at : at + n]
        batch = PacketBatch.of([p for p, _ in chunk], source=[s for _, s in chunk])
        frames += reassembler.push(batch)
        batch.data[:] = 0xEE  # the ring reuses its memory
        at += n
    return frames + reassembler.flush()


def check_sum(reassembler: Reassembler, arrivals: list[tuple[bytes, int]]) -> None:
    s = reassembler.stats
    assert s.n_received == len(arrivals)
    kinds = (s.n_used, s.n_late, s.n_duplicate, s.n_stray, s.n_foreign, s.n_malformed)
    assert min(kinds) >= 0
    assert sum(kinds) == s.n_received


def damaged(
    rng: random.Random, stream: Stream, span: int, faults: bool
) -> tuple[list[tuple[bytes, int]], set[int], int]:
    """Arrivals, the numbers of the packets among them, and how many copies too many there are."""
    loss, doubled, moved = (rng.choice([0, 0.01, 0.1]) for _ in range(3))
    n = len(stream.payloads)
    keyed: list[tuple[float, bytes, int]] = []
    came, n_copies, burst = set(), 0, 0
    for k in range(n):
        packet = stream.packet(k)
        if rng.random() < loss:
            burst = rng.choice([1, 1, 3, SPAN])
        burst -= 1
        # A short packet that is lost can only be made up for by enough packets after it.
        if burst >= 0 and len(stream.payloads[k]) == PAYLOAD_BYTES:
            if faults and rng.random() < 0.3:
                keyed.append((k + 0.5, with_bad_header(rng, packet), OWN))
            continue
        came.add(k)
        keyed.append((k + (rng.randint(0, span) if rng.random() < moved else 0), packet, OWN))
        if rng.random() < doubled:
            n_copies += 1
            keyed.append((keyed[-1][0] + rng.randint(0, span) + 0.1, packet, OWN))
        if faults and rng.random() < 0.1:
            other = compose(stream.sequence + k, stream.positions[k], rng.randbytes(PAYLOAD_BYTES))
            bad = (with_bad_header(rng, packet), OWN)
            keyed.append((k + 0.7, *rng.choice([(other, OTHER), (junk(rng), OTHER), bad])))
        if faults and rng.random() < 0.02:
            keyed.append((k + 0.8, junk(rng), OWN))
    keyed.sort(key=lambda item: item[0])
    return [(packet, sender) for _, packet, sender in keyed], came, n_copies


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("block", range(8))
def test_within_the_horizon_frames_and_lost_bytes_are_those_of_the_naive_twin(
    joined: bool, block: int
) -> None:
    for seed in range(block * 40, block * 40 + 40):
        rng = random.Random(f"{seed} {joined}")
        frame_bytes = rng.choice([PAYLOAD_BYTES * 5, 942, 2 * rng.randint(200, 6000)])
        # Moves and bursts reach 2 SPAN + 1 packets at most; a joined stream keeps its order.
        horizon = (3 * SPAN + 2) * PAYLOAD_BYTES / frame_bytes
        params = ReassemblyParams(horizon_frames=min(horizon, 64))
        if horizon > 64:
            continue
        stream = make_stream(rng, rng.randint(30, 90), joined)
        arrivals, came, n_copies = damaged(rng, stream, 0 if joined else SPAN, faults=True)
        reassembler = Reassembler(frame_bytes, params, source=OWN)
        frames = push_all(reassembler, arrivals, rng)
        # Who joins after the byte count has wrapped cannot know that it has.
        wraps = COUNT_SPAN if stream.positions[min(came)] >= COUNT_SPAN else 0
        placed = [(stream.positions[k] - wraps, stream.payloads[k]) for k in came]
        expected = naive.frames(placed, frame_bytes)
        got = {f.index: (f.data.tobytes(), f.lost) for f in frames}
        assert list(got) == sorted(got)
        assert got == expected, seed
        assert {f.segment for f in frames} == {0}
        stats = reassembler.stats
        check_sum(reassembler, arrivals)
        first = min(came) if joined else 0
        assert stats.n_used == len(came)
        assert stats.n_lost == max(came) + 1 - first - len(came)
        assert (stats.n_duplicate, stats.n_late, stats.n_restarts) == (n_copies, 0, 0)
        assert stats.n_bytes == sum(len(payload) for _, payload in placed)


def restarted(rng: random.Random) -> tuple[list[Stream], list[tuple[bytes, int]]]:
    """Streams that follow each other, each damaged, with packets moved far beyond any horizon."""
    streams, arrivals = [], []
    n_streams = rng.randint(1, 4)
    for number in range(n_streams):
        # A restart within the first packets, some of them lost, cannot be told from a gap.
        least = 1 if number == n_streams - 1 else 24
        n = rng.choice([rng.randint(least, 32), rng.randint(33, 120)])
        stream = make_stream(rng, n)
        more, _, _ = damaged(rng, stream, rng.choice([0, 3, 12]), faults=True)
        streams.append(stream)
        arrivals += more
    return streams, arrivals


def match(frame: RawFrame, truth: dict[tuple[int, int], np.ndarray]) -> set[tuple[int, int]]:
    """Which true frames (stream, number) hold every byte that is said to be valid."""
    valid = np.ones(len(frame.data), np.bool_)
    for start, stop in frame.lost:
        valid[start:stop] = False
    assert valid.any()
    return {
        key
        for key, true in truth.items()
        if not valid[len(true) :].any()
        and np.array_equal(true[valid[: len(true)]], frame.data[: len(true)][valid[: len(true)]])
    }


def cut(stream: Stream, frame_bytes: int) -> list[np.ndarray]:
    whole = np.frombuffer(b"".join(stream.payloads), np.uint8)
    return [whole[at : at + frame_bytes] for at in range(0, len(whole), frame_bytes)]


@pytest.mark.parametrize("block", range(10))
def test_beyond_the_horizon_and_across_restarts_nothing_is_wrongly_valid(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        rng = random.Random(seed)
        frame_bytes = 2 * rng.randint(400, 6000)
        streams, arrivals = restarted(rng)
        horizon = rng.choice([0.0, 0.5, 1.0, 3.0])
        reassembler = Reassembler(
            frame_bytes, ReassemblyParams(horizon_frames=horizon), source=OWN
        )
        frames = push_all(reassembler, arrivals, rng)
        truth = {
            (s, number): true
            for s, stream in enumerate(streams)
            for number, true in enumerate(cut(stream, frame_bytes))
        }
        found = [match(frame, truth) for frame in frames]
        assert all(found), (seed, [f.index for f, m in zip(frames, found, strict=True) if not m])
        places = [min(matches) for matches in found]
        assert places == sorted(set(places)), seed
        for (s, a), (t, b), first, second in zip(
            places, places[1:], frames, frames[1:], strict=False
        ):
            assert (first.segment == second.segment) == (s == t), seed
            step = second.index - first.index
            assert step == b - a if s == t else step >= 2, seed
        check_sum(reassembler, arrivals)


HEADERS = st.tuples(
    st.one_of(st.integers(0, 40), st.sampled_from([(1 << 31) + 3, (1 << 32) - 1])),
    st.one_of(
        st.integers(0, 40).map(lambda k: k * PAYLOAD_BYTES),
        st.sampled_from([COUNT_SPAN - PAYLOAD_BYTES, COUNT_SPAN // 2, COUNT_SPAN - 1, 700]),
    ),
    st.sampled_from([PAYLOAD_BYTES, 4, 0, 3, 1458]),
    st.integers(0, 1),
)


@given(
    headers=st.lists(HEADERS, max_size=80),
    lawful=st.lists(st.integers(1, 60), max_size=80),
    frame_bytes=st.sampled_from([2, 1000, PAYLOAD_BYTES, 5000]),
    seed=st.integers(0, 3),
)
def test_any_headers_in_any_batches_give_the_same_frames_and_counters(
    headers: list[tuple[int, int, int, int]], lawful: list[int], frame_bytes: int, seed: int
) -> None:
    rng = random.Random(seed)
    arrivals = [
        ((s % (1 << 32)).to_bytes(4, "little") + c.to_bytes(6, "little") + bytes([v]) * n, OWN)
        for s, c, n, v in headers
    ]
    for k in lawful:
        packet = compose(k, (k - 1) * PAYLOAD_BYTES, bytes([k]) * PAYLOAD_BYTES)
        arrivals.insert(rng.randint(0, len(arrivals)), (packet, OWN))
    whole, cut_up = Reassembler(frame_bytes), Reassembler(frame_bytes)
    frames = whole.push(PacketBatch.of([p for p, _ in arrivals])) + whole.flush()
    again = push_all(cut_up, arrivals, rng)
    assert [describe(f) for f in frames] == [describe(f) for f in again]
    assert whole.stats == cut_up.stats
    check_sum(whole, arrivals)
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    for frame in frames:
        assert all(0 <= start < stop <= frame_bytes for start, stop in frame.lost)
        assert sum(stop - start for start, stop in frame.lost) < frame_bytes


def describe(frame: RawFrame) -> tuple[int, bytes, tuple[tuple[int, int], ...], int]:
    return frame.index, frame.data.tobytes(), frame.lost, frame.segment
