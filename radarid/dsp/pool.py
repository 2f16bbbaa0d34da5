"""A few threads of the project's own: kernels release the interpreter lock and share one job.

Numba's own parallel loops spin at their barriers: after an idle time they cost milliseconds, and
they collapse where other processes want the cores. Here a worker sleeps until it has work.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait


class Workers:
    """Runs a job on n threads, of which the calling one is the first.

    Parameters
    ----------
    n_threads : at least 1; with 1 nothing is started
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._others = ThreadPoolExecutor(n_threads - 1, "radarid-dsp") if n_threads > 1 else None

    def share(self, job: Callable[[int, int, int], None], n_items: int) -> None:
        """Call ``job(worker, start, stop)`` so that every item belongs to one of the workers.

        Raises
        ------
        Exception
            What the job raised, once all workers are done.
        """
        n = min(self.n_threads, n_items)
        if n <= 1 or self._others is None:
            if n_items:
                job(0, 0, n_items)
            return
        edges = [n_items * k // n for k in range(n + 1)]
        waiting = [self._others.submit(job, k, edges[k], edges[k + 1]) for k in range(1, n)]
        try:
            job(0, edges[0], edges[1])
        finally:
            wait(waiting)
        for other in waiting:
            other.result()
