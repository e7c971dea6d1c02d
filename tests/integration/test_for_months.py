"""What befalls a party's node in the months that it runs: a disk that fills, another release."""

from __future__ import annotations

import errno
import signal
import sys
from pathlib import Path

import pytest

from benchmarks.apart.party import released
from rayfed.ledger.ethereum import keys
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.testing.chaos.real.cluster import Cluster
from tests.integration.blocks import BLOCK_SECONDS, held
from tests.integration.federations import (
    PATIENCE,
    SMALL,
    STANDS,
    Command,
    eventually,
    federation_of,
    on_a_disk,
    rayfed_words,
    start,
    summary,
)

pytestmark = pytest.mark.timeout(3 * PATIENCE)

RELEASE = "9.9.9"


def ledger(chain: DevChain, key_file: Path) -> tuple[str, ...]:
    words = (f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", f"ledger.key_file={key_file}")
    return ("ledger=rpc", "ledger.allow_demo_times=true", *words)


def test_a_node_whose_disk_is_full_leaves_and_comes_back_when_there_is_room(
    tmp_path: Path, cluster: Cluster, slow_chain: DevChain, key_file: Path, commands: list[Command]
) -> None:
    disk, blobs = tmp_path / "disk", tmp_path / "blobs"
    mounted = on_a_disk(disk, "8m")
    blobs.mkdir()
    terms = [f"federation.{phase}_seconds=30" for phase in ("commit", "vote", "attest")]
    terms += ["federation.nodes=2", "federation.start_members=3", "federation.min_members=2", "federation.rounds=500"]
    terms.append("federation.max_void=1000")  # slow nodes make void rounds
    words = (*SMALL, *terms, "cluster.nodes_per_actor=2", *ledger(slow_chain, key_file), "federation.join_seconds=3600")
    store = ("store=files", f"store.path={blobs}")
    commands.append(start(*words, *store, f"cluster.address={cluster.address}", folder=tmp_path / "two"))
    there = EthereumFederation.open(slow_chain.rpc_url, federation_of(tmp_path / "two"))
    invitation = tmp_path / "two" / "run" / "invitation.json"
    eventually("it invites", invitation.is_file)
    joining = rayfed_words("join", str(invitation), folder=tmp_path / "third")
    joining += [f"ledger.key_file={key_file}", f"cluster.state_dir={disk}", "cluster.num_cpus=0", "track=none", *store]
    third = Command([*mounted, *joining], tmp_path / "third")
    commands.append(third)
    seen_from_there = Path(f"/proc/{third.process.pid}/root{disk}")

    def own() -> str:
        found = list(seen_from_there.rglob("key"))
        return str(keys.load_key(found[0]).address) if found and found[0].stat().st_size else ""

    address = eventually("it has a key", own)

    def merged_since(round: int) -> int:
        """Return a round after this one in which its update was merged; 0: there is none."""
        view = there.view()
        index = view.index_of(address)
        closed = range(round + 1, view.round)
        outcomes = [outcome for number in closed if (outcome := there.outcome(number)) is not None]
        return max((one.round for one in outcomes if index is not None and one.included >> index & 1), default=0)

    def is_active() -> bool:
        view = there.view()
        index = view.index_of(address)
        return index is not None and bool(view.active >> index & 1)

    eventually("it is merged", lambda: merged_since(0))
    fill = seen_from_there / "fill"
    with fill.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017
    eventually("it has left", lambda: not is_active())
    since = there.view().base_round
    eventually("the others merge without it", lambda: there.view().base_round > since + 1)
    assert third.process.poll() is None
    fill.unlink()
    since = there.view().round
    eventually("it is merged again", lambda: merged_since(since))
    for command in reversed(commands):
        command.interrupt()
    for command in commands:
        ended = command.wait()
        assert (ended.code, ended.left) == (130, []), ended
        assert "Traceback" not in ended.err


def test_a_node_comes_back_as_another_release_and_has_its_seat(
    tmp_path: Path, slow_chain: DevChain, key_file: Path, commands: list[Command]
) -> None:
    """Of two members none can be missed, so what becomes final after the upgrade has been made by both releases."""
    (tmp_path / "blobs").mkdir()
    terms = ("federation.nodes=1", "federation.start_members=2", "federation.min_members=2", "federation.rounds=3")
    words = (*SMALL, *terms, "federation.max_missed=0", "federation.join_seconds=3600", "stake=native")
    store = ("store=files", f"store.path={tmp_path / 'blobs'}")
    commands.append(start(*words, *store, *ledger(slow_chain, key_file), folder=tmp_path / "founder"))
    there = EthereumFederation.open(slow_chain.rpc_url, federation_of(tmp_path / "founder"))
    invitation = tmp_path / "founder" / "run" / "invitation.json"
    eventually("it invites", invitation.is_file)
    joining = ("join", str(invitation), f"ledger.key_file={key_file}", "cluster.num_cpus=0", "track=none", *store)
    old = start(*joining, folder=tmp_path / "joiner")
    commands.append(old)
    with held(slow_chain, BLOCK_SECONDS) as blocks:
        blocks.until("a round is final", lambda: there.view().finals)
        old.interrupt(signal.SIGTERM)
        stopped = old.wait()
        assert (stopped.code, stopped.left) == (128 + signal.SIGTERM, []), stopped
        members, finals = there.view().members, there.view().finals
    assert finals < 3, "there is something left to do"
    env = {"PYTHONPATH": str(released(tmp_path / "tree", RELEASE))}
    version = Command([sys.executable, "-m", "rayfed", "--version"], tmp_path / "version", env)
    assert version.wait().out == f"rayfed {RELEASE}\n"
    commands.append(start(*joining, folder=tmp_path / "joiner", env=env))
    for command in (commands[0], commands[-1]):
        ended = command.wait()
        assert (ended.code, ended.left) == (0, []), ended
    assert there.view().members == members, "it has the seat that it had"
    told = [summary(tmp_path / who) for who in ("founder", "joiner")]
    assert told[0]["final_root"] == told[1]["final_root"] == "0x" + there.view().base.hex()
    assert [len(closed["included"]) for closed in told[0]["rounds"] if closed["status"] in STANDS] == [2] * 3
