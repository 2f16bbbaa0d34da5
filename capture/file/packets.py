"""Recordings that keep the packets: 14 bytes of header before every payload.

mmWave Studio before 2.1 writes `_Raw_` files as a row of records: sequence number (u32), length
of the payload (u32; 1456 but for the last one before a pause), payload bytes sent before it (u48),
all little-endian, then the payload (TI E2E 811382). The byte count says where a payload belongs,
whatever the order of the records; what no record covers was lost.

A header is believed if its two counters keep the distance that its neighbours' have: byte count
less 1456 times sequence number changes at a short payload only. A record whose header does not
agree with the records after it counts as lost; one after which no agreement is found is an error.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from capture.errors import LayoutError
from capture.file.packet_runs import Runs
from capture.file.stream import ByteStream
from capture.types import Gap

RECORD_HEADER_BYTES, PAYLOAD_BYTES = 14, 1456
RECORD_BYTES = RECORD_HEADER_BYTES + PAYLOAD_BYTES

log = logging.getLogger(__name__)

_WRAPS = np.array([0, PAYLOAD_BYTES << 32, -PAYLOAD_BYTES << 32])
_MAX_BLOCK, _MIN_BLOCK, _LOOK_AHEAD = 2048, 16, 16
_HEADER = np.dtype([("sequence", "<u4"), ("length", "<u4"), ("low", "<u4"), ("high", "<u2")])


def has_packet_headers(start: np.ndarray) -> bool:
    """Whether a file begins with a packet record.

    Parameters
    ----------
    start : int16 array, the first words of the file; some thousand are enough

    Returns
    -------
    True when at least two headers of full packets lie one record apart or more, even if their
    counters are damaged, or a full packet and a short one whose counters agree; where the file
    holds one record only, when that counts from the start of a recording
    """
    raw = np.ascontiguousarray(start, "<i2").view(np.uint8)
    first = _Record.at(raw, 0)
    if first is not None and len(raw) <= first.n_bytes + RECORD_HEADER_BYTES:
        return first.count == (first.sequence - 1) * PAYLOAD_BYTES
    places = range(0, len(raw) - RECORD_HEADER_BYTES, RECORD_BYTES)
    records = [record for place in places if (record := _Record.at(raw, place)) is not None]
    if sum(record.length == PAYLOAD_BYTES for record in records) > 1:
        return True
    return any(
        a.count != b.count and _agree(a.distance, b.distance)
        for a, b in zip(records, records[1:], strict=False)
    )


def _agree(distance: int | np.ndarray, expected: int) -> np.ndarray:
    """Whether distances are equal, but for a sequence number that wrapped at 2^32."""
    return np.isin(np.subtract(distance, expected), _WRAPS)


@dataclass(frozen=True, slots=True)
class _Record:
    sequence: int
    length: int
    count: int

    @staticmethod
    def at(raw: np.ndarray, place: int) -> _Record | None:
        """The record header at a byte, if there can be one."""
        if place + RECORD_HEADER_BYTES > len(raw):
            return None
        header = raw[place : place + RECORD_HEADER_BYTES].tobytes()
        length = int.from_bytes(header[4:8], "little")
        if not 0 < length <= PAYLOAD_BYTES:
            return None
        count = int.from_bytes(header[8:], "little")
        return _Record(int.from_bytes(header[:4], "little"), length, count)

    @property
    def n_bytes(self) -> int:
        """Bytes of header and payload."""
        return RECORD_HEADER_BYTES + self.length

    @property
    def distance(self) -> int:
        """Byte count less what full packets would have made it."""
        return self.count - PAYLOAD_BYTES * self.sequence

    @property
    def next_distance(self) -> int:
        """The distance that the record after this one has."""
        return self.distance - PAYLOAD_BYTES + self.length


class PacketStream:
    """Payloads of recorded packets as a byte stream, each where its byte count says.

    Only runs of consecutive packets are remembered, so that memory does not grow with the length
    of a recording but with the number of its disturbances.

    Parameters
    ----------
    file : the recording's bytes, beginning with a packet record

    Attributes
    ----------
    gaps : what no packet covers; read as zeros
    n_packets, n_damaged, n_repeated : records read, records with unbelievable headers (their
        payload counts as lost), bytes that came more than once

    Raises
    ------
    LayoutError
        No record where one should begin, two payloads for the same place, or a beginning that
        is missing.
    """

    def __init__(self, file: ByteStream) -> None:
        self._file = file
        scan = _Scan(file)
        scan.run()
        self.n_packets, self.n_damaged = scan.n_packets, scan.n_damaged
        self._runs = scan.runs.sorted(file)
        self.n_repeated = self._runs.n_repeated
        self.gaps = tuple(
            Gap(start, stop - start, "packets lost") for start, stop in self._runs.holes()
        )
        if self.n_damaged:
            log.warning(
                "%s: %d packet headers are damaged; their payloads count as lost",
                file.place_of(scan.first_damaged), self.n_damaged,
            )  # fmt: skip
        self._check_beginning()

    def __len__(self) -> int:
        return self._runs.end

    def words(self, start: int, n_words: int) -> np.ndarray:
        """`n_words` little-endian int16 from byte `start` of the payload on; zeros in gaps."""
        raw = np.zeros(2 * n_words, np.uint8)
        for run in self._runs.between(start, start + 2 * n_words):
            begin, end = max(run.start, start), min(run.stop, start + 2 * n_words)
            raw[begin - start : end - start] = run.read(self._file, begin, end)
        return np.asarray(raw.view("<i2"), np.int16)

    def _check_beginning(self) -> None:
        missing = self.gaps[0].n_bytes if self.gaps and not self.gaps[0].start_byte else 0
        if missing > len(self) - missing:
            raise LayoutError(
                "the beginning of the recording is missing",
                where=self._file.place_of(0),
                got=f"a first packet that lies {missing} bytes after the start",
                remedy="pass all parts of the recording, the first one included",
            )


class _Scan:
    """One walk over all record headers, in blocks while they follow each other regularly."""

    def __init__(self, file: ByteStream) -> None:
        self._file, self._place, self._block = file, 0, _MIN_BLOCK
        self.runs = Runs(RECORD_HEADER_BYTES, PAYLOAD_BYTES)
        self.n_packets = self.n_damaged = self.first_damaged = 0
        self._distance = self._first_distance()

    def run(self) -> None:
        """Read every header."""
        while self._place + RECORD_HEADER_BYTES < len(self._file):
            if not self._regular_block():
                self._irregular_record()

    def _first_distance(self) -> int:
        """The commonest distance among the first records; a damaged first one has its own."""
        records = [r for r in (self._at(k * RECORD_BYTES) for k in range(_LOOK_AHEAD)) if r]
        distances = [record.distance for record in records]
        if not distances:
            self._lost_track()
        return max(distances, key=distances.count)

    def _at(self, place: int) -> _Record | None:
        if place + RECORD_HEADER_BYTES >= len(self._file):
            return None
        return _Record.at(self._file.read(place, RECORD_HEADER_BYTES), 0)

    def _regular_block(self) -> bool:
        """Take the full records that lie here in a row; whether there were any."""
        n_records = min(self._block, (len(self._file) - self._place) // RECORD_BYTES)
        if not n_records:
            return False
        raw = self._file.read(self._place, n_records * RECORD_BYTES).reshape(n_records, -1)
        head = np.ascontiguousarray(raw[:, :RECORD_HEADER_BYTES]).view(_HEADER)[:, 0]
        count = head["low"].astype(np.int64) | head["high"].astype(np.int64) << 32
        distance = count - PAYLOAD_BYTES * head["sequence"].astype(np.int64)
        regular = (head["length"] == PAYLOAD_BYTES) & _agree(distance, self._distance)
        n_regular = n_records if regular.all() else int(np.argmin(regular))
        if n_regular:
            self._distance = int(distance[n_regular - 1])
        self.runs.add(count[:n_regular], self._place)
        self.n_packets += n_regular
        self._place += n_regular * RECORD_BYTES
        self._block = _MIN_BLOCK if n_regular < n_records else min(2 * self._block, _MAX_BLOCK)
        return n_regular > 0

    def _irregular_record(self) -> None:
        """Take, or pass over, a record that is short, truncated or does not go on regularly."""
        record = self._at(self._place)
        if record is not None and self._is_confirmed(record):
            self._take(record)
            return
        n_damaged = self._n_until_regular()
        if not n_damaged and record is not None and self._begins_anew(record):
            self._take(record)
            return
        if not n_damaged:
            left = -(-(len(self._file) - self._place) // RECORD_BYTES)
            if left > _LOOK_AHEAD or not self.n_packets:
                self._lost_track()
            n_damaged = left
        self.first_damaged = self.first_damaged if self.n_damaged else self._place
        self.n_damaged += n_damaged
        self._place = min(self._place + n_damaged * RECORD_BYTES, len(self._file))

    def _take(self, record: _Record) -> None:
        length = min(record.length, len(self._file) - self._place - RECORD_HEADER_BYTES)
        self.runs.add_one(record.count, length, self._place)
        self.n_packets += 1
        self._distance = record.next_distance
        self._place += RECORD_HEADER_BYTES + length

    def _is_confirmed(self, record: _Record) -> bool:
        """Whether a record goes on from the last, and the next one, or the file's end, from it."""
        if not _agree(record.distance, self._distance):
            return False
        after = self._place + record.n_bytes
        if after + RECORD_HEADER_BYTES >= len(self._file):
            return True
        following = self._at(after)
        return following is not None and bool(_agree(following.distance, record.next_distance))

    def _begins_anew(self, record: _Record) -> bool:
        """Whether the counters go on from here, at another distance: a short packet was lost."""
        following = self._at(self._place + record.n_bytes)
        return (
            following is not None
            and following.count > record.count
            and bool(_agree(following.distance, record.next_distance))
        )

    def _n_until_regular(self) -> int:
        """Records from here to the next one that goes on from the last good one; 0 if none."""
        for k in range(1, _LOOK_AHEAD + 1):
            later = self._at(self._place + k * RECORD_BYTES)
            if later is not None and _agree(later.distance, self._distance):
                return k
        return 0

    def _lost_track(self) -> None:
        raise LayoutError(
            "no packet record where one should begin",
            where=self._file.place_of(self._place),
            expected=f"sequence number, length up to {PAYLOAD_BYTES} and a byte count that agree "
            "with the records around them",
            remedy="the recording is damaged here; cut it before this byte",
        )
