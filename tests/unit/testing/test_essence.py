"""What a search leaves out when it compares states: they have one future, and what is broken is found all the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import pytest

from rayfed.ledger.memory import phases, settling
from rayfed.ledger.memory.slots import RoundSlot
from rayfed.ledger.memory.storage import Storage
from rayfed.testing.adversary import essence, looks
from rayfed.testing.adversary.scope import Scope
from rayfed.testing.adversary.search import exhaustive
from rayfed.testing.adversary.second import SecondEdition

Future = frozenset[tuple[str, int, str]]


@dataclass
class Exact(SecondEdition):
    """The same game, in which states are one only if all that is stored and known is the same."""

    def key(self) -> Hashable:
        known = tuple(one.key() for one in self.honest)
        return hash((looks.of_ledger(self.chain), self.entered, self.turned, self.quiet, known))


def kind(game: Exact) -> int:
    """Return what a search compares, in a number."""
    return hash(essence.of_game(game))


def future(game: Exact) -> tuple[Future, list[Exact]]:
    """Return what each move leads to, and to which promise broken; and the states themselves."""
    if game.is_over():
        return frozenset({("over", 0, "")}), []
    came = [(move.name, after) for move in game.moves() if (after := game.play(move)) is not None]
    now = kind(game)
    said = ((name, kind(after), after.broken()) for name, after in came)
    return frozenset(one for one in said if one[1] != now), [after for _, after in came if not after.broken()]


@pytest.mark.parametrize(
    ("scope", "most"),
    [
        (Scope(2, 1, rounds=1), 10_000),
        (Scope(2, 1, rounds=2), 600),
        (Scope(1, 2, rounds=1), 600),
        (Scope(1, 2, rounds=2, rule=1), 400),
        (Scope(2, 2, rounds=2, rich=True, disputes=2), 150),
    ],
    ids=lambda value: f"{value.honest}+{value.dishonest}, {value.rounds}" if isinstance(value, Scope) else str(value),
)
def test_states_that_are_compared_as_one_have_one_future(scope: Scope, most: int) -> None:
    """Of a small game in every state, of larger ones in some that are drawn."""
    start, dice = Exact.begin(scope), random.Random(0)
    seen, waiting, futures = {start.key()}, [start], dict[int, Future]()
    looked_at = 0
    while waiting and looked_at < most:
        game = waiting.pop(-1 if dice.random() < 0.8 else dice.randrange(len(waiting)))
        looked_at += 1
        comes, states = future(game)
        assert futures.setdefault(kind(game), comes) == comes
        new = {key: state for state in states if (key := state.key()) not in seen}
        seen |= new.keys()
        waiting += new.values()
    assert len(futures) < looked_at  # there were states to be compared as one


def punish_all(s: Storage, round: int, docket: object, number: int) -> None:
    """Whoever attested anything loses with the loser."""
    for one in range(docket.count):  # type: ignore[attr-defined]
        PUNISH(s, round, docket, one)  # type: ignore[arg-type]


def nobody_is_present(_: RoundSlot) -> int:
    """Whatever anybody has committed, it was absent."""
    return 0


PUNISH: Callable[..., None] = settling._punish


@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [(settling, "_punish", punish_all), (phases, "_present", nobody_is_present)],
    ids=["all attesters lose with the loser", "all are absent"],
)
def test_with_a_rule_taken_out_it_finds_the_same(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, broken: Callable[..., object]
) -> None:
    monkeypatch.setattr(where, name, broken)
    scope = Scope(2, 1, rounds=1)
    exact, reduced = exhaustive(Exact.begin(scope)), exhaustive(SecondEdition.begin(scope))
    assert exact.complete
    assert reduced.complete
    assert exact.findings
    assert reduced.findings.keys() == exact.findings.keys()
    assert reduced.states < exact.states
