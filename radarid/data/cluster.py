"""The machines of a Dask cluster as workers of an ingest.

A recording's part of the work is the same wherever it is done, so the store is the one that a
single process makes. Workers read the recordings and write their parts themselves: all of them
must see the files under the same paths.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING

from radarid.data.pool import Workers, bound_memory
from radarid.errors import IngestError
from radarid.provenance import versions

if TYPE_CHECKING:
    from distributed import Client

_PATIENCE_S = 20


@contextlib.contextmanager
def dask_workers(address: str, folder: Path) -> Iterator[Workers]:
    """Workers of a Dask cluster that is running.

    Parameters
    ----------
    address : of its scheduler, such as "tcp://10.0.0.1:8786"
    folder : that every worker must see, since they write into it

    Raises
    ------
    IngestError
        Dask is not installed, no scheduler or worker answers, or workers have other versions of
        what results depend on, or do not see the folder.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm import CommClosedError
    except ImportError:
        raise IngestError(
            "Dask is not installed", got=f"--dask {address}",
            remedy="pip install 'radarid[cluster]'",
        ) from None
    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as failure:
        raise IngestError(
            "no Dask scheduler answers", where=address, got=failure, expected="host:port",
            remedy="start one with `dask scheduler`, and workers with "
            "`dask worker HOST:PORT --nthreads 1`",
        ) from None
    with client:
        n_threads = _check(client, address, folder)
        lost = (KilledWorker, CommClosedError, CancelledError)
        with Workers(n_threads, client.get_executor(pure=False), lost) as workers:
            yield workers


def _check(client: Client, address: str, folder: Path) -> int:
    """Number of tasks that the cluster does at once, if its workers can do any."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError:
        raise IngestError(
            "the Dask cluster has no workers", where=address,
            remedy=f"start some: dask worker {address} --nthreads 1",
        ) from None
    try:
        found = client.run(_greet, str(folder))
    except ImportError as failure:
        raise IngestError(
            "a Dask worker cannot import radarid", where=address, got=failure,
            remedy="install the same radarid for every worker",
        ) from None
    own = versions()
    for worker, (theirs, sees_folder) in found.items():
        other = [f"{name} {theirs.get(name)} != {own[name]}" for name in own
                 if theirs.get(name) != own[name]]
        if other:
            raise IngestError(
                "a Dask worker has other versions, which may give other results (worker != own)",
                where=worker, got=", ".join(other), remedy="install the same versions everywhere",
            )
        if not sees_folder:
            raise IngestError(
                "a Dask worker does not see the folder of the store's parts", where=worker,
                expected=folder,
                remedy="put recordings and store where all workers see them under the same paths",
            )
    return sum(client.nthreads().values())


def _greet(folder: str) -> tuple[dict[str, str], bool]:
    """What a worker has, and whether it sees a folder."""
    bound_memory()
    return versions(), Path(folder).is_dir()
