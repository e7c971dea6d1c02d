"""A chain in memory with a pool of transactions, blocks that go back, and a time of its own."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rayfed.encoding.primitives import Address
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import View

KEPT = 32
"""Transactions that a reorganisation can undo; more than any scenario does."""


@dataclass(eq=False)
class Transaction:
    """One transaction, from the moment at which it was sent.

    Attributes:
        sender, command: who says what.
        due: from when on it may be mined, in seconds since the epoch.
        block: how many transactions were mined before it; None while it is in the pool.
        error: name of the contract's error, once mined.
        lost: it is in no pool any more; whoever sent it may send it again.
        in_vain: it is mined and does nothing (out of gas).
    """

    sender: Address
    command: Command
    due: int
    block: int | None = None
    error: str | None = None
    lost: bool = False
    in_vain: bool = False


class ChaosChain:
    """``MemoryChain`` behind a pool. One transaction a block."""

    def __init__(self, chain: MemoryChain, random: Random) -> None:
        self.chain = chain
        self.pool: list[Transaction] = []
        self.reorganisations = 0
        self._random = random
        self._blocks: list[tuple[Storage, Transaction]] = []  # the state before it, and the transaction
        self._height = 0

    @property
    def clock(self) -> ManualClock:
        """The chain's time."""
        return self.chain.clock

    @property
    def height(self) -> int:
        """How many transactions are mined."""
        return self._height

    def mine(self, shuffle: bool = False) -> bool:
        """Mine what is due; return whether there was anything. One sender's transactions keep their order."""
        due = [t for t in self.pool if t.due <= self.clock.now]
        if shuffle:
            self._random.shuffle(due)
        mined = False
        for transaction in due:
            first = next(t for t in self.pool if t.sender == transaction.sender)
            if first.due > self.clock.now:
                continue  # nonces: what comes after a transaction that waits has to wait too
            self.pool.remove(first)
            self._apply(first)
            mined = True
        return mined

    def _apply(self, transaction: Transaction) -> None:
        self._blocks = [*self._blocks[-KEPT + 1 :], (self.chain.saved(), transaction)]
        transaction.block = self._height
        self._height += 1
        transaction.error = "OutOfGas" if transaction.in_vain else None
        if transaction.in_vain:
            return
        try:
            self.chain.act(transaction.sender, transaction.command)
        except Rejected as rejected:
            transaction.error = rejected.name

    def reorganise(self, depth: int, drop: float) -> int:
        """Take the last transactions back; return how many.

        They go into the pool again in another order, and some get lost. The chain's time does not go back: the blocks
        that are mined instead are younger.
        """
        back = self._blocks[-depth:]
        if not back:
            return 0
        self._blocks = self._blocks[: -len(back)]
        self.chain.restore(back[0][0])
        self._height -= len(back)
        self.reorganisations += 1
        returned = [transaction for _, transaction in back]
        for transaction in returned:
            transaction.block, transaction.error = None, None
        self._random.shuffle(returned)
        by_sender: dict[Address, list[Transaction]] = {}
        for _, transaction in back:
            by_sender.setdefault(transaction.sender, []).append(transaction)
        in_order = [by_sender[transaction.sender].pop(0) for transaction in returned]
        for transaction in in_order:
            transaction.lost = self._random.random() < drop
            transaction.due = self.clock.now + self._random.choice((0, 0, 1, 5))
        self.pool = [t for t in in_order if not t.lost] + self.pool
        return len(back)

    def view(self, behind: int = 0, skew: int = 0) -> View:
        """Return the federation as somebody sees it who is so many transactions behind and has the time wrong."""
        if not behind and not skew:
            return self.chain.view()
        state = self._blocks[-behind][0] if behind and len(self._blocks) >= behind else self.chain.saved()
        return self.chain.fork(state, self.clock.now + skew).view()
