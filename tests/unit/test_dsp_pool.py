"""Threads that share jobs: every item once, errors reach the caller, a job may run ahead."""

from __future__ import annotations

import threading

import pytest

from radarid.dsp.pool import Workers


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(("n_items", "n_at_once"), [(0, 1), (1, 4), (7, 2), (100, 3)])
def test_every_item_once(n_threads: int, n_items: int, n_at_once: int) -> None:
    seen: list[int] = []
    Workers(n_threads).share(lambda _, a, b: seen.extend(range(a, b)), n_items, n_at_once)
    assert sorted(seen) == list(range(n_items))


def test_no_two_threads_have_one_number() -> None:
    threads: dict[int, set[int]] = {}
    both = threading.Barrier(2, timeout=10)

    def job(worker: int, start: int, stop: int) -> None:
        threads.setdefault(worker, set()).add(threading.get_ident())
        both.wait()

    Workers(2).share(job, 2)
    assert sorted(threads) == [0, 1]
    assert all(len(idents) == 1 for idents in threads.values())


def test_a_job_that_was_begun_does_not_hold_up_another() -> None:
    workers, goes_on = Workers(2), threading.Event()
    is_running, done = threading.Event(), []

    def slow(worker: int, start: int, stop: int) -> None:
        is_running.set()
        assert goes_on.wait(10)
        done.append(start)

    begun = workers.begin(slow, 2)
    assert is_running.wait(10)
    other: list[int] = []
    workers.share(lambda _, a, b: other.extend(range(a, b)), 5)  # the only helper is busy
    assert sorted(other) == [0, 1, 2, 3, 4]
    assert not done
    goes_on.set()
    workers.finish(begun)
    assert sorted(done) == [0, 1]


@pytest.mark.parametrize("fails", [False, True])
def test_who_waits_for_a_job_does_a_later_one(fails: bool) -> None:
    workers, is_done, helper_is_at_it = Workers(2), threading.Event(), threading.Event()
    by: list[int] = []

    def first(worker: int, start: int, stop: int) -> None:
        by.append(worker)
        if worker == 0:
            assert helper_is_at_it.wait(10)
        else:
            helper_is_at_it.set()
            assert is_done.wait(10)  # what comes later is done before this ends

    def later(worker: int, start: int, stop: int) -> None:
        is_done.set()
        if fails:
            raise ValueError(f"by {worker}")

    begun = workers.begin(first, 2)
    more = workers.begin(later, 1)
    workers.finish(begun)
    assert sorted(by) == [0, 1]
    if fails:
        with pytest.raises(ValueError, match="by 0"):
            workers.finish(more)
    else:
        workers.finish(more)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_a_job_raises_reaches_the_caller(n_threads: int) -> None:
    def job(worker: int, start: int, stop: int) -> None:
        if start == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        Workers(n_threads).share(job, 8)
