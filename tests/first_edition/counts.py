"""What has been said so far in a phase, in memory: who spoke, what is included, whether a root has the quorum."""

from __future__ import annotations

from collections.abc import Mapping

from rayfed.encoding.primitives import NO_ROOT, Root, bitmap
from tests.first_edition.messages import Phase, Status, Verb
from tests.first_edition.phases import Early, Need, Tally
from tests.first_edition.storage import FederationStorage


class Counts(FederationStorage):
    """Answers the phase table's questions."""

    def _is_early(self) -> bool:
        """Whether the phase ends now, before its deadline, because of what was just said."""
        match self.phases[self.phase].ends:
            case Early.GATHERED:
                return self.active.bit_count() >= self.terms.start_members
            case Early.ALL:
                return self._spoken(self.phase) == self.roster
            case Early.QUORUM:
                return self._root_with_quorum() != NO_ROOT
            case Early.NEVER:
                return False

    def _has(self, need: Need) -> bool:
        match need:
            case Need.MEMBERS:
                return self.active.bit_count() >= self.terms.min_members
            case Need.SPEAKERS:
                return self._spoken(self.phase).bit_count() >= self.terms.min_members
            case Need.INCLUDED:
                return self.included != 0
            case Need.QUORUM:
                return self._root_with_quorum() != NO_ROOT

    def _count(self, tally: Tally | None) -> None:
        """Say which updates are included, if that is decided now."""
        if tally is Tally.MAJORITY:
            # The deliberately dumb twin of the contract's bit-sliced tally: a loop over pairs.
            self.included = bitmap(
                i for i in self.roots if 2 * sum(b >> i & 1 for b in self.ballots.values()) > self.roster.bit_count()
            )
        elif tally is Tally.COMMITTED:
            self.included = bitmap(self.roots)
        if tally is not None and self.included:
            self.refused[self.round] = self._refused() if tally is Tally.MAJORITY else 0
            self._say(f"-- included: {self.names(self.included)}")

    def _spoken(self, phase: Phase) -> int:
        """Return who has said what this phase is for."""
        said: dict[Verb | None, Mapping[int, object]] = {
            Verb.COMMIT: self.roots,
            Verb.VOTE: self.ballots,
            Verb.ATTEST: self.attestations,
        }
        return bitmap(said.get(self.phases[phase].verb, {}))

    def _present(self, status: Status) -> int:
        """Return who has said all that there was to say in this round; its last word only if the round is void."""
        present = self.roster
        for phase in sorted(self.phases):
            row = self.phases[phase]
            last = phase is self.phase and row.ends is Early.QUORUM and status is Status.FINAL
            if row.verb is not None and phase <= self.phase and not last:
                present &= self._spoken(phase)
        return present

    def _refused(self) -> int:
        """Return those whose update at least two thirds of the roster left out of their ballots."""
        against = {i: sum(not b >> i & 1 for b in self.ballots.values()) for i in self.roots}
        return bitmap(i for i, count in against.items() if 3 * count >= 2 * self.roster.bit_count())

    def _has_quorum(self, root: Root) -> bool:
        numerator, denominator = self.terms.quorum
        return self._attesters_of(root).bit_count() * denominator > self.roster.bit_count() * numerator

    def _root_with_quorum(self) -> Root:
        """Return the root that has the quorum; there is one at most. NO_ROOT: none has."""
        return next((root for root in dict.fromkeys(self.attestations.values()) if self._has_quorum(root)), NO_ROOT)

    def _attesters_of(self, root: Root) -> int:
        return bitmap(i for i, r in self.attestations.items() if r == root)
