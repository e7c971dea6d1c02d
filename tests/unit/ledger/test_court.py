"""The court in memory: who loses what, who is paid, and what is taken back. ``test_ledgers_agree`` holds it against the
contract; here each rule stands alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rayfed.encoding.primitives import Address, Root, bits
from rayfed.errors import Rejected
from rayfed.ledger import allow_list
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.court import merge
from rayfed.protocol.commands import Commit, Relay, ReportEquivocation, Vote
from rayfed.protocol.judgement import MERGED, Books, State
from rayfed.protocol.messages import NATIVE, Phase, Status, Terms, Verb
from rayfed.testing import MemoryLedger
from tests import trials

ALL = [f"0x{n:040x}" for n in range(1, 6)]
WATCHER = "0x" + "77" * 20
TERMS = Terms(
    b"\1" * 32,
    b"\2" * 32,
    rounds=5,
    join_seconds=100,
    commit_seconds=100,
    vote_seconds=100,
    attest_seconds=100,
    start_members=4,
    min_members=2,
    max_missed=3,
    stake=1000,
    reward=100,
    bond=10,
    challenge_seconds=50,
    proof_seconds=20,
    refused_share=100,
    challenger_share=4_000,
    rule=1,
    layout=trials.LAYOUT,
    values=trials.VALUES,
)


def gathered(members: int = 4, **changes: object) -> MemoryChain:
    """Return a federation whose members have joined, with 250 in its pool."""
    chain = MemoryChain(replace(TERMS, **changes), ManualClock())  # type: ignore[arg-type]
    chain.court.fund(WATCHER, 250)
    for member in ALL[:members]:
        chain.court.deposit(member, member, chain.terms.stake)
        chain.join(member, chain.terms.charter)
    return chain


def train(chain: MemoryChain, fault: str = "", astray: int | None = None, refused: int | None = None) -> int:
    """Live through a round; return its number. ``fault``: all attest a merge that is wrong there."""
    round = chain.round
    roster = [chain.members[i] for i in bits(chain.roster)]
    for member in roster:
        chain.commit(member, round, trials.update(member, 1))
    for member in roster:
        chain.vote(member, round, chain.roster & ~(0 if refused is None else 1 << refused))
    root = trials.merge_of(chain, fault)
    assert root is not None
    for i in bits(chain.roster):
        if chain.round == round and i == astray:
            chain.attest(chain.members[i], round, b"\6" * 32)
    for i in bits(chain.roster):
        if i != astray:
            chain.attest(chain.members[i], round, root)
    return round


def over(chain: MemoryChain) -> None:
    """Let the time pass in which the last round could be challenged."""
    chain.clock.advance(chain.terms.attest_seconds + chain.terms.challenge_seconds + 1)


def refused(name: str, call: object, *arguments: object) -> None:
    assert callable(call)
    with pytest.raises(Rejected) as caught:
        call(*arguments)
    assert caught.value.name == name


def challenged(chain: MemoryChain, round: int, leaf: int, coordinate: int, by: Address = WATCHER) -> int:
    """Open a challenge, prove everything, and have it judged."""
    roots = chain.included_roots(round)
    id = chain.court.challenge(by, round, leaf, coordinate, roots)
    final = chain.outcomes[round].root
    inputs = [(i, root) for i, root in enumerate(roots)] if chain.court.cases[id].inputs else []
    for which, root in [*inputs, (MERGED, final)]:
        chain.court.prove(id, roots, [trials.proof(root, which, leaf, chain.terms.rule)])
    chain.court.conclude(id)
    return id


def total(chain: MemoryChain) -> int:
    books = chain.court.books()
    return books.pool + books.stakes + books.bonds + books.owed


# -- money ----------------------------------------------------------------------------------------------------------


def test_who_was_included_and_attested_is_paid_once_nobody_can_object_any_more() -> None:
    chain = gathered()
    train(chain)
    court = chain.court
    assert court.account(ALL[0]).pending == 25
    refused("NothingToSettle", court.settle, 10)
    refused("NothingToClaim", court.claim, ALL[0], ALL[4], 10)
    over(chain)
    court.settle(10)
    assert (court.account(ALL[0]).pending, court.account(ALL[0]).claimable) == (0, 25)
    court.claim(ALL[0], ALL[4], 10)
    refused("NothingToClaim", court.claim, ALL[0], ALL[4], 10)
    assert court.books() == Books(pool=150, stakes=4000, bonds=0, owed=75, settled=1)


def test_a_share_is_floored_and_the_dust_stays_in_the_pool() -> None:
    chain = gathered(3, start_members=3, reward=100)
    train(chain)
    over(chain)
    chain.court.settle(1)
    assert [account.claimable for account in chain.court.accounts()] == [33, 33, 33]
    assert chain.court.pool == 250 - 99


def test_an_empty_pool_pays_what_is_there() -> None:
    chain = gathered(reward=100)
    for _ in range(3):
        train(chain)
    over(chain)
    chain.court.settle(10)
    assert [account.claimable for account in chain.court.accounts()] == [25 + 25 + 12] * 4
    assert chain.court.pool == 2


def test_who_attests_another_root_than_the_final_one_loses_stake_and_seat() -> None:
    chain = gathered()
    train(chain, astray=1)
    over(chain)
    chain.court.settle(1)
    account = chain.court.account(ALL[1])
    assert (account.stake, account.slashed, account.claimable) == (0, 1000, 0)
    assert not chain.is_active(ALL[1])
    refused("UnderStaked", chain.join, ALL[1], TERMS.charter)
    assert total(chain) == 4250


def test_an_update_that_two_thirds_refuse_costs_a_small_share() -> None:
    chain = gathered()
    train(chain, refused=2)
    over(chain)
    chain.court.settle(1)
    assert chain.court.account(ALL[2]).slashed == 10
    assert not chain.is_active(ALL[2])  # it has less than the stake now
    chain.court.deposit(ALL[2], ALL[2], 10)
    chain.join(ALL[2], TERMS.charter)


def test_a_stake_is_locked_until_all_that_its_owner_signed_is_settled() -> None:
    chain = gathered()
    train(chain)
    court = chain.court
    refused("StillActive", court.exit, ALL[0])
    chain.leave(ALL[0])
    refused("NotExiting", court.withdraw, ALL[0], ALL[0])
    court.exit(ALL[0])
    refused("StillLocked", court.withdraw, ALL[0], ALL[0])
    train(chain)
    over(chain)
    court.settle(10)
    refused("ZeroRecipient", court.withdraw, ALL[0], NATIVE)
    court.withdraw(ALL[0], ALL[4])
    assert court.account(ALL[0]).stake == 0
    refused("NotExiting", court.withdraw, ALL[0], ALL[4])


def test_only_who_is_listed_joins() -> None:
    chain = MemoryChain(replace(TERMS, stake=0, allow_list=allow_list.root(ALL[:3])), ManualClock())
    chain.join(ALL[0], TERMS.charter, allow_list.proof(ALL[:3], ALL[0]))
    refused("NotAllowed", chain.join, ALL[1], TERMS.charter, allow_list.proof(ALL[:3], ALL[0]))
    refused("NotAllowed", chain.join, ALL[3], TERMS.charter, ())


# -- challenges -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leaf", "coordinate"), trials.PLACES)
@pytest.mark.parametrize(("rule", "trim"), [(1, 0), (2, 2_500), (3, 0)])
def test_a_wrong_merge_is_taken_back_wherever_it_is_wrong(rule: int, trim: int, leaf: int, coordinate: int) -> None:
    chain = gathered(rule=rule, trim=trim)
    right = train(chain)
    wrong = train(chain, f"{leaf}.{coordinate}")
    after = train(chain)
    id = challenged(chain, wrong, leaf, coordinate)
    assert chain.court.cases[id].state is State.UPHELD
    assert (chain.base, chain.base_round) == (chain.outcomes[right].root, right)
    assert [chain.outcomes[r].status for r in (right, wrong, after)] == [Status.FINAL, Status.VOID, Status.VOID]
    guilty = [account for account in chain.court.accounts() if account.slashed == 1000]
    assert len(guilty) == chain.undone[wrong].attesters.bit_count() >= 3
    assert chain.court.account(WATCHER).claimable == 400 * len(guilty) + 10
    assert not any(chain.is_active(chain.members[i]) for i in bits(chain.undone[wrong].attesters))
    assert total(chain) == 4000 + 250 + 10


@pytest.mark.parametrize(("leaf", "coordinate"), trials.PLACES)
def test_a_right_merge_stands_and_the_bond_is_lost(leaf: int, coordinate: int) -> None:
    chain = gathered()
    round = train(chain, "1.7")  # wrong, but not where the challenge says
    id = challenged(chain, round, leaf, coordinate)
    assert chain.court.cases[id].state is State.FAILED
    assert chain.outcomes[round].status is Status.FINAL
    assert chain.court.pool == 260


def test_the_next_round_goes_on_from_the_true_base_with_who_is_left() -> None:
    chain = gathered(5, start_members=5)
    round = chain.round
    for member in ALL:
        chain.commit(member, round, trials.update(member, 1))
    for member in ALL:
        chain.vote(member, round, 0b11111)
    wrong = trials.merge_of(chain, "1.0")
    assert wrong is not None
    for member in ALL[1:]:
        chain.attest(member, round, wrong)
    assert chain.outcomes[round].status is Status.FINAL
    challenged(chain, round, 1, 0, by=ALL[0])
    assert chain.view().base == TERMS.genesis
    assert chain.roster == 0b00001
    assert chain.court.account(ALL[0]).stake == 1000


def test_a_challenge_that_is_not_proved_in_time_is_lost_and_blocks_nothing_any_more() -> None:
    chain = gathered()
    round = train(chain, "1.0")
    court, roots = chain.court, chain.included_roots(round)
    id = court.challenge(WATCHER, round, 1, 0, roots)
    over(chain)
    refused("NothingToSettle", court.settle, 1)
    refused("TooLate", court.prove, id, roots, [trials.proof(roots[0], 0, 1, 1)])
    refused("NotProven", court.conclude, id)
    court.expire(id)
    court.settle(1)
    refused("WindowClosed", court.challenge, WATCHER, round, 1, 0, roots)


def test_the_first_case_to_win_takes_the_round_back_and_the_others_get_their_bond() -> None:
    chain = gathered()
    round = train(chain, "1.0")
    other = chain.court.challenge(ALL[4], round, 2, 5, chain.included_roots(round))
    refused("NotUndone", chain.court.close, other)
    challenged(chain, round, 1, 0)
    refused("AlreadyUndone", chain.court.conclude, other)
    chain.court.close(other)
    assert chain.court.account(ALL[4]).claimable == 10
    refused("NotFinal", chain.court.challenge, WATCHER, round, 1, 0, chain.included_roots(round))


def test_what_is_shown_in_time_earns_the_bond_and_what_is_not_costs_the_stake() -> None:
    chain = gathered()
    round = train(chain)
    court, roots = chain.court, chain.included_roots(round)
    shown = court.demand(WATCHER, round, 2, 1, roots)
    given = trials.proof(roots[2], 2, 1, 0)
    court.answer(ALL[4], shown, roots, given.data, given.path)
    assert court.account(ALL[4]).claimable == 10
    hidden = court.demand(WATCHER, round, 2, 1, roots)
    refused("TooEarly", court.forfeit, hidden)
    chain.clock.advance(21)
    court.forfeit(hidden)
    assert [account.slashed for account in court.accounts()] == [0, 0, 1000, 0]
    assert chain.base == TERMS.genesis


# -- signed messages ------------------------------------------------------------------------------------------------


def test_messages_posted_by_anybody_count_once_and_only_as_signed() -> None:
    chain = gathered()
    doors = [MemoryLedger(chain, member) for member in ALL]
    roots: list[Root] = [trials.update(member, 1) for member in ALL]
    signed = {i: doors[i].sign(Commit(1, roots[i])) for i in range(4)}
    doors[0].submit(Commit(1, roots[0]))
    doors[4].submit(Relay(Verb.COMMIT, 1, signed, chain.members))
    assert [receipt.error for receipt in doors[4].receipts()] == [None]
    assert chain.phase is Phase.VOTE
    swapped = {0: doors[1].sign(Vote(1, 1))}
    doors[4].submit(Relay(Verb.VOTE, 1, swapped, chain.members))
    assert [receipt.error for receipt in doors[4].receipts()] == ["WrongSigner"]


def test_who_contradicts_itself_loses_everything() -> None:
    chain = gathered()
    door, watcher = MemoryLedger(chain, ALL[3]), MemoryLedger(chain, WATCHER)
    one, other = (door.sign(Commit(1, bytes([n]) * 32)) for n in (1, 2))
    for pair in ((one, one), (one, other), (other, one)):
        watcher.submit(ReportEquivocation(ALL[3], Verb.COMMIT, 1, *pair))
    assert [receipt.error for receipt in watcher.receipts()] == ["SameMessage", None, "KnownEquivocation"]
    assert watcher.account(WATCHER).claimable == 400
    assert not chain.is_active(ALL[3])


# -- the rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "values", "weights", "merged"),
    [
        (1, [-1, 0], [1, 1], -1),
        (1, [10, 0], [3, 0], 7),
        (2, [-100, 1, 2, 100], [1] * 4, 1),
        (3, [5, -5, 7], [1] * 3, 5),
        (3, [-1, -2], [1] * 2, -2),
    ],
)
def test_one_coordinate_by_each_rule(rule: int, values: list[int], weights: list[int], merged: int) -> None:
    assert merge(rule, 2_500, 1_000_000, values, weights) == merged


# -- when time has passed -------------------------------------------------------------------------------------------


def slashed(chain: MemoryChain, index: int) -> None:
    """Let a member lose its stake and seat at once."""
    member = ALL[index]
    chain.court.equivocation(WATCHER, member, Phase.COMMIT, 1, (member, b"\1" * 32), (member, b"\2" * 32))


def test_a_round_that_a_view_has_foreseen_opens_though_a_slash_leaves_too_few_members() -> None:
    chain = gathered(3, min_members=3)
    chain.clock.advance(chain.terms.join_seconds)
    foreseen = chain.view()
    slashed(chain, 2)
    view = chain.view()
    assert (foreseen.round, foreseen.phase) == (view.round, view.phase) == (1, Phase.COMMIT)
    assert (foreseen.roster, view.roster, view.active) == (0b111, 0b111, 0b011)


def test_a_slash_in_time_keeps_round_1_from_opening() -> None:
    chain = gathered(3, min_members=3)
    slashed(chain, 2)
    chain.clock.advance(chain.terms.join_seconds)
    assert chain.view().phase is Phase.FORMING


def test_a_round_that_was_due_closes_before_others_are_taken_back() -> None:
    chain = gathered(challenge_seconds=1000)
    wrong = train(chain, "1.0")
    chain.clock.advance(chain.terms.commit_seconds)
    assert chain.view().round == 3, "round 2 is void: nobody has committed"
    challenged(chain, wrong, 1, 0)
    assert (chain.view().round, chain.view().phase) == (4, Phase.COMMIT)
    undone = next(said for said in chain.events if said.name == "Undone")
    assert undone.values["last"] == 3
