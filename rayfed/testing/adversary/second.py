"""The second edition as a game: the ledger in memory, honest members by their policy, and who has which bytes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.relays import signed
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.commands import Advance, Command, Commit, Deposit, DepositBonds, Fund, Join, Relay, Statement
from rayfed.protocol.messages import Phase, Status
from rayfed.testing.adversary import essence, looks, pace, promises
from rayfed.testing.adversary.game import YIELD, Move
from rayfed.testing.adversary.honest import Honest
from rayfed.testing.adversary.repertoire import Again, Say, Serve, Together, Turn, repertoire
from rayfed.testing.adversary.scope import REWARD, STAKE, THIEF, Scope, member

UNSETTLED = (Status.FINAL, Status.VOID)


@dataclass
class SecondEdition:
    """One state; follows the ``Game`` protocol. A move changes a copy.

    Attributes:
        scope: how large it is.
        chain: the ledger.
        honest: the honest members.
        entered, turned: how many disputes were begun, and how often the chain has gone back.
        heard: what honest members have said on any branch, by who said it.
        before: the storage when the phase before began, and when this one did: to go back to.
        refused: what the ledger refused an honest member; empty: nothing.
        quiet: nobody honest has anything to do any more.
        at_rest: the honest have just done all that they can.
        told: events before the last move.
    """

    scope: Scope
    chain: MemoryChain
    honest: list[Honest]
    entered: int = 0
    turned: int = 0
    heard: frozenset[tuple[int, Statement]] = frozenset()
    before: tuple[Storage, ...] = ()
    refused: str = ""
    quiet: bool = False
    at_rest: bool = False
    told: int = 0
    _place: tuple[int, Phase] = field(default=(0, Phase.FORMING))

    @classmethod
    def begin(cls, scope: Scope) -> Self:
        """Return the state in which round 1 has just opened."""
        terms = scope.terms()
        chain = MemoryChain(terms, ManualClock())
        chain.act(THIEF, Fund(REWARD * scope.rounds * 2))
        for index in range(scope.members):
            who = member(index)
            chain.act(who, Deposit(who, STAKE))
            chain.act(who, DepositBonds(who, terms.bonds))
            chain.act(who, Join(terms.charter))
        chain.act(THIEF, Advance())
        return cls(scope, chain, [Honest(member(index)) for index in range(scope.honest)])

    # -- Game ------------------------------------------------------------------

    def moves(self) -> Sequence[Move]:
        """See ``Game``."""
        return [*repertoire(self), YIELD] if self.chain.view().round <= self.scope.rounds else [YIELD]

    def play(self, move: Move) -> Self | None:
        """See ``Game``."""
        after = self._copied()
        try:
            after._do(move.act)
        except Rejected:
            return None
        return after

    def key(self) -> Hashable:
        """See ``Game``."""
        if self.turned >= self.scope.turns_back:
            return hash(essence.of_game(self))
        mine = self.entered, self.turned, self.heard, self.quiet
        return hash((looks.of_ledger(self.chain), mine, tuple(one.key() for one in self.honest)))

    def cell(self) -> Hashable:
        """See ``Game``."""
        chain, view = self.chain, self.chain.view()
        rounds = []
        for number in range(1, view.round + 1):
            held, tournament = chain.outcome(number), chain.tournament(number)
            entries = 0 if tournament is None else tournament.entries
            fates = tuple(entry.fate for k in range(min(entries, 6)) if (entry := chain.entry(number, k)) is not None)
            rounds.append((held and (held.status, held.included, held.attesters), fates))
        said = view.committed, view.abstained, view.voted, view.included, view.excused, view.attested
        served = tuple(len(one.has) for one in self.honest)
        return view.round, view.phase, said, tuple(rounds), served, self.entered, self.turned, view.active

    def broken(self) -> str:
        """See ``Game``."""
        return self.refused or promises.broken(self)

    def reached(self) -> list[str]:
        """See ``Game``."""
        return [event.name for event in self.chain.events[self.told :]]

    def is_over(self) -> bool:
        """See ``Game``."""
        rounds = [self.chain.round_of(number) for number in range(1, self.scope.rounds + 1)]
        open_ones = [held for held in rounds if held is not None and held.status in (Status.OPEN, *UNSETTLED)]
        view = self.chain.view()
        return not open_ones and (self.quiet or view.round > self.scope.rounds or view.phase is Phase.DONE)

    def damage(self) -> float:
        """See ``Game``."""
        return promises.damage(self)

    # -- what comes of a move ------------------------------------------------------------------

    def _copied(self) -> Self:
        honest, told = [one.copied() for one in self.honest], self.chain.storage.told
        return replace(self, chain=self.chain.fork(), honest=honest, quiet=False, told=told)

    def _do(self, act: Hashable) -> None:
        if act is None:
            pace.go_on(self)
            return
        self.at_rest = False
        match act:
            case Say(sender, command, readers):
                self._say(sender, command)
                if isinstance(command, Commit) and readers:
                    self.serve(command.root, readers)
            case Together(several):
                for one in several:
                    self._do(one)
            case Serve(root):
                self.serve(root, tuple(range(self.scope.honest)))
            case Turn(phases):
                self._turn_back(phases)
            case Again(index, statement, context):
                message = signed(member(index), statement)
                seat = self.chain.view().index_of(member(index))
                said = Relay(statement.verb, statement.round, context, {seat or 0: message}, closes=False)
                self.chain.act(THIEF, said)
        self.note()

    def _say(self, sender: Address, command: Command) -> None:
        if isinstance(command, Join):
            terms, account = self.chain.terms(), self.chain.account(sender)
            if account.stake < terms.stake:
                self.chain.act(sender, Deposit(sender, terms.stake - account.stake))
            if account.bonds < terms.bonds:
                self.chain.act(sender, DepositBonds(sender, terms.bonds - account.bonds))
        self.chain.act(sender, command)
        if command.verb == "enter":
            self.entered += 1

    def serve(self, root: Root, readers: Sequence[int]) -> None:
        """Give an update to some of the honest."""
        for index in readers:
            self.honest[index].has |= {root}

    def _turn_back(self, phases: int) -> None:
        if len(self.before) < phases or self.before[-phases] is self.chain.storage:
            raise Rejected("Nothing to go back to")
        self.chain = self.chain.fork(self.before[-phases])
        tournaments = map(self.chain.tournament, range(1, self.chain.view().round + 1))
        in_court = any(one is not None and 0 < one.start < self.chain.clock.now for one in tournaments)
        if self.chain.view().due or in_court:
            raise Rejected("Nobody is censored for a whole phase, nor for a clock")
        self.turned += 1

    def note(self) -> None:
        """Remember where the current phase has begun."""
        view = self.chain.view()
        if (view.round, view.phase) != self._place:
            self._place = view.round, view.phase
            self.before = (*self.before[-1:], self.chain.storage)
