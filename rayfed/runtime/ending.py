"""How a run ends, a founder's or a joiner's: its nodes are followed to the end, all that came of it is in its folder,
and what they have earned is paid out, or else it is said how.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.encoding.urls import public
from rayfed.errors import RayfedError
from rayfed.ledger.patience import patiently
from rayfed.reporting import contested, words
from rayfed.reporting.contested import Contested
from rayfed.reporting.model_card import of_summary
from rayfed.runtime import cluster, homes, model_files, supervise
from rayfed.runtime.results import REPORT, SUMMARY, keep_record, nodes_dir, write

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.messages import View
    from rayfed.reporting.live_table import LiveDisplay
    from rayfed.reporting.summary import Summary
    from rayfed.runtime.model_files import ModelFiles
    from rayfed.runtime.place import Place
    from rayfed.runtime.recorder import Snapshot

log = logging.getLogger(__name__)

FEW = 4
"""So many commands are printed; of more the first ones."""


@dataclass(frozen=True, slots=True)
class OwnNodes:
    """What a party runs of a federation.

    Attributes:
        place: where that is; ``connection``: to it.
        first: the block that it was founded in.
        hosts, recorder: the actors.
        accounts: the nodes', by slot; -1 is a node that has joined.
        folder: below which the nodes keep what is their own.
    """

    place: Place
    connection: Federation
    first: int
    hosts: Sequence[cluster.Actor]
    recorder: cluster.Actor
    accounts: Mapping[int, Address]
    folder: Path

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Of the nodes' accounts."""
        return tuple(self.accounts.values())

    def key(self, settings: Settings, slot: int) -> str:
        """Return the words by which owners' commands find a node's key, with a space before them."""
        chosen, federation = settings.ledger, self.place.federation
        if chosen.keystore:
            password = f" --password-file {shlex.quote(chosen.password_file)}" if chosen.password_file else ""
            return f" --keystore {shlex.quote(chosen.keystore)}{password} --index {slot + 1}"
        home = homes.of_node(settings, self.place.chain_id, federation) if slot < 0 else None
        if home is not None:
            return f" --node {shlex.quote(str(home))}" if chosen.key_dir else ""
        name = f"node-{slot}" if slot >= 0 else "node"
        return f" --node {shlex.quote(str(self.folder / federation.lower() / name))}"


def follow(
    own: OwnNodes, settings: Settings, output_dir: Path, display: LiveDisplay, look: Callable[[View | None], None]
) -> tuple[Snapshot, Summary]:
    """Show a federation to its end, write down what came of it, and stay until all is settled and paid.

    Args:
        look: as for ``supervise.until_over``.

    Raises:
        RayfedError: all of its nodes have failed, or the folder cannot be written.
    """
    # A chain of the run's own ends with it, and with it all that could be lost there.
    lasts = settings.ledger.kind != "devchain"
    linger = settings.cluster.linger_seconds
    with supervise.defending(own.connection, display, own.addresses, linger if lasts else 0):
        seen, summary = supervise.until_over(own.recorder, display, look)
    # The summary says that the run is finished, so it comes last: whoever is killed from here on leaves an audit's
    # record behind, and whoever is killed before it can be carried on.
    keep_record(own.place, own.first, output_dir)
    _write(output_dir, summary, seen.page)
    _keep_model(own, settings, output_dir, summary)
    display.final(summary)
    trouble = supervise.until_recorded(own.recorder)
    if lasts:
        # The nodes end with this process, on a cluster of its own too; there the chain goes on without them.
        supervise.until_settled(own.connection, display, linger)
        while supervise.until_done_again(own.hosts, own.connection, display):
            supervise.until_settled(own.connection, display, linger)
        supervise.until_claimed(own.connection, own.addresses)
        if settings.ledger.withdraw:
            _depart(own, display)
        before, seen = summary, _over_again(own, display, look, trouble) or seen
        summary = _settled(own, output_dir) or summary
        if summary.final_root != before.final_root:  # the last round has come again, with other updates in it
            _keep_model(own, settings, output_dir, summary)
            display.final(summary)
        display.tell(paid(own, settings))
    return seen, summary


