"""Runs of packets that follow each other in a file and in the payload: a small index of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from capture.errors import LayoutError
from capture.file.stream import ByteStream

_COMPARED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive payload bytes in consecutive records of a file.

    Attributes
    ----------
    start, stop : bytes of the payload
    origin : payload position of the first byte of the record at file position `place`
    place : where that record begins in the file
    header_bytes, payload_bytes : of every record but a shorter last one
    """

    start: int
    stop: int
    origin: int
    place: int
    header_bytes: int
    payload_bytes: int

    def read(self, file: ByteStream, start: int, stop: int) -> np.ndarray:
        """Payload bytes `start` to `stop`, both inside the run, uint8."""
        size = self.header_bytes + self.payload_bytes
        first, skip = divmod(start - self.origin, self.payload_bytes)
        last = -(-(stop - self.origin) // self.payload_bytes)
        n_last = min(stop - self.origin - (last - 1) * self.payload_bytes, self.payload_bytes)
        n_bytes = (last - first - 1) * size + self.header_bytes + n_last
        raw = np.zeros((last - first) * size, np.uint8)
        raw[:n_bytes] = file.read(self.place + first * size, n_bytes)
        payload = raw.reshape(-1, size)[:, self.header_bytes :].reshape(-1)
        return payload[skip : skip + stop - start]


@dataclass
class Runs:
    """Runs of a file, in the order of the payload once `sorted`.

    Attributes
    ----------
    header_bytes, payload_bytes : of a full record
    n_repeated : payload bytes that came more than once
    """

    header_bytes: int
    payload_bytes: int
    n_repeated: int = 0
    _runs: list[Run] = field(default_factory=list)
    _starts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, counts: np.ndarray, place: int) -> None:
        """Add full records that lie in a row in the file.

        Parameters
        ----------
        counts : int64 array, payload position of each
        place : where the first one begins in the file
        """
        breaks = np.flatnonzero(np.diff(counts) != self.payload_bytes) + 1
        size = self.header_bytes + self.payload_bytes
        for first, last in zip([0, *breaks], [*breaks, len(counts)], strict=True):
            if first < last:
                n_bytes = int(last - first) * self.payload_bytes
                self.add_one(int(counts[first]), n_bytes, place + int(first) * size)

    def add_one(self, start: int, n_bytes: int, place: int) -> None:
        """Add one record, or a row of consecutive ones, joined to the last run if it goes on."""
        last = self._runs[-1] if self._runs else None
        if last is not None and last.stop == start and self._end_place(last) == place:
            self._runs[-1] = replace(last, stop=start + n_bytes)
        else:
            self._runs.append(
                Run(start, start + n_bytes, start, place, self.header_bytes, self.payload_bytes)
            )

    def _end_place(self, run: Run) -> int | None:
        """Where the record after a run begins; none follows a short one."""
        n_records, rest = divmod(run.stop - run.origin, self.payload_bytes)
        size = self.header_bytes + self.payload_bytes
        return None if rest else run.place + n_records * size

    def sorted(self, file: ByteStream) -> Runs:
        """The runs in the order of the payload, without what repeats.

        Raises
        ------
        LayoutError
            Two different payloads for the same place: two recordings in one file, say.
        """
        kept = Runs(self.header_bytes, self.payload_bytes)
        for run in sorted(self._runs, key=lambda run: (run.start, run.place)):
            while kept._runs and run.start < kept.end and run.start < run.stop:
                again = min(kept.end, run.stop)
                kept._check_equal(run, again, file)
                kept.n_repeated += again - run.start
                run = replace(run, start=again)
            if run.start < run.stop:
                kept._runs.append(run)
        kept._starts = np.array([run.start for run in kept._runs], np.int64)
        return kept

    def _check_equal(self, run: Run, stop: int, file: ByteStream) -> None:
        begin = run.start
        while begin < stop:
            holder = next(r for r in reversed(self._runs) if r.start <= begin)
            end = min(stop, holder.stop, begin + _COMPARED_BYTES)
            if not np.array_equal(holder.read(file, begin, end), run.read(file, begin, end)):
                raise LayoutError(
                    "two packets with different payloads for the same place",
                    where=file.place_of(run.place),
                    got=f"payload byte {begin} twice",
                    remedy="if the recorder was started twice, cut the file here and read the "
                    "parts as recordings of their own",
                )
            begin = end

    @property
    def end(self) -> int:
        """Payload position behind the last run."""
        return self._runs[-1].stop if self._runs else 0

    def holes(self) -> Iterator[tuple[int, int]]:
        """(start, stop) of what lies between the runs, and before the first one."""
        position = 0
        for run in self._runs:
            if run.start > position:
                yield position, run.start
            position = run.stop

    def between(self, start: int, stop: int) -> list[Run]:
        """Runs with bytes in `start` to `stop`."""
        first = max(int(np.searchsorted(self._starts, start, "right")) - 1, 0)
        last = int(np.searchsorted(self._starts, stop, "left"))
        return [run for run in self._runs[first:last] if run.stop > start]
