"""What of an object grows: how many things each container holds that can be reached from it."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

LEAVES = (type, types.ModuleType, types.FunctionType, str, bytes, int, float)


def sizes(*roots: object) -> dict[str, int]:
    """Return by its way from a root, "EdgeNode._late._closed._known" say, how many things a container holds; where
    several lie on alike ways, the most."""
    found: dict[str, int] = {}
    seen: dict[int, object] = {}  # kept, so that no identity is used twice
    waiting: list[tuple[object, str]] = [(root, type(root).__name__) for root in roots]
    while waiting:
        one, way = waiting.pop()
        if id(one) in seen or isinstance(one, LEAVES):
            continue
        seen[id(one)] = one
        if isinstance(one, Mapping | list | set | frozenset | tuple | deque):
            found[way] = max(found.get(way, 0), len(one))
        waiting += ((inner, way + name) for name, inner in _within(one))
    return found


def _within(one: Any) -> Iterator[tuple[str, object]]:
    if isinstance(one, Mapping):
        yield from (("{}", inner) for pair in list(one.items()) for inner in pair)
    elif isinstance(one, Iterable) and isinstance(one, list | set | frozenset | tuple | deque):
        yield from (("[]", inner) for inner in list(one))
    if isinstance(one, types.MethodType):
        yield "()", one.__self__
    for name in getattr(one, "__dict__", {}):
        yield f".{name}", vars(one)[name]
    for kind in type(one).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(one, name):
                yield f".{name}", getattr(one, name)
