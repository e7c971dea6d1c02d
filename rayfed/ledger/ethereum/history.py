"""What a federation has said since its founding, followed block by block: the contract keeps but its latest rounds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import events
from rayfed.ledger.ethereum.events import Event
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.ledger.ethereum.told import HEARD, Past

MARKS = 256
"""How many of the blocks that were looked at are remembered by their hashes, to see where a chain has gone back to."""

_Mark = tuple[int, str]

T = TypeVar("T")


class PastReader:
    """Follows one federation's events. Safe to use from several threads.

    Each look asks for what is new. Where the chain has gone back, what was said on the branch that it dropped is
    forgotten, and the rest told again.

    Args:
        rpc: the chain's node.
        address: the federation's contract.
        founded: says in which block it was founded.
    """

    def __init__(self, rpc: Rpc, address: Address, founded: Callable[[], int]) -> None:
        self._rpc = rpc
        self._address = address
        self._founded = founded
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._marks: list[_Mark] = []
        self._told = Past()

    def ask(self, question: Callable[[Past], T]) -> T:
        """Return what a question is answered by what has been told up to now.

        Raises:
            LedgerError: the node does not have the events of so long ago.
            LedgerUnreachable: nothing answers.
        """
        with self._lock:
            head = self._block("latest")
            if not self._marks or self._marks[-1] != head:
                self._go_back()
                self._look(head)
            return question(self._told)

    def _go_back(self) -> None:
        """Forget what was said in blocks that are no more."""
        before = len(self._marks)
        while self._marks and self._hash(self._marks[-1][0]) != self._marks[-1][1]:
            self._marks.pop()
        if len(self._marks) == before:
            return
        last = self._marks[-1][0] if self._marks else -1
        self._events = [event for event in self._events if event.block <= last]
        self._told = Past()
        for event in self._events:
            self._told.hear(event)

    def _look(self, head: _Mark) -> None:
        first = self._marks[-1][0] + 1 if self._marks else self._founded()
        if first > head[0]:
            return  # a node that lags behind another one
        new = list(self._between(first, head[0]))
        for event in new:
            self._told.hear(event)
        self._events += new
        self._marks = [*self._marks[-MARKS:], head]

    def _between(self, first: int, last: int) -> Iterator[Event]:
        try:
            yield from events.events(self._rpc, (self._address,), first, last, tuple(HEARD))
        except RpcError as error:
            raise LedgerError(
                f"ledger.rpc_url: the chain's node does not tell what {self._address} has said since block {first}: "
                f"{error.message}"
            ) from error

    def _block(self, tag: str) -> _Mark:
        block: dict[str, Any] | None = self._rpc.call("eth_getBlockByNumber", tag, False)
        if block is None:
            raise LedgerError(f"ledger.rpc_url: the chain's node does not know its block {tag}")
        return int(block["number"], 16), str(block["hash"])

    def _hash(self, number: int) -> str | None:
        block: dict[str, Any] | None = self._rpc.call("eth_getBlockByNumber", hex(number), False)
        return None if block is None else str(block["hash"])
