"""Scenarios as text: who does what wrong, and the conversation that comes of it.

A scenario is a few lines such as::

    federation nodes=3 rounds=2 min=2 commit=60 vote=30 attest=30
    silent c commit 1

Nodes are letters. ``play`` lets every node follow ``policy.next_action`` over a ``MemoryChain`` until nobody has
anything to do, then lets the time pass to the next deadline, and returns the transcript, line by line. The nodes are
real in what they decide and trivial in what they compute: an update is a hash, a merge is the hash of its updates.
Nobody goes to court here (``rule=1`` is for scenarios in which nobody dissents); rounds are settled when they can be.

Directives (``round`` is a number or ``*`` for all):

- ``federation`` with ``nodes rounds min start missed void unsettled join commit vote attest rule window``
  (all have defaults)
- ``silent NODE VERB ROUND``: does not say it
- ``wrong NODE ROUND``: attests another root than the merge
- ``withhold NODE ROUND``: commits, but nobody can fetch the update
- ``hide NODE OTHER ROUND``: does not give its update to the other, and neither does anybody else
- ``refuse NODE OTHER ROUND``: votes against the other's update
- ``slow NODE ROUND``: attests only once the round has closed
- ``late NODE ROUND``: joins when this round is open
- ``leave NODE ROUND``: announces its exit in this round
- ``dead NODE ROUND``: does nothing at all from this round on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bitmap, bits
from rayfed.ledger.memory.account import MemoryLedger
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol import policy
from rayfed.protocol.commands import Advance, Attest, Command, Commit, Join, Leave, Settle, Vote
from rayfed.protocol.messages import Phase, Terms, View
from rayfed.testing.transcript import Transcript, address_of, name_of

DEFAULTS = {
    "nodes": 3,
    "rounds": 1,
    "missed": 3,
    "void": 8,
    "unsettled": 8,
    "join": 300,
    "commit": 60,
    "vote": 30,
    "attest": 30,
    "window": 10,
    "rule": 0,
}
PATIENCE = 10_000
"""Steps after which a scenario that does not end is called a failure."""


@dataclass
class Script:
    """A parsed scenario: terms, and who misbehaves how, by (directive, node, round)."""

    terms: Terms
    nodes: list[str]
    faults: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Script:
        """Read a scenario.

        Raises:
            ValueError: a line is not understood.
        """
        options: dict[str, str] = {}
        faults: dict[tuple[str, str], set[str]] = {}
        for line in text.splitlines():
            words = line.split("#")[0].split()
            match words:
                case []:
                    continue
                case ["federation", *pairs]:
                    options |= dict(pair.split("=") for pair in pairs)
                case ["silent", node, verb, round]:
                    faults.setdefault((f"silent {verb}", node), set()).add(round)
                case [("refuse" | "hide") as fault, node, other, round]:
                    faults.setdefault((f"{fault} {other}", node), set()).add(round)
                case [("wrong" | "withhold" | "slow" | "late" | "leave" | "dead") as fault, node, round]:
                    faults.setdefault((fault, node), set()).add(round)
                case _:
                    raise ValueError(f"not understood: {line}")
        unknown = options.keys() - DEFAULTS.keys() - {"min", "start"}
        if unknown:
            raise ValueError(f"not understood: federation {', '.join(sorted(unknown))}")
        o = DEFAULTS | {k: int(v) for k, v in options.items()}
        late = sum(1 for fault, _ in faults if fault == "late")
        start = o.get("start", o["nodes"] - late)
        terms = Terms(
            charter=bytes(31) + b"\1",
            genesis=sha256(b"genesis").digest(),
            rounds=o["rounds"],
            join_seconds=o["join"],
            commit_seconds=o["commit"],
            vote_seconds=o["vote"],
            attest_seconds=o["attest"],
            start_members=start,
            min_members=o.get("min", max(1, start // 2)),
            max_missed=o["missed"],
            max_unsettled=o["unsettled"],
            max_void=o["void"],
            window_seconds=o["window"],
            clock_seconds=10,
            proof_seconds=10,
            rule=o["rule"],
        )
        return cls(terms, [chr(ord("a") + i) for i in range(o["nodes"])], faults)

    def has(self, fault: str, node: str, round: int) -> bool:
        """Whether a node has this fault in this round."""
        rounds = self.faults.get((fault, node), set())
        return "*" in rounds or str(round) in rounds

    def since(self, fault: str, node: str, round: int) -> bool:
        """Whether a node has this fault in this round or had it in an earlier one."""
        return any(self.has(fault, node, r) for r in range(round + 1))


class Player:
    """A node that decides by the protocol and computes next to nothing."""

    def __init__(self, name: str, chain: MemoryChain, script: Script) -> None:
        self.name = name
        self.ledger = MemoryLedger(chain, address_of(name))
        self._script = script
        self._model: Root = NO_ROOT
        self._merges: dict[bytes, Root] = {}
        self._spoke: set[int] = set()
        self._left = False
        self._due: tuple[tuple[int, Phase], int] = ((0, Phase.FORMING), 0)

    def step(self) -> bool:
        """Do the one next thing; return False if there is nothing to do."""
        view = self.ledger.view()
        has = self._script.has
        if self._script.since("dead", self.name, view.round):
            return False
        late = self._script.faults.get(("late", self.name))
        if late and view.round < min(map(int, late)):
            return False
        if has("leave", self.name, view.round) and not self._left:
            self._left = True
            self.ledger.submit(Leave())
            return True
        me, stuck = self._me(view), set[policy.Action]()
        while not isinstance(
            action := policy.next_action(view, replace(me, stuck=frozenset(stuck))), policy.Wait | policy.Finish
        ):
            if self._does(action, view):
                return True
            stuck.add(action)
        return False

    def _me(self, view: View) -> policy.Me:
        place = view.round, view.phase
        if self._due[0] != place or not view.due:
            self._due = place, 0
        if view.due:
            self._due = place, self._due[1] or view.time
        account = self.ledger.account(self.ledger.address)
        return policy.Me(
            address=self.ledger.address,
            model=self._model,
            merges=self._merges,
            took_part=view.base_round in self._spoke,
            leaving=self._left,
            paused_until=account.paused_until,
            due_since=self._due[1],
            hurry=self._script.terms.commit_seconds // 4,
        )

    def _does(self, action: policy.Action, view: View) -> bool:
        """Do something; return False if it cannot be done now."""
        match action:
            case policy.Enter():
                return self._say(Join(self._script.terms.charter), view)
            case policy.MoveOn():
                return self._say(Advance(), view)
            case policy.Adopt(root):
                self._model = root
                return True
            case policy.Train(round, base, commits):
                update = sha256(f"{self.name} {round}".encode() + base).digest()
                return commits and self._say(Commit(round, view.context, update), view)
            case policy.Abstain(round):
                return self._say(Commit(round, view.context), view)
            case policy.Judge(round, _, committed):
                missed = bitmap(i for i in bits(committed) if not self._gets(i, round, view))
                refused = bitmap(i for i in bits(committed) if self._refuses(i, round, view))
                return self._say(Vote(round, view.context, committed & ~refused & ~missed, missed), view)
            case policy.Merge(round, context):
                if self._script.has("slow", self.name, round) and round == view.round:
                    return False
                merged = self._merge(round, context, view)
                if merged is None:
                    return False
                if self._script.has("wrong", self.name, round):
                    merged = self._merges[context] = sha256(b"wrong").digest()  # and stands by it
                return self._say(Attest(round, context, merged), view)
            case policy.Check(round, context):
                return self._merge(round, context, view) is not None
        return False

    def _say(self, command: Command, view: View) -> bool:
        if self._script.has(f"silent {command.verb}", self.name, view.round):
            return False
        self.ledger.submit(command)
        self._spoke.add(command.round)
        for receipt in self.ledger.receipts():
            if receipt.error:
                raise AssertionError(f"{self.name} was refused {command.verb}: {receipt.error}")
        return True

    def _gets(self, index: int, round: int, view: View) -> bool:
        """Whether this node can have a member's update."""
        other = name_of(view.members[index])
        if other == self.name:
            return True
        return not self._script.has("withhold", other, round) and not self._script.has(
            f"hide {self.name}", other, round
        )

    def _refuses(self, index: int, round: int, view: View) -> bool:
        return self._script.has(f"refuse {name_of(view.members[index])}", self.name, round)

    def _merge(self, round: int, context: bytes, view: View) -> Root | None:
        evidence = self.ledger.merge_evidence(round)
        if evidence is None or evidence.context != context:
            return None
        if not all(self._gets(i, round, view) for i in bits(evidence.included)):
            return None
        # Order must not matter, so the twin of a merge is a hash over the sorted updates.
        self._merges[context] = sha256(b"".join(sorted(evidence.roots))).digest()
        return self._merges[context]


