"""The stretch of slow time that is still needed, in a ring that stays where it is."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from radarid.errors import RadaridError

_Number = TypeVar("_Number", int, np.ndarray)


class SlowTimeSeries:
    """Range profiles of an endless stream, of which only the last are held.

    Samples are numbered from the start of the stream, and memory does not grow: what lies before
    `keep_from` is overwritten. The first rows of the ring are there twice, at its beginning and
    after its end, so that `n_together` samples always lie one after the other.

    Parameters
    ----------
    n_held : samples that must be held at once, at most
    n_together : samples that are looked at, or written, at once, at most
    n_virtual, n_bins : shape of a sample

    Attributes
    ----------
    keep_from : number of the first sample that is still needed
    stop : number of the next sample
    profiles : complex64 (n_rows, n_virtual, n_bins), contiguous
    valid : bool (n_rows,), whether the sample was received
    time_s : float64 (n_rows,), seconds since the start of the recording
    """

    def __init__(self, n_held: int, n_together: int, n_virtual: int, n_bins: int) -> None:
        self._n_ring, self._n_twice = max(n_held, n_together), n_together
        n = self._n_ring + n_together
        room = np.empty(n * n_virtual * n_bins + 8, np.complex64)
        first = -room.ctypes.data % 64 // room.itemsize  # cache lines are 64 bytes
        self.profiles = room[first : first + n * n_virtual * n_bins].reshape(n, n_virtual, n_bins)
        self.valid = np.zeros(n, bool)
        self.time_s = np.zeros(n)
        self._n_valid = np.zeros(self._n_ring, np.int64)  # up to and with each sample
        self.restart()

    def restart(self) -> None:
        """Forget everything, and count from 0 again."""
        self.keep_from = self.stop = self._n_valid_so_far = 0

    def append(self, n: int) -> int:
        """Make room for n more samples, whose values are still undefined; number of the first.

        Raises
        ------
        RadaridError
            More samples are still needed than the series was made for.
        """
        if self.stop + n - self.keep_from > self._n_ring:
            raise RadaridError(
                "slow time that is still needed would be overwritten",
                got=f"{self.stop - self.keep_from} samples, and {n} more",
                expected=f"at most {self._n_ring}",
            )
        first, self.stop = self.stop, self.stop + n
        return first

    def place(self, number: _Number) -> _Number:
        """Row of a sample, or of some."""
        return number % self._n_ring

    def rows(self, first: int, stop: int) -> slice:
        """Rows of at most `n_together` samples, one after the other."""
        row = first % self._n_ring
        return slice(row, row + stop - first)

    def share(self, first: int, stop: int) -> None:
        """Copy what was written to ``rows(first, stop)`` to the other copies of these rows."""
        n, rows = self._n_ring, self.rows(first, stop)
        for array in (self.profiles, self.valid, self.time_s):
            if rows.stop > n:
                array[: rows.stop - n] = array[n : rows.stop]
            if rows.start < self._n_twice:
                both = slice(rows.start, min(rows.stop, self._n_twice))
                array[n + both.start : n + both.stop] = array[both]

    def count(self, first: int, stop: int) -> None:
        """Count the valid ones of samples that are written; in the order of the samples."""
        while first < stop:
            row = self.place(first)
            rows = slice(row, min(row + stop - first, self._n_ring))
            counts = self._n_valid_so_far + np.cumsum(self.valid[rows])
            self._n_valid[rows], self._n_valid_so_far = counts, int(counts[-1])
            first += rows.stop - row

    def n_valid(self, starts: np.ndarray, n: int) -> np.ndarray:
        """How many of n samples from each start on are valid, int64 (len(starts),)."""
        first, last = self.place(starts), self.place(starts + n - 1)
        return np.asarray(self._n_valid[last] - self._n_valid[first] + self.valid[first])
