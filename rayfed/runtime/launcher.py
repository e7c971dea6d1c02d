"""Starts N equal nodes on Ray, waits, reports. Knows no weights and no keys but its own purse.

Once the nodes run, this process is a spectator: on a cluster that it did not start itself it can be killed, and the
federation goes on. It founds the contract, gives the nodes' accounts something to pay gas with, shows what the scribe
sees, and at the end writes it down.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from rayfed.errors import ConfigError, LedgerError, RayfedError
from rayfed.ledger.ethereum import deployment
from rayfed.ledger.ethereum.connection import EthereumFederation, connect
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.ledger.patience import OUTAGE_SECONDS, patiently
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import NATIVE
from rayfed.reporting.accounts import Earnings
from rayfed.reporting.live_table import LiveDisplay
from rayfed.runtime import founding, preflight, resume
from rayfed.runtime.funding import Endowment
from rayfed.runtime.host import Host, HostSpec
from rayfed.runtime.place import Place
from rayfed.runtime.recorder import Scribe, Sight

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.config import Settings
    from rayfed.reporting.summary import Summary

log = logging.getLogger(__name__)

Actor = Any
"""A handle of a Ray actor; Ray has no type for one whose class was wrapped with options."""

LOOK_SECONDS = 0.25
"""How often the display is brought up to date."""

RECORD_SECONDS = 120
"""How long the starter waits at the end for what goes to MLflow."""

STATE_SECONDS = 2
"""How often a chain of the run's own is written to disk: what a machine that dies may forget of it."""

RECORD_OUTAGE_SECONDS = 10.0
"""How long the end of a run waits for a chain that is gone: the record of what was said on it is worth that."""

RESTART_SECONDS = 60.0
"""How long the starter waits for a process that died and that Ray starts again."""

MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""Has glibc keep freed memory for the next batch or blob. By default it gives every large block back and gets it anew
with the next one, page by page: 140,000 page faults in an epoch of a small CNN, a sixth of its processor time."""

ANSWERS_AT_ONCE = 16
"""Calls that a host or the scribe answers at the same time; their loops have threads of their own."""


def run(settings: Settings, config: dict[str, Any], output_dir: Path) -> Summary:
    """Found a federation, start its nodes, watch it to its end and return what came of it.

    Args:
        settings: checked settings.
        config: the same as plain containers, for the records.
        output_dir: where ``summary.json``, the charter and the nodes' folders go.

    Raises:
        RayfedError: one line that names the setting to change. Whatever was started has been stopped by then.
    """
    kept = resume.founded(output_dir)
    # Who carries a run on was connected before: whatever keeps the chain away is not a wrong setting.
    patience = OUTAGE_SECONDS if kept else 0.0
    preflight.check(settings, patience)
    started = kept.started if kept else time.time()
    with ExitStack() as stack:
        display = stack.enter_context(LiveDisplay(settings.federation.rounds, output_dir, name=settings.name))
        display.say("starting Ray" if settings.cluster.address is None else "joining the Ray cluster")
        stack.enter_context(_cluster(settings))
        drafting = None if kept else _task(founding.draft, settings).remote(settings)
        display.say("starting a chain" if settings.ledger.kind == "devchain" else "connecting to the chain")
        chain = stack.enter_context(_chain(settings, output_dir, patience))
        if kept and not patiently(partial(deployment.has_code, chain.rpc, kept.federation), patience):
            # Killed before the chain had been written to disk for the first time: nothing was founded yet.
            kept, drafting = None, _task(founding.draft, settings).remote(settings)
        payer = _payer(chain)
        pool = 0 if kept else founding.pool(settings)
        if kept is None:
            coin = deployment.deploy_coin(chain.rpc, payer) if settings.stake.coin == "dlc" else NATIVE
            display.say("loading data and drafting the charter")
            charter = _result(drafting)
            _write(output_dir / resume.CHARTER, charter.canonical_json())
            display.say("founding the federation")
            deployed = deployment.deploy(chain.rpc, payer, charter.terms(coin))
            kept = resume.Founded(deployed.address, chain.rpc.chain_id, deployed.block, started)
            kept.keep(output_dir)
        else:
            display.say("carrying on with the federation that is there")
        text = (output_dir / resume.CHARTER).read_text()
        place = Place(kept.federation, kept.chain_id, chain.rpc_url, chain.ws_url, text)
        connection = _opened(place)
        stack.callback(connection.close)
        display.found(place.federation)
        display.say(f"starting {settings.federation.nodes} nodes")
        actors: list[Actor] = []
        stack.callback(_keep_record, place, kept.block, output_dir)
        stack.push(partial(_stop, settings, actors))
        scribe, hosts = _start(settings, config, place, output_dir, started, actors)
        addresses = _addresses(hosts)
        endowment = Endowment(payer, connection, addresses, settings.ledger.fund_ether, pool)
        endowment.give()
        over = _watch(scribe, display, endowment)
        assert over.summary is not None
        _write(output_dir / "summary.json", over.summary.to_json())
        _write(output_dir / "report.html", over.page)
        display.final(over.summary)
        _await_records(scribe)
    return over.summary


def join(settings: Settings, config: dict[str, Any], output_dir: Path) -> None:
    """Bring one party's node into a federation that lives on any chain and store, and stay until it is done.

    Raises:
        RayfedError: see ``run``.
    """
    assert settings.federation_address is not None
    preflight.check(settings)
    text = preflight.charter_of(settings)
    with ExitStack() as stack:
        display = stack.enter_context(LiveDisplay(Charter.from_json(text).rounds, output_dir))
        chain = stack.enter_context(_chain(settings, output_dir))
        place = Place(settings.federation_address, chain.rpc.chain_id, chain.rpc_url, chain.ws_url, text)
        stack.enter_context(_cluster(settings))
        name = f"host-join-{os.getpid()}"
        spec = HostSpec(name, (-1,), place, settings, str(_state_dir(settings, output_dir)))
        host = _host(spec, settings)
        stack.push(partial(_stop, settings, [host]))
        connection = _opened(place)
        earnings = Earnings(connection)
        addresses, terms = _addresses([host]), connection.terms()
        missing = max(0, terms.stake - connection.account(addresses[0]).stake)
        owed = dataclasses.replace(terms, stake=missing)
        if chain.purse is not None:
            ether = settings.ledger.fund_ether
            deployment.fund(chain.rpc, chain.purse, addresses, ether, terms=owed, court=connection.court)
        elif deployment.balance(chain.rpc, addresses[0]) == 0:
            display.say(f"send {addresses[0]} something to pay gas with, and what it has to stake")
        while True:
            view = patiently(connection.view, math.inf)  # the node goes on, and so does who looks at it
            statuses = patiently(partial(earnings.added, view, _ask(host.status)), math.inf)
            display.update(view, statuses)
            if statuses[0].doing == "failed":
                raise RayfedError(statuses[0].error)
            if statuses[0].doing == "finished":
                return
            time.sleep(LOOK_SECONDS)


def _opened(place: Place, seconds: float = OUTAGE_SECONDS) -> EthereumFederation:
    return patiently(
        partial(EthereumFederation.open, place.rpc_url, place.federation, chain_id=place.chain_id), seconds
    )


# -- the cluster ----------------------------------------------------------------------------------------------------


@contextmanager
def _cluster(settings: Settings) -> Iterator[None]:
    """Connect to Ray; start one on this machine, and stop it at the end, where no address is given."""
    # Ray would set these only for actors that asked for GPUs; without, torch takes all cores in every actor.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    address = settings.cluster.address or "local"
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            include_dashboard=False if address == "local" else None,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except Exception as error:  # what Ray says of a start that took too long is a bare Exception
        hint = "" if os.environ.get("RAY_AUTH_MODE") else "; if it asks for a token, set RAY_AUTH_MODE=token"
        raise ConfigError(
            "cluster.address", f"no Ray at {address}: {next(iter(str(error).splitlines()), '')}{hint}"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminated)  # Ray puts its own in the place of ours, with another exit code
    try:
        yield
    finally:
        ray.shutdown()


def _task(function: Any, settings: Settings) -> Any:
    """Wrap a function that needs the pictures as a Ray task."""
    return ray.remote(function).options(num_cpus=0, max_retries=0, runtime_env=_environment(settings))


def _result(reference: Any) -> Any:
    """Wait for a task; what it raised on purpose comes out as if it had been raised here."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RayfedError):
            raise error.cause from None
        raise


