"""The books of a replay: what happened in each round, as the rules and the record tell it."""

from __future__ import annotations

from rayfed.audit.events import RecordEntry
from rayfed.audit.facts import RoundFacts
from rayfed.encoding.primitives import NO_ROOT, bits
from rayfed.ledger.memory.chain import MemoryChain, Said
from rayfed.protocol.messages import Phase, Status

MOST_ENTRIES = 64
"""Entries of a tournament that an auditor looks at one by one; in a flood, those that were attested are among them."""


class RoundBooks:
    """Keeps them.

    Args:
        chain: the replay's.
    """

    def __init__(self, chain: MemoryChain) -> None:
        self._chain = chain
        self._rounds: dict[int, RoundFacts] = {}

    def hear(self, given: Said) -> None:
        """Take note of what the rules say."""
        said = given.values
        if given.name == "PhaseOpened" and said["phase"] in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            if said["phase"] == Phase.COMMIT:
                self._open(said["round"])
            self._rounds[said["round"]].phase = Phase(said["phase"])
            held = self._chain.round_of(said["round"])
            if held is not None and held.included:
                self._rounds[said["round"]].included = held.included
        elif given.name == "RoundClosed":
            facts = self._rounds[said["round"]]
            facts.root, facts.included, facts.attesters = said["root"], said["included"], said["attesters"]

    def say(self, entry: RecordEntry) -> None:
        """Take note of what members said."""
        facts = self._rounds.get(entry.round or 0)
        if facts is None:
            return
        said, index = entry.values, entry.index
        if entry.name == "Relayed":
            misses = said["misses"] or (0,) * len(said["values"])
            for one, value, missed in zip(bits(said["members"]), said["values"], misses, strict=True):
                if said["phase"] == Phase.VOTE:
                    facts.accepts[one], facts.misses[one] = int.from_bytes(value, "big"), missed
                else:
                    (facts.roots if said["phase"] == Phase.COMMIT else facts.attestations)[one] = value
        elif index is not None and entry.name == "Committed":
            facts.roots[index] = said["root"]
        elif index is not None and entry.name == "Attested":
            facts.attestations[index] = said["root"]
        elif index is not None and entry.name in ("Voted", "VotedMissing"):
            facts.accepts[index], facts.misses[index] = said["accepts"], said.get("misses", 0)

    def closed(self) -> list[RoundFacts]:
        """Return the books, with what became of each round in the end."""
        for number, facts in self._rounds.items():
            outcome = self._chain.outcome(number)
            if outcome is None:
                facts.status = self._fallen(number)
                continue
            facts.status, facts.included = outcome.status, outcome.included
            late = sum(1 << i for i, root in facts.attestations.items() if root == facts.root != NO_ROOT)
            facts.attesters |= late
            tournament = self._chain.tournament(number)
            if tournament is not None:
                entries = (self._chain.entry(number, one) for one in range(min(tournament.entries, MOST_ENTRIES)))
                facts.entries = tuple(entry for entry in entries if entry is not None)
        return [self._rounds[number] for number in sorted(self._rounds)]

    def _fallen(self, number: int) -> Status:
        """Return how a round stands that has not closed: open, or cut short when its base was undone."""
        held = self._chain.round_of(number)
        return Status.OPEN if held is not None and held.status is Status.OPEN else Status.OVER

    def _open(self, number: int) -> None:
        held = self._chain.round_of(number)
        if held is not None:
            holders = self._chain.storage.holders
            members = {index: holders[index] for index in bits(held.roster)}
            self._rounds[number] = RoundFacts(number, held.roster, members, held.base_round, held.base)
