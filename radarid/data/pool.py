"""Map over processes: results in the order of the items, whatever the number of processes.

Light to import, so that a process can be told how many threads to use before numpy's, numba's
and torch's thread pools exist in it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import forkserver
from typing import Any, ParamSpec, Self, TypeVar

from radarid.errors import IngestError

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_ONE_THREAD = dict.fromkeys(_THREADS, "1")


def prepare_processes(modules: Sequence[str]) -> None:
    """Import modules, in the background, into the server that worker processes are forked from.

    A call that comes after the first `Workers` of this process changes nothing. Modules must start
    no threads when they are imported; numerical libraries are told to have one each.
    """
    multiprocessing.set_forkserver_preload(list(modules))
    before = {name: os.environ[name] for name in _THREADS if name in os.environ}
    os.environ.update(_ONE_THREAD)
    try:
        forkserver.ensure_running()
    finally:
        for name in _ONE_THREAD:
            os.environ.pop(name)
        os.environ.update(before)


def set_up_worker() -> None:
    """Make a new process use one thread, and die when the process that started it is killed.

    Numerical libraries read the number of threads when they are loaded, which is after this, or
    in the server that the process was forked from (see `prepare_processes`).
    """
    os.environ.update(_ONE_THREAD)
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


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Workers:
    """Processes that share work; with one, the work is done in this process.

    Parameters
    ----------
    n_workers : at least 1
    executor : where the work is done; None for processes of this machine
    lost : what the executor raises when a process that worked on something is gone

    Notes
    -----
    Processes are forked from a server that has one thread and no open files. To fork this process
    would be unsafe: HDF5, numba or CUDA may have started in it.
    """

    def __init__(
        self,
        n_workers: int,
        executor: Executor | None = None,
        lost: tuple[type[Exception], ...] = (BrokenExecutor,),
    ) -> None:
        if n_workers < 1:
            raise IngestError("at least one process is needed", got=n_workers)
        if executor is None and n_workers == 1:
            executor = _Here()
        elif executor is None:
            prepare_processes(())
            context = multiprocessing.get_context("forkserver")
            executor = ProcessPoolExecutor(n_workers, context, initializer=set_up_worker)
        self.n_workers = n_workers
        self._executor, self._lost = executor, lost
        self._unfinished: set[Future[Any]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for future in list(self._unfinished):
            future.cancel()
        self._executor.shutdown()

    def submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        """Begin `function(item)`; both must be picklable. Work begins in the order of the calls."""
        future = self._executor.submit(function, item)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def result(self, future: Future[Result]) -> Result:
        """Wait for what `submit` began.

        Raises
        ------
        IngestError
            A process was killed (for want of memory, perhaps).
        """
        try:
            return future.result()
        except self._lost:
            raise IngestError(
                "a process was killed, for want of memory perhaps",
                remedy="run the command again, it goes on where it stopped; fewer --jobs need "
                "less memory",
            ) from None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `function(item)` in the order of the items; both must be picklable.

        Not more than two items a process are begun before their turn.

        Raises
        ------
        IngestError
            A process was killed (for want of memory, perhaps).
        """
        ahead = 2 * self.n_workers if self.n_workers > 1 else 0
        begun: deque[Future[Result]] = deque()
        for item in items:
            begun.append(self.submit(function, item))
            if len(begun) > ahead:
                yield self.result(begun.popleft())
        while begun:
            yield self.result(begun.popleft())
