"""What must hold after a run, whatever went wrong: one named function a claim, each of which can fail.

A check returns nothing and raises ``Broken`` with what it found.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rayfed.encoding import codec
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.ledger.memory.chain import Said
from rayfed.node.edge_node import Progress
from rayfed.protocol.charter import SHARES
from rayfed.protocol.commands import Statement
from rayfed.protocol.messages import Outcome, Status, Verb
from rayfed.testing.chaos.model import GENESIS, LAYOUT, VALUES, Counting
from rayfed.testing.chaos.scenarios import BOND, REWARD, STAKE
from rayfed.testing.chaos.seats import Seat
from rayfed.testing.chaos.world import World

LEAF = 4096


class Broken(AssertionError):
    """A check found that its claim does not hold."""


def run_ends(world: World) -> None:
    """The federation is done and every honest node says that it has finished."""
    late = [seat.slot for seat in honest(world) if seat.progress is not Progress.FINISHED]
    if late or len(outcomes(world)) < world.scenario.rounds:
        raise Broken(f"not over after {world.ticks} turns: round {world.chain.chain.round}, nodes {late} do not finish")


def nobody_fails(world: World) -> None:
    """No honest node raised anything but that its own disk was full."""
    for seat in honest(world):
        if seat.failures:
            raise Broken(f"node {seat.slot}: {seat.failures[0]} (and {len(seat.failures) - 1} more)")


def nobody_contradicts_itself(world: World) -> None:
    """All that an honest node ever sent with one verb in one round says one thing, forks and restarts included."""
    addresses = {seat.address: seat.slot for seat in honest(world)}
    said: dict[tuple[str, Verb, int], Statement] = {}
    for sender, command in world.said:
        if sender in addresses and isinstance(command, Statement):
            before = said.setdefault((sender, command.verb, command.round), command)
            if before != command:
                raise Broken(f"node {addresses[sender]} said two things with {command.verb} in round {command.round}")


def honest_models_agree(world: World) -> None:
    """Every honest node ends with the model that the ledger names."""
    base = world.chain.chain.view().base
    for seat in honest(world):
        if seat.node is not None and seat.progress is Progress.FINISHED and seat.node.model != base:
            raise Broken(f"node {seat.slot} ends with {seat.node.model.hex()[:8]}, the ledger with {base.hex()[:8]}")


def merges_are_right(world: World) -> None:
    """Every final root is the merge of the included updates, by arithmetic and hashing that share no code with it."""
    for outcome in outcomes(world):
        if outcome.status is not Status.FINAL:
            continue
        committed = {
            event.values["index"]: event.values["root"]
            for event in events(world, "Committed")
            if event.values["round"] == outcome.round
        }
        updates = [world.blobs.bytes[committed[index]] for index in bits(outcome.included)]
        weights = [codec.read_header(memoryview(update)).weight for update in updates]
        sums = [0] * VALUES
        for update, weight in zip(updates, weights, strict=True):
            for place, value in enumerate(_values(update).tolist()):
                sums[place] += weight * value
        header = codec.Header.merged(outcome.round, LAYOUT.hash).bound(LAYOUT).to_bytes()
        merged = np.array([total // sum(weights) for total in sums], "<i4").tobytes()
        padding = -len(merged) % LEAF
        root = merkle_root(header.ljust(LEAF, b"\0") + merged + bytes(padding))
        if root != outcome.root:
            raise Broken(
                f"round {outcome.round}: the merge is {root.hex()[:8]}, the ledger says {outcome.root.hex()[:8]}"
            )


def updates_follow_their_base(world: World) -> None:
    """Every included update of an honest node is what its training makes of the round's base.

    A node that had committed before the chain went back stands by that, and so by a base that is on no branch any more;
    one whose clock is ahead may take a round for void, and train for the next one, a moment before it is final.
    """
    slots = {seat.address: seat.slot for seat in honest(world)}
    bases = [GENESIS["w"]]
    for outcome in outcomes(world):
        for event in events(world, "Committed"):
            index = event.values["index"]
            address = world.chain.chain.members[index]
            if event.values["round"] != outcome.round or not outcome.included >> index & 1 or address not in slots:
                continue
            values = _values(world.blobs.bytes[event.values["root"]])
            learner = Counting(slots[address])
            unsure = world.chain.reorganisations or world.scenario.skew or events(world, "Undone")
            possible = world.trained if unsure else bases[-1:]
            if not any((learner.train({"w": base}, outcome.round).state["w"] == values).all() for base in possible):
                raise Broken(f"round {outcome.round}: node {slots[address]}'s update follows from no base")
        if outcome.status is Status.FINAL and outcome.root in world.blobs.bytes:
            bases.append(_values(world.blobs.bytes[outcome.root]))


def final_models_can_be_had(world: World) -> None:
    """Every final model is where latecomers and auditors look for it."""
    for outcome in outcomes(world):
        if outcome.status is Status.FINAL and outcome.root not in world.blobs.bytes:
            raise Broken(f"round {outcome.round}: nobody published the final model {outcome.root.hex()[:8]}")


def no_phase_is_stuck(world: World) -> None:
    """Every phase ends by its deadline, or soon after: as soon as anybody who is able to can say so."""
    opened = events(world, "PhaseOpened")
    for this, following in pairwise(opened):
        late = following.time - this.values["deadline"]
        if late > world.scenario.slack:
            place = f"phase {this.values['phase']} of round {this.values['round']}"
            raise Broken(f"{place} ended {late} s after its deadline; {world.scenario.slack} can be explained")


def it_recovers(world: World) -> None:
    """When nothing goes wrong any more, a round is final, with all honest members of its roster in it."""
    last = outcomes(world)[-1:]
    if not last or last[0].round != world.scenario.rounds:
        raise Broken("there is no last round")
    addresses = {seat.address for seat in honest(world)}
    members = world.chain.chain.members
    expected = {i for i in bits(world.chain.chain.rosters[last[0].round]) if members[i] in addresses}
    missing = expected - set(bits(last[0].included))
    if last[0].status is not Status.FINAL or missing:
        raise Broken(f"the last round is {last[0].status.name}, without {sorted(missing)}")


def no_bad_update_is_included(world: World) -> None:
    """What cheats committed to, or kept to themselves, is in no merge."""
    bad = {seat.address for seat in world.seats if seat.cheats in ("garbage", "withhold")}
    for outcome in outcomes(world):
        for index in bits(outcome.included):
            if world.chain.chain.members[index] in bad:
                raise Broken(f"round {outcome.round}: member {index} is included and should not be")


def no_honest_stake_is_lost(world: World) -> None:
    """Every honest node has at stake what was put down for it, and has never lost any of it."""
    for seat in honest(world):
        account = world.chain.chain.court.account(seat.address)
        if account.slashed or account.stake != STAKE:
            why = [event.values for event in events(world, "Slashed") if event.values["member"] == seat.address]
            raise Broken(f"node {seat.slot} has {account.stake} of {STAKE} at stake: {why}")


def cheats_are_slashed(world: World) -> None:
    """Who attested another root than the final one has nothing left; who was refused by two thirds has lost a share.

    What each of them did is read off what was said, not off the court's own records.
    """
    court, chain = world.chain.chain.court, world.chain.chain
    finals = {outcome.round: outcome for outcome in outcomes(world) if outcome.status is Status.FINAL}
    for event in events(world, "Attested"):
        final = finals.get(event.values["round"])
        member = chain.members[event.values["index"]]
        if final is not None and event.values["root"] != final.root and court.account(member).stake:
            raise Broken(f"{member} attested another root in round {final.round}, and keeps its stake")
    for taken_back in events(world, "Undone"):
        round = taken_back.values["round"]
        wrong = next(e.values["root"] for e in events(world, "RoundClosed") if e.values["round"] == round)
        for event in events(world, "Attested"):
            index, of_this = event.values["index"], (event.values["round"], event.values["root"]) == (round, wrong)
            if of_this and court.account(chain.members[index]).stake:
                raise Broken(f"member {index} attested a wrong merge, and keeps its stake")
    for seat in world.seats:
        refusals = sum(_is_refused(world, round, seat.address) for round in finals)
        share = STAKE * world.scenario.refused_share // SHARES
        lost = court.account(seat.address).slashed
        if lost < min(STAKE, refusals * share):
            raise Broken(f"node {seat.slot} was refused {refusals} times by two thirds, and lost {lost}")


def _is_refused(world: World, round: int, member: Address) -> bool:
    """Whether at least two thirds of a round's roster left a member's update out of their ballots."""
    index = world.chain.chain.index_of(member)
    committed = {e.values["index"] for e in events(world, "Committed") if e.values["round"] == round}
    ballots = [event.values["ballot"] for event in events(world, "Voted") if event.values["round"] == round]
    against = sum(not ballot >> (index or 0) & 1 for ballot in ballots)
    return index in committed and 3 * against >= 2 * world.chain.chain.rosters[round].bit_count()


def work_is_paid(world: World) -> None:
    """Every round is settled, and every honest node was paid for every final round that it worked for."""
    court, chain = world.chain.chain.court, world.chain.chain
    if court.books().settled != len(outcomes(world)):
        raise Broken(f"{court.books().settled} of {len(outcomes(world))} rounds are settled")
    for seat in honest(world):
        index, earned = chain.index_of(seat.address), 0
        for outcome in outcomes(world):
            workers = outcome.included & outcome.attesters
            if outcome.status is Status.FINAL and index is not None and workers >> index & 1:
                earned += REWARD // workers.bit_count()
        paid = sum(e.values["amount"] for e in events(world, "Claimed") if e.values["account"] == seat.address)
        if paid < earned:
            raise Broken(f"node {seat.slot} earned {earned} and was paid {paid}")


def money_adds_up(world: World) -> None:
    """What came into the court is there, or was paid out."""
    court = world.chain.chain.court
    books = court.books()
    came = BOND * books.cases + sum(
        event.values["amount"] for name in ("Deposited", "Funded") for event in events(world, name)
    )
    went = sum(event.values["amount"] for name in ("Claimed", "Withdrawn") for event in events(world, name))
    if came != went + books.pool + books.stakes + books.bonds + books.owed:
        raise Broken(f"{came} came in, {went} went out, {books} is there")


Check = Callable[[World], None]
CHECKS: tuple[Check, ...] = (
    run_ends,
    nobody_fails,
    nobody_contradicts_itself,
    honest_models_agree,
    merges_are_right,
    final_models_can_be_had,
    updates_follow_their_base,
    no_phase_is_stuck,
    it_recovers,
    no_bad_update_is_included,
    no_honest_stake_is_lost,
    cheats_are_slashed,
    work_is_paid,
    money_adds_up,
)


def honest(world: World) -> list[Seat]:
    """Return those who do not cheat."""
    return [seat for seat in world.seats if not seat.cheats]


def outcomes(world: World) -> list[Outcome]:
    """Return what became of the rounds that are closed, in order."""
    return [world.chain.chain.outcomes[round] for round in sorted(world.chain.chain.outcomes)]


def rounds_lost(world: World) -> int:
    """Return how many rounds ended void."""
    return sum(outcome.status is Status.VOID for outcome in outcomes(world))


def slashed(world: World, *, cheats: bool) -> int:
    """Return how many of those who cheat, or of all others, have lost stake."""
    court = world.chain.chain.court
    return sum(court.account(seat.address).slashed > 0 for seat in world.seats if bool(seat.cheats) is cheats)


def events(world: World, name: str) -> list[Said]:
    """Return what the chain has said by this name, as it stands in the end."""
    return [event for event in world.chain.chain.events if event.name == name]


def merkle_root(blob: bytes) -> Root:
    """Return the RFC 6962 root of a blob, written down as the RFC says it: slow, and of no use to anybody else."""

    def node(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return sha256(b"\0" + leaves[0]).digest()
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return sha256(b"\1" + node(leaves[:split]) + node(leaves[split:])).digest()

    return node([blob[i : i + LEAF] for i in range(0, len(blob), LEAF)])


def _values(blob: bytes) -> NDArray[np.int32]:
    return np.frombuffer(blob, "<i4")[LEAF // 4 :][:VALUES]
