"""One account's door to the court of a federation on a chain, as ``rayfed.node.watchtower`` needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address, Root, bits
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum.events import BLOCKS, Event
from rayfed.protocol.judgement import Account, Books, Case, Proof, Record
from rayfed.protocol.messages import Phase, Terms

if TYPE_CHECKING:
    from rayfed.ledger.ethereum.account import EthereumLedger
    from rayfed.ledger.ethereum.connection import EthereumFederation


class EthereumCourt:
    """Follows ``rayfed.node.watchtower.Court``. One thread at a time, the one that uses ``ledger``: its receipts
    tell what became of what is said here.

    Args:
        federation: the process's connection.
        ledger: the account's door.
    """

    def __init__(self, federation: EthereumFederation, ledger: EthereumLedger) -> None:
        self._federation = federation
        self._ledger = ledger
        self._roots: dict[int, tuple[Root, ...]] = {}

    def terms(self) -> Terms:
        """See ``Court``."""
        return self._federation.terms()

    def books(self) -> Books:
        """See ``Court``."""
        return self._federation.books()

    def account(self, address: Address) -> Account:
        """See ``Court``."""
        return self._federation.account(address)

    def record(self, round: int) -> Record | None:
        """See ``Court``."""
        return self._federation.record(round) if round > 0 else None

    def cases(self) -> Sequence[Case]:
        """See ``Court``."""
        return self._federation.open_cases()

    def busy(self) -> bool:
        """See ``Court``."""
        return self._ledger.is_sending

    def included(self, round: int) -> Sequence[Root]:
        """Return the roots of a final round's included updates, in the order of the members' indices.

        The contract keeps but a hash of them; the updates' own announcements are searched for those that have it, the
        newest blocks first: what can still be challenged is young, and a chain may be long.

        Raises:
            LedgerError: the chain's node has forgotten them.
        """
        if round not in self._roots:
            record = self.record(round)
            assert record is not None
            said: dict[int, Root] = {}
            last = self._federation.block()
            while last >= 0:
                first = max(0, last - BLOCKS + 1)
                for event in self._federation.events(first, last, names=("Committed", "Relayed")):
                    said |= _commits(event, round)
                roots = tuple(said[index] for index in bits(record.included) if index in said)
                if keccak(b"".join(roots)) == record.evidence:
                    self._roots[round] = roots
                    break
                last = first - 1
            else:
                raise LedgerError(f"ledger.rpc_url: the chain's node does not have all events of round {round}")
        return self._roots[round]

    def challenge(self, round: int, leaf: int, coordinate: int, roots: Sequence[Root]) -> None:
        """See ``Court``."""
        self._ledger.challenge(round, leaf, coordinate, roots)

    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """See ``Court``."""
        self._ledger.prove(id, roots, proofs)

    def conclude(self, id: int) -> None:
        """See ``Court``."""
        self._ledger.conclude(id)

    def demand(self, round: int, which: int, leaf: int, roots: Sequence[Root]) -> None:
        """See ``Court``."""
        self._ledger.demand(round, which, leaf, roots)

    def answer(self, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """See ``Court``."""
        self._ledger.answer(id, roots, data, path)

    def forfeit(self, id: int) -> None:
        """See ``Court``."""
        self._ledger.forfeit(id)

    def settle(self, most: int) -> None:
        """See ``Court``."""
        self._ledger.settle(most)

    def claim(self, to: Address, most: int) -> None:
        """See ``Court``."""
        self._ledger.claim(to, most)


def _commits(event: Event, round: int) -> dict[int, Root]:
    """Return the roots that an event announces in this round, by index."""
    if event.values["round"] != round:
        return {}
    if event.name == "Committed":
        return {event.values["index"]: event.values["root"]}
    if event.values["phase"] != Phase.COMMIT:
        return {}
    return dict(zip(bits(event.values["members"]), event.values["values"], strict=True))
