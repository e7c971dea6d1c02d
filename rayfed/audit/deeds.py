"""What somebody did, by the event that tells of it: fed to the rules as the command that it was.

Events do not say all that a command did. What is in transactions alone is taken from the contract, which checked it:
that the allow-list names who joined, that members signed what was relayed, the proofs of inputs, and what moves cost in
gas. Who took a step or moved in court does not matter to the rules. All else is worked out by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rayfed.audit.events import RecordEntry
from rayfed.encoding.primitives import Address, bits
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.court import Fate, Point
from rayfed.protocol.messages import Phase, Signed
from rayfed.protocol.phases import SPOKEN_IN

ANYBODY: Address = "0x" + "0" * 39 + "1"
"""Who does what it does not matter who does."""

_VERBS = {phase: verb for verb, phase in SPOKEN_IN.items()}


def deed(chain: MemoryChain, entry: RecordEntry, following: Callable[[str], Mapping[str, Any] | None]) -> None:
    """Do again what an event tells of.

    Args:
        chain: the rules.
        entry: the event.
        following: returns the values of the next event of a name, or None if there is none.

    Raises:
        Rejected: the rules refuse it.
    """
    said = entry.values
    if entry.name == "Proved":
        point = _point(chain, said)
        decided = following("Decided")
        same = decided is not None and all(decided[key] == said[key] for key in ("round", "stage", "block"))
        winner = decided["winner"] - 1 if decided is not None and same and decided["winner"] else None
        chain.believe_proved(point, said["proven"], winner)
    elif entry.name == "Reimbursed":
        chain.believe_reimbursed(said["round"], said["mover"], said["amount"])
    elif entry.name in ("Slashed", "BondsSpent"):
        spent = said if entry.name == "BondsSpent" else following("BondsSpent")
        if spent is None:
            raise Rejected("NothingToCollect")
        chain.believe_spent(spent["round"], spent["number"], spent["setAside"])
        chain.act(ANYBODY, commands.Collect(spent["round"], spent["number"]))
    else:
        if entry.name == "ClaimedNative":
            collect_bonds(chain, said["account"], said["amount"])
        sender, command = COMMANDS[entry.name](chain, said)
        chain.act(sender, command, believed=True)


def collect_bonds(chain: MemoryChain, account: Address, wanted: int) -> None:
    """Give an account back bonds of its entries until it can claim so much: no event tells that they were collected."""
    storage = chain.storage
    for (round, number), slot in list(storage.entries.items()):
        if chain.account(account).native_claimable >= wanted:
            return
        if slot.entrant == account and not slot.collected:
            entry = chain.entry(round, number)
            if entry is not None and entry.fate in (Fate.WON, Fate.FALLEN):
                chain.act(account, commands.Collect(round, number))


def _member(chain: MemoryChain, index: int) -> Address:
    holder = chain.storage.holders.get(index)
    if holder is None:
        raise Rejected("NotMember")
    return holder


def _context(chain: MemoryChain, round: int) -> bytes:
    held = chain.round_of(round)
    if held is None:
        raise Rejected("WrongRound")
    return held.context


def _point(chain: MemoryChain, said: Mapping[str, Any]) -> Point:
    """Return where the match stands that an event names by stage and block."""
    round, stage, block = said["round"], said["stage"], said["block"]
    match = chain.match(round, stage, block)
    if match is not None:
        return match.point
    pair = [chain.survivor(round, stage, 2 * block + side)[1] for side in (0, 1)]
    if pair[0] is None or pair[1] is None:
        raise Rejected("NotPaired")
    return Point(round, stage, pair[0], pair[1], said.get("from", 0), said.get("count", 1))


Deed = tuple[Address, Command]


def _spoken(chain: MemoryChain, said: Mapping[str, Any], made: Callable[[int, bytes], Command]) -> Deed:
    round = said["place"] >> 8
    return _member(chain, said["place"] & 0xFF), made(round, _context(chain, round))


def _relayed(chain: MemoryChain, said: Mapping[str, Any]) -> Deed:
    verb = _VERBS.get(Phase(said["phase"]) if said["phase"] in iter(Phase) else Phase.DONE)
    members = list(bits(said["members"]))
    if verb is None or len(members) != len(said["values"]):
        raise Rejected("WrongPhase")
    misses = said["misses"] or (0,) * len(members)
    messages = {
        index: Signed(value, b"", b"", missed)
        for index, value, missed in zip(members, said["values"], misses, strict=False)
    }
    context = _context(chain, said["round"])
    return ANYBODY, commands.Relay(verb, said["round"], context, messages, closes=False)


def _shown(chain: MemoryChain, said: Mapping[str, Any]) -> Deed:
    return ANYBODY, commands.Show(_point(chain, said), said["partsI"], said["partsJ"])


COMMANDS: dict[str, Callable[[MemoryChain, Mapping[str, Any]], Deed]] = {
    "Joined": lambda chain, said: (said["member"], commands.Join(chain.terms().charter)),
    "Left": lambda chain, said: (_member(chain, said["index"]), commands.Leave()),
    "Released": lambda chain, said: (ANYBODY, commands.Release(said["index"])),
    "Announced": lambda chain, said: (said["member"], commands.Announce(said["sequence"], said["card"])),
    "Committed": lambda chain, said: _spoken(
        chain, said, lambda round, context: commands.Commit(round, context, said["root"])
    ),
    "Voted": lambda chain, said: _spoken(
        chain, said, lambda round, context: commands.Vote(round, context, said["accepts"])
    ),
    "VotedMissing": lambda chain, said: _spoken(
        chain, said, lambda round, context: commands.Vote(round, context, said["accepts"], said["misses"])
    ),
    "Attested": lambda chain, said: _spoken(
        chain, said, lambda round, context: commands.Attest(round, context, said["root"])
    ),
    "Relayed": _relayed,
    "Deposited": lambda _, said: (said["from"], commands.Deposit(said["member"], said["amount"])),
    "Bonded": lambda _, said: (said["from"], commands.DepositBonds(said["member"], said["amount"])),
    "Funded": lambda _, said: (said["from"], commands.Fund(said["amount"])),
    "Refunded": lambda _, said: (said["funder"], commands.Refund(said["funder"])),
    "Withdrawn": lambda _, said: (said["member"], commands.Withdraw()),
    "Claimed": lambda _, said: (said["account"], commands.Claim(said["to"])),
    "ClaimedNative": lambda _, said: (said["account"], commands.ClaimNative(said["to"])),
    "Entered": lambda chain, said: (
        said["entrant"],
        commands.EnterRoot(said["round"], _context(chain, said["round"]), said["root"]),
    ),
    "Shown": _shown,
    "LeafShown": lambda chain, said: (
        ANYBODY,
        commands.ShowLeaf(_point(chain, said), said["leafI"], said["leafJ"]),
    ),
    "Undone": lambda _, said: (ANYBODY, commands.Undo(said["round"])),
}
"""The command that an event tells of, and whose it was."""

DEEDS = frozenset(COMMANDS) | {"Proved", "Reimbursed"}
"""Events that tell of an act; the others tell what came of one, or of a step that was due, or of a settlement."""


def unsaid(chain: MemoryChain, entry: RecordEntry) -> None:
    """Do what no event of its own tells of, and what an event that the rules did not give came of: a step, a match that
    was looked through, a loser that was dealt with, a settlement.

    Raises:
        Rejected: the rules refuse it.
    """
    said = entry.values
    match entry.name:
        case "PhaseOpened" | "RoundClosed" | "Dropped":
            chain.act(ANYBODY, commands.Advance())
        case "Decided":
            chain.act(ANYBODY, commands.Resolve(said["round"], said["stage"] + 1, said["block"]))
        case "Settled":
            chain.act(ANYBODY, commands.Settle(said["round"], 1 << 16))
        case _:
            raise Rejected("NothingDue")
