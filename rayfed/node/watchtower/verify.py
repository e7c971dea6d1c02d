"""Whether what is final is right: every root that stands for a round against the own merge of what it included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rayfed.encoding.primitives import Root
from rayfed.errors import LedgerError, LedgerUnreachable, RayfedError, StoreError
from rayfed.node.fraud_proofs import ProvableMerge
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower.inputs import InputFinder, is_whole
from rayfed.protocol.acting import CourtSight
from rayfed.protocol.court import MergeEvidence
from rayfed.protocol.messages import Round, Status, View

FIRST_PAUSE, LONGEST_PAUSE = 2, 60
"""Seconds before what a round lacks is asked for again: twice as long each time."""

REMEMBERED = 64
"""Rounds after which a verdict is forgotten: the ledger has no slot for so old a round."""


@dataclass(slots=True)
class RoundVerdict:
    """What is known of a round; of this one, and not of another by the same number: the context binds all of it.

    Attributes:
        evidence: what its merge rests on; None while the ledger does not tell.
        merge: the own merge; None while an input is lacking.
        lacks: which one, in a line.
        again: when to ask for it again; ``pause`` is how long it was waited for the last time.
        told: root that was told to be wrong.
    """

    round: int
    evidence: MergeEvidence | None = None
    merge: Root | None = None
    lacks: str = ""
    again: int = 0
    pause: int = FIRST_PAUSE
    told: Root | None = None


class Verifier:
    """Judges rounds, as far as their updates can be had. Nothing in it needs to be taken back where a chain goes back:
    what is known is known of a context.

    Args:
        ledger: what is read.
        tools: the watchtower's own.
        inputs: finds what a round has included.
        note: told in a line what is wrong, or cannot be judged.
        believes: returns what is right in a round, given the root of its merge: that, but in experiments.
    """

    def __init__(
        self,
        ledger: CourtSight,
        tools: BlobTools,
        inputs: InputFinder,
        note: Callable[[str], None],
        believes: Callable[[int, Root], Root],
    ) -> None:
        self._ledger = ledger
        self._tools = tools
        self._inputs = inputs
        self._note = note
        self._believes = believes
        self._verdicts: dict[bytes, RoundVerdict] = {}
        self.wrong: frozenset[int] = frozenset()
        self.unknown: frozenset[int] = frozenset()

    def look(self, rounds: Sequence[Round], view: View) -> None:
        """Judge these rounds, all that stand or can still be judged.

        Raises:
            LedgerError: the ledger's node has forgotten what was said in a round; the others are judged all the same.
            LedgerUnreachable: nothing answers.
            StoreError: the disk is full.
        """
        wrong, unknown, troubles = set(), set(), list[RayfedError]()
        for round in rounds:
            unknown.add(round.round)
            try:
                verdict = self._verdict(round, view)
            except LedgerUnreachable:
                raise
            except (LedgerError, StoreError) as error:
                troubles.append(error)
                continue
            if verdict.merge is not None:
                unknown.discard(round.round)
                if round.status.stands and round.root != verdict.merge:
                    wrong.add(round.round)
                    self._tell(verdict, round)
        self.wrong, self.unknown = frozenset(wrong), frozenset(unknown)
        last = view.round - REMEMBERED
        self._verdicts = {context: one for context, one in self._verdicts.items() if one.round > last}
        if troubles:
            raise troubles[0]

    def own(self, round: Round, view: View) -> ProvableMerge | None:
        """Return the own merge of a round; None where it is not known."""
        verdict = self._verdicts.get(round.context)
        if verdict is None or verdict.evidence is None or verdict.merge is None:
            return None
        return ProvableMerge(verdict.merge, verdict.evidence, self._tools, _seated(view))

    def lacks(self, round: Round) -> str:
        """Return in a line what keeps a round from being judged; empty if nothing does."""
        verdict = self._verdicts.get(round.context)
        return "" if verdict is None or verdict.merge is not None else verdict.lacks

    def _verdict(self, round: Round, view: View) -> RoundVerdict:
        verdict = self._verdicts.setdefault(round.context, RoundVerdict(round.round))
        if verdict.merge is not None or view.time < verdict.again:
            return verdict
        if verdict.evidence is None:
            evidence = self._ledger.merge_evidence(round.round)
            if evidence is None or not is_whole(evidence, round.context):
                return verdict  # the chain has just gone back, or its node lags: the next look asks again
            verdict.evidence = evidence
        found = self._inputs.find(verdict.evidence, _seated(view))
        if found.updates is None:
            self._wait(verdict, found.lacks, view)
            return verdict
        evidence = verdict.evidence
        root, blob = self._tools.merger.merge(evidence.roots, found.updates, evidence.round, evidence.base)
        if round.status.is_unsettled:
            self._inputs.keep(round.round, {**found.updates, root: blob})
        self._tools.merges.note(round.context, root)
        verdict.merge = self._believes(round.round, root)
        return verdict

    def _wait(self, verdict: RoundVerdict, lacks: str, view: View) -> None:
        if lacks != verdict.lacks:
            self._note(f"round {verdict.round} cannot be judged here, so nothing is said for any root of it: {lacks}")
        verdict.lacks, verdict.again = lacks, view.time + verdict.pause
        verdict.pause = min(2 * verdict.pause, LONGEST_PAUSE)

    def _tell(self, verdict: RoundVerdict, round: Round) -> None:
        if verdict.told == round.root:
            return
        verdict.told = round.root
        stands = ", and is settled" if round.status is Status.SETTLED else ""
        self._note(f"round {round.round}: {round.root.hex()[:12]} is not the merge of its updates{stands}")


def _seated(view: View) -> list[str]:
    return [address for address in view.members if address]


def in_slots(ledger: CourtSight, view: View, statuses: Iterable[Status]) -> list[Round]:
    """Return the closed rounds of such a status that have a slot, in their order."""
    wanted = set(statuses)
    found = [ledger.round_of(number) for number in range(max(1, view.round - 15), view.round + 1)]
    return [round for round in found if round is not None and round.status in wanted]
