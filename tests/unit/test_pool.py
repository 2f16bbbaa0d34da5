"""The processes of this machine: one thread each, and work begun a little ahead."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from radarid.data.pool import Workers
from radarid.errors import IngestError


def environment(name: str) -> str | None:
    return os.environ.get(name)


def test_processes_have_one_thread_and_leave_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with Workers(2) as workers:
        names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] * 3
        assert list(workers.map(environment, names)) == ["1"] * 6
    assert dict(os.environ) == before


def test_work_is_begun_a_little_ahead_and_only_a_little() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(20):
            taken.append(k)
            yield k

    with Workers(2) as workers:
        found = workers.map(abs, items())
        assert next(found) == 0
        assert taken == [0, 1, 2, 3, 4]  # two a process, and the one that was asked for
        assert list(found) == list(range(1, 20))
    taken.clear()
    found = Workers(1).map(abs, items())
    assert (next(found), taken) == (0, [0])


def die(_: int) -> None:
    os._exit(1)


def test_a_killed_process_is_one_clear_error() -> None:
    with Workers(2) as workers, pytest.raises(IngestError, match="a process was killed"):
        list(workers.map(die, range(3)))


def test_no_process_is_none() -> None:
    with pytest.raises(IngestError, match="at least one process"):
        Workers(0)
