"""What makes a call on a ledger in memory a transaction: it does all that it says, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from rayfed.errors import Rejected


class Transacting(Protocol):
    """Something that can be put back to what it was."""

    def saved(self) -> Any:
        """Return a copy of the state."""

    def restore(self, saved: Any) -> None:
        """Go back to it."""


P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Transacting)


def verb(call: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """A transaction that is refused leaves no trace: not even the phase that it moved on stays moved."""

    @wraps(call)
    def transact(this: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        before = this.saved()
        try:
            return call(this, *args, **kwargs)
        except Rejected:
            this.restore(before)
            raise

    return transact


def copied(state: dict[str, Any]) -> dict[str, Any]:
    """Return a copy whose lists, sets and mappings are copies too; what is in them is never changed."""
    return {k: v.copy() if isinstance(v, dict | list | set) else v for k, v in state.items()}
