from __future__ import annotations

import pytest

from rayfed.node.memo import Memo


def test_makes_once() -> None:
    made: list[int] = []
    memo = Memo()
    for _ in range(3):
        assert memo.get("key", lambda: made.append(1) or "value") == "value"
    assert made == [1]


def test_what_raises_is_not_kept() -> None:
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.get("key", lambda: 1 // 0)
    assert memo.get("key", lambda: 5) == 5


def test_lets_go_of_the_least_recently_used() -> None:
    memo = Memo(limit=100)
    memo.get("a", lambda: "a", lambda _: 40)
    memo.get("b", lambda: "b", lambda _: 40)
    memo.get("a", lambda: "not made", lambda _: 40)
    memo.get("c", lambda: "c", lambda _: 40)
    assert memo.get("a", lambda: "made again", lambda _: 40) == "a"
    assert memo.get("b", lambda: "made again", lambda _: 40) == "made again"


def test_keeps_the_last_one_even_if_it_is_larger_than_the_limit() -> None:
    memo = Memo(limit=10)
    memo.get("a", lambda: "a", lambda _: 40)
    assert memo.get("a", lambda: "made again", lambda _: 40) == "a"
