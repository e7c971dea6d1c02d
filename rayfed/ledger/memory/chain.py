"""A ledger in memory that follows the second edition's contracts word for word (``contracts/src``).

A test feeds it and the contracts the same random histories and compares what they answer. Tests build worlds with it
(``rayfed.testing``), the adversary that searches tries its moves on copies of it, and the auditor replays a contract's
own events through it (``rayfed.audit``).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Self

from rayfed.encoding.primitives import NO_ROOT, Address
from rayfed.ledger.memory import matches, settling
from rayfed.ledger.memory.calls import carry_out
from rayfed.ledger.memory.state import MemoryState
from rayfed.ledger.memory.storage import ManualClock, Said, Storage
from rayfed.protocol.commands import Command
from rayfed.protocol.court import Point
from rayfed.protocol.messages import Phase, Terms

__all__ = ["ManualClock", "MemoryChain", "Said"]


class MemoryChain(MemoryState):
    """One federation as its contracts would hold it; also follows the ``FederationState`` protocol.

    A call changes a copy of the storage, which is kept if it goes through: so a refusal leaves no trace, ``saved`` and
    ``fork`` cost nothing, and what they return never changes.

    Args:
        terms: what it is founded on, now.
        clock: the chain's time.
    """

    def __init__(self, terms: Terms, clock: ManualClock | None = None) -> None:
        storage = Storage(terms, clock or ManualClock())
        storage.since, storage.deadline = storage.now, storage.now + terms.join_seconds
        storage.emit("PhaseOpened", round=0, phase=int(Phase.FORMING), deadline=storage.deadline, context=NO_ROOT)
        super().__init__(storage)
        self.lock = threading.RLock()

    @property
    def clock(self) -> ManualClock:
        """The chain's time."""
        return self.storage.clock

    @property
    def events(self) -> list[Said]:
        """What the contracts have said so far; a copy."""
        return self.storage.log[: self.storage.told]

    def act(
        self,
        sender: Address,
        command: Command,
        *,
        proof: Sequence[bytes] = (),
        value: int | None = None,
        cost: int = 0,
        believed: bool = False,
    ) -> None:
        """Do what a command says, or nothing.

        Args:
            sender: whose command it is. Everybody has as many coins as wanted.
            command: what is said.
            proof: that the allow-list names the sender; for ``Join``.
            value: what comes along in the chain's own currency; None: what is right.
            cost: of a move in the court: what it is to be reimbursed, in the chain's own currency.
            believed: take from another ledger what is not checked here: that the allow-list names who joins, and that
                members have signed what is relayed.

        Raises:
            Rejected: the contract would refuse it.
        """
        with self.lock:
            after = self.storage.copied()
            carry_out(after, sender, command, proof=proof, value=value, cost=cost, believed=believed)
            self.storage = after

    # -- what only another ledger can say ------------------------------------------------------------------

    def believe_proved(self, point: Point, proven: int, winner: int | None = None) -> None:
        """Take it from another ledger that inputs of a match are proved.

        Args:
            point: where the match stands.
            proven: bitmap of all that are proved by now.
            winner: if these are all: the entry that won by them; None: both lost.

        Raises:
            Rejected: that cannot be.
        """
        with self.lock:
            after = self.storage.copied()
            matches.believe(after, point, proven, winner)
            self.storage = after

    def believe_spent(self, round: int, number: int, amount: int) -> None:
        """Take it from another ledger what a lost entry's bonds will leave for who moved: gas is not known here."""
        with self.lock:
            after = self.storage.copied()
            after.spent[round, number] = amount
            self.storage = after

    def believe_reimbursed(self, round: int, mover: Address, amount: int) -> None:
        """Take it from another ledger that somebody was credited what its moves cost."""
        with self.lock:
            after = self.storage.copied()
            settling.believe_reimbursed(after, round, mover, amount)
            self.storage = after

    # -- other times ------------------------------------------------------------------

    def saved(self) -> Storage:
        """Return all that is stored, as it is now: nothing changes what is returned."""
        return self.storage

    def restore(self, saved: Storage) -> None:
        """Go back to what was stored; the chain's time goes on."""
        with self.lock:
            self.storage = saved

    def fork(self, saved: Storage | None = None, now: int | None = None) -> Self:
        """Return a chain of its own, with a clock of its own.

        Args:
            saved: from where it goes on; None: as things stand.
            now: its time; None: this chain's.
        """
        storage = self.storage if saved is None else saved
        twin = type(self).__new__(type(self))
        twin.storage = storage.under(ManualClock(self.clock.now if now is None else now))
        twin.lock = threading.RLock()
        return twin
