"""How rounds are settled, losers punished and movers paid (docs/protocol.md, section 7): ``Treasury``'s other half."""

from __future__ import annotations

from dataclasses import replace

from rayfed.encoding.primitives import Address, bits
from rayfed.errors import Rejected
from rayfed.ledger.memory import bracket, phases
from rayfed.ledger.memory.slots import CostsSlot, DocketSlot, Head, RoundSlot
from rayfed.ledger.memory.storage import Block, Storage
from rayfed.protocol.court import Fate

BOTH_LOST = 3
"""Instead of the side that has won, 1 or 2."""

UNIT = 10_000
"""Shares are counted in parts of this."""


def settle(s: Storage, round: int, most: int) -> bool:
    """Settle a round, looking at no more than so many entries; return whether it is settled now."""
    slot = s.held(round) if round else None
    if slot is None or not slot.is_unsettled:
        raise Rejected("NotUnsettled")
    if not s.base_settled(slot.base_round):
        raise Rejected("BaseUnsettled")
    is_final, winner = slot.head is Head.FINAL, slot.final_entry + 1
    docket = s.dockets.get(round)
    if not s.terms.rule or docket is None or docket.count < 2:
        window = s.terms.window_seconds if s.terms.rule else 0
        if s.now <= (slot.deadline + window if is_final else 0):
            raise Rejected("NotOver")
    else:
        winner = _winner(s, round, docket)
        if is_final and winner != slot.final_entry + 1:
            raise Rejected("UndoFirst")
        if not _punish_all(s, round, docket, winner, most):
            return False
    _pay(s, slot, winner)
    slot = s.changed(s.rounds, s.slot_of(round))
    slot.head = Head.SETTLED if is_final else Head.OVER
    s.outcomes[round] = replace(s.outcomes[round], status=phases.status_of(slot.head))
    s.unsettled -= 1
    return True


def collect(s: Storage, round: int, number: int) -> None:
    """Deal with an entry: punish who attested a root that lost, or give a bond back."""
    docket = s.dockets.get(round)
    if docket is None or number >= docket.count or _is_dealt_with(s, round, docket, number):
        raise Rejected("NothingToCollect")
    started = bracket.begun(s, docket)
    fate, _ = bracket.fate(s, round, docket, number)
    if fate is Fate.LOST and started and s.terms.rule:
        _punish(s, round, docket, number)
        return
    entry = s.entries.get((round, number))
    if entry is None or not entry.entrant or not (fate is Fate.FALLEN or (fate is Fate.WON and started)):
        raise Rejected("NothingToCollect")
    s.changed(s.entries, (round, number)).collected = True
    s.account(entry.entrant).native_credit += s.terms.bond


def reimburse(s: Storage, round: int, stage: int, block: int, mover: Address) -> None:
    """Credit somebody with what its moves cost in a match whose loser has been dealt with."""
    key = (round, stage, block)
    amount = owed(s, key, mover)
    if amount is None:
        raise Rejected("NothingThere")
    del s.costs_of[key, mover]
    s.account(mover).native_credit += amount
    s.emit("Reimbursed", round=round, mover=mover, amount=amount)


def owed(s: Storage, key: Block, mover: Address) -> int | None:
    """Return what somebody is to be credited for its moves in a match; None: nothing is set aside, or it has it."""
    pot, side = s.pots.get(key, (0, 0))
    costs = s.costs_of.get((key, mover))
    mine = 0 if costs is None else costs.due(side)
    if not pot or not mine or not _is_full(s, key, pot, side):
        return None
    return mine * pot // s.costs[key].due(side)  # all in full where the bonds suffice, else in proportion


def _is_full(s: Storage, key: Block, pot: int, side: int) -> bool:
    """Return whether a pot has all that will ever be in it. Where both lost, the second one may have to add to it: who
    asked before would get less than who asks after."""
    if side != BOTH_LOST or pot == s.costs[key].due(side):
        return True
    docket, match = s.dockets[key[0]], s.matches[key]
    return docket.fallen or all(_is_dealt_with(s, key[0], docket, number) for number in (match.i, match.j))


