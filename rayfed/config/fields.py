"""How the schema declares a setting that has bounds of its own."""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

T = TypeVar("T")

MAX_NODES = 256
"""Members of one federation at most: a roster is one 256-bit word of the contract."""

MAX_UINT32 = 2**32 - 1


def one_of(default: str, *others: str) -> str:
    """Declare a setting that takes one of these words."""
    made: str = field(default=default, metadata={"choices": (default, *others)})
    return made


def within(default: T, low: float, high: float, *, above: bool = False) -> T:
    """Declare a number in ``low..high``; with ``above`` it must be greater than ``low``. None passes where allowed."""
    made: T = field(default=default, metadata={"low": low, "high": high, "above": above})
    return made
