"""Map over processes: results in the order of the items, whatever the number of processes.

Light to import, so that a process can be told how many threads to use before numpy's, numba's
and torch's thread pools exist in it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self, TypeVar

from radarid.errors import IngestError

Item = TypeVar("Item")
Result = TypeVar("Result")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def set_up_worker() -> None:
    """Make a new process use one thread, and die when the process that started it is killed.

    Numerical libraries read the number of threads when they are loaded, which is after this.
    """
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    bound_memory()
    threading.Thread(target=_die_with_parent, daemon=True).start()


def bound_memory() -> None:
    """Let torch keep few compiled convolutions; must come before the first one is computed.

    The face detector meets another number of candidates in every batch, and oneDNN keeps one for
    each of the last 1024 shapes, all over the heap, which then cannot shrink: 8 MB a batch, up to
    1.5 GB. With 128, which training fits into, too, a process stays at half of that.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Workers:
    """Processes that share work; with one, the work is done in this process.

    Parameters
    ----------
    n_workers : at least 1

    Notes
    -----
    Processes are spawned, never forked: forking after HDF5, numba or CUDA started is unsafe.
    """

    def __init__(self, n_workers: int) -> None:
        if n_workers < 1:
            raise IngestError("at least one process is needed", got=n_workers)
        self._pool: ProcessPoolExecutor | None = None
        if n_workers > 1:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(n_workers, context, initializer=set_up_worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield `function(item)` in the order of the items; both must be picklable.

        Raises
        ------
        IngestError
            A process was killed (for want of memory, perhaps).
        """
        if self._pool is None:
            yield from map(function, items)
            return
        try:
            yield from self._pool.map(function, items)
        except BrokenProcessPool:
            raise IngestError(
                "a process was killed, for want of memory perhaps",
                remedy="run the command again, it goes on where it stopped; fewer --jobs need "
                "less memory",
            ) from None
