"""An account's door whose messages go to the ledger together with other nodes'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address, Root
from rayfed.ledger.ethereum.account import EthereumLedger
from rayfed.ledger.relay import PHASES, RelayPool
from rayfed.protocol.messages import Receipt, Signed, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.ledger.ethereum.connection import EthereumFederation
    from rayfed.ledger.ethereum.sender import Sender


class RelayedLedger(EthereumLedger):
    """Signs commits, votes and attestations and leaves them to a pool; all else it sends by itself."""

    def __init__(
        self,
        federation: EthereumFederation,
        account: LocalAccount,
        sender: Sender,
        proof: Sequence[bytes],
        pool: RelayPool,
    ) -> None:
        super().__init__(federation, account, sender, proof)
        self._pool = pool

    def commit(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._pool.offer(self.address, Verb.COMMIT, round, self.sign(Verb.COMMIT, round, root))

    def vote(self, round: int, ballot: int) -> None:
        """See ``Ledger``."""
        self._pool.offer(self.address, Verb.VOTE, round, self.sign(Verb.VOTE, round, ballot.to_bytes(32, "big")))

    def attest(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._pool.offer(self.address, Verb.ATTEST, round, self.sign(Verb.ATTEST, round, root))

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``; what this account has posted for all is told to the pool, which tells each its share."""
        own = []
        for receipt in super().receipts():
            if receipt.verb in PHASES:
                self._pool.mined(receipt)
            else:
                own.append(receipt)
        return own + self._pool.receipts(self.address)

    def post(self, verb: Verb, round: int, messages: Mapping[int, Signed], members: Sequence[Address]) -> None:
        """See ``rayfed.ledger.relay.Poster``."""
        self.relay(verb, round, messages, members, said_as=verb)
