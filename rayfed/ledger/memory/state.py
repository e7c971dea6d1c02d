"""Reading a federation in memory, from any thread: the ``FederationState`` protocol."""

from __future__ import annotations

from rayfed.encoding.primitives import Address, Root
from rayfed.ledger.memory import reads
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.court import Entry, Match, MergeEvidence, Point, Shown, Tournament
from rayfed.protocol.messages import Outcome, Round, Terms, View


class MemoryCourtState:
    """What can be read of a storage's court; follows the ``CourtState`` protocol.

    Nobody writes to a storage that is kept, so nothing is locked here; ``storage`` is replaced as a whole.
    """

    storage: Storage

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def tournament(self, round: int) -> Tournament | None:
        """See ``CourtState``."""
        return reads.tournament_of(self.storage, round)

    def entry(self, round: int, number: int) -> Entry | None:
        """See ``CourtState``."""
        return reads.entry_of(self.storage, round, number)

    def number_of(self, round: int, root: Root) -> int | None:
        """See ``CourtState``."""
        return reads.number_of(self.storage, round, root)

    def survivor(self, round: int, level: int, block: int) -> tuple[bool, int | None]:
        """See ``CourtState``."""
        return reads.survivor_of(self.storage, round, level, block)

    def match(self, round: int, stage: int, block: int) -> Match | None:
        """See ``CourtState``."""
        return reads.match_of(self.storage, round, stage, block)

    def shown(self, point: Point) -> Shown:
        """See ``CourtState``."""
        key = ((point.round, point.stage, point.block), point.first, point.count)
        return self.storage.shown.get(key, Shown())

    def owed(self, round: int, stage: int, block: int, mover: Address) -> int:
        """See ``CourtState``."""
        return reads.owed_of(self.storage, round, stage, block, mover)

    def merge_evidence(self, round: int) -> MergeEvidence | None:
        """See ``CourtState``."""
        return self.storage.evidence.get(round)


class MemoryState(MemoryCourtState):
    """What can be read of a storage; follows the ``FederationState`` protocol."""

    _last: tuple[Storage, int, View] | None = None

    def terms(self) -> Terms:
        """See ``FederationState``."""
        return self.storage.terms

    def view(self) -> View:
        """See ``FederationState``; the same one as long as nothing is said and no time passes."""
        storage, now = self.storage, self.storage.now
        last = self._last
        if last is None or last[0] is not storage or last[1] != now:
            self._last = last = (storage, now, reads.view_of(storage))
        return last[2]

    def round_of(self, round: int) -> Round | None:
        """See ``FederationState``."""
        return reads.round_of(self.storage, round)

    def outcome(self, round: int) -> Outcome | None:
        """See ``FederationState``."""
        return reads.outcome_of(self.storage, round)

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        return reads.account_of(self.storage, address)

    def books(self) -> Books:
        """See ``FederationState``."""
        return reads.books_of(self.storage)

    def cards(self) -> dict[Address, bytes]:
        """See ``FederationState``."""
        return reads.cards_of(self.storage)

    def wait(self, seen: View, timeout: float) -> None:
        """Return at once: in this world, time passes only when somebody says so."""
