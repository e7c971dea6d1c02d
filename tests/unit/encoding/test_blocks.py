from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rayfed.encoding import blocks


def test_ranges_cover_everything_once() -> None:
    assert blocks.ranges(0) == []
    assert blocks.ranges(5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert blocks.ranges(4, 2) == [(0, 2), (2, 4)]


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_every_task_is_done_once(threads: int | None) -> None:
    done: list[int] = []
    blocks.run(list(range(1000)), lambda: done.append, threads)
    assert sorted(done) == list(range(1000))


def test_each_thread_gets_its_own_worker() -> None:
    both = threading.Barrier(2, timeout=60)
    seen: set[int] = set()

    def worker() -> Callable[[int], None]:
        def work(task: int) -> None:
            both.wait()  # passes only if two threads are at work at once
            seen.add(threading.get_ident())

        return work

    blocks.run([0, 1], worker, 2)
    assert len(seen) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_the_error_of_a_task_comes_out_and_the_rest_is_left(threads: int) -> None:
    done: list[int] = []

    def worker() -> Callable[[int], None]:
        def work(task: int) -> None:
            if task == 3:
                raise ValueError("task 3")
            done.append(task)

        return work

    with pytest.raises(ValueError, match="task 3"):
        blocks.run(list(range(100_000)), worker, threads)
    assert len(done) < 99_999


def test_callers_on_many_threads_share_the_pool() -> None:
    """More callers than pool threads: none may wait for ever for a helper that never comes."""
    totals: list[int] = []

    def call() -> None:
        done: list[int] = []
        blocks.run(list(range(200)), lambda: done.append, 4)
        totals.append(len(done))

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert totals == [200] * 8


def test_the_default_can_be_set() -> None:
    try:
        blocks.set_threads(3)
        assert blocks.default_threads() == 3
    finally:
        blocks.set_threads(None)
    assert blocks.default_threads() == blocks.cores()
    with pytest.raises(ValueError, match="at least 1"):
        blocks.set_threads(0)
