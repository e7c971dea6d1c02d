"""Brings one party's node into a federation that is there already, on any chain and store."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError, RayfedError
from rayfed.ledger.patience import patiently
from rayfed.protocol.charter import Charter
from rayfed.reporting import words
from rayfed.reporting.accounts import Earnings
from rayfed.reporting.live_table import LiveDisplay
from rayfed.reporting.model_card import of_records
from rayfed.reporting.notices import Notices
from rayfed.reporting.timeline import History
from rayfed.reporting.told import told
from rayfed.runtime import chain, cluster, drafting, homes, launch, log_files, model_files, preflight, supervise
from rayfed.runtime.alone import alone_in
from rayfed.runtime.apart import Apart
from rayfed.runtime.host import HostSpec
from rayfed.runtime.place import Place
from rayfed.runtime.supervise import LOOK_SECONDS
from rayfed.store.ray.directory import host_name

if TYPE_CHECKING:
    from rich.console import Console

    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.ledger.backend import Backend, Federation
    from rayfed.protocol.messages import NodeRecord


SPARE_SECONDS = 600
"""How much longer than the last merge can be contested a node stays, for somebody to settle it."""


def join(settings: Settings, output_dir: Path, console: Console | None = None) -> None:
    """Bring one party's node into a federation that lives on any chain and store, and stay until it is done and all of
    its rounds are settled.

    Args:
        settings: checked settings, which say where the federation is.
        output_dir: where the node's folder goes.
        console: where progress is shown; standard output by default.

    Raises:
        RayfedError: see ``launcher.run``.
    """
    if settings.federation_address is None:
        raise ConfigError("federation_address", "is needed to join: the address of the federation")
    address = settings.federation_address
    with ExitStack() as stack:
        stack.enter_context(alone_in(output_dir))
        preflight.check(settings)
        text = preflight.charter_of(settings)
        charter = Charter.from_json(text)
        settings = _lingering(settings, charter)
        display = stack.enter_context(LiveDisplay(charter.rounds, output_dir, console=console))
        display.found(address, charter.data.metric)
        backend = stack.enter_context(chain.opened(settings, output_dir))
        folder = homes.state_dir(settings, output_dir, backend.locator.chain_id, address)
        display.say("loading data and trying the model")
        is_own = cluster.is_own(settings)
        if is_own:
            _try_here(settings, text)
        place = Place(address, backend.locator, text)
        stack.enter_context(cluster.connected(settings))
        if not is_own:  # only the cluster's machines know the images
            cluster.result(cluster.task(drafting.try_joining, settings).remote(settings, text))
        name = host_name(f"join-{os.getpid()}")
        told.info("the node's log: %s", log_files.of_process(folder, place.federation, name))
        host = launch.host(HostSpec(name, (-1,), place, settings, str(folder)))
        stack.push(partial(launch.stop, settings, [host]))
        connection = chain.watched(place)
        addresses = launch.addresses([host])
        _equip(settings, backend, connection, addresses[0], display)
        with supervise.defending(connection, display, addresses, settings.cluster.linger_seconds):
            records = _until_finished(host, connection, display)
        view = patiently(connection.view)
        if view.base != charter.genesis:
            asked = [partial(cluster.ask, host.model, view.base)]
            model_files.keep(output_dir, place, view.base, asked, of_records(records, charter.data))
        if settings.ledger.kind != "devchain":
            supervise.until_settled(connection, display, settings.cluster.linger_seconds)


def _lingering(settings: Settings, charter: Charter) -> Settings:
    """Have the node stay for as long as the last merge can be contested: that is not its owner's to choose."""
    contested = charter.attest_seconds + charter.stake.window_seconds + SPARE_SECONDS
    cluster = replace(settings.cluster, linger_seconds=max(settings.cluster.linger_seconds, contested))
    return replace(settings, cluster=cluster)


def _try_here(settings: Settings, text: str) -> None:
    """Try a round, in a process of its own, before anything is started.

    Raises:
        RayfedError: data, model or training cannot be used.
    """
    trial = Apart(drafting.try_joining, settings, text, True, variables=cluster.variables(settings), about="model")
    try:
        trial.result()
    finally:
        trial.end()


def _equip(
    settings: Settings, backend: Backend, connection: Federation, address: Address, display: LiveDisplay
) -> None:
    """Give the node ether, its stake and its bonds out of the party's purse, or say what to send."""
    terms, account = connection.terms(), connection.account(address)
    stake, bonds = max(0, terms.stake - account.stake), max(0, terms.bonds - account.bonds)
    purse = backend.purse()
    if purse is not None:
        backend.give(purse, connection, [address], settings.ledger.fund_ether, stake=stake, bonds=bonds)
    elif connection.balance(address) == 0:
        owed = f"{words.amount(stake)} {connection.coin_name()} for its stake, {words.amount(bonds)} for its bonds"
        display.say(f"waiting for funds: send {owed} and the money for gas to {address}")


def _until_finished(host: cluster.Actor, connection: Federation, display: LiveDisplay) -> list[NodeRecord]:
    """Show how the node is until it is finished; return what it has recorded.

    Raises:
        RayfedError: it has failed.
    """
    earnings, notices, history = Earnings(connection), Notices(connection.outcome), History()
    records: list[NodeRecord] = []
    while True:
        view = patiently(connection.view, math.inf)  # the node goes on, and so does who looks at it
        statuses = patiently(partial(earnings.added, view, cluster.ask(host.status)), math.inf)
        display.update(view, statuses)
        history.observe(view, statuses, time.monotonic())
        records += cluster.ask(host.records, len(records))
        display.notices(patiently(partial(notices.look, view, history.views, records, statuses), math.inf))
        if statuses[0].doing == "failed":
            raise RayfedError(statuses[0].error)
        if statuses[0].doing == "finished":
            return records
        time.sleep(LOOK_SECONDS)
