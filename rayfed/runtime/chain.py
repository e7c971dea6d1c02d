"""The chain that a run uses: one of its own, or any that is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError
from rayfed.ledger.ethereum.connection import EthereumFederation, connect
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.ledger.patience import OUTAGE_SECONDS, patiently
from rayfed.runtime import preflight

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.config import Settings
    from rayfed.runtime.place import Place

STATE = "chain.json"
"""Where a chain of the run's own keeps its state, in the run's folder."""

STATE_SECONDS = 2
"""How often a chain of the run's own is written to disk: what a machine that dies may forget of it."""


@dataclass(frozen=True)
class Chain:
    """A chain that answers, and who pays for deployment and for the nodes' gas (None: nobody here)."""

    rpc: Rpc
    rpc_url: str
    ws_url: str | None
    purse: LocalAccount | None

    @property
    def payer(self) -> LocalAccount:
        """The account that founds the federation and pays for what its nodes need.

        Raises:
            ConfigError: there is none.
        """
        if self.purse is None:
            raise ConfigError("ledger.key_file", "is needed with ledger=rpc: the account that pays")
        return self.purse


@contextmanager
def opened(settings: Settings, output_dir: Path, patience: float = 0.0) -> Iterator[Chain]:
    """Connect to the chain that the settings name; with ``ledger=devchain`` start one, and stop it at the end.

    Args:
        output_dir: where a chain of the run's own keeps its state and its log.
        patience: seconds for which a chain that is there already may be away.

    Raises:
        RayfedError: it cannot be started, or does not answer.
    """
    chosen = settings.ledger
    if chosen.kind == "devchain":
        log = output_dir / "anvil.log"
        with DevChain(chosen.anvil, state=output_dir / STATE, state_seconds=STATE_SECONDS, log=log) as dev:
            yield Chain(connect(dev.rpc_url), dev.rpc_url, dev.ws_url, dev.funder)
        return
    if chosen.rpc_url is None:
        raise ConfigError("ledger.rpc_url", "is needed with ledger=rpc")
    rpc = patiently(partial(connect, chosen.rpc_url, chain_id=chosen.chain_id), patience)
    yield Chain(rpc, chosen.rpc_url, chosen.ws_url, preflight.purse(settings))


def watched(place: Place, seconds: float = OUTAGE_SECONDS) -> EthereumFederation:
    """Return a connection to a federation that needs no account, only to look.

    Raises:
        LedgerError: nothing answers for so long, or what is there is not the federation.
    """
    return patiently(
        partial(EthereumFederation.open, place.rpc_url, place.federation, chain_id=place.chain_id), seconds
    )
