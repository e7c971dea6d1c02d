"""All nodes but one collude to make a forged model final, and go to court for it. The honest one has it undone, on a
real chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.cli.main import main
from rayfed.encoding.primitives import bits
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.protocol.court import Fate
from rayfed.protocol.messages import Status
from tests.integration.federations import PATIENCE, SMALL, STANDS, federation_of, run, summary
from tests.slow_learner import ROUND, SECONDS, SlowLearner

pytestmark = pytest.mark.timeout(3 * PATIENCE)

FORGED = 2
WORDS = (
    *SMALL,
    "federation.nodes=4",
    "federation.min_members=1",
    "federation.max_missed=0",
    "federation.rounds=6",
    "cluster.nodes_per_actor=2",
    "attack=forged_merge",
    "attack.nodes=3",
    f"attack.options.round={FORGED}",
    "attack.options.defend=true",
    "stake.clock_seconds=60",
    "stake.proof_seconds=60",
    "track=mlflow",
)


def test_one_honest_node_is_enough(tmp_path: Path, shared: tuple[str, ...]) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    ended = run(*WORDS, *shared, f"track.tracking_uri={uri}", folder=tmp_path)
    assert ended.code == 0, ended
    told = summary(tmp_path)
    rounds = {closed["round"]: closed for closed in told["rounds"]}
    assert rounds[1]["status"] in STANDS
    assert rounds[FORGED]["status"] == "undone"
    last = rounds[max(rounds)]
    assert last["status"] in STANDS
    assert sum(closed["status"] in STANDS for closed in rounds.values()) == 6
    money = {node["slot"]: node for node in told["nodes"]}
    assert [money[slot]["stake"] for slot in range(4)] == [100, 0, 0, 0]
    assert [money[slot]["slashed"] for slot in range(4)] == [0, 100, 100, 100]
    assert money[0]["earned"] > 30  # a tenth of what the others lost, and its rewards
    # The rounds after it are built on the last right model, by the honest node alone.
    honest = money[0]["address"]
    assert last["attesters"] == [honest]
    assert told["final_root"] == last["root"]
    client = MlflowClient(uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    lost = [one.data.metrics["money/slashed"] for one in runs if one.data.metrics.get("money/slashed")]
    assert lost == [100, 100, 100]
    assert main(["audit", str(tmp_path / "run"), "--json", str(tmp_path / "audit.json")]) == 0


def test_roots_that_nobody_merged_are_defended_against(tmp_path: Path, shared: tuple[str, ...]) -> None:
    """One member enters three against every final root, a bond each. Honest ones defend the right one, and are paid."""
    words = (*SMALL, "federation.nodes=4", "federation.rounds=2", "cluster.nodes_per_actor=2")
    ended = run(*words, "attack=shams", "attack.nodes=1", *shared, folder=tmp_path)
    assert ended.code == 0, ended
    told = summary(tmp_path)
    addresses = {node["slot"]: node["address"] for node in told["nodes"]}
    rpc_url = next(word.partition("=")[2] for word in shared if word.startswith("ledger.rpc_url="))
    door = EthereumFederation.open(rpc_url, federation_of(tmp_path))
    try:
        for round in (1, 2):
            outcome = door.outcome(round)
            assert outcome is not None
            assert outcome.status is Status.SETTLED, "it stayed until all was judged"
            entries = [door.entry(round, number) for number in range(4)]
            assert [entry.fate for entry in entries if entry is not None] == [Fate.WON] + [Fate.LOST] * 3
            assert {entry.entrant for entry in entries[1:] if entry is not None} == {addresses[3]}
        accounts = door.accounts([addresses[slot] for slot in range(4)])
        assert [account.slashed for account in accounts] == [0] * 4, "a stake is lost by who attested"
        # What they are owed is paid out by itself, so that their accounts may be empty again.
        movers = {event.values["mover"].lower() for event in door.events(names=("Reimbursed",))}
        assert movers, "who moved is paid by the bonds"
        assert movers <= {addresses[slot].lower() for slot in range(3)}
    finally:
        door.close()
    assert main(["audit", str(tmp_path / "run")]) == 0


def test_five_of_twelve_get_no_quorum_and_lose_their_stakes(tmp_path: Path, shared: tuple[str, ...]) -> None:
    """They attest one wrong root. Two rounds are void, which ends it; no honest member is dropped or loses anything."""
    few = ("federation.nodes=12", "cluster.nodes_per_actor=12", "federation.rounds=2", "federation.max_void=2")
    times = ("federation.max_missed=1", "federation.attest_seconds=40", "stake.clock_seconds=30")
    ended = run(*SMALL, *few, *times, "attack=wrong_attestation", "attack.nodes=5", *shared, folder=tmp_path)
    assert ended.code == 0, ended
    told = summary(tmp_path)
    assert [(closed["root"], bool(closed["attesters"])) for closed in told["rounds"]] == [(None, False)] * 2
    addresses = {node["slot"]: node["address"] for node in told["nodes"]}
    rpc_url = next(word.partition("=")[2] for word in shared if word.startswith("ledger.rpc_url="))
    door = EthereumFederation.open(rpc_url, federation_of(tmp_path))
    try:
        view, accounts = door.view(), door.accounts([addresses[slot] for slot in range(12)])
        assert not view.unsettled, "the honest stayed until all was judged"
        assert [account.slashed > 0 for account in accounts] == [False] * 7 + [True] * 5
        assert [account.drops for account in accounts] == [0] * 12
        honest = [view.index_of(addresses[slot]) for slot in range(7)]
        assert sorted(index for index in honest if index is not None) == sorted(bits(view.active))
    finally:
        door.close()


def test_who_trains_for_longer_than_the_court_waits_makes_every_move(tmp_path: Path, shared: tuple[str, ...]) -> None:
    """Three of four make a forged model final and defend it while the honest one trains: a minute and more, when the
    window and each side's clock last thirty seconds. It enters the right root, and wins, before it has trained."""
    seconds = 30
    assert seconds * 3 < SECONDS
    few = ("federation.nodes=4", "federation.min_members=1", "federation.rounds=2", "cluster.nodes_per_actor=2")
    times = tuple(f"stake.{name}_seconds={seconds}" for name in ("window", "clock", "proof"))
    attack = ("attack=forged_merge", "attack.nodes=3", f"attack.options.round={ROUND - 1}")
    learner = f"learner._target_={SlowLearner.__module__}.{SlowLearner.__name__}"
    words = (*SMALL, *few, *times, *attack, "attack.options.defend=true", learner)
    ended = run(*words, *shared, folder=tmp_path)
    assert ended.code == 0, ended
    told = summary(tmp_path)
    rounds = {closed["round"]: closed for closed in told["rounds"]}
    assert rounds[ROUND - 1]["status"] == "undone"
    # While all trained in it: nobody committed in the round that was built on the forged model.
    assert rounds[ROUND]["status"] != "settled"
    assert not rounds[ROUND]["roots"]
    assert sum(closed["status"] in STANDS for closed in rounds.values()) == 2
    money = {node["slot"]: node for node in told["nodes"]}
    assert [money[slot]["slashed"] for slot in range(4)] == [0, 100, 100, 100]
    assert money[0]["stake"] == 100
    assert main(["audit", str(tmp_path / "run"), "--json", str(tmp_path / "audit.json")]) == 0
