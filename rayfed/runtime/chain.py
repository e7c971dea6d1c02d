"""The ledger that a run uses: one of its own, or any that is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError
from rayfed.ledger import registry
from rayfed.ledger.backend import Backend, Federation, Signer
from rayfed.ledger.patience import OUTAGE_SECONDS, patiently

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.runtime.place import Place


@contextmanager
def opened(settings: Settings, output_dir: Path, patience: float = 0.0) -> Iterator[Backend]:
    """Connect to the ledger that the settings name; start one where they ask for one of the run's own, and stop it at
    the end.

    Args:
        output_dir: where a ledger of the run's own keeps its state and its log.
        patience: seconds for which a ledger that is there already may be away.

    Raises:
        RayfedError: it cannot be started, or does not answer.
    """
    with ExitStack() as stack:
        yield patiently(lambda: stack.enter_context(registry.open(settings.ledger, output_dir)), patience)


def payer(backend: Backend) -> Signer:
    """Return the account that founds the federation and pays for what its nodes need.

    Raises:
        ConfigError: there is none.
    """
    purse = backend.purse()
    if purse is None:
        raise ConfigError("ledger.key_file", "is needed with ledger=rpc: the account that pays")
    return purse


def watched(place: Place, seconds: float = OUTAGE_SECONDS) -> Federation:
    """Return a connection to a federation that needs no account, only to look.

    Raises:
        LedgerError: nothing answers for so long, or what is there is not the federation.
    """
    return patiently(partial(registry.at(place.locator).connect, place.federation), seconds)
