from __future__ import annotations

from threading import Event

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


def test_what_takes_long_is_not_waited_for_and_is_there_later() -> None:
    memo, goes_on, made = Memo(), Event(), []

    def slow() -> str:
        made.append(1)
        goes_on.wait(60)
        return "value"

    assert memo.within(0.0, "key", slow) is None
    assert memo.within(0.0, "key", slow) is None, "it is on its way"
    assert memo.within(0.0, "other", lambda: "there") in (None, "there"), "and nothing waits for it"
    goes_on.set()
    assert memo.within(60, "key", slow) == "value"
    assert memo.within(0.0, "key", slow) == memo.get("key", slow) == "value"
    assert made == [1]


def test_what_a_thread_raises_is_told_to_who_asks_next_and_is_tried_anew_after_that() -> None:
    memo, tries = Memo(), []

    def broken() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ZeroDivisionError
        return "value"

    with pytest.raises(ZeroDivisionError):
        memo.within(60, "key", broken)
    assert memo.within(60, "key", broken) == "value"


def test_so_much_is_made_at_a_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayfed.node.memo.AT_ONCE", 2)
    memo, goes_on = Memo(), Event()
    for key in "ab":
        assert memo.within(0.0, key, lambda: goes_on.wait(60)) is None
    assert memo.within(60, "c", lambda: "value") is None, "its turn comes later"
    goes_on.set()
    assert memo.within(60, "a", lambda: False) is True
    assert memo.within(60, "b", lambda: False) is True
    assert memo.within(60, "c", lambda: "value") == "value"