def _environment(settings: Settings) -> dict[str, Any]:
    """Return the runtime environment of the federation's processes."""
    threads = str(settings.train.threads or 1)
    variables = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONWARNINGS": "ignore"}
    return {"env_vars": {**variables, **MALLOC}}


def _start(
    settings: Settings,
    config: dict[str, Any],
    place: Place,
    output_dir: Path,
    started: float,
    actors: list[Actor],
) -> tuple[Actor, list[Actor]]:
    """Start hosts and scribe; each is in ``actors`` as soon as there is something to stop."""
    each = settings.cluster.nodes_per_actor
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray ships no types for it
    slots = range(settings.federation.nodes)
    groups = [tuple(slots[i : i + each]) for i in range(0, len(slots), each)]
    state_dir = str(_state_dir(settings, output_dir))
    share = settings.cluster.num_cpus
    if share is None:
        # Equal shares of what there is, a little less than all of it: nodes wait for each other, so all must fit.
        share = min(1.0, int(resources.get("CPU", 1.0) / len(groups) * 1000) / 1000)
    settings = dataclasses.replace(settings, cluster=dataclasses.replace(settings.cluster, num_cpus=share))
    for number, group in enumerate(groups):
        actors.append(_host(HostSpec(f"host-{number}", group, place, settings, state_dir), settings))
    hosts = list(actors)
    scribe: Actor = (
        ray.remote(Scribe)
        .options(
            name="scribe",
            namespace=place.namespace,
            lifetime="detached",
            get_if_exists=True,  # a run that is carried on may find its actors alive
            max_restarts=-1,
            max_concurrency=ANSWERS_AT_ONCE,
            num_cpus=0,
            runtime_env=_environment(settings),
        )
        .remote(settings, config, place, started, os.getcwd(), state_dir)
    )
    actors.append(scribe)
    return scribe, hosts


def _host(spec: HostSpec, settings: Settings) -> Actor:
    actor: Actor = (
        ray.remote(Host)
        .options(
            name=spec.name,
            namespace=spec.place.namespace,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_concurrency=ANSWERS_AT_ONCE,
            num_cpus=settings.cluster.num_cpus,
            num_gpus=settings.cluster.num_gpus,
            runtime_env=_environment(settings),
        )
        .remote(spec)
    )
    return actor


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError("hydra.run.dir", f"cannot write {path}: {error.strerror}") from error


def _state_dir(settings: Settings, output_dir: Path) -> Path:
    return Path(settings.cluster.state_dir).expanduser() if settings.cluster.state_dir else output_dir / "nodes"


def _addresses(hosts: list[Actor]) -> list[str]:
    """Wait until every node has made its key; return the accounts."""
    pause = 0.05
    while True:
        answers = [_ask(host.status) for host in hosts]
        statuses = [status for answer in answers for status in answer]
        for status in statuses:
            if status.doing == "failed":
                raise RayfedError(status.error)
        if all(status.address for status in statuses):
            return [status.address for status in statuses]
        time.sleep(pause)
        pause = min(2 * pause, 0.5)


def _ask(method: Any) -> Any:
    """Call an actor's method. Ray starts an actor that died anew, so for a while there may be no answer.

    Raises:
        RayfedError: it stays away.
    """
    end = time.monotonic() + RESTART_SECONDS
    while True:
        try:
            return ray.get(method.remote())
        except ray.exceptions.RayActorError as error:
            if time.monotonic() > end or isinstance(error, ray.exceptions.ActorDiedError):
                first = next(iter(str(error).splitlines()), "")
                raise RayfedError(f"one of the federation's processes is gone for good: {first}") from error
            time.sleep(LOOK_SECONDS)


