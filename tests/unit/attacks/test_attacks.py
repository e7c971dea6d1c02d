"""Each attack does what its paper says, and a federation with one such node ends well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rayfed import attacks
from rayfed.aggregation import rules
from rayfed.aggregation.gram import gram
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.norm import Norm
from rayfed.aggregation.screens.progress import alignment
from rayfed.attacks import Attack, Crew
from rayfed.attacks.alie import largest
from rayfed.attacks.backdoor import stamped, success
from rayfed.audit import audit
from rayfed.encoding.primitives import NO_ROOT, bits
from rayfed.errors import ConfigError
from rayfed.protocol.messages import Phase, Status, Verb
from tests.audited import AuditedWorld

SIZE = 2000
BASE = np.full(SIZE, 1000, np.int32)
Values = NDArray[np.int32]


def updates(n: int, seed: int = 0) -> list[Values]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 300, SIZE)
    return [(BASE + shared + rng.normal(0, 600, SIZE)).astype(np.int32) for _ in range(n)]


def crew(theirs: list[Values], slot: int = 8, nodes: int = 10, **changes: Any) -> Crew:
    slots = tuple(range(nodes - len(theirs), nodes))
    made = {
        "slot": slot, "slots": slots, "nodes": nodes, "classes": 10, "seed": 3, "rule": rules.make("mean"),
        "honest": lambda round, base, own: theirs, "indices": lambda: 0b11 << 8,
    }  # fmt: skip
    return Crew(**(made | changes))


def forged(attack: Attack, own: Values, round: int = 1) -> NDArray[np.float64]:
    """Return how far the forged update is from the base."""
    values = own.copy()
    attack.forge(round, lambda: BASE, values)
    return values.astype(np.float64) - BASE


def evidence(seen: list[Values]) -> Evidence:
    given = dict(enumerate(seen))
    return Evidence(BASE, given, dict.fromkeys(given, 1), None, lambda i: 0.0)


def build(name: str, honest: list[Values], **settings: Any) -> Attack:
    return attacks.make(name, crew(honest), settings)


HONEST = updates(2)
STEPS = np.array(HONEST, np.float64) - BASE


def test_a_sign_flip_may_hide_on_the_way() -> None:
    """Made against the screen ``progress``: of the same length, with just so much of the way."""
    attack, way = build("sign_flip", HONEST, along=0.1), np.linspace(-500, 900, SIZE)
    plain = forged(attack, HONEST[0])
    np.testing.assert_array_equal(plain, -STEPS[0])  # there is no way yet
    later = (BASE + way).astype(np.int32)
    values = (later + STEPS[0]).astype(np.int32)
    attack.forge(2, lambda: later, values)
    assert alignment(values, later, BASE) == pytest.approx(0.1, abs=1e-3)
    assert np.linalg.norm(values.astype(float) - later) == pytest.approx(np.linalg.norm(STEPS[0]), rel=1e-3)
    assert (values - later) @ STEPS[0] < 0


def test_sign_flip() -> None:
    np.testing.assert_array_equal(forged(build("sign_flip", HONEST, scale=2), HONEST[0]), -2 * STEPS[0])


def test_a_sign_flip_may_be_honest_until_it_is_trusted() -> None:
    attack = build("sign_flip", HONEST, since=3)
    for round, step in enumerate([STEPS[0], STEPS[0], -STEPS[0]], 1):
        np.testing.assert_array_equal(forged(attack, HONEST[0], round=round), step)


@pytest.mark.parametrize(("name", "scale"), [("gaussian", 4), ("free_rider", 1)])
def test_noise_has_the_length_asked_for_and_no_direction(name: str, scale: float) -> None:
    option = {"scale": scale} if name == "gaussian" else {"noise": scale}
    made = forged(build(name, HONEST, **option), HONEST[0])
    assert np.linalg.norm(made) == pytest.approx(scale * np.linalg.norm(STEPS[0]), rel=0.1)
    assert abs(made @ STEPS[0]) < 0.1 * np.linalg.norm(made) * np.linalg.norm(STEPS[0])
    assert (forged(build(name, HONEST, **option), HONEST[0], round=2) != made).any()


def test_a_free_rider_sends_the_base() -> None:
    assert not forged(build("free_rider", HONEST), HONEST[0]).any()


def test_inner_product_manipulation() -> None:
    assert np.abs(forged(build("ipm", HONEST, epsilon=0.5, jitter=0), HONEST[0]) + 0.5 * STEPS.mean(0)).max() <= 0.5
    mean = build("ipm", HONEST, optimised=True)
    assert np.linalg.norm(forged(mean, HONEST[0])) > 20 * np.linalg.norm(STEPS.mean(0)), "a mean bears nothing"
    median = attacks.make("ipm", crew(HONEST, rule=rules.make("median")), {"optimised": True})
    harm = [np.linalg.norm(forged(attack, HONEST[0])) for attack in (mean, median)]
    assert harm[0] >= harm[1]


def test_a_little_is_enough() -> None:
    assert largest(50, 24) == pytest.approx(1.426, abs=0.01), "24 of 26 honest values lie nearer"
    made = forged(build("alie", HONEST, z=1.5, jitter=0), HONEST[0])
    assert np.abs(made - (STEPS.mean(0) - 1.5 * STEPS.std(0))).max() <= 0.5
    attack = build("alie", HONEST, z=1.5, jitter=0)
    seen = updates(6, seed=1)
    attack.saw(1, evidence(seen))
    spread = np.std(np.array(seen, np.float64), axis=0)
    assert np.abs(forged(attack, HONEST[0]) - (STEPS.mean(0) - 1.5 * spread)).max() <= 0.5, "what all have seen"


def test_min_max_is_no_further_off_than_honest_ones() -> None:
    seen = updates(8, seed=1)
    attack = build("min_max", HONEST, jitter=0)
    attack.saw(1, evidence(seen))
    made = forged(attack, HONEST[0])
    reach = max(gram(seen).squared_distance(i, j) for i in range(8) for j in range(8)) ** 0.5
    centred = made - STEPS.mean(0) + np.mean(np.array(seen, np.float64) - BASE, axis=0)
    furthest = max(np.linalg.norm(centred - (one - BASE)) for one in seen)
    assert furthest == pytest.approx(reach, rel=1e-3)
    assert made @ STEPS.mean(0) < 0


def test_mimics_and_sybils_follow_the_first() -> None:
    np.testing.assert_array_equal(forged(build("mimic", HONEST, jitter=0), HONEST[1]), STEPS[0])
    made = [forged(attacks.make("sybils", crew(HONEST, slot), {}), HONEST[1]) for slot in (8, 9)]
    assert 0 < np.linalg.norm(made[0] - made[1]) < 0.02 * np.linalg.norm(STEPS[0])
    assert made[0] @ STEPS[0] < -0.99 * np.linalg.norm(made[0]) * np.linalg.norm(STEPS[0])


@pytest.mark.parametrize("name", ["ipm", "alie", "min_max", "mimic"])
def test_colluders_are_no_copies_of_each_other(name: str) -> None:
    made = [forged(attacks.make(name, crew(HONEST, slot), {"jitter": 0.3}), HONEST[0]) for slot in (8, 9)]
    apart = np.linalg.norm(made[0] - made[1]) / np.linalg.norm(made[0])
    assert apart == pytest.approx(0.3 * 2**0.5 / 1.09**0.5, rel=0.1)


def test_who_shuns_takes_back_the_victims_step_and_votes_against_it() -> None:
    attack = build("shun", HONEST, victim=2, against=0.5)
    np.testing.assert_array_equal(forged(attack, HONEST[1]), forged(build("shun", HONEST, against=0), HONEST[1]))
    seen = updates(10, seed=4)
    attack.saw(1, evidence(seen))
    own, victim = HONEST[1].astype(float) - BASE, seen[2].astype(float) - BASE
    made = forged(attack, HONEST[1], 2)
    taken = own - made
    assert taken @ victim == pytest.approx(np.linalg.norm(taken) * np.linalg.norm(victim), rel=1e-3)
    assert np.linalg.norm(taken) == pytest.approx(0.5 * np.linalg.norm(own), rel=1e-3)
    assert attack.ballot(2, 0, 0b1111) == 0b1011


def test_overflow_holds_the_worst_bits() -> None:
    for pattern, first in (("max", 2**31 - 1), ("min", -(2**31)), ("nan", 0x7FC00000)):
        values = HONEST[0].copy()
        build("overflow", HONEST, pattern=pattern).forge(1, lambda: BASE, values)
        assert (values == first).all()
    assert np.isnan(np.array([0x7FC00000], np.int32).view(np.float32)).all()


def test_a_copycat_repeats_somebody_elses_step() -> None:
    attack = build("copycat", HONEST)
    np.testing.assert_array_equal(forged(attack, HONEST[0]), STEPS[0])
    seen = updates(10, seed=2)
    attack.saw(1, evidence(seen))
    np.testing.assert_array_equal(forged(attack, HONEST[0], round=2), seen[0] - BASE)


def test_a_stale_one_repeats_itself() -> None:
    attack = build("stale", HONEST)
    np.testing.assert_array_equal(forged(attack, HONEST[0]), STEPS[0])
    np.testing.assert_array_equal(forged(attack, HONEST[1], round=2), STEPS[0])


def test_data_is_poisoned() -> None:
    x = np.zeros((6, 1, 8, 8), np.uint8)
    y = np.arange(6)
    np.testing.assert_array_equal(build("label_flip", HONEST).poison(x, y)[1], 9 - y)
    px, py = build("backdoor", HONEST, target=3, part=0.5).poison(x, y)
    assert len(px) == 9
    assert (py[6:] == 3).all()
    assert (px[6:] == stamped(x[:1])).all()
    assert px[6:].any(axis=(1, 2, 3)).all()
    assert not x.any()
    assert success(np.array([3, 3, 0, 3]), np.array([3, 1, 1, 1]), 3) == pytest.approx(2 / 3)


def test_unknown_attacks_and_options_are_named() -> None:
    for name, settings, setting in (
        ("sign_flop", {}, "attack.kind"),
        ("sign_flip", {"size": 1}, "attack.options"),
        ("overflow", {"pattern": "x"}, "attack.options"),
        ("silent", {"phase": "x"}, "attack.options"),
    ):
        with pytest.raises(ConfigError) as caught:
            attacks.make(name, crew(HONEST), settings)
        assert caught.value.setting == setting


# -- in a federation ----------------------------------------------------------------------------------------------

LIAR = 3
PHASES = [("silent", {"phase": phase}) for phase in ("commit", "vote", "attest")]
EVERY = [*((name, {}) for name in attacks.names() if name != "silent"), *PHASES, ("garbage", {"length": 10_000_000})]


def test_an_update_is_withheld_from_the_nodes_before_the_crew_alone() -> None:
    members = {slot: f"0x{slot:02x}Ab" for slot in range(10)}
    two = crew([], slots=(8, 9), accounts=lambda slots: [members[one] for one in slots])
    made = attacks.make("withheld", two, {"denied": 2})
    assert [slot for slot, member in members.items() if not made.serves(member.lower())] == [6, 7]
    assert made.offer(1, memoryview(b"x")) is not None
    assert attacks.make("withheld", two, {}).offer(1, memoryview(b"x")) is None


class Attacked(AuditedWorld):
    """Five nodes, of which one is dishonest."""

    def __init__(self, tmp: Path, name: str, settings: dict[str, Any]) -> None:
        self.name, self.settings = name, settings
        super().__init__(tmp, nodes=5)

    def start(self, slot: int, **changes: Any) -> Any:
        if slot == LIAR:
            made = crew(
                [], LIAR, 5, slots=(LIAR,), classes=2, honest=lambda round, base, own: [own.copy()],
                indices=lambda: self.bit,
            )  # fmt: skip
            changes["behaviour"] = attacks.make(self.name, made, self.settings)
        return super().start(slot, **changes)

    @property
    def bit(self) -> int:
        index = self.chain.view().index_of(self.address(LIAR))
        return 0 if index is None else 1 << index


@pytest.mark.parametrize(
    ("name", "settings"), EVERY, ids=[f"{name}{''.join(map(str, s.values()))}" for name, s in EVERY]
)
def test_one_of_five_stops_nothing(tmp_path: Path, name: str, settings: dict[str, Any]) -> None:
    world = Attacked(tmp_path, name, settings)
    view = world.run()
    outcomes = [world.outcome(r) for r in (1, 2, 3)]
    assert view.phase is Phase.DONE
    assert [outcome.status for outcome in outcomes] == [Status.FINAL] * 3
    assert view.base != NO_ROOT
    honest = [node for slot, node in world.nodes.items() if slot != LIAR]
    assert {node.model for node in honest} == {view.base}
    assert all(outcome.included | world.bit == 0b11111 for outcome in outcomes), "no honest node is left out"
    assert world.clock.now <= 1_000_000 + 3 * (60 + 30 + 30), "no phase outlasts its deadline"
    if name in ("withheld", "garbage", "overflow"):
        assert all(not outcome.included & world.bit for outcome in outcomes)
    if name in ("wrong_attestation", "forged_merge", "denial"):
        assert all(not outcome.attesters & world.bit for outcome in outcomes)
    if name == "silent":
        silent_in = {"commit": "included", "attest": "attesters"}.get(settings["phase"])
        assert silent_in is None or all(not getattr(outcome, silent_in) & world.bit for outcome in outcomes)
    words = {(finding.what, finding.node) for finding in audit(world.record(), [world.folder]).findings}
    # What an auditor has to say is about the liar alone.
    assert {node for _, node in words} <= {next(bits(world.bit)), None}


def test_who_denies_that_bytes_are_there_is_never_paid_and_voids_nothing_alone(tmp_path: Path) -> None:
    world = Attacked(tmp_path, "denial", {})
    world.run(until=lambda view: view.phase is Phase.ATTEST)
    view = world.chain.view()
    index = view.index_of(world.address(LIAR))
    assert index is not None
    assert view.misses[index] == view.committed
    assert view.accepts[index] == 0
    assert view.included == 0b11111
    assert not view.excused, "four of five have them"


def test_screens_and_messages_are_what_they_are_in_an_honest_node() -> None:
    from rayfed.attacks.behaviour import Behaviour

    honest = Behaviour()
    values = HONEST[0].copy()
    honest.forge(1, lambda: BASE, values)
    np.testing.assert_array_equal(values, HONEST[0])
    assert honest.offer(1, memoryview(b"x")) == b"x"
    assert honest.ballot(1, 0b101, 0b111) == 0b101
    assert honest.misses(1, 0b010, 0b111) == 0b010
    assert not honest.defends
    assert not honest.trusts
    assert honest.attestation(1, bytes(32), blobs=None) == bytes(32)  # type: ignore[arg-type]
    assert all(honest.speaks(verb, 1) for verb in Verb)
    assert Norm().name == "norm"
