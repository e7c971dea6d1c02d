"""Work cut into pieces that fit a core's cache, done by a few threads that the whole process shares.

The kernels (codec, tree, rules) spend their time inside calls that release the interpreter lock (NumPy's loops,
hashlib above 2 KiB), so threads are enough, and blocks keep every pass after the first inside the cache.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

BLOCK = 1 << 17
"""Values in a block: 512 KiB of int32, half of a usual second-level cache."""

T = TypeVar("T")

_lock = threading.Lock()
_limit: int | None = None
_pool: ThreadPoolExecutor | None = None
_pool_owner: tuple[int, int] = (0, 0)  # (process, threads): a forked child must not use its parent's pool


def cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_threads(threads: int | None) -> None:
    """Set how many threads a kernel uses when its caller does not say; None means one a core."""
    global _limit
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    _limit = threads


def default_threads() -> int:
    """Return how many threads a kernel uses when its caller does not say."""
    return _limit or cores()


def ranges(size: int, block: int = BLOCK) -> list[tuple[int, int]]:
    """Return ``[(start, stop), ...]`` that cover 0..size in steps of at most ``block``."""
    return [(start, min(start + block, size)) for start in range(0, size, block)]


def run(tasks: Sequence[T], worker: Callable[[], Callable[[T], None]], threads: int | None = None) -> None:
    """Do every task once, on up to ``threads`` threads, the caller's among them.

    Args:
        tasks: what to do, in the order in which it should be begun.
        worker: called once on each thread; returns what does one task there, so that scratch memory is the thread's
            own. It must not call ``run`` itself.
        threads: how many at most; None means ``default_threads()``.

    Raises:
        Exception: the first that a task raised; tasks not yet begun are then left undone.
    """
    wanted = min(default_threads() if threads is None else threads, len(tasks))
    queue = iter(tasks)  # next() on a list's iterator is atomic under the interpreter lock
    if wanted <= 1:
        _drain(queue, worker)
        return
    helpers: list[Future[None]] = [_shared_pool().submit(_drain, queue, worker) for _ in range(wanted - 1)]
    try:
        _drain(queue, worker)
    finally:
        for helper in helpers:
            helper.cancel()  # not begun yet: there is nothing left for it to do
        errors = [helper.exception() for helper in helpers if not helper.cancelled()]
    for error in errors:
        if error is not None:
            raise error


def _drain(queue: Iterator[T], worker: Callable[[], Callable[[T], None]]) -> None:
    try:
        work = worker()
        for task in queue:
            work(task)
    except BaseException:
        for _ in queue:  # nobody should begin what is left
            pass
        raise


def _shared_pool() -> ThreadPoolExecutor:
    global _pool, _pool_owner
    with _lock:
        owner = (os.getpid(), cores())
        if _pool is None or _pool_owner != owner:
            _pool = ThreadPoolExecutor(max_workers=owner[1], thread_name_prefix="rayfed-blocks")
            _pool_owner = owner
        return _pool
