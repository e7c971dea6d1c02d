"""What must hold after a run, whatever went wrong: one named function a claim, each of which can fail.

A check returns nothing and raises ``Broken`` with what it found.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from rayfed.encoding.primitives import bits
from rayfed.node.edge_node import Progress
from rayfed.protocol.commands import Statement
from rayfed.protocol.messages import Phase, Status, Verb
from rayfed.testing.chaos.model import GENESIS, Counting
from rayfed.testing.chaos.readings import events, honest, member, merge_of, outcomes, said_in, values_of
from rayfed.testing.chaos.scenarios import BOND, REWARD, STAKE
from rayfed.testing.chaos.world import World


class Broken(AssertionError):
    """A check found that its claim does not hold."""


def run_ends(world: World) -> None:
    """The federation is done and every honest node says that it has finished."""
    late = [seat.slot for seat in honest(world) if seat.progress is not Progress.FINISHED]
    view = world.chain.chain.view()
    if late or view.phase is not Phase.DONE or view.finals != world.scenario.rounds:
        raise Broken(f"not over after {world.ticks} turns: {view.finals} final rounds, nodes {late} do not finish")


def nobody_fails(world: World) -> None:
    """No honest node raised anything but that its own disk was full."""
    for seat in honest(world):
        if seat.failures:
            raise Broken(f"node {seat.slot}: {seat.failures[0]} (and {len(seat.failures) - 1} more)")


def nobody_contradicts_itself(world: World) -> None:
    """All that an honest node ever sent with one verb in one round, resting on one context, says one thing."""
    addresses = {seat.address: seat.slot for seat in honest(world)}
    said: dict[tuple[str, Verb, int, bytes], Statement] = {}
    for sender, command in world.said:
        if sender in addresses and isinstance(command, Statement):
            before = said.setdefault((sender, command.verb, command.round, command.context), command)
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
        if outcome.status.stands and (root := merge_of(world, outcome)) != outcome.root:
            raise Broken(
                f"round {outcome.round}: the merge is {root.hex()[:8]}, the ledger says {outcome.root.hex()[:8]}"
            )


def updates_follow_their_base(world: World) -> None:
    """Every included update of an honest node is what its training makes of the round's base.

    A node that trained before the chain went back may stand by a base that is on no branch any more; one whose clock is
    ahead may take a round for void, and train for the next one, a moment before it is final.
    """
    slots = {seat.address: seat.slot for seat in honest(world)}
    bases = [GENESIS["w"]]
    for outcome in outcomes(world):
        for index, event in said_in(world, "Committed", outcome.round):
            address = member(world, index, outcome.round)
            if not outcome.included >> index & 1 or address not in slots:
                continue
            values = values_of(world.blobs.bytes[event.values["root"]])
            learner = Counting(slots[address])
            unsure = world.chain.reorganisations or world.scenario.skew or events(world, "Undone")
            possible = world.trained if unsure else bases[-1:]
            if not any((learner.train({"w": base}, outcome.round).state["w"] == values).all() for base in possible):
                raise Broken(f"round {outcome.round}: node {slots[address]}'s update follows from no base")
        if outcome.status.stands and outcome.root in world.blobs.bytes:
            bases.append(values_of(world.blobs.bytes[outcome.root]))


def final_models_can_be_had(world: World) -> None:
    """Every final model is where latecomers and auditors look for it."""
    for outcome in outcomes(world):
        if outcome.status.stands and outcome.root not in world.blobs.bytes:
            raise Broken(f"round {outcome.round}: nobody published the final model {outcome.root.hex()[:8]}")


def no_phase_is_stuck(world: World) -> None:
    """Every phase of a round ends by its deadline, or soon after: as soon as anybody who is able to can say so."""
    opened = events(world, "PhaseOpened")
    for this, following in pairwise(opened):
        late = following.time - this.values["deadline"]
        if this.values["phase"] in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST) and late > world.scenario.slack:
            place = f"phase {this.values['phase']} of round {this.values['round']}"
            raise Broken(f"{place} ended {late} s after its deadline; {world.scenario.slack} can be explained")


def it_recovers(world: World) -> None:
    """When nothing goes wrong any more, a round is final, with all honest members of its roster in it."""
    closed = world.chain.chain.view().previous
    if closed is None:
        raise Broken("there is no last round")
    addresses = {seat.address for seat in honest(world)}
    missing = {i for i in bits(closed.roster & ~closed.included) if member(world, i, closed.round) in addresses}
    if not closed.status.stands or missing:
        raise Broken(f"the last round is {closed.status.name}, without {sorted(missing)}")


def no_bad_update_is_included(world: World) -> None:
    """What cheats committed to, or kept to themselves, is in no merge."""
    bad = {seat.address for seat in world.seats if seat.cheats in ("garbage", "withhold")}
    for outcome in outcomes(world):
        for index in bits(outcome.included):
            if member(world, index, outcome.round) in bad:
                raise Broken(f"round {outcome.round}: member {index} is included and should not be")


def no_honest_stake_is_lost(world: World) -> None:
    """Every honest node has at stake, and in bonds, what was put down for it, and has never lost any of it."""
    bonds = world.chain.chain.terms().bonds
    for seat in honest(world):
        account = world.chain.chain.account(seat.address)
        if account.slashed or account.stake != STAKE or account.bonds != bonds:
            why = [event.values for event in events(world, "Slashed") if event.values["member"] == seat.address]
            raise Broken(f"node {seat.slot} has {account.stake} of {STAKE} at stake, {account.bonds} in bonds: {why}")


def nobody_up_is_dropped(world: World) -> None:
    """Where no machine and no message fails, no honest member is dropped for absences."""
    if world.scenario.is_well:
        for event in events(world, "Dropped"):
            for index in bits(event.values["members"]):
                if member(world, index, event.values["round"]) in {seat.address for seat in honest(world)}:
                    raise Broken(f"member {index} was dropped in round {event.values['round']}, and was up")


def cheats_are_slashed(world: World) -> None:
    """Who attested another root than the merge, in a round that did not fall with its base, has no stake left.

    What each of them did is read off what was said, and what is right computed anew, not off the court's records.
    """
    fallen = {
        round
        for event in events(world, "Undone")
        for round in range(event.values["round"] + 1, event.values["last"] + 1)
    }
    for outcome in outcomes(world):
        attested = list(said_in(world, "Attested", outcome.round))
        if outcome.round in fallen or not attested:
            continue
        right = merge_of(world, outcome)
        for index, event in attested:
            address = member(world, index, outcome.round)
            if event.values["root"] != right and not world.chain.chain.account(address).slashed:
                raise Broken(f"{address} attested another root in round {outcome.round}, and keeps its stake")


def work_is_paid(world: World) -> None:
    """Every round is settled, and every honest node was paid for every final round that it worked for."""
    view = world.chain.chain.view()
    if view.unsettled:
        raise Broken(f"{view.unsettled} rounds are not settled")
    for seat in honest(world):
        earned = 0
        for outcome in outcomes(world):
            workers = outcome.included & outcome.attesters
            if outcome.status is Status.SETTLED and any(
                member(world, i, outcome.round) == seat.address for i in bits(workers)
            ):
                earned += REWARD // workers.bit_count()
        paid = sum(e.values["amount"] for e in events(world, "Claimed") if e.values["account"] == seat.address)
        if paid < earned:
            raise Broken(f"node {seat.slot} earned {earned} and was paid {paid}")


def money_adds_up(world: World) -> None:
    """What came into the federation is there, or was paid out: in the coin, and in the chain's own currency."""
    chain = world.chain.chain
    books, accounts = chain.books(), [chain.account(address) for address in chain.storage.accounts]

    def total(*names: str) -> int:
        return sum(event.values["amount"] for name in names for event in events(world, name))

    here = sum(account.stake + account.claimable for account in accounts) + books.pool + books.burned
    if total("Deposited", "Funded") != total("Claimed", "Refunded") + here:
        raise Broken(f"in the coin: {total('Deposited', 'Funded')} came in, {total('Claimed')} went out, {books}")
    entered = BOND * len(events(world, "Entered"))
    there = sum(account.bonds + account.native_claimable for account in accounts) + books.native_burned
    if total("Bonded") + entered != total("ClaimedNative") + there:
        raise Broken(f"in the chain's currency: {total('Bonded')} and {entered} came in, {there} is there, {books}")


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
    nobody_up_is_dropped,
    cheats_are_slashed,
    work_is_paid,
    money_adds_up,
)
