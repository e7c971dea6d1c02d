"""What a federation survives: its starter's death, a host's in every phase, a node that hangs, one that comes late."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.messages import Outcome, Phase, Status, Verb, View
from rayfed.testing.chaos.real.cluster import Cluster
from tests.integration.blocks import BLOCK_SECONDS, held
from tests.integration.federations import (
    PATIENCE,
    SMALL,
    STANDS,
    Command,
    eventually,
    federation_of,
    run,
    start,
    summary,
)

pytestmark = pytest.mark.timeout(2 * PATIENCE)


@pytest.fixture(scope="module")
def slow(cluster: Cluster, slow_chain: DevChain, key_file: Path) -> tuple[str, ...]:
    """As ``shared``, with a block a second."""
    rpc = (f"ledger.rpc_url={slow_chain.rpc_url}", f"ledger.ws_url={slow_chain.ws_url}")
    return (
        *SMALL,
        f"cluster.address={cluster.address}",
        "ledger=rpc",
        "ledger.allow_demo_times=true",
        *rpc,
        f"ledger.key_file={key_file}",
    )


@pytest.fixture(scope="module")
def undisturbed(slow: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What comes of the federation that the tests below disturb, if nobody does."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = run(*slow, "federation.rounds=2", folder=folder)
    assert (ended.code, ended.err) == (0, ""), ended
    return summary(folder)


def watch(folder: Path, chain: DevChain) -> EthereumFederation:
    """Return a door to the federation that a run founds, once it is there."""
    return EthereumFederation.open(chain.rpc_url, federation_of(folder))


def seen(federation: EthereumFederation, true: Callable[[View], bool]) -> View | None:
    """Return the view of now, if this is true of it."""
    view = federation.view()
    return view if true(view) else None


def until(federation: EthereumFederation, what: str, true: Callable[[View], bool]) -> View:
    """Return the first view of which this is true; it has to stay true for a while."""
    return eventually(what, partial(seen, federation, true), pause=0.02)


def outcomes(federation: EthereumFederation) -> list[Outcome]:
    rounds = federation.terms().rounds
    return [outcome for r in range(1, rounds + 1) if (outcome := federation.outcome(r)) is not None]


def hosts(cluster: Cluster) -> list[int]:
    """Return the processes of all hosts on the cluster."""
    return sorted(cluster.processes("ray::Host"))


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.VOTE, Phase.ATTEST])
def test_a_host_killed_in_each_phase_carries_on(
    phase: Phase,
    tmp_path: Path,
    cluster: Cluster,
    slow_chain: DevChain,
    slow: tuple[str, ...],
    undisturbed: dict[str, Any],
    commands: list[Command],
) -> None:
    """All nodes of round 2 die at once, some of them with something signed and sent and not yet mined."""
    commands.append(start(*slow, "federation.rounds=2", folder=tmp_path))
    federation = watch(tmp_path, slow_chain)
    with held(slow_chain, BLOCK_SECONDS) as blocks:
        there = partial(seen, federation, lambda view: (view.round, view.phase) == (2, phase))
        blocks.until(f"{phase.name} of round 2", there)
        killed = hosts(cluster)
        assert len(killed) == 1
        os.kill(killed[0], signal.SIGKILL)
        struck = federation.view()
    ended = commands[0].wait()
    assert (ended.code, ended.left) == (0, []), ended
    told = summary(tmp_path)
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True, True]
    assert told["final_root"] == undisturbed["final_root"]
    assert [len(closed["included"]) for closed in told["rounds"]] == [3, 3]
    # Killed where it was meant to be, and nobody was so quick that there was nothing left to do.
    assert (struck.round, struck.phase) == (2, phase)
    # Nothing was said twice in two ways: what each node wrote down before it signed is what the ledger heard.
    for journal in (tmp_path / "run" / "nodes").glob("0x*/node-*/journal.jsonl"):
        lines = journal.read_text().splitlines()
        assert len(lines) == len(set(lines)) == 2 * len((Verb.COMMIT, Verb.VOTE, Verb.ATTEST))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 128 + 15)], ids=["KILL", "TERM"])
def test_the_starter_killed_after_the_start(
    tmp_path: Path,
    slow_chain: DevChain,
    slow: tuple[str, ...],
    undisturbed: dict[str, Any],
    cluster: Cluster,
    number: signal.Signals,
    code: int,
) -> None:
    """The federation goes on to its end, and its MLflow runs are finished, with nobody there who started it."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    words = (*slow, "track=mlflow", f"track.tracking_uri={uri}", "federation.rounds=2", "cluster.linger_seconds=15")
    command = start(*words, folder=tmp_path)
    federation = watch(tmp_path, slow_chain)
    with held(slow_chain, BLOCK_SECONDS) as blocks:
        blocks.until("round 1", partial(seen, federation, lambda view: view.round == 1))
        os.kill(command.process.pid, number)
        ended = command.wait()
        assert (ended.code, ended.left) == (code, [])
        assert federation.view().phase is not Phase.DONE
    final = until(federation, "the federation is done", lambda view: view.phase is Phase.DONE)
    assert f"0x{final.base.hex()}" == undisturbed["final_root"]
    assert [outcome.status.stands for outcome in outcomes(federation)] == [True, True]
    assert not (tmp_path / "run" / "summary.json").exists()

    from mlflow import MlflowClient

    client = MlflowClient(uri)

    def runs() -> Any:
        experiment = client.get_experiment_by_name("digits")
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        return found if found and all(one.info.status == "FINISHED" for one in found) else None

    found = eventually("the recorder has finished all runs", runs)
    (parent,) = [one for one in found if "mlflow.parentRunId" not in one.data.tags]
    assert parent.data.tags["rayfed.final_root"] == undisturbed["final_root"]
    assert len(found) == 1 + 3
    eventually("hosts and recorder have gone by themselves", lambda: not cluster.processes("ray::Host") or None)


