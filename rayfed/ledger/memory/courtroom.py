"""A node's door to the court of a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.judgement import Account, Books, Case, Proof, Record, State
from rayfed.protocol.messages import Terms


class MemoryCourtDoor:
    """One account's door to the court of a ``MemoryChain``; follows the ``rayfed.node.watchtower.Court`` protocol.

    Attributes:
        refused: names of the errors of verbs that the court refused, in order.
    """

    def __init__(self, chain: MemoryChain, address: Address) -> None:
        self._chain = chain
        self._address = address
        self.refused: list[str] = []

    def terms(self) -> Terms:
        """See ``Court``."""
        return self._chain.terms

    def books(self) -> Books:
        """See ``Court``."""
        return self._chain.court.books()

    def account(self, address: Address) -> Account:
        """See ``Court``."""
        return self._chain.court.account(address)

    def record(self, round: int) -> Record | None:
        """See ``Court``."""
        return self._chain.record(round)

    def cases(self) -> Sequence[Case]:
        """See ``Court``."""
        return [case for case in self._chain.court.cases.values() if case.state is State.OPEN]

    def included(self, round: int) -> Sequence[Root]:
        """See ``Court``."""
        return self._chain.included_roots(round)

    def busy(self) -> bool:
        """See ``Court``: here everything is mined at once."""
        return False

    def challenge(self, round: int, leaf: int, coordinate: int, roots: Sequence[Root]) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.challenge(self._address, round, leaf, coordinate, roots))

    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.prove(id, roots, proofs))

    def conclude(self, id: int) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.conclude(id))

    def demand(self, round: int, which: int, leaf: int, roots: Sequence[Root]) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.demand(self._address, round, which, leaf, roots))

    def answer(self, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.answer(self._address, id, roots, data, path))

    def forfeit(self, id: int) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.forfeit(id))

    def settle(self, most: int) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.settle(most))

    def claim(self, to: Address, most: int) -> None:
        """See ``Court``."""
        self._say(lambda: self._chain.court.claim(self._address, to, most))

    def _say(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Rejected as rejected:
            self.refused.append(rejected.name)