def _stop(settings: Settings, actors: list[Actor], kind: type[BaseException] | None, *_: object) -> None:
    """Stop what was started, unless it is to live on: on a cluster of its own a federation outlives its starter.

    There SIGTERM (a deleted job, a machine that shuts down) ends the spectator alone; Ctrl-C still ends all.
    """
    if settings.cluster.address is not None and kind is not None and issubclass(kind, SystemExit):
        return
    for actor in actors:
        ray.kill(actor, no_restart=True)


def _watch(scribe: Actor, display: LiveDisplay, endowment: Endowment) -> Sight:
    """Show what the scribe sees until all is over; see to it that the nodes have what they were given."""
    while True:
        sight: Sight = _ask(scribe.sight)
        display.update(sight.view, sight.statuses)
        endowment.look(sight.view)
        if sight.summary is not None:
            return sight
        if sight.failed:
            raise RayfedError(f"the scribe failed: {sight.error}")
        failed = [status for status in sight.statuses if status.doing == "failed"]
        if failed and len(failed) == len(sight.statuses):
            raise RayfedError(failed[0].error)
        time.sleep(LOOK_SECONDS)


def _await_records(scribe: Actor) -> None:
    """Give the scribe the time to hand the model and the pictures to MLflow, which nobody had to wait for until now."""
    end = time.monotonic() + RECORD_SECONDS
    while time.monotonic() < end:
        sight: Sight = _ask(scribe.sight)
        if sight.recorded or sight.failed:
            if sight.error:
                print(f"rayfed: track.tracking_uri: {sight.error}", file=sys.stderr)
            return
        time.sleep(LOOK_SECONDS)
    print(f"rayfed: track.tracking_uri: not all was recorded within {RECORD_SECONDS} s", file=sys.stderr)


def _keep_record(place: Place, first: int, output_dir: Path) -> None:
    """Write down what the contract has said, however the run ends: for audits, since a devchain ends with the run."""
    from rayfed.audit import chain, record

    try:
        connection = _opened(place, RECORD_OUTAGE_SECONDS)
        _write(output_dir / record.FILE, chain.read(connection, place.charter, first).to_json())
        connection.close()
    except LedgerError as error:
        log.warning("there is no record for an audit: %s", error)


# -- the chain ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Chain:
    """A chain that answers, and who pays for deployment and for the nodes' gas (None: nobody here)."""

    rpc: Rpc
    rpc_url: str
    ws_url: str | None
    purse: LocalAccount | None


def _payer(chain: Chain) -> LocalAccount:
    """Return the account that founds the federation and pays for what its nodes need.

    Raises:
        ConfigError: there is none.
    """
    if chain.purse is None:
        raise ConfigError("ledger.key_file", "is needed with ledger=rpc: the account that pays")
    return chain.purse


@contextmanager
def _chain(settings: Settings, output_dir: Path, patience: float = 0.0) -> Iterator[Chain]:
    chosen = settings.ledger
    with ExitStack() as stack:
        if chosen.kind == "devchain":
            state = output_dir / resume.CHAIN
            dev = stack.enter_context(
                DevChain(chosen.anvil, state=state, state_seconds=STATE_SECONDS, log=output_dir / "anvil.log")
            )
            yield Chain(connect(dev.rpc_url), dev.rpc_url, dev.ws_url, dev.funder)
            return
        if chosen.rpc_url is None:
            raise ConfigError("ledger.rpc_url", "is needed with ledger=rpc")
        rpc = patiently(partial(connect, chosen.rpc_url, chain_id=chosen.chain_id), patience)
        yield Chain(rpc, chosen.rpc_url, chosen.ws_url, preflight.purse(settings))
