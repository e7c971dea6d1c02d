"""What is said in one phase of one round: gathered, handed over and posted; and what a view tells of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rayfed.encoding.primitives import NO_ROOT, bits
from rayfed.protocol.messages import Phase, Signed, Verb, View
from rayfed.protocol.phases import SPOKEN_IN

Said = tuple[Verb, int]
"""What, and in which round."""


@dataclass
class Batch:
    """Messages of one phase. To be used by one thread.

    Attributes:
        verb, round: what they are.
        since: when the first of them came, by the steady clock.
        waiting: when the first came that was not posted since; 0: nothing waits.
        own: by index, of this process's nodes.
        given: by index, handed over by others.
        posted, handed: indices of those that were posted, or handed over to others.
        closed: when its time was seen to be over, by the steady clock; 0: not yet.
    """

    verb: Verb
    round: int
    since: float
    own: dict[int, Signed] = field(default_factory=dict)
    given: dict[int, Signed] = field(default_factory=dict)
    posted: set[int] = field(default_factory=set)
    handed: set[int] = field(default_factory=set)
    closed: float = 0.0
    waiting: float = 0.0

    @property
    def said(self) -> Said:
        """What it is of."""
        return self.verb, self.round

    def add(self, index: int, signed: Signed) -> None:
        """Take an own message; one said again, because the chain has gone back or would not take it, goes out again."""
        self.own[index] = signed
        self.posted.discard(index)
        self.handed.discard(index)

    def fresh(self) -> dict[int, Signed]:
        """Return the own messages that have gone nowhere yet."""
        return {i: signed for i, signed in self.own.items() if i not in self.handed | self.posted}

    def to_post(self, view: View, *, own: bool) -> dict[int, Signed]:
        """Return what is to be posted: what others gave, the own messages too if ``own``, without what is heard."""
        here = {**self.given, **(self.own if own else {})}
        return {i: signed for i, signed in here.items() if i not in self.posted and not self.was_heard(view, i)}

    def is_complete(self, view: View, known: Iterable[int], *, own: bool = True) -> bool:
        """Say whether every known member of the roster has spoken."""
        here = self.given.keys() | (self.own.keys() if own else set())
        return all(i in here or self.was_heard(view, i) for i in set(known) & set(bits(view.roster)))

    def is_open(self, view: View) -> bool:
        """Say whether its messages can still be heard."""
        if self.round == view.round and SPOKEN_IN[self.verb] >= view.phase:
            return view.phase is not Phase.DONE
        last = view.previous
        late = self.verb is Verb.ATTEST and last is not None and last.round == self.round
        return late and last is not None and view.time <= last.open_until

    def was_heard(self, view: View, index: int) -> bool:
        """Say whether a member's message is on the ledger, as far as a view tells; the rest is believed."""
        last = view.previous
        if self.verb is Verb.ATTEST and last is not None and last.round == self.round and last.root != NO_ROOT:
            return bool(last.attesters >> index & 1)
        members = {Verb.COMMIT: view.committed, Verb.VOTE: view.voted, Verb.ATTEST: view.attested}[self.verb]
        return self.round != view.round or bool(members >> index & 1)
