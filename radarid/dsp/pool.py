"""A few threads of the project's own: kernels release the interpreter lock and share jobs.

Numba's own parallel loops spin at their barriers: after an idle time they cost milliseconds, and
they collapse where other processes want the cores. Here a worker sleeps until it has work.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock


class Share:
    """A job that the threads of a pool are doing, piece by piece; each takes one when free.

    The calling thread begins with the first pieces, the others with the last ones, so that what
    neighbouring pieces share is mostly in the cache of one core.

    Parameters
    ----------
    job : called as ``job(worker, start, stop)``, once for every piece
    n_items : items 0 to n_items - 1
    n_at_once : items of a piece, at most
    """

    def __init__(self, job: Callable[[int, int, int], None], n_items: int, n_at_once: int) -> None:
        self._job, self._n_at_once = job, n_at_once
        self._start, self._stop, self._lock = 0, n_items, Lock()
        self._helpers: list[Future[None]] = []

    def begin(self, others: ThreadPoolExecutor, n_others: int) -> None:
        """Let other threads begin, as soon as they have nothing else to do."""
        self._helpers = [others.submit(self._work, k) for k in range(1, n_others + 1)]

    def finish(self) -> None:
        """Do what is left, and wait for the pieces that others are at.

        Raises
        ------
        Exception
            What the job raised, once nobody works at it any more.
        """
        try:
            self._work(0)
        finally:
            begun = [helper for helper in self._helpers if not helper.cancel()]
            if begun:
                wait(begun)
        for helper in begun:
            helper.result()

    def _work(self, worker: int) -> None:
        while True:
            with self._lock:
                n = min(self._n_at_once, self._stop - self._start)
                if worker == 0:
                    start = self._start
                    self._start += n
                else:
                    start = self._stop = self._stop - n
            if n == 0:
                return
            self._job(worker, start, start + n)


class Workers:
    """Runs jobs on n threads, of which the calling one is the first.

    Parameters
    ----------
    n_threads : at least 1; with 1 nothing is started
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._others = ThreadPoolExecutor(n_threads - 1, "radarid-dsp") if n_threads > 1 else None

    def begin(
        self, job: Callable[[int, int, int], None], n_items: int, n_at_once: int = 1
    ) -> Share:
        """Begin a job that the calling thread joins when it calls `Share.finish`.

        No two of the threads that work at it have the same number.
        """
        share = Share(job, n_items, n_at_once)
        n_pieces = -(-n_items // max(1, n_at_once))
        if self._others is not None and n_pieces > 1:
            share.begin(self._others, min(self.n_threads, n_pieces) - 1)
        return share

    def share(
        self, job: Callable[[int, int, int], None], n_items: int, n_at_once: int = 1
    ) -> None:
        """Do a job together: call ``job(worker, start, stop)`` for pieces of the items."""
        self.begin(job, n_items, n_at_once).finish()
