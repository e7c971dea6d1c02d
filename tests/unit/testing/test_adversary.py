"""The adversary that searches: it finds what is wrong with the first edition's ledger, and nothing in the second's."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from rayfed.cli.chaos import main
from rayfed.errors import ConfigError
from rayfed.ledger.memory import phases, settling
from rayfed.protocol.messages import Status
from rayfed.testing.adversary.game import YIELD, Move
from rayfed.testing.adversary.scope import Scope
from rayfed.testing.adversary.search import Searched, exhaustive, guided, replayed
from rayfed.testing.adversary.second import SecondEdition
from tests.first_edition.game import FirstGame, FirstScope


def found(searched: Searched, promise: str) -> tuple[str, ...]:
    """Return the moves by which a promise was found broken."""
    (moves,) = (one.moves for one in searched.findings.values() if promise in one.promise)
    return moves


# -- the search itself ------------------------------------------------------------------


@dataclass(frozen=True)
class Staircase:
    """A game of steps up and down, in which a few in the right order break something."""

    steps: tuple[int, ...] = ()

    def moves(self) -> Sequence[Move]:
        return [*(Move(f"step {step}", step) for step in (1, 2, 3)), YIELD]

    def play(self, move: Move) -> Self | None:
        if move.act is None:
            return type(self)(())
        return None if move.act == 3 else type(self)((*self.steps, int(str(move.act))))

    def key(self) -> Hashable:
        return self.steps

    def cell(self) -> Hashable:
        return self.steps[:6]

    def broken(self) -> str:
        return "the fifth step" if self.steps == (1, 2, 2, 1, 2) else ""

    def reached(self) -> Sequence[str]:
        return [f"{len(self.steps)} steps"]

    def is_over(self) -> bool:
        return len(self.steps) == 6

    def damage(self) -> float:
        return float(len(self.steps))


def test_all_of_a_small_game_is_gone_through() -> None:
    searched = exhaustive(Staircase())
    assert searched.complete
    # Sequences of up to six of two steps, but for what comes after the fifth that breaks the promise.
    assert searched.states == 2**7 - 1 - 2
    assert found(searched, "the fifth step") == tuple(f"step {step}" for step in (1, 2, 2, 1, 2))
    assert replayed(Staircase(), found(searched, "the fifth step")).broken()
    with pytest.raises(LookupError, match="step 3"):
        replayed(Staircase(), ("step 1", "step 3"))


def test_guesses_find_it_too_and_the_same_seed_finds_the_same() -> None:
    one, again = (guided(Staircase(), 5_000, seed=3, first=True) for _ in range(2))
    assert found(one, "the fifth step")
    assert (one.tried, one.findings) == (again.tried, again.findings)
    assert not exhaustive(Staircase(), most=10).complete


# -- the first edition: the numbers are the design's ------------------------------------------------------------------


def test_attack_1_an_update_that_half_have_drops_the_other_half() -> None:
    searched = exhaustive(FirstGame.begin(FirstScope()))
    assert searched.complete
    assert any("gives it to 1 of the honest" in move for move in found(searched, "is dropped"))


def test_attack_3_an_attestation_of_another_branch_costs_all_stake() -> None:
    scope = FirstScope(honest=3, dishonest=2, turns_back=1, max_missed=0)
    moves = found(guided(FirstGame.begin(scope), 60_000, seed=5, first=True), "has lost its stake")
    assert any(move.startswith("the chain goes back") for move in moves)


def test_attack_4_more_demands_than_fit_a_block_cost_all_stakes() -> None:
    searched = exhaustive(FirstGame.begin(FirstScope(demands=3, max_missed=0)), first=True)
    assert found(searched, "has lost its stake")[-1].endswith("is forfeit")


def test_attack_7_a_majority_takes_the_minoritys_stake_where_nobody_can_recompute_the_rule() -> None:
    searched = exhaustive(FirstGame.begin(FirstScope(honest=1, dishonest=3, rule=0)), first=True)
    assert any("attests a wrong root" in move for move in found(searched, "has lost its stake"))


# -- the second edition ------------------------------------------------------------------


def test_every_order_of_what_one_of_three_may_do_in_a_round_keeps_every_promise() -> None:
    searched = exhaustive(SecondEdition.begin(Scope(2, 1, rounds=1)))
    assert searched.complete
    assert searched.states > 1_000
    assert searched.findings == {}


@pytest.mark.parametrize(
    "scope",
    [
        Scope(3, 2, rounds=2, turns_back=1, rich=True),
        Scope(1, 3, rounds=2, rule=0, rich=True),
        Scope(1, 3, rounds=2, rule=1, disputes=2, rich=True),
        Scope(4, 1, rounds=2, turns_back=1, rich=True),
    ],
    ids=lambda scope: f"{scope.honest} honest, {scope.dishonest} dishonest, rule {scope.rule}",
)
def test_guesses_break_no_promise(scope: Scope) -> None:
    searched = guided(SecondEdition.begin(scope), 2_500, seed=1)
    assert searched.findings == {}
    assert searched.worst > 0


def test_guesses_reach_all_that_a_dispute_is_made_of() -> None:
    searched = guided(SecondEdition.begin(Scope(1, 4, rounds=3, disputes=2, turns_back=1, rich=True)), 12_000, seed=3)
    assert searched.findings == {}
    court = {"Entered", "Shown", "LeafShown", "Disputed", "Proved", "Decided", "Undone", "Slashed", "BondsSpent"}
    assert court | {"Settled", "Dropped", "Left", "Joined", "Released", "VotedMissing"} <= searched.reached.keys()


def test_all_but_one_make_a_wrong_root_final_and_lose_their_stakes() -> None:
    game = SecondEdition.begin(Scope(1, 3, rounds=1, disputes=0))
    for what in ("commits, and gives it to 1 of the honest", "accepts all", "attests a wrong root"):
        for name in (f"dishonest {index} {what}" for index in (1, 2, 3)):
            while name not in {move.name for move in game.moves()}:
                game = replayed(game, (YIELD.name,))
            game = replayed(game, (name,))
    while not game.is_over():
        game = replayed(game, (YIELD.name,))
        assert not game.broken()
    outcome = game.chain.outcome(1)
    assert outcome is not None
    assert outcome.status is Status.OVER
    assert [game.chain.account(who).stake for who in game.scope.everybody] == [1_000, 0, 0, 0]
    assert game.damage() > 0


# -- broken rules ------------------------------------------------------------------


def test_without_the_excuse_it_finds_who_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = phases.tally
    monkeypatch.setattr(phases, "tally", lambda slot: (tally(slot)[0], 0))
    searched = guided(SecondEdition.begin(Scope(2, 3, rounds=1)), 20_000, first=True)
    assert any("gives it to 0 of the honest" in move for move in found(searched, "is dropped"))


def test_if_all_attesters_lost_with_the_loser_it_finds_who_lost_its_stake(monkeypatch: pytest.MonkeyPatch) -> None:
    punish = settling._punish

    def everybody(s: object, round: int, docket: object, number: int) -> None:
        for one in range(docket.count):  # type: ignore[attr-defined]
            punish(s, round, docket, one)  # type: ignore[arg-type]

    monkeypatch.setattr(settling, "_punish", everybody)
    searched = exhaustive(SecondEdition.begin(Scope(2, 1, rounds=1)), first=True)
    assert any("attests" in move for move in found(searched, "has lost its stake"))


# -- the command line ------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    words = [
        "adversary",
        "--honest",
        "2",
        "--dishonest",
        "1",
        "--rounds",
        "1",
        "--states",
        "200",
        "--json",
        str(report),
    ]
    assert main(words) == 0
    assert "every promise is kept" in capsys.readouterr().out
    (told,) = json.loads(report.read_text(encoding="utf-8"))
    assert (told["scope"]["honest"], told["complete"], told["findings"]) == (2, False, {})
    assert main(["adversary", "--guided", "--honest", "4", "--dishonest", "1", "--tries", "200"]) == 0
    for wrong in (["--honest", "2"], ["--honest", "0", "--dishonest", "1"], ["--rounds", "0"]):
        with pytest.raises(ConfigError, match=r"--(honest|rounds)"):
            main(["adversary", *wrong])
