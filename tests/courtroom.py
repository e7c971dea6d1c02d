"""A federation in memory whose rounds are played by hand, with real blobs, for tests of what parties do in court."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from rayfed.aggregation import rules
from rayfed.encoding import merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Address, Root
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol import contexts
from rayfed.protocol.commands import Advance, Attest, Command, Commit, Deposit, DepositBonds, Fund, Join, Vote
from rayfed.protocol.court import InputProof
from rayfed.protocol.court_policy import OwnMerge, acts, dues, place, turn_seconds, unsettled
from rayfed.protocol.messages import COIN, Terms

VALUES = 20_000
"""157 leaves of values and the header's: two steps down, and the leaf."""

MEMBERS = [f"0x{i + 1:040x}" for i in range(8)]
OUTSIDER = "0x" + "99" * 20
STAKE, REWARD, BOND, POOL, COST = 1_000, 400, 50_000, 10_000, 7
FEDERATION, CHAIN_ID = "0x" + "fe" * 20, 31337
RULES = ("mean", "trimmed_mean", "median")


def terms_of(n: int, **changes: object) -> Terms:
    """Return terms of a federation of n members with short clocks."""
    made = Terms(
        charter=sha256(b"charter").digest(), genesis=sha256(b"genesis").digest(), rounds=6, join_seconds=100,
        commit_seconds=60, vote_seconds=60, attest_seconds=60, start_members=n, min_members=2, max_missed=3,
        max_unsettled=8, stake=STAKE, reward=REWARD, bond=BOND, window_seconds=40, clock_seconds=100, proof_seconds=60,
        right_share=1_000, rule=1, trim=2_500, max_weight=1_000, layout=sha256(b"layout").digest(), values=VALUES,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Trunk:
    """A merge and its inputs, all in memory; an ``OwnMerge``."""

    blob: bytes
    updates: tuple[bytes, ...]

    @property
    def root(self) -> Root:
        return merkle.root(self.blob)

    def parts(self, first: int, count: int) -> tuple[bytes, ...]:
        return merkle.tree(self.blob).parts(first, count)

    def leaf(self, index: int) -> bytes:
        return self.blob[index * merkle.LEAF : (index + 1) * merkle.LEAF]

    def inputs(self, which: Sequence[int], leaf: int, *, weighted: bool) -> list[InputProof]:
        return [self._input(one, leaf, weighted) for one in which]

    def _input(self, which: int, leaf: int, weighted: bool) -> InputProof:
        blob = self.updates[which]
        tree = merkle.tree(blob)
        taken = blob[leaf * merkle.LEAF : (leaf + 1) * merkle.LEAF]
        header = (blob[: merkle.LEAF], tree.proof(0)) if weighted else (b"", ())
        return InputProof(which, taken, tree.proof(leaf), *header)

    def twisted(self, at: int) -> Trunk:
        """Return a merge with another byte there."""
        blob = bytearray(self.blob)
        blob[at] ^= 0x41
        return Trunk(bytes(blob), self.updates)


class Courtroom:
    """Members who play rounds by hand, and parties in court."""

    def __init__(self, n: int = 4, **changes: object) -> None:
        self.terms = terms_of(n, **changes)
        self.clock = ManualClock()
        self.chain = MemoryChain(self.terms, self.clock)
        self.n = n
        self.chain.act(OUTSIDER, Fund(POOL))
        for member in MEMBERS[:n]:
            self.chain.act(member, Deposit(member, STAKE))
            self.chain.act(member, DepositBonds(member, self.terms.bonds))
            self.chain.act(member, Join(self.terms.charter))
        self.chain.act(OUTSIDER, Advance())

    # -- rounds -------------------------------------------------------------------------------------------------------

    def updates(self, round: int, base: Root) -> tuple[bytes, ...]:
        made = []
        for i in range(self.n):
            rng = np.random.default_rng([round, i])
            header = Header.update(CHAIN_ID, FEDERATION, round, MEMBERS[i], self.terms.layout, 10 + i)
            made.append(self._blob(header, rng.integers(-(2**30), 2**30, VALUES, np.int32)))
        return tuple(made)

    def merged(self, round: int, updates: Sequence[bytes]) -> Trunk:
        rule = rules.make(RULES[max(0, self.terms.rule - 1)], self.terms.trim, self.terms.max_weight)
        values = [np.frombuffer(one, "<i4", VALUES, merkle.LEAF) for one in updates]
        out = np.empty(VALUES, np.int32)
        rule.merge(values, [int.from_bytes(one[224:256], "big") for one in updates], out)
        return Trunk(self._blob(Header.merged(round, self.terms.layout), out), tuple(updates))

    def _blob(self, header: Header, values: np.ndarray) -> bytes:
        size = merkle.leaves(VALUES) * merkle.LEAF
        return (replace(header, size=VALUES).to_bytes() + values.astype("<i4").tobytes()).ljust(size, b"\0")

    def play(self, attested: Callable[[int, Trunk], Root | None] = lambda i, right: right.root) -> tuple[int, Trunk]:
        """Play a round in which all commit and accept all, and attest what ``attested`` says; close it as soon as that
        can be done. Return its number and what its merge is."""
        view = self.chain.view()
        round, updates = view.round, self.updates(view.round, view.base)
        for i in range(self.n):
            self.chain.act(MEMBERS[i], Commit(round, self.chain.view().context, merkle.root(updates[i])))
        self.chain.act(OUTSIDER, Advance())
        everything = (1 << self.n) - 1
        for i in range(self.n):
            self.chain.act(MEMBERS[i], Vote(round, self.chain.view().context, everything))
        self.chain.act(OUTSIDER, Advance())
        right, context = self.merged(round, updates), self.chain.view().context
        for i in range(self.n):
            root = attested(i, right)
            if root is not None:
                self.chain.act(MEMBERS[i], Attest(round, context, root))
        if not self.chain.view().due:
            self.clock.advance(self.terms.attest_seconds)
        self.chain.act(OUTSIDER, Advance())
        return round, right

    # -- court --------------------------------------------------------------------------------------------------------

    def go(self, parties: Sequence[Party], seconds: int, step: int = 2) -> None:
        """Let time pass, in which the parties do what is due."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.advance(step)
            for party in parties:
                party.look(self)

    def until_settled(self, parties: Sequence[Party], step: int = 2) -> None:
        for _ in range(100):
            if not self.chain.view().unsettled:
                return
            self.go(parties, 100, step)
        raise AssertionError("never settled")


class Party:
    """Somebody who follows the policy, with what it has of each round.

    Args:
        address: its account.
        own: its merges by round; what is not there was withheld from it.
        awake: whether it does anything at all.
    """

    def __init__(self, address: Address, own: dict[int, OwnMerge], awake: bool = True) -> None:
        self.address = address
        self.own = own
        self.awake = awake
        self.said: list[Command] = []
        self._seen: dict[object, int] = {}

    def look(self, room: Courtroom) -> None:
        """Do all that is due and this party's turn."""
        for _ in range(50):
            act = next((act for act in self.due(room)), None)
            if act is None:
                return
            self.said.append(act)
            room.chain.act(self.address, act, cost=COST)
        raise AssertionError(f"{self.address} does the same again and again: {self.said[-1]}")

    def due(self, room: Courtroom) -> Iterable[Command]:
        chain, view = room.chain, room.chain.view()
        if not self.awake:
            return
        open_rounds = unsettled(chain, view)
        for round in open_rounds:
            own = self.own.get(round.round)
            for act in acts(chain, round, own, view, self.address):
                key = repr(act.command)
                seen = self._seen.setdefault(key, view.time)
                turn = turn_seconds(room.terms)
                if not act.waits(place(view, self.address, act.number), turn, seen, view.time):
                    yield act.command
        for number, own in self.own.items():
            entry = chain.number_of(number, own.root)
            if entry is not None and number not in [round.round for round in open_rounds]:
                yield from (act.command for act in dues(chain, number, entry, view, self.address))


def context_of(room: Courtroom, round: int) -> bytes:
    """Return the ``included`` context of a closed round, made from its evidence."""
    evidence = room.chain.merge_evidence(round)
    assert evidence is not None
    return contexts.resting(evidence.voting, evidence.included, evidence.roots)


__all__ = ["BOND", "COIN", "COST", "MEMBERS", "OUTSIDER", "POOL", "REWARD", "STAKE", "Courtroom", "Party", "Trunk"]