def test_a_late_node_joins(
    tmp_path: Path,
    cluster: Cluster,
    slow_chain: DevChain,
    slow: tuple[str, ...],
    commands: list[Command],
) -> None:
    """A fourth node comes while round 1 runs; from a round that follows on, its update is in the merge."""
    seconds = (f"federation.{phase}_seconds=900" for phase in ("commit", "vote"))
    commands.append(start(*slow, "federation.rounds=3", *seconds, folder=tmp_path / "three"))
    federation = watch(tmp_path / "three", slow_chain)
    with held(slow_chain, BLOCK_SECONDS) as blocks:
        blocks.until("round 1", partial(seen, federation, lambda view: view.round == 1))
        (host,) = hosts(cluster)
        os.kill(host, signal.SIGSTOP)  # the others wait for the latecomer, however long its process takes to start
    try:
        joining = (f"+federation_address={federation.address}", f"+charter={tmp_path / 'three/run/charter.json'}")
        commands.append(start("join", *slow, *joining, folder=tmp_path / "fourth"))
        until(federation, "four members", lambda view: len(view.members) == 4)
    finally:
        os.kill(host, signal.SIGCONT)
    late, three = commands[1].wait(), commands[0].wait()
    assert (late.code, late.err, late.left) == (0, "", [])
    assert (three.code, three.left) == (0, []), three
    closed = outcomes(federation)
    assert [outcome.status.stands for outcome in closed] == [True] * 3
    assert closed[0].included == 0b0111
    assert closed[-1].included == 0b1111


def test_a_founder_waits_for_members_that_others_start(
    tmp_path: Path,
    cluster: Cluster,
    slow_chain: DevChain,
    slow: tuple[str, ...],
    commands: list[Command],
) -> None:
    """Two parties with one node each: round 1 opens when the second has joined, and both are in every merge."""
    terms = ("federation.nodes=1", "federation.start_members=2", "federation.min_members=2", "federation.rounds=2")
    commands.append(start(*slow, *terms, "federation.join_seconds=900", folder=tmp_path / "founder"))
    federation = watch(tmp_path / "founder", slow_chain)
    until(federation, "the founder's node is a member", lambda view: len(view.members) == 1)
    assert federation.view().phase is Phase.FORMING
    joining = (f"+federation_address={federation.address}", f"+charter={tmp_path / 'founder/run/charter.json'}")
    commands.append(start("join", *slow, *joining, folder=tmp_path / "second"))
    for ended in (commands[1].wait(), commands[0].wait()):
        assert (ended.code, ended.left) == (0, []), ended
    closed = outcomes(federation)
    assert [(outcome.status.stands, outcome.included) for outcome in closed] == [(True, 0b11)] * 2


def test_a_starved_quorum_makes_the_round_void(
    tmp_path: Path,
    cluster: Cluster,
    slow_chain: DevChain,
    slow: tuple[str, ...],
    commands: list[Command],
) -> None:
    """One of three hangs: more than two thirds cannot attest. The base stays, and when it wakes up, all goes on."""
    seconds = (f"federation.{phase}_seconds=12" for phase in ("commit", "vote", "attest"))
    words = ("cluster.nodes_per_actor=1", "federation.min_members=1", "federation.max_missed=0", *seconds)
    words = (*words, "federation.max_void=1000")  # on a slow machine others may be late, too
    commands.append(start(*slow, *words, "federation.rounds=40", folder=tmp_path))
    federation = watch(tmp_path, slow_chain)
    before = until(federation, "a final round", lambda view: view.base_round > 0 and view.phase is Phase.COMMIT)
    asleep = hosts(cluster)[0]
    os.kill(asleep, signal.SIGSTOP)
    try:
        starved = until(
            federation,
            "a round that two have attested is void",
            lambda view: (
                view.previous.status is Status.VOID
                and view.previous.included.bit_count() == 2
                and view.round > before.round
            ),
        )
    finally:
        os.kill(asleep, signal.SIGCONT)
    assert starved.previous is not None
    assert starved.previous.root == bytes(32)
    assert starved.round == starved.previous.round + 1  # the next one has opened
    last_final = max(o.round for o in outcomes(federation) if o.status.stands and o.round < starved.round)
    last = federation.outcome(last_final)
    assert last is not None
    assert (starved.base_round, starved.base) == (last.round, last.root)
    until(federation, "a final round again", lambda view: view.base_round > starved.round)
    commands[0].interrupt()
    ended = commands[0].wait()
    assert (ended.code, ended.left) == (130, [])
    eventually("an interrupted starter stops its hosts", lambda: not hosts(cluster) or None)
