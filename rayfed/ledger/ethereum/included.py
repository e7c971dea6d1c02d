"""What a final round has merged, found again in what its members announced: the contract keeps but a hash of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Root, bits
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum.events import BLOCKS, Event
from rayfed.protocol.judgement import Record
from rayfed.protocol.messages import Phase

if TYPE_CHECKING:
    from rayfed.ledger.ethereum.connection import EthereumFederation


class IncludedRoots:
    """Looks them up, and remembers them by the hash: what a reorganisation has replaced is looked up anew."""

    def __init__(self, federation: EthereumFederation) -> None:
        self._federation = federation
        self._found: dict[bytes, tuple[Root, ...]] = {}

    def of(self, round: int) -> tuple[Root, ...]:
        """Return the roots of a final round's included updates, in the order of their members' indices.

        The newest blocks are searched first: what can still be challenged is young, and a chain may be long.

        Raises:
            LedgerError: the round is not final and never was, or the chain's node has forgotten what was said in it.
        """
        record = self._federation.record(round)
        if record is None or not any(record.evidence):
            raise LedgerError(f"the chain knows of no merge in round {round}")
        if record.evidence not in self._found:
            self._found[record.evidence] = self._search(round, record)
        return self._found[record.evidence]

    def _search(self, round: int, record: Record) -> tuple[Root, ...]:
        said: dict[int, Root] = {}
        last = self._federation.block()
        while last >= 0:
            first = max(0, last - BLOCKS + 1)
            for event in self._federation.events(first, last, names=("Committed", "Relayed")):
                said |= _commits(event, round)
            roots = tuple(said[index] for index in bits(record.included) if index in said)
            if keccak(b"".join(roots)) == record.evidence:
                return roots
            last = first - 1
        raise LedgerError(f"ledger.rpc_url: the chain's node does not have all events of round {round}")


def _commits(event: Event, round: int) -> dict[int, Root]:
    """Return the roots that an event announces in this round, by index."""
    if event.values["round"] != round:
        return {}
    if event.name == "Committed":
        return {event.values["index"]: event.values["root"]}
    if event.values["phase"] != Phase.COMMIT:
        return {}
    return dict(zip(bits(event.values["members"]), event.values["values"], strict=True))
