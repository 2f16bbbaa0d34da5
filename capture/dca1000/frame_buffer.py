"""Frames under construction: their bytes as they come in, and which of them are there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from capture.dca1000.packets import PAYLOAD_BYTES, PacketRun

Fate = Literal["ahead", "gap", "late", "duplicate", "stray", "unknown", "conflict"]


@dataclass(slots=True)
class PacketStats:
    """Counters; after a flush, received = used + late + duplicate + stray + foreign + malformed.

    Attributes
    ----------
    n_received : datagrams of all kinds
    n_used, n_bytes : packets placed in frames, and their payload bytes
    n_lost : packets that were sent and never placed, by the sequence number
    n_late : packets for a frame already closed
    n_duplicate : packets whose bytes were there already
    n_reordered : used packets that came after a later one
    n_foreign : datagrams of another sender
    n_malformed : datagrams that are no data packets
    n_stray : packets whose counters fit no stream
    n_restarts : streams begun anew
    n_resyncs : confirmed jumps within a stream (stall of the receiver, lost short packet)
    lost_bytes : bytes never placed, from the first frame of a stream to its latest byte
    n_frames, n_incomplete : frames handed out, and those of them with lost bytes
    n_missing_frames : frames left out because none of their bytes came
    """

    n_received: int = 0
    n_used: int = 0
    n_bytes: int = 0
    n_lost: int = 0
    n_late: int = 0
    n_duplicate: int = 0
    n_reordered: int = 0
    n_foreign: int = 0
    n_malformed: int = 0
    n_stray: int = 0
    n_restarts: int = 0
    n_resyncs: int = 0
    lost_bytes: int = 0
    n_frames: int = 0
    n_incomplete: int = 0
    n_missing_frames: int = 0

    def as_dict(self) -> dict[str, int]:
        """Counters by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One stored frame off the wire.

    Attributes
    ----------
    index : frame number since the start of the first stream
    data : uint8 array, shape (frame_bytes,); lost bytes are zero. Not to be written to
    lost : stretches (start, stop) of `data` that never came, sorted and apart
    time_ns : kernel time of the first packet that touched it, 0 when unknown
    segment : restarts of the stream before it
    last_ns : kernel time of the last packet that touched it, 0 when unknown
    """

    index: int
    data: np.ndarray
    lost: tuple[tuple[int, int], ...]
    time_ns: int
    segment: int
    last_ns: int = 0


class FrameBuffer:
    """One frame under construction; bytes that have not come are zero.

    Attributes
    ----------
    data : uint8 array, shape (frame_bytes,)
    time_ns, last_ns : arrival of the first and the last packet that touched it, 0 when unknown
    """

    __slots__ = ("data", "last_ns", "time_ns", "_received")

    def __init__(self, frame_bytes: int, time_ns: int) -> None:
        self.data = np.zeros(frame_bytes, np.uint8)
        self.time_ns = self.last_ns = time_ns
        # Stretches [start, stop) that came: sorted, apart, never touching.
        self._received: list[list[int]] = []

    @property
    def is_complete(self) -> bool:
        """Whether every byte came."""
        return self._received == [[0, len(self.data)]]

    def mark(self, start: int, stop: int) -> None:
        """Note that bytes `start` to `stop`, none of which was there before, came."""
        stretches = self._received
        place = bisect_left(stretches, [start, stop])
        if place < len(stretches) and stretches[place][0] == stop:
            stop = stretches.pop(place)[1]
        if place and stretches[place - 1][1] == start:
            stretches[place - 1][1] = stop
        else:
            stretches.insert(place, [start, stop])

    def n_received(self, start: int, stop: int) -> int:
        """How many of the bytes `start` to `stop` are there."""
        return sum(max(min(stop, b) - max(start, a), 0) for a, b in self._received)

    def lost(self) -> tuple[tuple[int, int], ...]:
        """Stretches (start, stop) that did not come, sorted and apart."""
        edges = [0, *(edge for stretch in self._received for edge in stretch), len(self.data)]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return tuple((start, stop) for start, stop in pairs if start < stop)


class FrameWindow:
    """The frames of one stream that are open, and the few last ones that are closed.

    Parameters
    ----------
    frame_bytes : stored bytes of a frame
    horizon_bytes : an incomplete frame closes when the stream is this far beyond its end
    kept_bytes : how much of closed frames is kept, to tell late packets from doubled ones
    stats : counters of frames and lost bytes are kept up here
    """

    def __init__(
        self, frame_bytes: int, horizon_bytes: int, kept_bytes: int, stats: PacketStats
    ) -> None:
        self._frame_bytes, self._horizon_bytes = frame_bytes, horizon_bytes
        self._n_kept = -(-kept_bytes // frame_bytes)
        self._stats = stats
        self._frames: dict[int, FrameBuffer] = {}
        self._next = 0  # frames before it are closed; numbers count within the stream
        self._base = 0  # index of frame number 0
        self._segment = 0
        self._latest: tuple[int, int] | None = None  # index and time of the highest frame touched
        self._out: list[RawFrame] = []

    def begin(self, start: int, position: int, time_ns: int, period_s: float | None) -> bool:
        """Begin a stream at byte `start` whose first packet lies at `position`.

        Returns whether it is a restart. Then the index of the frame touched first is the last
        one before plus the frame periods gone by, and at least one index is skipped.
        """
        self._next = start // self._frame_bytes
        if self._latest is None:
            return False
        index, before_ns = self._latest
        self._base = index + 2 - self._next
        if period_s and time_ns and before_ns:
            n_periods = round((time_ns - before_ns) / (period_s * 1e9))
            self._base = max(self._base, index + n_periods - position // self._frame_bytes)
        self._segment += 1
        return True

    def fate(self, position: int, packet: PacketRun) -> Fate:
        """What to do with a packet behind the latest one.

        'gap': it fills a gap of an open frame; 'duplicate': it is there; 'conflict': other bytes
        are there; 'late': its frame closed without it; 'unknown': too old to tell.
        """
        fates = {self._fate(*piece, packet) for piece in self._pieces(position, packet.n_bytes)}
        order: tuple[Fate, ...] = ("conflict", "gap", "unknown", "late")
        return next((fate for fate in order if fate in fates), "duplicate")

    def _fate(self, number: int, begin: int, stop: int, offset: int, packet: PacketRun) -> Fate:
        frame = self._frames.get(number)
        n_received = frame.n_received(begin, stop) if frame else 0
        if frame and n_received:
            came = np.empty(stop - begin, np.uint8)
            packet.read(offset, came)
            same = n_received == stop - begin and np.array_equal(frame.data[begin:stop], came)
            return "duplicate" if same else "conflict"
        if number >= self._next:
            return "gap"
        return "late" if number >= self._next - self._n_kept else "unknown"

    def write(self, position: int, run: PacketRun) -> None:
        """Put a run into its frames, except where they are closed; its bytes are not yet there."""
        for number, begin, stop, offset in self._pieces(position, run.n_bytes):
            if number < self._next:
                continue
            frame = self._frames.get(number)
            if frame is None:
                time_ns = int(run.time_ns[offset // PAYLOAD_BYTES])
                frame = self._frames[number] = FrameBuffer(self._frame_bytes, time_ns)
                index = self._base + number
                if self._latest is None or index > self._latest[0]:
                    self._latest = index, time_ns
            run.read(offset, frame.data[begin:stop])
            frame.mark(begin, stop)
            frame.last_ns = int(run.time_ns[(offset + stop - begin - 1) // PAYLOAD_BYTES])

    def close_passed(self, end: int) -> None:
        """Close the frames that are complete or passed, of a stream that has come to byte `end`."""
        n_passed = (end - self._horizon_bytes) // self._frame_bytes
        while True:
            frame = self._frames.get(self._next)
            if frame is not None and (self._next < n_passed or frame.is_complete):
                self._close(self._next, end)
            elif self._next < n_passed:
                opened = (number for number in self._frames if number > self._next)
                self._skip(min([n_passed, *opened]))
            else:
                break
        for number in [n for n in self._frames if n < self._next - self._n_kept]:
            del self._frames[number]

    def close_all(self, end: int) -> None:
        """Close every frame, at the end of a stream of `end` bytes."""
        for number in sorted(number for number in self._frames if number >= self._next):
            self._skip(number)
            self._close(number, end)
        self._frames.clear()

    def hand_out(self) -> list[RawFrame]:
        """Frames closed since the last call, in the order of their index."""
        out, self._out = self._out, []
        return out

    def _close(self, number: int, end: int) -> None:
        frame, stats = self._frames[number], self._stats
        lost = frame.lost()
        stats.n_frames += 1
        stats.n_incomplete += bool(lost)
        end -= number * self._frame_bytes
        stats.lost_bytes += sum(max(min(stop, end) - start, 0) for start, stop in lost)
        self._out.append(
            RawFrame(self._base + number, frame.data, lost, frame.time_ns, self._segment,
                     frame.last_ns)
        )
        self._next = number + 1

    def _skip(self, number: int) -> None:
        n_missing = number - self._next
        self._stats.n_missing_frames += n_missing
        self._stats.lost_bytes += n_missing * self._frame_bytes
        self._next = number

    def _pieces(self, position: int, n_bytes: int) -> Iterator[tuple[int, int, int, int]]:
        """Frame number, bytes in the frame, and offset in the run, of each frame touched."""
        offset = 0
        while offset < n_bytes:
            number, begin = divmod(position + offset, self._frame_bytes)
            stop = min(begin + n_bytes - offset, self._frame_bytes)
            yield number, begin, stop, offset
            offset += stop - begin
