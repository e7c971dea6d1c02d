"""A call in a process of its own: what comes back, what is raised, and what is said of a process that dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from rayfed.config import load
from rayfed.errors import ConfigError, DataError
from rayfed.runtime.apart import Apart
from rayfed.runtime.cluster import variables


def outcome(function: Callable[..., Any], *args: Any, **variables: str) -> Any:
    call = Apart(function, *args, variables=variables, about="model")
    try:
        return call.result()
    finally:
        call.end()


def shouts(words: str) -> str:
    print(words)
    os.write(1, words.encode())
    return words


def refuses() -> None:
    raise DataError("data.root", "there is no folder")


def fails() -> None:
    raise KeyError("bed")


def large(text: str) -> str:
    return text[::-1]


def set_in_order(names: list[str]) -> list[str]:
    return list(set(names))


def modules() -> bool:
    return "torch" in sys.modules


def test_what_is_returned_and_raised_comes_back() -> None:
    assert outcome(os.getenv, "RAYFED_APART", RAYFED_APART="yes") == "yes"
    with pytest.raises(DataError, match=r"^data\.root: there is no folder$") as caught:
        outcome(refuses)
    assert caught.value.setting == "data.root"


def test_what_a_users_module_prints_does_not_get_into_the_answer() -> None:
    assert outcome(shouts, "hello\n") == "hello\n"


def test_more_than_a_pipe_holds_goes_there_and_back() -> None:
    text = "ab" * 500_000
    assert outcome(large, text) == text[::-1]


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        (fails, (), "model: the process that tried it ended with 1: KeyError: 'bed'"),
        (os._exit, (7,), "model: the process that tried it ended with 7"),
        (os.abort, (), "model: the process that tried it was ended by SIGABRT"),
    ],
)
def test_a_process_that_dies_is_one_line(function: Callable[..., Any], args: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        outcome(function, *args)
    assert str(caught.value) == said


def test_one_that_nobody_waits_for_is_ended() -> None:
    call = Apart(time.sleep, 3600, variables={}, about="model")
    call.end()
    assert call._process.returncode == -9
    call.end()


def test_names_in_a_set_have_the_same_order_in_all_of_a_federations_processes() -> None:
    """A constructor that walks through a set gives its layers their weights in that order."""
    names = [f"layer{number}" for number in range(50)]
    orders = {tuple(outcome(set_in_order, names, **variables(load([])))) for _ in range(3)}
    assert len(orders) == 1


def test_this_process_needs_no_torch_for_it() -> None:
    assert outcome(modules) is False
