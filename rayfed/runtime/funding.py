"""What a founder gives its nodes: ether for gas, stake and bonds, the pool; and again where the chain forgot it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.errors import RayfedError
from rayfed.ledger.patience import patiently
from rayfed.protocol.messages import Phase, View

if TYPE_CHECKING:
    from rayfed.ledger.backend import Backend, Federation, Signer

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often to look, while nodes join, whether they still have it: longer than a chain takes to mine again what it had
in blocks that it left."""


class Funding:
    """Given in one transaction for many nodes, before they join: who has no ether has lost all that came with it.

    Args:
        backend: the ledger.
        payer: whose money it is.
        federation: whose nodes.
        addresses: their accounts.
        ether: for each, beside stake and bonds.
        pool: how much goes into the pool, in the coin's smallest unit, before the first round.
    """

    def __init__(
        self,
        backend: Backend,
        payer: Signer,
        federation: Federation,
        addresses: Sequence[Address],
        ether: float,
        pool: int,
    ) -> None:
        self._backend = backend
        self._payer = payer
        self._federation = federation
        self._addresses = addresses
        self._ether = ether
        self._pool = pool
        self._next = time.monotonic() + LOOK_SECONDS

    def give(self) -> None:
        """Give to those who have nothing; see ``Backend.give`` for what it raises."""
        poor = patiently(self._poor)
        forming = patiently(self._federation.view).phase is Phase.FORMING
        pool = self._pool if forming and not patiently(self._federation.books).pool else 0
        self._backend.give(self._payer, self._federation, poor, self._ether, pool=pool)

    def look(self, view: View | None) -> None:
        """Give again what the chain has forgotten, if it is time to look; only while nodes join can it be gone.

        What keeps it from being given is logged, and tried again: it need not end a run.
        """
        if view is None or view.phase is not Phase.FORMING or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        try:
            if self._poor():
                log.warning("a reorganisation took back what the nodes were given; they are given it again")
                self.give()
        except RayfedError as error:
            log.warning("the nodes' stakes and bonds cannot be given again: %s", error)

    def _poor(self) -> list[Address]:
        return [address for address in self._addresses if not self._federation.balance(address)]
