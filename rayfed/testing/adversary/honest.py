"""An honest member: the policies of ``rayfed.protocol``, and the bytes that it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Self

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bitmap, bits
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol import court_policy, policy
from rayfed.protocol.commands import Advance, Attest, Command, Commit, Deposit, DepositBonds, Join, Statement, Vote
from rayfed.protocol.messages import Round, Verb, View
from rayfed.testing.adversary import blobs
from rayfed.testing.adversary.blobs import Trunk

LONG_AGO = 1
"""Since when a step is due: an honest member waits for nobody's turn here."""


@dataclass
class Honest:
    """One honest member.

    Attributes:
        address: its account.
        has: updates that it has, by root.
        merges: what it has merged itself, by the context that this rests on.
        took_part: rounds in which it has said something.
        journal: what it has said, by verb, round and context: it says nothing else in the same place.
        model: the model that it holds.
        until: when it wants to look again.
    """

    address: Address
    has: frozenset[Root] = frozenset()
    merges: dict[bytes, Root] = field(default_factory=dict)
    took_part: frozenset[int] = frozenset()
    journal: dict[tuple[Verb, int, bytes], Statement] = field(default_factory=dict)
    model: Root = NO_ROOT
    until: int = 0

    def copied(self) -> Self:
        """Return another one with the same knowledge."""
        return replace(self, merges=dict(self.merges), journal=dict(self.journal))

    def key(self) -> tuple[object, ...]:
        """Return what tells what it knows from all else."""
        said = tuple((place, statement) for place, statement in self.journal.items())
        return self.has, tuple(self.merges.items()), self.took_part, self.model, said

    # -- what it does ------------------------------------------------------------------

    def next(self, chain: MemoryChain) -> list[Command]:
        """Return the next thing to say, with what has to go before it; nothing if there is nothing to do now."""
        view = chain.view()
        self._merge_what_it_can(chain, view)
        stuck: set[policy.Action] = set()
        while True:
            action = policy.next_action(view, self._me(chain, view, frozenset(stuck)))
            if isinstance(action, policy.Wait | policy.Finish):
                self.until = action.until if isinstance(action, policy.Wait) else 0
                break
            said = self._said(chain, view, action)
            if said is not None:
                return said
            stuck.add(action)
        return [act.command for act in islice(self._court(chain, view), 1)]

    def _me(self, chain: MemoryChain, view: View, stuck: frozenset[policy.Action]) -> policy.Me:
        return policy.Me(
            address=self.address,
            model=self.model,
            merges=self.merges,
            took_part=view.base_round in self.took_part,
            distrusts=self._distrusts(chain, view),
            stuck=stuck,
            paused_until=chain.account(self.address).paused_until,
            due_since=LONG_AGO,
            late=tuple(one for one in court_policy.unsettled(chain, view) if one != view.previous),
            hurry=chain.terms().commit_seconds // 2,
        )

    def _distrusts(self, chain: MemoryChain, view: View) -> bool:
        """Return whether a final root that still stands, and can be undone, is known to be wrong."""
        rounds = [held for held in court_policy.unsettled(chain, view) if held.status.stands]
        return any(self.merges.get(held.context, held.root) != held.root for held in rounds)

    def _merge_what_it_can(self, chain: MemoryChain, view: View) -> None:
        """Merge every unsettled round of which it has all inputs, in time to enter the result."""
        window = chain.terms().window_seconds
        for held in court_policy.unsettled(chain, view):
            if held.context not in self.merges and view.time <= held.deadline + window:
                self._merge(chain, held.round, held.context)

    def _merge(self, chain: MemoryChain, round: int, context: bytes) -> Root | None:
        evidence = chain.merge_evidence(round)
        if evidence is None or evidence.context != context or not self.has.issuperset(evidence.roots):
            return None
        self.merges[context] = blobs.merge(chain.terms(), round, evidence.roots).root
        return self.merges[context]

    def _said(self, chain: MemoryChain, view: View, action: policy.Action) -> list[Command] | None:
        """Return what an action says; an empty list is not possible, None: it cannot be done now, or says nothing."""
        match action:
            case policy.Enter():
                return self._entering(chain)
            case policy.MoveOn():
                return [Advance()]
            case policy.Adopt(root):
                if view.base_round == 0 or root in self.merges.values():
                    self.model = root
                return None if self.model != root else self.next(chain) or None
            case policy.Train(round, base, commits) if commits:
                update = blobs.update(chain.terms(), round, base, int(self.address, 16) - 1)
                self.has |= {update.root}
                return self._statement(Commit(round, view.context, update.root))
            case policy.Abstain(round):
                return self._statement(Commit(round, view.context))
            case policy.Judge(round, _, committed):
                missed = bitmap(i for i in bits(committed) if view.roots[i] not in self.has)
                return self._statement(Vote(round, view.context, committed & ~missed, missed))
            case policy.Merge(round, context):
                merged = self._merge(chain, round, context)
                return None if merged is None else self._statement(Attest(round, context, merged))
            case policy.Check(round, context):
                self._merge(chain, round, context)
        return None

    def _statement(self, statement: Statement) -> list[Command]:
        self.took_part |= {statement.round}
        return [self.journal.setdefault((statement.verb, statement.round, statement.context), statement)]

    def _entering(self, chain: MemoryChain) -> list[Command]:
        terms, account, said = chain.terms(), chain.account(self.address), list[Command]()
        if account.stake < terms.stake:
            said.append(Deposit(self.address, terms.stake - account.stake))
        if account.bonds < terms.bonds:
            said.append(DepositBonds(self.address, terms.bonds - account.bonds))
        return [*said, Join(terms.charter)]

    def _court(self, chain: MemoryChain, view: View) -> Iterator[court_policy.CourtAct]:
        for held in court_policy.unsettled(chain, view):
            yield from court_policy.acts(chain, held, self._own(chain, held), view, self.address)
        for round in range(1, view.round + 1):
            evidence = chain.merge_evidence(round)
            own = self.merges.get(evidence.context) if evidence is not None else None
            number = chain.number_of(round, own) if own is not None else None
            if number is not None:
                yield from court_policy.dues(chain, round, number, view, self.address)

    def _own(self, chain: MemoryChain, held: Round) -> Trunk | None:
        evidence = chain.merge_evidence(held.round)
        if held.context not in self.merges or evidence is None:
            return None
        return blobs.merge(chain.terms(), held.round, evidence.roots)
