"""``python -m rayfed watch``: the watchtower alone, for anybody, who needs no seat in the federation.

It verifies every round against its own merge, says what it checks and what it cannot, and goes to court where a root is
wrong: with an account of its own, which pays for gas and for a bond that comes back when it wins.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from rayfed.errors import ConfigError, LedgerError, LedgerUnreachable, StoreError
from rayfed.ledger.patience import patiently
from rayfed.node.memo import Memo
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower import LOOK_SECONDS, WatchReport, Watchtower, claim
from rayfed.protocol.charter import Charter
from rayfed.protocol.commands import Advance
from rayfed.protocol.messages import COIN, Phase, View
from rayfed.runtime import chain, cluster, preflight, stores
from rayfed.runtime.results import nodes_dir
from rayfed.store import options_of
from rayfed.store.files import FileStore

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.ledger import Ledger
    from rayfed.ledger.backend import Backend, Federation, Signer

log = logging.getLogger(__name__)

INDEX = 1_000
"""Which of a master key's accounts the watchtower has: none that a node has."""

STEP_SECONDS = 30
"""How long a step may have been due before the watchtower takes it: its members do, unless all of them have gone."""

FETCH_SECONDS = 0.25
"""For how long a look waits for what is on its way: clocks may run in other rounds."""

IN_FLIGHT_SECONDS = 0.2
"""How long to rest while it is not known what became of a move."""


def watch(settings: Settings, output_dir: Path, console: Console | None = None) -> WatchReport:
    """Watch a federation until it is done and all of its rounds are settled.

    Args:
        settings: checked settings, which say where the federation is, and where its blobs are.
        output_dir: where the account's key and the blobs of unsettled rounds go, unless ``cluster.state_dir`` says.
        console: where to tell what is seen; standard output by default.

    Returns:
        what it has found; ``settled_wrong`` are the rounds in which a wrong root stood.

    Raises:
        RayfedError: see ``launcher.run``.
    """
    address = settings.federation_address
    if address is None:
        raise ConfigError("federation_address", "is needed to watch: the address of the federation")
    out = console or Console(highlight=False)

    def say(line: str) -> None:
        out.print(line, markup=False, highlight=False, soft_wrap=True)

    with ExitStack() as stack:
        preflight.check(settings)
        charter = Charter.from_json(preflight.charter_of(settings))
        backend = stack.enter_context(chain.opened(settings, output_dir))
        store_options = options_of(settings.store)
        if store_options.within_cluster:
            stack.enter_context(cluster.connected(settings))
        folder = nodes_dir(settings, output_dir) / address.lower() / "watch"
        disk = FileStore(folder / "blobs", setting="cluster.state_dir")
        signer = backend.signer(address, folder, INDEX)
        connection = backend.connect(address, charter.hash, follow=True)
        stack.callback(connection.close)
        store = stores.of_visitor(settings, address, disk, connection)
        stack.callback(store.close)
        tools = BlobTools.of(charter, backend.locator.chain_id, address, disk, store, Memo(), FETCH_SECONDS)
        _equip(settings, backend, connection, signer)
        watcher = Watcher(connection, connection.ledger(signer), tools, say)
        watcher.introduce()
        report = watcher.run()
        watcher.collect(settings.ledger.payout_address or signer.address)
        return report


def _equip(settings: Settings, backend: Backend, connection: Federation, signer: Signer) -> None:
    """Give the account gas money and a bond out of the party's purse, where the settings name one."""
    purse = backend.purse()
    if purse is not None and connection.balance(signer.address) < connection.terms().bond:
        backend.give(purse, connection, [signer.address], settings.ledger.fund_ether, stake=0, bonds=0)


