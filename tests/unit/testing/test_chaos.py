"""The chaos runner: a short set of seeds, and that each of its checks really fails on a node that is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayfed.cli.main import main
from rayfed.encoding import merkle
from rayfed.encoding.codec import LEAF
from rayfed.encoding.primitives import Root
from rayfed.learning import State
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.included import Included
from rayfed.node.phases import ActionRow
from rayfed.node.phases.judge import JudgeHandler
from rayfed.node.phases.merge import MergeHandler, MergeMaker
from rayfed.node.phases.ready import Handler, Ready
from rayfed.node.phases.train import Trained, TrainHandler, TrainJob
from rayfed.node.publisher import Publisher
from rayfed.node.training import Stops
from rayfed.protocol import policy
from rayfed.protocol.commands import Vote
from rayfed.protocol.messages import View
from rayfed.testing.chaos import SCENARIOS, Scenario, run
from rayfed.testing.chaos.readings import merkle_root

SEEDS = 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_federation_survives(name: str) -> None:
    for seed in range(SEEDS):
        result, world = run(SCENARIOS[name], seed)
        assert result.broken == {}, "\n".join([result.again, *world.log])


@pytest.mark.parametrize("seed", [0, 42, 97])
def test_the_same_seed_is_the_same_run_and_another_is_another(seed: int) -> None:
    scenario = SCENARIOS["everything"]
    (first, one), (again, two), (_, other) = run(scenario, seed), run(scenario, seed), run(scenario, seed + 1)
    assert one.log == two.log != other.log
    assert one.said == two.said
    assert one.chain.chain.events == two.chain.chain.events
    assert (first.extra_seconds, first.restarts) == (again.extra_seconds, again.restarts)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("kill", "is killed"),
        ("kill_all", "with all others"),
        ("stop", "stands still"),
        ("reorg", "the chain goes back"),
        ("skew", "the chain leaps"),
        ("leave", "leaves"),
        ("disk_full", "no room left"),
    ],
)
def test_what_is_promised_happens(name: str, sign: str) -> None:
    assert any(sign in line for seed in range(3) for line in run(SCENARIOS[name], seed)[1].log)


def test_it_is_the_same_run_without_asserts(tmp_path: Path) -> None:
    """``python -O`` leaves them out: none of them decides anything."""
    found = []
    for option in ((), ("-O",)):
        report = tmp_path / f"chaos{''.join(option)}.json"
        words = ["-m", "rayfed", "chaos", "--scenario", "reorg", "--scenario", "forged", "--seed", "3"]
        command = [sys.executable, *option, *words, "--json", str(report)]
        assert subprocess.run(command, capture_output=True, timeout=400).returncode == 0
        rows = json.loads(report.read_text())["rows"]
        found.append([{key: value for key, value in row.items() if key != "wall_seconds"} for row in rows])
    assert found[0] == found[1]


def test_without_faults_no_second_passes_and_no_round_is_lost() -> None:
    result, _ = run(SCENARIOS["none"], 0)
    assert (result.extra_seconds, result.rounds_lost, result.restarts) == (0, 0, 0)


# -- mutations: a node that is broken in one way, and the check that has to see it ------------------------------------


def handled(action: type[Any], handler: type[Handler]) -> dict[type[Any], ActionRow]:
    """Return the node's table with one handler exchanged."""
    return EdgeNode.rows | {action: replace(EdgeNode.rows[action], handler=handler)}


class Forgetful(EdgeNode):
    """Votes without looking up what it has voted before, and never twice the same."""

    class Handler(JudgeHandler):
        turn = 0

        def __call__(self, action: policy.Judge, view: View, index: int | None) -> Ready:
            type(self).turn += 1
            self.kit.publisher.own_update(view, index or 0)
            accepts = action.committed & ~(1 << self.turn % 4)
            return Ready(True, command=Vote(action.round, view.context, accepts))

    rows = handled(policy.Judge, Handler)


class Crashing(EdgeNode):
    class Handler(MergeHandler):
        class Maker(MergeMaker):
            def inputs(self, round: int, context: bytes, view: View) -> Included | None:
                raise RuntimeError("a bug")

        makes = Maker

    rows = handled(policy.Merge, Handler)


class Lazy(EdgeNode):
    """Never says that it has finished."""

    def step(self, view: View) -> Progress:
        progress = super().step(view)
        return Progress.WAITING if progress is Progress.FINISHED else progress


