"""What is said in one phase of one round: gathered, handed over and posted; and what a view tells of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rayfed.encoding.primitives import bits
from rayfed.protocol.commands import Relay
from rayfed.protocol.messages import Phase, Round, Signed, Status, Verb, View
from rayfed.protocol.phases import SPOKEN_IN, quorum


class Topic(NamedTuple):
    """What is said, in which round, and what it rests on."""

    verb: Verb
    round: int
    context: bytes


@dataclass
class Batch:
    """Messages of one phase. To be used by one thread.

    Attributes:
        topic: what they are.
        since: when the first of them came, by the steady clock.
        waiting: when the first came that was not posted since; 0: nothing waits.
        own: by index, of this process's nodes.
        given: by index, handed over by others.
        posted, handed: indices of those that were posted, or handed over to others.
        closed: when its time was seen to be over, by the steady clock; 0: not yet.
        refused: whether the ledger has refused it as a whole: something that others gave is not what it should be,
            and goes out apart from the own messages from then on.
    """

    topic: Topic
    since: float
    own: dict[int, Signed] = field(default_factory=dict)
    given: dict[int, Signed] = field(default_factory=dict)
    posted: set[int] = field(default_factory=set)
    handed: set[int] = field(default_factory=set)
    closed: float = 0.0
    waiting: float = 0.0
    refused: bool = False

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
        left = self._left(self.own, view) if own else {}
        return left if left and self.refused else {**self._left(self.given, view), **left}

    def _left(self, messages: Mapping[int, Signed], view: View) -> dict[int, Signed]:
        return {i: signed for i, signed in messages.items() if i not in self.posted and not self.was_heard(view, i)}

    def command(self, messages: Mapping[int, Signed], view: View) -> Relay:
        """Return what posts these messages: with the addresses of the others, which saves looking members up, and with
        the phase's end if nobody is missing then."""
        if self.topic.round != view.round:
            return Relay(*self.topic, messages, closes=False)
        others = tuple(view.members[i] for i in bits(view.roster) if i not in messages)
        spoken = sum(i in messages or self.was_heard(view, i) for i in bits(view.roster))
        size = view.roster.bit_count()
        enough = quorum(size) if self.topic.verb is Verb.ATTEST else size
        return Relay(*self.topic, messages, others, closes=spoken >= enough)

    def is_complete(self, view: View, known: Iterable[int], *, own: bool = True) -> bool:
        """Say whether every known member of the roster has spoken."""
        here = self.given.keys() | (self.own.keys() if own else set())
        return all(i in here or self.was_heard(view, i) for i in set(known) & set(bits(view.roster)))

    def is_open(self, view: View) -> bool:
        """Say whether its messages can still be heard."""
        verb, round, context = self.topic
        late = self._closed(view)
        if late is not None:
            return late.status is Status.FINAL and view.time < late.deadline
        if round != view.round or view.phase in (Phase.WAITING, Phase.DONE):
            return False
        if SPOKEN_IN[verb] == view.phase:
            return context == view.context
        return SPOKEN_IN[verb] > view.phase  # said to a newer view than this one

    def was_heard(self, view: View, index: int) -> bool:
        """Say whether a member's message is on the ledger, as far as a view tells; the rest is believed."""
        verb, round, context = self.topic
        late = self._closed(view)
        if late is not None:
            return bool(late.attested >> index & 1)
        if round != view.round or not view.is_open:
            return True  # a round that has closed does not say any more who voted
        if SPOKEN_IN[verb] == view.phase and context != view.context:
            return False
        spoken = {Verb.COMMIT: view.committed | view.abstained, Verb.VOTE: view.voted, Verb.ATTEST: view.attested}
        return bool(spoken[verb] >> index & 1)

    def _closed(self, view: View) -> Round | None:
        """Return the round that has closed before all had attested, if its attestations are what this is of."""
        verb, round, context = self.topic
        last = view.previous
        is_of = verb is Verb.ATTEST and last is not None and (last.round, last.context) == (round, context)
        return last if is_of else None