def _over_again(
    own: OwnNodes, display: LiveDisplay, look: Callable[[View | None], None], trouble: str
) -> Snapshot | None:
    """Wait for the recorder where the chain went back behind the end, or the court undid the last round: summary, page
    and what is in MLflow are of the end that stands. None if the recorder has gone. ``trouble`` was told already."""
    try:
        seen, _ = supervise.until_over(own.recorder, display, look, patiently(own.connection.view).time)
    except RayfedError as error:
        log.warning("what was recorded may be of an end that the chain has taken back: %s", error)
        return None
    supervise.until_recorded(own.recorder, trouble)
    return seen


def _keep_model(own: OwnNodes, settings: Settings, output_dir: Path, summary: Summary) -> None:
    """Write the final model down, if there is one."""
    if summary.final_root is None:
        return
    root = bytes.fromhex(summary.final_root[2:])
    disks = nodes_dir(settings, output_dir)
    asked: list[Callable[[], ModelFiles | None]] = [partial(cluster.ask, host.model, root) for host in own.hosts]
    asked.append(partial(model_files.from_disks, settings, own.place, root, disks))
    model_files.keep(output_dir, own.place, root, asked, of_summary(summary))


def _depart(own: OwnNodes, display: LiveDisplay) -> None:
    """Have stakes and bonds come back: the last thing of all, since who has no seat has no card to be found by."""
    display.say("the nodes leave, and take back stake and bonds")
    try:
        supervise.until_departed(own.hosts, own.connection, own.addresses)
    except RayfedError as error:
        log.warning("stake and bonds stay where they are: %s", error)


def _settled(own: OwnNodes, output_dir: Path) -> Summary | None:
    """Write down again what came of it, now that rounds are settled; None if the recorder has gone."""
    try:
        told = cluster.ask(own.recorder.settled)
    except RayfedError as error:
        log.warning("summary and page stay as they were before all was settled: %s", error)
        return None
    if told is None:
        return None
    summary: Summary = told[0]
    keep_record(own.place, own.first, output_dir)
    _write(output_dir, summary, told[1])
    return summary


def _write(output_dir: Path, summary: Summary, page: str) -> None:
    write(output_dir / REPORT, page)
    write(output_dir / SUMMARY, summary.to_json())


def paid(own: OwnNodes, settings: Settings) -> list[str]:
    """Return in lines what the nodes have earned, and how to have what is still theirs."""
    accounts = patiently(partial(own.connection.accounts, own.addresses))
    coin, payout = own.connection.coin_name(), settings.ledger.payout_address
    where = f"--rpc {public(settings.ledger.rpc_url or 'URL', path_is_secret=True)} --federation {own.place.federation}"
    lines, ways, when = [], [], _when(own.connection)
    for (slot, address), account in zip(own.accounts.items(), accounts, strict=True):
        if account.earned:
            owed = f", of which {words.amount(account.claimable)} are to be claimed" if account.claimable else ""
            lines.append(f"{address} earned {words.amount(account.earned)} {coin}{owed}; paid to {payout or address}")
        key = own.key(settings, slot)
        if account.claimable or account.native_claimable:
            ways.append(f"what is to be claimed comes by: python -m rayfed claim {where}{key}")
        if account.stake or account.bonds:
            ways.append(f"stake and bonds come back{when} by: python -m rayfed withdraw {where}{key}")
    rest = [f"and likewise for the others, {len(ways)} commands in all"] if len(ways) > FEW else []
    return [*lines, *ways[:FEW], *rest]


def _when(connection: Federation) -> str:
    """Return from when on stakes can come back, in words with a space before them; empty: from now on."""
    view = patiently(connection.view)
    rounds = Contested(connection, view)
    if not (held := patiently(rounds.unsettled)):
        return ""
    until, now = max(rounds.settles_at(number) for number in held), patiently(connection.now)
    return contested.at(until, now, " after {moment} (in {wait})").removesuffix(" now")
