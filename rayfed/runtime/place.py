"""Where a federation lives."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.ledger.backend import Locator
from rayfed.store.ray import directory


@dataclass(frozen=True, slots=True)
class Place:
    """Where a federation lives.

    Attributes:
        federation: its name on the ledger.
        locator: how the ledger is reached.
        charter: the charter's canonical JSON.
    """

    federation: Address
    locator: Locator
    charter: str

    @property
    def chain_id(self) -> int:
        """Which ledger of its kind it is; checked by every node when it connects."""
        return self.locator.chain_id

    @property
    def namespace(self) -> str:
        """The Ray namespace in which the federation's actors are named."""
        return directory.namespace(self.federation)
