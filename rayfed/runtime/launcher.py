"""Starts N equal nodes on Ray, waits, reports. Knows no keys but its own purse.

Once the nodes run, this process is a spectator: on a cluster that it did not start itself it can be killed, and the
federation goes on. It founds the contract, gives the nodes' accounts something to pay gas with, shows what the
recorder sees, and at the end writes it down.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.config.files import tracking_uri
from rayfed.protocol.charter import Charter
from rayfed.reporting.live_table import LiveDisplay
from rayfed.reporting.told import told
from rayfed.runtime import beginning, chain, cluster, inviting, launch, log_files, preflight, supervise, tracking
from rayfed.runtime.alone import alone_in
from rayfed.runtime.ending import OwnNodes, follow
from rayfed.runtime.founding import FoundOrResume
from rayfed.runtime.funding import Funding
from rayfed.runtime.place import Place
from rayfed.runtime.results import RunResult, keep_record, nodes_dir
from rayfed.store.ray.directory import host_name

if TYPE_CHECKING:
    from rich.console import Console

    from rayfed.config import Settings


def run(settings: Settings, config: dict[str, Any], output_dir: Path, console: Console | None = None) -> RunResult:
    """Found a federation or resume one, start its nodes, watch it to its end and return what came of it.

    Args:
        settings: checked settings.
        config: the same as plain containers, for the records.
        output_dir: where ``summary.json``, the charter and the nodes' folders go.
        console: where progress is shown; standard output by default.

    Raises:
        RayfedError: one line that names the setting to change. Whatever was started has been stopped by then.
    """
    with ExitStack() as stack:
        stack.enter_context(alone_in(output_dir))
        begins = beginning.found(settings, output_dir)
        settings = begins.settings
        founding = FoundOrResume(settings, output_dir, begins.source)
        stack.callback(founding.end)
        founding.begin()
        preflight.check(settings, founding.patience)
        display = LiveDisplay(settings.federation.rounds, output_dir, name=settings.name, console=console)
        stack.enter_context(display)
        display.tell(tracking.away(settings))
        founding.tried(display.say)
        display.say("starting Ray" if settings.cluster.address is None else "joining the Ray cluster")
        stack.enter_context(cluster.connected(settings))
        founding.prepare()
        display.say("starting a chain" if settings.ledger.kind == "devchain" else "connecting to the chain")
        backend = stack.enter_context(chain.opened(settings, output_dir, founding.patience))
        founded, charter = founding.federation(backend, display.say)
        place = Place(founded.federation, backend.locator, charter)
        connection = chain.watched(place)
        stack.callback(connection.close)
        display.found(place.federation, Charter.from_json(charter).data.metric, _tracking(settings))
        if settings.ledger.kind != "devchain":  # which ends with the run
            made = inviting.invitation(settings, backend, connection, charter)
            display.tell(inviting.told(made, inviting.keep(settings, made, output_dir)))
        display.say(f"starting {settings.federation.nodes} nodes")
        actors: list[cluster.Actor] = []
        stack.callback(keep_record, place, founded.block, output_dir)
        stack.push(partial(launch.stop, settings, actors))
        folder = nodes_dir(settings, output_dir)
        told.info("the nodes' logs: %s", log_files.of_process(folder, place.federation, host_name("*")))
        hosts = launch.hosts(settings, place, folder, actors)
        recorder = launch.recorder(settings, config, place, founding.started, folder)
        actors.append(recorder)
        addresses = launch.addresses(hosts)
        funding = Funding(
            backend, chain.payer(backend), connection, addresses, settings.ledger.fund_ether, founding.pool
        )
        funding.give()
        own = OwnNodes(place, connection, founded.block, hosts, recorder, dict(enumerate(addresses)), folder)
        seen, summary = follow(own, settings, output_dir, display, funding.look)
    return RunResult(summary, output_dir, supervise.without_model(seen))


def _tracking(settings: Settings) -> str | None:
    """Return where MLflow's runs are, if ``python -m rayfed ui`` does not find them there by itself."""
    here = Path.cwd()
    chosen = tracking_uri(settings.track.tracking_uri, here)
    return None if chosen == tracking_uri(None, here) else chosen
