"""Brings one party's node into a federation that is there already, on any chain and store."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.errors import ConfigError
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import COIN, NATIVE
from rayfed.reporting.live_table import LiveDisplay
from rayfed.reporting.told import told
from rayfed.runtime import (
    chain,
    cluster,
    drafting,
    fetching,
    homes,
    inviting,
    launch,
    log_files,
    preflight,
    supervise,
    tracking,
)
from rayfed.runtime.alone import alone_in
from rayfed.runtime.apart import Apart
from rayfed.runtime.ending import OwnNodes, follow
from rayfed.runtime.equipping import Needs, check_purse, equip
from rayfed.runtime.host import HostSpec
from rayfed.runtime.place import Place
from rayfed.runtime.results import CHARTER, RunResult, keep_record, write
from rayfed.store.ray.directory import host_name

if TYPE_CHECKING:
    from rich.console import Console

    from rayfed.config import Settings
    from rayfed.ledger.backend import Backend, Federation


TERMS = (
    *("rounds", "join_seconds", "commit_seconds", "vote_seconds", "attest_seconds", "start_members", "min_members"),
    *("max_missed", "max_unsettled", "max_void", "limit_seconds"),
)
"""Settings ``federation.*`` that are the charter's."""

TRIES = "loading data and trying the model"

SPARE_SECONDS = 600
"""How much longer than the last merge can be contested a node stays, for somebody to settle it."""


def join(settings: Settings, config: dict[str, Any], output_dir: Path, console: Console | None = None) -> RunResult:
    """Bring one party's node into a federation that lives on any chain and store, stay until it is done and all of its
    rounds are settled, and return what came of it.

    Args:
        settings: checked settings, which say where the federation is.
        config: the same as plain containers, for the records.
        output_dir: where all goes that a founder's run leaves, too.
        console: where progress is shown; standard output by default.

    Raises:
        RayfedError: see ``launcher.run``.
    """
    if settings.federation_address is None:
        raise ConfigError("federation_address", "is needed to join: the address of the federation")
    address, started = settings.federation_address, time.time()
    with ExitStack() as stack:
        stack.enter_context(alone_in(output_dir))
        preflight.check(settings)
        text = preflight.charter_of(settings)
        charter = Charter.from_json(text)
        preflight.check_lock(settings, charter)
        settings = _lingering(adopted(settings, charter), charter)
        display = stack.enter_context(LiveDisplay(charter.rounds, output_dir, name=settings.name, console=console))
        display.found(address, charter.data.metric)
        display.tell(tracking.away(settings))
        backend = stack.enter_context(chain.opened(settings, output_dir))
        folder = homes.state_dir(settings, output_dir, backend.locator.chain_id, address)
        place = Place(address, backend.locator, text)
        connection = chain.watched(place)
        stack.callback(connection.close)
        _check_purse(settings, backend, connection)
        write(output_dir / CHARTER, text)
        if (invitation := inviting.given(Path(settings.charter or ""))) is not None:
            inviting.keep(settings, invitation, output_dir)
        settings = fetching.with_frozen_part(settings, charter, connection, folder)
        is_own = cluster.is_own(settings)
        if is_own:
            display.say(TRIES)
            _try_here(settings, text)
        display.say("starting Ray" if is_own else "joining the Ray cluster")
        stack.enter_context(cluster.connected(settings))
        if not is_own:  # only the cluster's machines know the images
            display.say(TRIES)
            cluster.result(cluster.task(drafting.try_joining, settings).remote(settings, text))
        first, name = connection.founded(), host_name(f"join-{os.getpid()}")
        actors: list[cluster.Actor] = []
        stack.callback(keep_record, place, first, output_dir)
        stack.push(partial(launch.stop, settings, actors))
        display.say("starting the node")
        told.info("the node's log: %s", log_files.of_process(folder, place.federation, name))
        actors.append(launch.host(HostSpec(name, (-1,), place, settings, str(folder))))
        recorder = launch.recorder(settings, config, place, started, folder, only=name)
        addresses = launch.addresses(actors)
        own = OwnNodes(
            place, connection, first, tuple(actors), recorder, dict(zip([-1], addresses, strict=True)), folder
        )
        actors.append(recorder)
        equip(settings, backend, connection, addresses[0], display)
        seen, summary = follow(own, settings, output_dir, display, lambda view: None)
    return RunResult(summary, output_dir, supervise.without_model(seen))


def _check_purse(settings: Settings, backend: Backend, connection: Federation) -> None:
    """Check before anything is started that the purse pays for a node; one that has its seat already needs less, which
    is found out when its account is known.

    Raises:
        ConfigError: as ``check_purse``.
    """
    purse = backend.purse()
    if purse is not None and not homes.has_key(settings, backend.locator.chain_id, connection.address):
        check_purse(settings, connection, purse.address, Needs.of(backend, connection, NATIVE))


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


def adopted(settings: Settings, charter: Charter) -> Settings:
    """Return the settings with what the charter says in place of what is not its members' to choose."""
    stake, chosen = charter.stake, charter.merge
    seed = charter.genesis_source.get("seed")
    return replace(
        settings,
        seed=seed if isinstance(seed, int) else settings.seed,
        federation=replace(settings.federation, **{name: getattr(charter, name) for name in TERMS}),
        merge=replace(settings.merge, rule=chosen.rule, mixing=chosen.mixing, f=chosen.f, optimizer=chosen.optimizer),
        stake=replace(
            settings.stake,
            coin=stake.coin,
            amount=stake.stake / COIN,
            reward=stake.reward / COIN,
            bond=stake.bond / COIN,
            window_seconds=stake.window_seconds,
            clock_seconds=stake.clock_seconds,
            proof_seconds=stake.proof_seconds,
        ),
    )