class Miscounting(EdgeNode):
    """Merges all updates but one: all nodes alike, so that they agree, and the ledger has nothing against it."""

    class Handler(MergeHandler):
        class Maker(MergeMaker):
            def inputs(self, round: int, context: bytes, view: View) -> Included | None:
                found = super().inputs(round, context, view)
                return found and replace(found, roots=found.roots[1:])

        makes = Maker

    rows = handled(policy.Merge, Handler)


class Stubborn(EdgeNode):
    """Believes to hold the final model while it holds another one."""

    def step(self, view: View) -> Progress:
        progress = super().step(view)
        if progress is Progress.FINISHED:
            self.kit.held.model = bytes(31) + b"\1"
        return progress


class Selfish(EdgeNode):
    """Publishes no model that it has adopted."""

    class Publisher(Publisher):
        def model(self, root: Root, for_all: bool = False) -> None:
            pass

    publishes = Publisher


class Dreaming(EdgeNode):
    """Trains from something else than the base."""

    class Handler(TrainHandler):
        def make(self, job: TrainJob, base: State, stops: Stops) -> Trained:
            return super().make(job, {"w": base["w"] + 1}, stops)

    rows = handled(policy.Train, Handler)


class Unfair(EdgeNode):
    """Votes against node 0 for ever."""

    class Handler(JudgeHandler):
        def __call__(self, action: policy.Judge, view: View, index: int | None) -> Ready:
            self.kit.publisher.own_update(view, index or 0)
            return Ready(True, command=Vote(action.round, view.context, action.committed & ~1))

    rows = handled(policy.Judge, Handler)


class Reckless(EdgeNode):
    """One of them attests a root of its own making."""

    class Handler(MergeHandler):
        class Maker(MergeMaker):
            def merged(self, round: int, context: bytes, view: View, *, logged: bool) -> Root | None:
                merged = super().merged(round, context, view, logged=logged)
                return merged if self.kit.membership.slot else bytes(31) + b"\1"

        makes = Maker

    rows = handled(policy.Merge, Handler)