class Watcher:
    """Drives a watchtower, and tells what it sees.

    Args:
        connection: to the federation.
        ledger: the account's handle.
        tools: a way to its blobs.
        say: told in lines.
    """

    def __init__(self, connection: Federation, ledger: Ledger, tools: BlobTools, say: Callable[[str], None]) -> None:
        self._connection = connection
        self._ledger = ledger
        self._say = say
        self._tower = Watchtower(ledger, tools, note=say, looks_back=True)
        self._told = 0  # all rounds up to this one were told of
        self._unjudged: set[int] = set()
        self._trouble = ""
        self._due_since = 0

    def introduce(self) -> None:
        """Tell what can be done here, and what cannot."""
        terms, address = self._connection.terms(), self._ledger.address
        balance, bond = self._connection.balance(address), terms.bond
        self._say(f"watching {self._connection.address} as {address}: every round is merged again and compared")
        if not terms.rule:
            self._say("the court cannot recompute this federation's rule: a wrong root is told, and cannot be undone")
        elif balance <= bond:
            has, needs = f"{balance / COIN:g} of the chain's currency", f"a bond is {bond / COIN:g}"
            self._say(f"it holds {has}, and {needs}: it cannot enter a root before somebody sends it more")

    def run(self) -> WatchReport:
        """Watch until the federation is done and settled, and this account has back what it put down.

        Raises:
            StoreError: its disk is full at the end.
        """
        while True:
            view = patiently(self._connection.view, math.inf)
            acted = self._guarded(self._tower.step, view) or self._guarded(self._goes_on, view)
            self._tell(view)
            if self._ledger.is_sending:
                time.sleep(IN_FLIGHT_SECONDS)
            elif not acted and view.phase is Phase.DONE and not view.unsettled:
                return self._summed_up()
            elif not acted:
                self._connection.wait(view, LOOK_SECONDS)

    def collect(self, payout: Address) -> None:
        """Have paid out what the account is owed.

        Raises:
            LedgerError: it cannot be sent.
        """
        while claim(self._ledger, payout):
            while self._ledger.is_sending:
                time.sleep(IN_FLIGHT_SECONDS)
                self._ledger.receipts()
            self._say(f"what it was owed is paid out to {payout}")

    def _goes_on(self, view: View) -> bool:
        """Take the step that is due, if nobody has taken it for so long that nobody will; say whether that was so."""
        self._due_since = (self._due_since or view.time) if view.due else 0
        if not view.due or view.time < self._due_since + STEP_SECONDS:
            return False
        self._due_since = 0
        self._ledger.submit(Advance())
        return True

    def _guarded(self, work: Callable[[View], bool], view: View) -> bool:
        try:
            acted = work(view)
        except LedgerUnreachable as error:
            log.warning("waiting for the chain: %s", error)
            time.sleep(1.0)
            return True
        except (LedgerError, StoreError) as error:  # no money for a bond, say: it is tried again
            if str(error) != self._trouble:
                self._say(str(error))
            self._trouble = str(error)
            return False
        self._trouble = ""
        return acted

    def _tell(self, view: View) -> None:
        report = self._tower.report()
        gone = view.round - self._connection.terms().ring
        for round in sorted(one for one in self._unjudged if one > gone and one not in report.wrong | report.unknown):
            outcome = self._connection.outcome(round)
            if outcome is None or outcome.status.stands:
                self._say(f"round {round}: right")  # what was lacking, or on its way, is there
        self._unjudged = {one for one in self._unjudged | report.unknown if one in report.unknown or one <= gone}
        for round in range(self._told + 1, report.verified + 1):
            outcome = self._connection.outcome(round)
            if outcome is None:
                continue
            if round <= gone:
                self._say(f"round {round}: too long ago to be judged")
                self._unjudged.add(round)
            elif not outcome.status.stands:
                self._say(f"round {round}: void")
            elif round not in report.wrong | report.unknown:
                self._say(f"round {round}: right")
        self._told = report.verified  # where the chain goes back, they are told again

    def _summed_up(self) -> WatchReport:
        report = self._tower.report()
        for round in sorted(self._unjudged):
            self._say(f"round {round}: not judged, for lack of what it included")
        stood = ", ".join(map(str, sorted(report.settled_wrong)))
        self._say(f"a wrong root stands in round {stood}" if stood else "no wrong root was seen to stand")
        return report