def play(text: str) -> str:
    """Run a scenario to its end and return the transcript.

    Raises:
        ValueError: the scenario is not understood.
        AssertionError: a node that follows the protocol was refused by the ledger, or the scenario does not end.
    """
    script = Script.parse(text)
    clock = ManualClock()
    chain = MemoryChain(script.terms, clock)
    players = [Player(name, chain, script) for name in script.nodes]
    court, told = MemoryLedger(chain, "0x" + "f" * 40), Transcript(clock.now)

    for _ in range(PATIENCE):
        # Not a list in ``any``: every player gets its turn, in order, as if all had looked at the same time.
        acted = [player.step() for player in players]
        told.hear(chain.events)
        if any(acted):
            continue
        view = chain.view()
        if view.phase is Phase.DONE and not view.unsettled:
            return told.text
        clock.advance(_pause(view, chain, [player.ledger.address for player in players]))
        _settle(chain, court)
        told.hear(chain.events)
    raise AssertionError(f"not over after {PATIENCE} steps")


def _pause(view: View, chain: MemoryChain, players: Sequence[Address]) -> int:
    """Return in how many seconds something may be due."""
    terms, last = chain.terms(), view.previous
    moments = [chain.account(address).paused_until for address in players]
    moments += [view.deadline, view.deadline - terms.commit_seconds // 4, view.time + policy.TURN_SECONDS * view.due]
    if last is not None:
        moments.append(last.deadline)
    for round in terms.slots(view.round):
        held = chain.round_of(round)
        if held is not None and held.status.is_unsettled:
            moments.append(held.deadline + (terms.window_seconds if terms.rule else 0) + 1)
    ahead = [moment for moment in moments if moment > view.time]
    if not ahead:
        raise AssertionError("nobody has anything to do and no deadline is ahead")
    return min(ahead) - view.time


def _settle(chain: MemoryChain, court: MemoryLedger) -> None:
    """Settle what can be settled."""
    for round in chain.terms().slots(chain.view().round):
        held = chain.round_of(round)
        if held is not None and held.status.is_unsettled:
            court.submit(Settle(round))
            (receipt,) = court.receipts()
            if receipt.error not in (None, "NotOver", "BaseUnsettled"):
                raise AssertionError(f"round {round} cannot be settled: {receipt.error}")
