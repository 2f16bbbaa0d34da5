"""What a data link does to packets, drawn from a seed: losses, swaps, doubles, a restart.

Everything here is a pure function of the parameters and of packet numbers. The emulator sends by
it, and a test computes from it what a receiver must find missing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from capture.dca1000.packets import PAYLOAD_BYTES
from capture.errors import ConfigError
from capture.schema import config_class
from capture.seeding import rng

_BLOCK, _ENDLESS = 4096, 1 << 62


@config_class
class FaultParams:
    """Faults of the link.

    Attributes
    ----------
    loss : probability that a packet is never sent
    reorder : probability that a packet leaves 1 to `reorder_span` packets too late
    duplicate : probability that a packet leaves a second time, up to `reorder_span` packets later
    restart_after : after so many packets the board starts anew, once, with its counters at the
        beginning; the rest of that frame and the whole next one never leave it. 0 means never
    seed : of all draws
    reorder_span : greatest displacement, packets
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    restart_after: int = 0
    seed: int = 0
    reorder_span: int = 32

    def __post_init__(self) -> None:
        for key in ("loss", "reorder", "duplicate"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(
                    f"'{key}' is not a probability", got=getattr(self, key), expected="0 to 1"
                )
        if self.restart_after < 0:
            raise ConfigError("'restart_after' is negative", got=self.restart_after)
        if not 1 <= self.reorder_span <= 1024:
            raise ConfigError(
                "'reorder_span' out of range", got=self.reorder_span, expected="1 to 1024"
            )


@dataclass(frozen=True, slots=True)
class PacketPlan:
    """How a stream of bytes is cut into packets, numbered from 0 in the order of their making.

    Attributes
    ----------
    n_bytes : length of the stream; None when it has no end
    frame_bytes : stored bytes of a frame; a restarted board begins with a whole frame
    restart_after : packets before the restart, 0 without one
    gaps : (start, stop) bytes that are not known; packets that touch them are never sent
    cycle_bytes : the gaps come again after so many bytes (a recording in a loop)
    """

    n_bytes: int | None
    frame_bytes: int
    restart_after: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    cycle_bytes: int = _ENDLESS

    @property
    def has_restart(self) -> bool:
        """Whether the stream is long enough for its restart."""
        before = self.restart_after * PAYLOAD_BYTES
        return before > 0 and (self.n_bytes is None or before < self.n_bytes)

    @property
    def restart_byte(self) -> int:
        """Stream byte at which the restarted board begins."""
        last_frame = (self.restart_after * PAYLOAD_BYTES - 1) // self.frame_bytes
        return (last_frame + 2) * self.frame_bytes

    @property
    def n_packets(self) -> int:
        """Packets of the whole stream; a number beyond reach when it has no end."""
        if self.n_bytes is None:
            return _ENDLESS
        if not self.has_restart:
            return -(-self.n_bytes // PAYLOAD_BYTES)
        return self.restart_after + -(-max(0, self.n_bytes - self.restart_byte) // PAYLOAD_BYTES)

    @property
    def ends_short(self) -> bool:
        """Whether the last packet is not full."""
        last = np.array([self.n_packets - 1])
        return bool(self.sizes(last)[0] < PAYLOAD_BYTES)

    def starts(self, packets: np.ndarray) -> np.ndarray:
        """Stream byte at which each packet's payload begins, int64 array, shape (n,)."""
        starts = packets * PAYLOAD_BYTES
        if not self.has_restart:
            return starts
        shift = self.restart_byte - self.restart_after * PAYLOAD_BYTES
        return np.where(packets >= self.restart_after, starts + shift, starts)

    def sizes(self, packets: np.ndarray) -> np.ndarray:
        """Payload bytes of each packet, int64 array, shape (n,): full but for the last one."""
        left = _ENDLESS if self.n_bytes is None else self.n_bytes
        return np.minimum(left - self.starts(packets), PAYLOAD_BYTES)

    def counters(self, packets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sequence numbers and byte counts, int64 arrays, shape (n,), before any wrap."""
        restarted = self.has_restart * (packets >= self.restart_after)
        number = packets - restarted * self.restart_after
        return number + 1, number * PAYLOAD_BYTES

    def touches_gap(self, packets: np.ndarray) -> np.ndarray:
        """Which packets hold bytes of a gap, bool array, shape (n,)."""
        if not self.gaps:
            return np.zeros(len(packets), np.bool_)
        again = [(a + self.cycle_bytes, b + self.cycle_bytes) for a, b in self.gaps]
        begins, ends = np.array([*sorted(self.gaps), *sorted(again)], np.int64).T
        starts = self.starts(packets) % self.cycle_bytes
        nearest = np.searchsorted(ends, starts, "right")
        begin = np.append(begins, _ENDLESS)[nearest]
        return begin < starts + self.sizes(packets)


def fates(
    packets: np.ndarray, plan: PacketPlan, params: FaultParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What happens to each packet.

    Parameters
    ----------
    packets : int64 array, shape (n,), ascending packet numbers

    Returns
    -------
    lost : bool array, shape (n,)
    turn : int64 array, shape (n,); the packet leaves after the one of this number that is on time
    copy_turn : int64 array, shape (n,); likewise for the second sending, -1 without one
    """
    blocks = np.unique(packets // _BLOCK)
    uniform = np.concatenate([_draws(params.seed, int(block)) for block in blocks])
    chance = uniform[np.searchsorted(blocks, packets // _BLOCK) * _BLOCK + packets % _BLOCK]
    span = params.reorder_span
    delay = np.where(chance[:, 1] < params.reorder, 1 + (chance[:, 2] * span).astype(int), 0)
    repeat = packets + delay + (chance[:, 4] * (span + 1)).astype(int)
    last = np.full(len(packets), plan.n_packets - 1, np.int64)
    if plan.has_restart:
        last[packets < plan.restart_after] = plan.restart_after - 1
    lost = (chance[:, 0] < params.loss) | plan.touches_gap(packets)
    repeat = np.where(chance[:, 3] < params.duplicate, np.minimum(repeat, last), -1)
    return lost, np.minimum(packets + delay, last), repeat


@functools.lru_cache(maxsize=32)
def _draws(seed: int, block: int) -> np.ndarray:
    return rng(seed, "link faults", block).random((_BLOCK, 5))


@dataclass(frozen=True, slots=True)
class Sendings:
    """Packets in the order in which they leave.

    Attributes
    ----------
    packets, turns : int64 arrays, shape (n,); turn k belongs to packet k, and delayed packets
        and doubles leave after the packet of their turn
    is_copy : bool array, shape (n,); the second sending of a packet
    """

    packets: np.ndarray
    turns: np.ndarray
    is_copy: np.ndarray

    def __len__(self) -> int:
        return len(self.packets)


def schedule(first: int, stop: int, plan: PacketPlan, params: FaultParams) -> Sendings:
    """What leaves in the turns `first` to, not including, `stop`.

    However a stream is cut into turns, the order is the same.
    """
    early = np.arange(max(0, first - 2 * params.reorder_span), stop, dtype=np.int64)
    lost, turn, copy_turn = fates(early, plan, params)
    once, twice = ~lost, ~lost & (copy_turn >= 0)
    packets = np.concatenate([early[once], early[twice]])
    turns = np.concatenate([turn[once], copy_turn[twice]])
    is_copy = np.repeat([False, True], [once.sum(), twice.sum()])
    order = np.lexsort((is_copy, packets, turns != packets, turns))
    order = order[(turns[order] >= first) & (turns[order] < stop)]
    return Sendings(packets[order], turns[order], is_copy[order])


def lost_stretches(
    plan: PacketPlan, params: FaultParams, n_turns: int | None = None
) -> tuple[tuple[int, int], ...]:
    """(start, stop) bytes of the stream that were never sent, ascending and disjoint.

    Parameters
    ----------
    n_turns : how far the sending came; None means to the end of the stream. What lies beyond
        is not counted as lost; a delayed packet whose turn had not come is
    """
    n_turns = plan.n_packets if n_turns is None else min(n_turns, plan.n_packets)
    found: list[tuple[int, int]] = []
    reached = 0
    for first in range(0, n_turns, _BLOCK):
        packets = np.arange(first, min(first + _BLOCK, n_turns), dtype=np.int64)
        lost, turn, _ = fates(packets, plan, params)
        kept = packets[~lost & (turn < n_turns)]
        starts = plan.starts(kept)
        stops = starts + plan.sizes(kept)
        before = np.concatenate([[reached], stops])[:-1]
        found += [(int(a), int(b)) for a, b in zip(before, starts, strict=True) if a < b]
        reached = int(stops[-1]) if len(stops) else reached
    end = _end_byte(plan, n_turns)
    return (*found, (reached, end)) if reached < end else tuple(found)


def _end_byte(plan: PacketPlan, n_turns: int) -> int:
    """Stream byte that the sending has come to."""
    if plan.n_bytes is not None and n_turns == plan.n_packets:
        return plan.n_bytes
    last = np.array([n_turns - 1])
    return int((plan.starts(last) + plan.sizes(last))[0]) if n_turns else 0
