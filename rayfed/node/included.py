"""What a round has included: whose updates, what they rest on, and who has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rayfed.encoding.primitives import Address, Root, bits
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger import FederationState
from rayfed.protocol.messages import Phase, View

ROUNDS = 4
"""Closed rounds whose inputs are remembered: what they rest on does not change."""


class Holders(Mapping[Root, Sequence[Address]]):
    """Members that should have an update, by its root; reckoned when it is asked for, which it is of few.

    Args:
        authors: indices of who has committed to it, by root.
        of: returns who should have an author's update.
    """

    def __init__(self, authors: Mapping[Root, Sequence[int]], of: Callable[[int], Sequence[Address]]) -> None:
        self._authors = authors
        self._of = of

    def __getitem__(self, root: Root) -> Sequence[Address]:
        return [address for index in self._authors[root] for address in self._of(index)]

    def __iter__(self) -> Iterator[Root]:
        return iter(self._authors)

    def __len__(self) -> int:
        return len(self._authors)


@dataclass(frozen=True, slots=True)
class Included:
    """The inputs of one merge.

    Attributes:
        round: the round's number.
        context: what the merge rests on.
        base: root that the round started from.
        roots: of the included updates, by index.
        holders: members that should have an update, by its root.
    """

    round: int
    context: bytes
    base: Root
    roots: tuple[Root, ...]
    holders: Mapping[Root, Sequence[Address]]


class IncludedReader:
    """Reads what the open round has included from the view, and what a closed one has from the ledger, once.

    Args:
        ledger: what is asked.
        me: who asks: never itself among the holders.
    """

    def __init__(self, ledger: FederationState, me: Address) -> None:
        self._ledger = ledger
        self._me = me
        self._known: dict[bytes, Included] = {}

    def read(self, round: int, context: bytes, view: View) -> Included | None:
        """Return what a round has included; None where the ledger tells it of another branch, or not any more.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if context == view.context and view.phase is Phase.ATTEST:
            members = list(bits(view.included))
            authors: dict[Root, list[int]] = {}
            for i in members:  # two may have committed to the same root
                authors.setdefault(view.roots[i], []).append(i)
            holders = Holders(authors, lambda index: self.holders(view, index))
            return Included(round, context, view.base, tuple(view.roots[i] for i in members), holders)
        if context not in self._known:
            found = self._closed(round, context)
            if found is None:
                return None
            self._known = {**dict(list(self._known.items())[1 - ROUNDS :]), context: found}
        known = self._known[context]
        others = [address for address in view.members if address and address != self._me]
        return Included(round, context, known.base, known.roots, dict.fromkeys(known.roots, others))

    def holders(self, view: View, index: int) -> list[Address]:
        """Return who should have a member's update of the open round: that member, and who voted and does not miss
        it."""
        voters = (i for i in bits(view.voted) if i != index and not view.misses[i] >> index & 1)
        return [view.members[i] for i in (index, *voters) if view.members[i] != self._me]

    def _closed(self, round: int, context: bytes) -> Included | None:
        try:
            evidence = self._ledger.merge_evidence(round)
        except LedgerUnreachable:
            raise
        except LedgerError:
            return None  # the ledger's node has forgotten it
        if evidence is None or evidence.context != context:
            return None
        return Included(round, context, evidence.base, evidence.roots, {})
