"""A sorting network cut down to what a trimmed mean or a median needs, as a straight-line program of min and max.

Each step works on whole blocks of coordinates at once, without a branch, so NumPy runs it at vector speed; sorting
each coordinate by itself is some fifty times slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Program:
    """Steps over registers: 0..n-1 are the inputs, never written; n..n+scratch-1 are scratch.

    Attributes:
        steps: (is_max, left, right, target) in order; the target may be one of the two sources.
        outputs: the registers that hold the n - 2k values in the middle at the end, in no particular order.
        scratch: how many scratch registers the steps use.
    """

    steps: tuple[tuple[bool, int, int, int], ...]
    outputs: tuple[int, ...]
    scratch: int


class _Need(Enum):
    """What the steps after a point need of a wire there."""

    DROPPED = auto()  # nothing
    SUMMED = auto()  # only that it is somewhere among the summed ones: their order is all one
    EXACT = auto()  # the very value that the network puts there


def merge_exchange(n: int) -> list[tuple[int, int]]:
    """Return Batcher's comparators (i, j), i < j, that sort n wires upwards (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    comparators = []
    top = 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            comparators += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return comparators


@lru_cache(maxsize=64)
def middle(n: int, k: int) -> Program:
    """Return the program that leaves the n - 2k middle ones of n values.

    Going backwards from the outputs, a comparator is dropped where both of its outputs are dropped or both are only
    summed, and a min or a max by itself where only the other is needed.

    Raises:
        ValueError: not 0 <= 2k < n.
    """
    if not 0 <= 2 * k < n:
        raise ValueError(f"cannot cut {k} from each end of {n}")
    need = [_Need.SUMMED if k <= wire < n - k else _Need.DROPPED for wire in range(n)]
    kept: list[tuple[int, int, bool, bool]] = []  # (i, j, the lower is needed, the higher is needed)
    for i, j in reversed(merge_exchange(n)):
        if need[i] == need[j] != _Need.EXACT:
            continue
        kept.append((i, j, need[i] != _Need.DROPPED, need[j] != _Need.DROPPED))
        need[i] = need[j] = _Need.EXACT
    kept.reverse()

    wire = list(range(n))  # the register that holds each wire's value
    free: list[int] = []
    used = n
    steps: list[tuple[bool, int, int, int]] = []

    def register() -> int:
        nonlocal used
        if free:
            return free.pop()
        used += 1
        return used - 1

    for i, j, low, high in kept:
        left, right = wire[i], wire[j]
        own = [source for source in (left, right) if source >= n]  # scratch: ours to overwrite at its last use
        if low and high:
            wire[i] = register()
            steps.append((False, left, right, wire[i]))
            wire[j] = own.pop() if own else register()
            steps.append((True, left, right, wire[j]))
        else:
            target = own.pop() if own else register()
            steps.append((high, left, right, target))
            wire[i if low else j] = target
        free += own
    return Program(tuple(steps), tuple(wire[k : n - k]), used - n)
