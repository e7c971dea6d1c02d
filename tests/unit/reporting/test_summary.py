"""The summary says what the ledger and the nodes said, nothing else."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol.messages import NodeRecord, Outcome, Status
from rayfed.reporting.figures import matrix
from rayfed.reporting.mlflow.metrics import member_metrics
from rayfed.reporting.summarise import build
from rayfed.reporting.totals import mean_seconds, summed_gas, weighted_accuracy, weighted_loss
from tests.fake_run import FEDERATION, address, fake_run

KEYS = [
    "federation",
    "chain_id",
    "charter_hash",
    "final_root",
    "final_accuracy",
    "alone_accuracy",
    "left_out",
    "rounds",
    "gas_per_node_round",
    "wall_seconds",
    "mlflow_run_id",
]
ROUND_KEYS = ["round", "status", "root", "included", "attesters", "accuracy", "seconds", "gas"]


def record(slot: int, round: int = 1, **values: object) -> NodeRecord:
    return NodeRecord(slot=slot, address=address(slot), index=slot, round=round, **values)  # type: ignore[arg-type]


def test_json_has_the_promised_keys_and_is_strict() -> None:
    told = json.loads(fake_run().summary().to_json(), parse_constant=pytest.fail)
    assert set(KEYS) <= set(told)
    assert all(set(ROUND_KEYS) <= set(closed) for closed in told["rounds"])
    assert told["federation"] == FEDERATION
    assert told["charter_hash"] == "0x" + "07" * 32
    assert told["wall_seconds"] == 61.235


def test_json_does_not_depend_on_the_order_of_what_comes_in() -> None:
    run = fake_run()
    turned = replace(
        run, outcomes=run.outcomes[::-1], records=run.records[::-1], statuses=run.statuses[::-1], views=run.views[::-1]
    )
    assert turned.summary().to_json() == run.summary().to_json()


def test_values_that_were_cut_off_are_added_up_and_told() -> None:
    run = fake_run()
    records = [replace(one, saturated=one.slot + 1) for one in run.records]
    rounds = replace(run, records=records).summary().rounds
    told = {closed.round: closed.saturated for closed in rounds}
    assert told == {n: sum(one.saturated for one in records if one.round == n) for n in told}
    assert max(told.values()) > 1


def test_a_split_test_set_gives_the_accuracy_on_the_whole() -> None:
    """3 of 4 and 1 of 12 right are 4 of 16."""
    records = [record(0, accuracy=3 / 4, test_examples=4), record(1, accuracy=1 / 12, test_examples=12), record(2)]
    assert weighted_accuracy(records) == pytest.approx(4 / 16)
    assert weighted_accuracy([record(0)]) is None
    assert weighted_loss([record(0, loss=1.0, examples=1), record(1, loss=float("nan"), examples=9)]) == 1.0


def test_seconds_are_means_and_gas_is_summed() -> None:
    records = [
        record(0, seconds={"train": 1.0, "merge": 0.5}, gas={"vote": 2, "commit": 1}),
        record(1, seconds={"train": 3.0}, gas={"commit": 10}),
    ]
    assert mean_seconds(records) == {"train": 2.0, "merge": 0.5}
    assert list(summed_gas(records).items()) == [("commit", 11), ("vote", 2)]


def test_a_void_round_has_no_root_and_changes_no_result() -> None:
    summary = fake_run(rounds=3, void=(3,)).summary()
    assert [closed.status for closed in summary.rounds] == ["final", "final", "void"]
    assert summary.rounds[2].root is None
    assert summary.rounds[2].accuracy is None
    assert summary.final_root == "0x" + "02" * 32
    assert summary.final_accuracy == summary.rounds[1].accuracy


def test_nothing_final_means_no_final_root() -> None:
    summary = fake_run(rounds=2, void=(1, 2)).summary()
    assert summary.final_root is None
    assert summary.final_accuracy is None


def test_a_refused_update_shows_in_ballots_included_and_refusals() -> None:
    second = fake_run().summary().rounds[1]
    bad = address(3)
    assert bad not in second.included
    assert second.ballots[address(0)] == (address(0), address(1), address(2))
    assert second.ballots[bad] == tuple(address(i) for i in range(4))
    assert {(r.by, r.update, r.screen) for r in second.refusals} == {(address(i), bad, "norm") for i in range(3)}


def test_rounds_left_out_are_counted_by_member_and_screen_over_all_rounds() -> None:
    summary = fake_run(rounds=40, void=(5,), since=2).summary()
    nobody = {"rounds": 0, "screens": {}}
    told = json.loads(summary.to_json())["left_out"]
    assert told == {address(i): nobody for i in range(3)} | {address(3): {"rounds": 38, "screens": {"norm": 38}}}
    assert list(told) == [node.address for node in summary.nodes]


def test_mlflow_gets_the_same_counts_by_node() -> None:
    summary = fake_run(rounds=40, void=(5,), since=2).summary()
    metrics = [member_metrics(summary, node) for node in summary.nodes]
    assert [told["left_out/rounds"] for told in metrics] == [0, 0, 0, 38]
    assert metrics[3]["left_out/norm"] == 38
    assert not any(name.startswith("left_out/") for told in metrics[:3] for name in {*told} - {"left_out/rounds"})
    assert member_metrics(summary, replace(summary.nodes[0], address="0x0"))["left_out/rounds"] == 0, "never joined"


def test_without_views_the_ballots_come_from_the_verdicts_of_those_who_voted() -> None:
    run = fake_run()
    seen, unseen = run.summary(), replace(run, history=type(run.history)()).summary()
    assert unseen.rounds[1].ballots == seen.rounds[1].ballots
    assert unseen.rounds[1].roots == {}


def test_the_later_record_of_a_node_and_round_counts() -> None:
    outcome = Outcome(1, Status.FINAL, b"\x01" * 32, 1, 1, 0)
    summary = build(
        {},
        federation=FEDERATION,
        chain_id=1,
        charter_hash="ab",
        outcomes=[outcome],
        records=[record(0, accuracy=0.1, test_examples=1), record(0, accuracy=0.9, test_examples=1)],
    )
    assert summary.final_accuracy == 0.9
    assert summary.charter_hash == "0xab"


def test_gas_per_node_and_round_leaves_joining_out() -> None:
    records = [
        record(0, 1, gas={"join": 90_000, "commit": 60, "vote": 30, "attest": 10}),
        record(0, 2, gas={"commit": 60, "vote": 40}),
        record(1, 1, gas={"join": 90_000}),
    ]
    summary = build({}, federation=FEDERATION, chain_id=1, charter_hash="", outcomes=[], records=records)
    assert summary.gas_per_node_round == 100.0
    assert summary.nodes[0].gas == 90_200


def test_a_score_that_is_no_number_becomes_null() -> None:
    outcome = Outcome(1, Status.VOID, NO_ROOT, 0, 0, 0)
    verdict = Verdict("valid", 9, False, float("nan"), "not a number in it")
    summary = build(
        {},
        federation=FEDERATION,
        chain_id=1,
        charter_hash="",
        outcomes=[outcome],
        records=[record(0, verdicts=(verdict,))],
    )
    refusal = json.loads(summary.to_json())["rounds"][0]["refusals"][0]
    assert refusal["score"] is None
    assert refusal["update"] == "member-9"


def test_rounds_that_are_settled_and_undone() -> None:
    run = fake_run(rounds=4, void=(2,))
    first, second, third, fourth = run.outcomes
    lost = replace(third, status=Status.VOID, root=NO_ROOT, attesters=0)
    now = [replace(first, status=Status.SETTLED), second, lost, fourth]
    told = build(
        {},
        federation=FEDERATION,
        chain_id=1,
        charter_hash="",
        outcomes=now,
        records=run.records,
        views=run.views,
        undone={3},
    )
    assert [closed.status for closed in told.rounds] == ["settled", "void", "undone", "final"]
    assert [closed.stands for closed in told.rounds] == [True, False, False, True]
    assert (told.rounds[2].root, told.rounds[2].accuracy) == (None, None)
    assert told.unsettled == 1
    assert told.to_dict()["unsettled"] == 1
    assert told.final_root == "0x" + "04" * 32


def test_a_seat_that_changed_hands_names_who_had_it_then() -> None:
    run = fake_run(rounds=2, void=(), bad=None)
    newcomer = "0x" + "ee" * 20
    later = [replace(view, members=(newcomer, *view.members[1:])) if view.round == 2 else view for view in run.views]
    told = build(
        {},
        federation=FEDERATION,
        chain_id=1,
        charter_hash="",
        outcomes=run.outcomes,
        records=[],
        views=later,
        members=("", *run.views[0].members[1:]),
    )
    assert told.rounds[0].included[0] == address(0)
    assert told.rounds[1].included[0] == newcomer


def test_who_misses_and_who_abstains_is_told() -> None:
    run = fake_run(rounds=1, void=())
    accepts = (0b0111, 0b1111, 0b1111, 0b1111)
    views = [replace(view, accepts=accepts, misses=(0b1000, 0, 0, 0), abstained=0b10) for view in run.views]
    told = build({}, federation=FEDERATION, chain_id=1, charter_hash="", outcomes=run.outcomes, records=[], views=views)
    [closed] = told.rounds
    assert closed.misses == {address(0): (address(3),)}
    nodes = told.nodes or fake_run().summary().nodes
    assert matrix(closed, nodes)[0] == [0, 0, 0, 4]
    assert closed.abstained == (address(1),)


def test_a_summary_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        fake_run().summary().chain_id = 2  # type: ignore[misc]
