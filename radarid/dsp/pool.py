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
        self._failure: BaseException | None = None
        self.helpers: list[Future[None]] = []

    def work(self, worker: int) -> None:
        """Do pieces as long as there are any."""
        while self.do_one(worker):
            pass

    def do_one(self, worker: int) -> bool:
        """Do a piece, if there is one left. What the job raises ends it, and is kept."""
        with self._lock:
            n = min(self._n_at_once, self._stop - self._start)
            if worker == 0:
                start = self._start
                self._start += n
            else:
                start = self._stop = self._stop - n
        if n == 0:
            return False
        try:
            self._job(worker, start, start + n)
        except BaseException as failure:
            with self._lock:
                self._failure = self._failure or failure
                self._start = self._stop
            if not isinstance(failure, Exception):
                raise  # whoever interrupts need not wait for the end of a job
        return True

    def stop(self) -> None:
        """Leave what nobody has begun."""
        with self._lock:
            self._start = self._stop

    def close(self) -> None:
        """Raise what the job raised."""
        if self._failure is not None:
            raise self._failure


class Workers:
    """Runs jobs on n threads, of which the calling one is the first.

    Parameters
    ----------
    n_threads : at least 1; with 1 nothing is started
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._others = ThreadPoolExecutor(n_threads - 1, "radarid-dsp") if n_threads > 1 else None
        self._begun: list[Share] = []

    def begin(
        self, job: Callable[[int, int, int], None], n_items: int, n_at_once: int = 1
    ) -> Share:
        """Begin a job that the calling thread joins when it calls `finish`.

        No two of the threads that work at it have the same number.
        """
        share = Share(job, n_items, n_at_once)
        self._begun.append(share)
        n_pieces = -(-n_items // max(1, n_at_once))
        if self._others is not None and n_pieces > 1:
            n_helpers = min(self.n_threads, n_pieces) - 1
            share.helpers = [self._others.submit(share.work, k) for k in range(1, n_helpers + 1)]
        return share

    def finish(self, share: Share) -> None:
        """Do what is left of a job; while others are at it, do something of later ones.

        Raises
        ------
        BaseException
            What the job raised, once nobody works at it any more.
        """
        self._begun.remove(share)
        share.work(0)
        at_it = [helper for helper in share.helpers if not helper.cancel()]
        while not all(helper.done() for helper in at_it):
            if not any(later.do_one(0) for later in self._begun):
                wait(at_it)
        share.close()

    def abandon(self) -> None:
        """Stop all jobs that were begun, and wait until nobody works at any."""
        for share in self._begun:
            share.stop()
            wait(share.helpers)
        self._begun.clear()

    def share(
        self, job: Callable[[int, int, int], None], n_items: int, n_at_once: int = 1
    ) -> None:
        """Do a job together: call ``job(worker, start, stop)`` for pieces of the items."""
        self.finish(self.begin(job, n_items, n_at_once))