def believe_reimbursed(s: Storage, round: int, mover: Address, amount: int) -> None:
    """Take it from another ledger that somebody was credited with what its moves cost; see ``MemoryChain``."""
    s.account(mover).native_credit += amount
    s.emit("Reimbursed", round=round, mover=mover, amount=amount)


# -- parts ------------------------------------------------------------------


def _winner(s: Storage, round: int, docket: DocketSlot) -> int:
    if bracket.begun(s, docket):
        ended, winner = bracket.survivor(s, round, docket, bracket.stages(docket.count), 0)
        if ended:
            return winner
    raise Rejected("NotOver")


def _punish_all(s: Storage, round: int, docket: DocketSlot, winner: int, most: int) -> bool:
    """Punish who attested a root that lost, from where the last call stopped; return whether that is all."""
    k = docket.cursor
    while k < docket.count and most:
        most -= 1
        if k + 1 != winner and not _is_dealt_with(s, round, docket, k) and s.attesters(round, k):
            _punish(s, round, docket, k)
        k += 1
    s.changed(s.dockets, round).cursor = k
    return k >= docket.count


def _is_dealt_with(s: Storage, round: int, docket: DocketSlot, number: int) -> bool:
    return docket.first_punished if not number else s.entries[round, number].collected


def _punish(s: Storage, round: int, docket: DocketSlot, number: int) -> None:
    """An entry has lost: its attesters lose stake, seat and a bond, its entrant a bond; bonds pay who moved."""
    bonds = 0
    if number:
        entry = s.changed(s.entries, (round, number))
        entry.collected = True
        bonds = s.terms.bond if entry.entrant else 0
    else:
        s.changed(s.dockets, round).first_punished = True
    attesters, pot = s.attesters(round, number), 0
    for index in bits(attesters):
        account = s.account(s.holders[index])
        stake, bond = account.stake, min(account.bonds, s.terms.bond)
        account.stake, account.slashed = 0, account.slashed + stake
        account.bonds, account.forfeited = account.bonds - bond, account.forfeited + bond
        pot, bonds = pot + stake, bonds + bond
        s.emit("Slashed", member=s.holders[index], round=round, stake=stake, bond=bond)
    s.active &= ~attesters
    if pot:
        s.changed(s.dockets, round).pot += pot
    _spend(s, round, docket, number, bonds)


def _spend(s: Storage, round: int, docket: DocketSlot, number: int, bonds: int) -> None:
    """Set aside what the moves against an entry cost in the match that it lost; burn what is left."""
    _, stage = bracket.fate(s, round, docket, number)
    key = (round, stage, number >> (stage + 1))
    _, winner = bracket.survivor(s, round, docket, stage + 1, number >> (stage + 1))
    pot, _ = s.pots.get(key, (0, 0))
    side = BOTH_LOST if winner == bracket.NOBODY else 2 if (number >> stage) % 2 == 0 else 1
    due = s.costs.get(key, CostsSlot()).due(side)
    # Where both lose, the other may have paid already.
    spent = min(bonds, s.spent.get((round, number), due - pot))
    if pot + spent:
        s.pots[key] = (pot + spent, side)
    s.native_burned += bonds - spent
    s.emit("BondsSpent", round=round, number=number, setAside=spent, burned=bonds - spent)


def _pay(s: Storage, slot: RoundSlot, winner: int) -> None:
    """Pay a settled round's reward to who earned it, and a share of what was slashed to who attested the right root."""
    docket = s.dockets.get(slot.round)
    pot = docket.pot if docket is not None else 0
    right = s.attesters(slot.round, winner - 1) if winner != bracket.NOBODY else 0
    each = pot * s.terms.right_share // UNIT // right.bit_count() if right else 0
    s.burned += pot - each * right.bit_count()
    earners = right & slot.included if slot.head is Head.FINAL else 0
    share = min(s.terms.reward, s.pool) // earners.bit_count() if earners else 0
    s.pool -= share * earners.bit_count()
    for index in bits(right):
        amount = each + (share if earners >> index & 1 else 0)
        if amount:
            account = s.account(s.holders[index])
            account.credit += amount
            account.earned += amount
    rightful = right if each else 0
    s.emit("Settled", round=slot.round, share=share, earners=earners, right=each, rightful=rightful)