@pytest.mark.parametrize(
    ("broken", "check", "scenario"),
    [
        (Forgetful, "nobody_contradicts_itself", "refused"),
        (Crashing, "nobody_fails", "none"),
        (Lazy, "run_ends", "none"),
        (Stubborn, "honest_models_agree", "none"),
        (Selfish, "final_models_can_be_had", "none"),
        (Dreaming, "updates_follow_their_base", "none"),
        (Unfair, "it_recovers", "none"),
        (Reckless, "no_honest_stake_is_lost", "none"),
    ],
)
def test_a_broken_node_is_found_out(broken: type[EdgeNode], check: str, scenario: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("rayfed.testing.chaos.world.MAX_TICKS", 300 if check == "run_ends" else 3000)
    result, _ = run(SCENARIOS[scenario], 0, broken)
    assert check in result.broken


def test_a_wrong_merge_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the watchtowers, who have it undone, so that all lose their stakes; by the check, where none of them looks."""
    monkeypatch.setattr("rayfed.testing.chaos.world.MAX_TICKS", 3000)
    result, _ = run(SCENARIOS["none"], 0, Miscounting)
    assert "merges_are_right" not in result.broken
    assert (result.rounds - result.rounds_lost, result.honest_slashed) == (0, 4)
    monkeypatch.setattr("rayfed.node.watchtower.tower.Watchtower.step", lambda *_: False)
    monkeypatch.setattr("rayfed.node.watchtower.tower.Watchtower.is_satisfied", lambda *_: True)
    monkeypatch.setattr("rayfed.testing.chaos.world.MAX_LINGERS", 10)
    assert "merges_are_right" in run(SCENARIOS["none"], 0, Miscounting)[0].broken


def test_a_phase_that_lasts_is_found_out() -> None:
    _, world = run(SCENARIOS["none"], 0)
    from rayfed.testing.chaos import checks

    closing = [event for event in world.chain.chain.events if event.name == "PhaseOpened"][4:]
    checks.no_phase_is_stuck(world)
    for event in closing:
        object.__setattr__(event, "time", event.time + 200)
    with pytest.raises(checks.Broken, match="after its deadline"):
        checks.no_phase_is_stuck(world)


def test_a_bad_update_that_is_included_is_found_out() -> None:
    from rayfed.testing.chaos import checks

    _, world = run(SCENARIOS["garbage_blob"], 0)
    checks.no_bad_update_is_included(world)
    ours = world.chain.chain.storage.outcomes
    ours[6] = replace(ours[6], included=0b1111)
    with pytest.raises(checks.Broken, match="is included and should not be"):
        checks.no_bad_update_is_included(world)


@pytest.mark.parametrize("scenario", ["wrong_attestation", "colluding", "forged"])
def test_a_cheat_that_keeps_its_stake_is_found_out(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result, world = run(SCENARIOS[scenario], 0)
    assert result.broken == {}
    assert (result.honest_slashed, result.cheats_slashed) == (0, len(SCENARIOS[scenario].byzantine)), world.log
    monkeypatch.setattr("rayfed.ledger.memory.settling._punish", lambda *_: None)
    assert "cheats_are_slashed" in run(SCENARIOS[scenario], 0)[0].broken


def test_a_forged_model_is_undone() -> None:
    _, world = run(SCENARIOS["forged_and_crashes"], 0)
    assert [event.values["round"] for event in world.chain.chain.events if event.name == "Undone"] == [2]
    assert world.chain.chain.view().active.bit_count() == 1


@pytest.mark.parametrize("place", ["Watchtower.step", "Watchtower.claim"])
def test_work_that_is_not_paid_is_found_out(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"rayfed.node.watchtower.tower.{place}", lambda *_: False)
    monkeypatch.setattr("rayfed.node.watchtower.tower.Watchtower.is_satisfied", lambda *_: True)
    monkeypatch.setattr("rayfed.testing.chaos.world.MAX_LINGERS", 200)
    assert set(run(SCENARIOS["none"], 0)[0].broken) == {"work_is_paid"}


def test_money_that_vanishes_is_found_out() -> None:
    from rayfed.testing.chaos import checks

    _, world = run(SCENARIOS["wrong_attestation"], 0)
    checks.money_adds_up(world)
    storage = world.chain.chain.storage
    storage.pool -= 1
    with pytest.raises(checks.Broken, match=r"in the coin: .* came in"):
        checks.money_adds_up(world)
    storage.pool += 1
    storage.native_burned -= 1
    with pytest.raises(checks.Broken, match=r"in the chain's currency: .* came in"):
        checks.money_adds_up(world)


def test_a_member_that_is_up_and_is_dropped_is_found_out() -> None:
    from rayfed.testing.chaos import checks

    _, world = run(SCENARIOS["none"], 0)
    checks.nobody_up_is_dropped(world)
    world.chain.chain.storage.emit("Dropped", members=0b0100, round=3)
    with pytest.raises(checks.Broken, match="member 2 was dropped in round 3"):
        checks.nobody_up_is_dropped(world)


@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 8])
def test_the_slow_tree_is_the_fast_one(leaves: int) -> None:
    blob = bytes(range(256)) * (leaves * LEAF // 256)
    assert merkle_root(blob) == merkle.root(blob)


def test_a_third_may_not_cheat() -> None:
    with pytest.raises(ValueError, match="less than a third"):
        Scenario("x", "", nodes=3, byzantine=("wrong",))
    with pytest.raises(ValueError, match="is a probability"):
        Scenario("x", "", kill=1.5)


def test_the_command_tells_and_repeats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "chaos.json"
    assert main(["chaos", "--scenario", "kill", "--seeds", "2", "--json", str(report)]) == 0
    (row,) = json.loads(report.read_text())["rows"]
    assert (row["scenario"], row["n"], row["survived"], row["rounds"]) == ("kill", 2, 2, 12)
    assert "kill" in capsys.readouterr().out


def test_the_command_fails_where_a_check_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    def diverges(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("rayfed.testing.chaos.model.Counting.train", diverges)
    monkeypatch.setattr("rayfed.testing.chaos.world.MAX_TICKS", 300)
    report = tmp_path / "chaos.json"
    assert main(["chaos", "--scenario", "none", "--seed", "7", "--json", str(report)]) == 1
    said = capsys.readouterr().out
    assert "nobody_fails: node" in said
    assert "again: python -m rayfed chaos --scenario none --seed 7" in said
    assert [result["seed"] for result in json.loads(report.read_text())["broken"]] == [7]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--scenario", "rain"], "there is no 'rain'"),
        (["--seeds", "0"], "must be at least 1"),
        (["--seed", "0", "--scenario", "none", "--json", "/dev/null/x.json"], "cannot write"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chaos", *words]) == 2
    assert complaint in capsys.readouterr().err
