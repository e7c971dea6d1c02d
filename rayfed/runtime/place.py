"""Where a federation lives."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.store.ray import directory


@dataclass(frozen=True, slots=True)
class Place:
    """Where a federation lives.

    Attributes:
        federation: the contract's address.
        chain_id: the chain's id; checked by every node when it connects.
        rpc_url, ws_url: where the chain answers; ``ws_url`` may be None (then nodes poll).
        charter: the charter's canonical JSON.
    """

    federation: Address
    chain_id: int
    rpc_url: str
    ws_url: str | None
    charter: str

    @property
    def namespace(self) -> str:
        """The Ray namespace in which the federation's actors are named."""
        return directory.namespace(self.federation)
