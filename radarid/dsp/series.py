"""The stretch of slow time that is still needed, in arrays that stay where they are."""

from __future__ import annotations

import numpy as np


class SlowTimeSeries:
    """Range profiles of an endless stream, of which only the last are held.

    Samples are numbered from the start of the stream. Memory does not grow: what lies before
    `keep_from` is overwritten.

    Parameters
    ----------
    n_held : samples that must be held at once, at most
    n_virtual, n_bins : shape of a sample

    Attributes
    ----------
    keep_from : number of the first sample that is still needed
    stop : number of the next sample
    """

    def __init__(self, n_held: int, n_virtual: int, n_bins: int) -> None:
        n = 2 * n_held  # so that most samples are never moved
        room = np.empty(n * n_virtual * n_bins + 8, np.complex64)
        first = -room.ctypes.data % 64 // room.itemsize  # cache lines are 64 bytes
        self._profiles = room[first : first + n * n_virtual * n_bins].reshape(n, n_virtual, n_bins)
        self._valid = np.zeros(n, bool)
        self._time_s = np.zeros(n)
        self.restart()

    def restart(self) -> None:
        """Forget everything, and count from 0 again."""
        self.keep_from = self.stop = self._base = 0

    def must_move(self, n: int) -> bool:
        """Whether appending n samples moves those that are held."""
        return self.stop + n - self._base > len(self._valid)

    def append(self, n: int) -> int:
        """Make room for n more samples, whose values are still undefined; number of the first."""
        first = self.stop
        if self.must_move(n):
            held = slice(self.keep_from - self._base, self.stop - self._base)
            for array in (self._profiles, self._valid, self._time_s):
                array[: held.stop - held.start] = array[held]
            self._base = self.keep_from
        self.stop += n
        return first

    def place(self, number: int) -> int:
        """Row of a sample in the arrays below."""
        return number - self._base

    @property
    def profiles(self) -> np.ndarray:
        """complex64 (n, n_virtual, n_bins), contiguous."""
        return self._profiles[: self.stop - self._base]

    @property
    def valid(self) -> np.ndarray:
        """bool (n,), whether the sample was received."""
        return self._valid[: self.stop - self._base]

    @property
    def time_s(self) -> np.ndarray:
        """float64 (n,), seconds since the start of the recording."""
        return self._time_s[: self.stop - self._base]
