"""Whether what is final is right: every root that stands for a round against the own merge of what it included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rayfed.encoding.primitives import Root
from rayfed.errors import LedgerError, LedgerUnreachable, RayfedError, StoreError
from rayfed.node.fraud_proofs import ProvableMerge
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower.inputs import InputFinder, Inputs, is_whole
from rayfed.protocol.acting import CourtSight
from rayfed.protocol.court import MergeEvidence
from rayfed.protocol.messages import Round, Status, View

FIRST_PAUSE, LONGEST_PAUSE = 2, 60
"""Seconds before what a round lacks is asked for again: twice as long each time. What is on its way is looked for at
every look, and is told of when it has been so for a few."""

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
        spare: inputs and merge that the own disk has no room for: as long as this process lives, they are here.
    """

    round: int
    evidence: MergeEvidence | None = None
    merge: Root | None = None
    lacks: str = ""
    again: int = 0
    pause: int = FIRST_PAUSE
    told: Root | None = None
    spare: Mapping[Root, memoryview] = field(default_factory=dict)


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
            StoreError: the disk cannot be read.
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
        last, looked = view.round - REMEMBERED, {round.context for round in rounds}
        for context, verdict in self._verdicts.items():
            if context not in looked:
                verdict.spare = {}  # nobody asks for it in court any more
        self._verdicts = {context: one for context, one in self._verdicts.items() if one.round > last}
        if troubles:
            raise troubles[0]

    def own(self, round: Round, view: View) -> ProvableMerge | None:
        """Return the own merge of a round; None where it is not known."""
        verdict = self._verdicts.get(round.context)
        if verdict is None or verdict.evidence is None or verdict.merge is None:
            return None
        return ProvableMerge(verdict.merge, verdict.evidence, self._tools, _seated(view), verdict.spare)

    def _verdict(self, round: Round, view: View) -> RoundVerdict:
        verdict = self._verdicts.setdefault(round.context, RoundVerdict(round.round))
        if verdict.spare and view.time >= verdict.again:
            self._keep(verdict, round, view)
        if verdict.merge is not None or view.time < verdict.again:
            return verdict
        if verdict.evidence is None:
            evidence = self._ledger.merge_evidence(round.round)
            if evidence is None or not is_whole(evidence, round.context):
                return verdict  # the chain has just gone back, or its node lags: the next look asks again
            verdict.evidence = evidence
        found = self._inputs.find(verdict.evidence, _seated(view))
        if found.updates is None:
            self._wait(verdict, found, view)
            return verdict
        evidence = verdict.evidence
        root, blob = self._tools.merger.made(evidence.roots, found.updates, evidence.round, evidence.base)
        self._tools.merges.note(round.context, root)
        verdict.merge, verdict.pause = self._believes(round.round, root), FIRST_PAUSE
        verdict.spare = {**found.updates, root: blob}
        self._keep(verdict, round, view)
        return verdict

    def _keep(self, verdict: RoundVerdict, round: Round, view: View) -> None:
        """Have what can still be asked for in court on the own disk. What that has no room for stays in memory, and is
        tried again: a full disk is no reason to lose a match."""
        if not round.status.is_unsettled:
            verdict.spare = {}
            return
        try:
            self._inputs.keep(round.round, verdict.spare)
        except StoreError as error:
            if verdict.pause == FIRST_PAUSE:
                what = f"the inputs of round {round.round} are in memory alone, and lost if this process ends"
                self._note(f"{error}; {what}")
            self._put_off(verdict, view)
        else:
            verdict.spare = {}

    def _wait(self, verdict: RoundVerdict, found: Inputs, view: View) -> None:
        is_known = verdict.lacks == found.lacks or (found.are_coming and verdict.pause < LONGEST_PAUSE)
        if not is_known:
            verdict.lacks, number = found.lacks, verdict.round
            self._note(f"round {number} cannot be judged here, so nothing is said for any root of it: {found.lacks}")
        self._put_off(verdict, view)
        if found.are_coming:
            verdict.again = view.time

    @staticmethod
    def _put_off(verdict: RoundVerdict, view: View) -> None:
        verdict.again = view.time + verdict.pause
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
    found = [ledger.round_of(number) for number in ledger.terms().slots(view.round)]
    return [round for round in found if round is not None and round.status in wanted]
