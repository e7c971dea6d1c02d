"""Scenarios as text: who does what wrong, and the conversation that comes of it.

A scenario is a few lines such as::

    federation nodes=3 rounds=2 min=2 commit=60 vote=30 attest=30
    silent c commit 1

Nodes are letters. ``play`` lets every node follow ``policy.next_action`` over a ``MemoryChain`` until nobody has
anything to do, then lets the time pass to the next deadline, and returns the transcript, line by line. The nodes are
real in what they decide and trivial in what they compute: an update is a hash, a merge is the hash of its updates.

Directives (``round`` is a number or ``*`` for all):

- ``federation`` with ``nodes rounds min start missed quorum join commit vote attest`` (all have defaults)
- ``silent NODE VERB ROUND``: does not say it
- ``wrong NODE ROUND``: attests another root than the merge
- ``withhold NODE ROUND``: commits, but nobody can fetch the update
- ``refuse NODE OTHER ROUND``: votes against the other's update
- ``late NODE ROUND``: joins when this round is open
- ``leave NODE ROUND``: announces its exit in this round
- ``dead NODE ROUND``: does nothing at all from this round on
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from rayfed.encoding.primitives import NO_ROOT, Root, bitmap, bits
from rayfed.ledger.memory.account import MemoryLedger
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol import policy
from rayfed.protocol.commands import Attest, Command, Commit, Join, Leave, Vote
from rayfed.protocol.messages import Phase, Terms, View
from rayfed.protocol.phases import PHASES, PhaseTable

DEFAULTS = {"nodes": 3, "rounds": 1, "missed": 3, "join": 300, "commit": 60, "vote": 30, "attest": 30}
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
                case ["refuse", node, other, round]:
                    faults.setdefault((f"refuse {other}", node), set()).add(round)
                case [("wrong" | "withhold" | "late" | "leave" | "dead") as fault, node, round]:
                    faults.setdefault((fault, node), set()).add(round)
                case _:
                    raise ValueError(f"not understood: {line}")
        unknown = options.keys() - DEFAULTS.keys() - {"min", "start", "quorum"}
        if unknown:
            raise ValueError(f"not understood: federation {', '.join(sorted(unknown))}")
        o = DEFAULTS | {k: int(v) for k, v in options.items() if k != "quorum"}
        late = sum(1 for fault, _ in faults if fault == "late")
        top, bottom = options.get("quorum", "2/3").split("/")
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
            quorum=(int(top), int(bottom)),
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

    def __init__(self, name: str, chain: MemoryChain, script: Script, phases: PhaseTable = PHASES) -> None:
        self.name = name
        self.ledger = MemoryLedger(chain, f"0x{name}")
        self._script = script
        self._phases = phases
        self._model: Root = NO_ROOT
        self._merged: tuple[int, Root] | None = None
        self._left = False

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
        me = policy.Me(self.ledger.address, self._model, self._merged, leaving=self._left)
        match policy.next_action(view, me, self._phases):
            case policy.Enter():
                return self._say(Join(self._script.terms.charter), view)
            case policy.Adopt(root):
                self._model = root
                return True
            case policy.Train(round, base):
                update = sha256(f"{self.name} {round}".encode() + base).digest()
                return self._say(Commit(round, update), view)
            case policy.Judge(round, _, committed):
                refused = bitmap(i for i in bits(committed) if self._refuses(i, round))
                return self._say(Vote(round, committed & ~refused), view)
            case policy.Merge(round, included, root):
                merged = root if root != NO_ROOT else self._merge(view, included)
                return self._say(Attest(round, merged), view)
        return False

    def _say(self, command: Command, view: View) -> bool:
        if self._script.has(f"silent {command.verb}", self.name, view.round):
            return False
        self.ledger.submit(command)
        for receipt in self.ledger.receipts():
            if receipt.error:
                raise AssertionError(f"{self.name} was refused {command.verb}: {receipt.error}")
        return True

    def _refuses(self, index: int, round: int) -> bool:
        other = self._script.nodes[index] if index < len(self._script.nodes) else "?"
        if other != self.name and self._script.has("withhold", other, round):
            return True
        return self._script.has(f"refuse {other}", self.name, round)

    def _merge(self, view: View, included: int) -> Root:
        # Order must not matter, so the twin of a merge is a hash over the sorted updates.
        merged = sha256(b"".join(sorted(view.roots[i] for i in bits(included)))).digest()
        if self._script.has("wrong", self.name, view.round):
            return sha256(b"wrong").digest()
        self._merged = (view.round, merged)
        return merged


def play(text: str, phases: PhaseTable = PHASES) -> str:
    """Run a scenario to its end and return the transcript; ``phases`` is the protocol that nodes and ledger follow.

    Raises:
        ValueError: the scenario is not understood.
        AssertionError: a node that follows the protocol was refused by the ledger, or the scenario does not end.
    """
    script = Script.parse(text)
    clock = ManualClock()
    chain = MemoryChain(script.terms, clock, phases)
    players = [Player(name, chain, script, phases) for name in script.nodes]
    started, told = clock.now, 0
    lines: list[str] = []

    def tell() -> None:
        nonlocal told
        lines.extend(f"{clock.now - started:>5}  {line}" for line in chain.log[told:])
        told = len(chain.log)

    for _ in range(PATIENCE):
        # Not a list in ``any``: every player gets its turn, in order, as if all had looked at the same time.
        acted = [player.step() for player in players]
        tell()
        if any(acted):
            continue
        view = chain.view()
        if view.phase is Phase.DONE:
            chain.poke()
            tell()
            return "\n".join(lines) + "\n"
        deadline = max(view.deadline, chain.deadline if clock.now < chain.deadline else 0)
        if deadline <= clock.now:
            raise AssertionError("nobody has anything to do and no deadline is ahead")
        clock.advance(deadline - clock.now)
        chain.poke()
        tell()
    raise AssertionError(f"not over after {PATIENCE} steps")
