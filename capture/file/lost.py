"""Which stretches of a recording were never received, in bounded memory."""

from __future__ import annotations

import logging

import numpy as np

log = logging.getLogger(__name__)


class LostStretches:
    """Stretches of a byte stream, taken in ascending order and merged where they touch.

    When there are more than `limit` of them, all are rounded outwards to whole chirps, which
    changes nothing for readers: a chirp is valid or not. If they still are too many, to pairs of
    chirps, and so on: then more counts as lost than is, never less.

    Parameters
    ----------
    chirp_bytes : stored bytes of a chirp
    limit : most stretches kept

    Attributes
    ----------
    granule_bytes : what stretches are rounded to; 1 while they are exact
    n_bytes : lost bytes before rounding

    Examples
    --------
    >>> lost = LostStretches(chirp_bytes=16)
    >>> for start, stop in ((3, 5), (5, 8), (40, 41)):
    ...     lost.add(start, stop)
    >>> lost.within(41)
    ((3, 5), (40, 1))
    """

    def __init__(self, chirp_bytes: int, limit: int = 100_000) -> None:
        self.granule_bytes, self.n_bytes = 1, 0
        self._chirp_bytes, self._limit = chirp_bytes, limit
        self._stretches: list[tuple[int, int]] = []

    def add(self, start: int, stop: int) -> None:
        """Take a stretch that begins where the last one ended, or later."""
        if start >= stop:
            return
        self.n_bytes += stop - start
        granule = self.granule_bytes
        start, stop = start // granule * granule, -(-stop // granule) * granule
        if self._stretches and start <= self._stretches[-1][1]:
            before = self._stretches.pop()
            start, stop = before[0], max(stop, before[1])
        self._stretches.append((start, stop))
        while len(self._stretches) > self._limit:
            self._coarsen()

    def within(self, n_bytes: int) -> tuple[tuple[int, int], ...]:
        """(start, number of bytes) of the stretches in the first `n_bytes` of the stream."""
        inside = ((a, min(b, n_bytes)) for a, b in self._stretches)
        return tuple((start, stop - start) for start, stop in inside if start < stop)

    def _coarsen(self) -> None:
        is_exact = self.granule_bytes == 1
        self.granule_bytes = granule = self._chirp_bytes if is_exact else 2 * self.granule_bytes
        log.warning(
            "more than %d stretches are lost; from here on they are listed in steps of %d bytes",
            self._limit, granule,
        )  # fmt: skip
        spans = np.array(self._stretches, np.int64)
        starts, stops = spans[:, 0] // granule * granule, -(-spans[:, 1] // granule) * granule
        is_first = np.append(True, starts[1:] > stops[:-1])
        is_last = np.append(is_first[1:], True)
        pairs = zip(starts[is_first].tolist(), stops[is_last].tolist(), strict=True)
        self._stretches = list(pairs)
