"""What follows from a federation's events, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.ledger.ethereum.abi import checksum
from rayfed.ledger.ethereum.events import Event
from rayfed.protocol import contexts
from rayfed.protocol.court import MergeEvidence
from rayfed.protocol.messages import Outcome, Phase, Status


@dataclass
class RoundTold:
    """What was said of one round, and in it.

    Attributes:
        base_round, base: what it started from; NO_ROOT for genesis.
        contexts: what the statements of each phase rest on.
        committed, attested: roots by index.
        outcome: what became of it; None as long as it is open.
    """

    base_round: int = 0
    base: Root = NO_ROOT
    contexts: dict[Phase, bytes] = field(default_factory=dict)
    committed: dict[int, Root] = field(default_factory=dict)
    attested: dict[int, Root] = field(default_factory=dict)
    outcome: Outcome | None = None


class Past:
    """A federation's past.

    Attributes:
        rounds: by number.
        cards: the latest one of each member that has announced one.
        earned: what each address was ever credited for rounds.
        slashed, forfeited: what stake and what bonds each address ever lost as an attester.
    """

    def __init__(self) -> None:
        self.rounds: dict[int, RoundTold] = {}
        self.cards: dict[Address, bytes] = {}
        self.earned: dict[Address, int] = {}
        self.slashed: dict[Address, int] = {}
        self.forfeited: dict[Address, int] = {}
        self._holders: dict[int, Address] = {}
        self._base: tuple[int, Root] = (0, NO_ROOT)

    def hear(self, event: Event) -> None:
        """Take note of the next event."""
        HEARD[event.name](self, event.values)

    def of(self, address: Address) -> dict[str, int]:
        """Return what the past says of an account, by the names of ``Account``."""
        past = {"slashed": self.slashed, "forfeited": self.forfeited, "earned": self.earned}
        return {name: of.get(address, 0) for name, of in past.items()}

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round, or None if it has not closed."""
        told = self.rounds.get(round)
        if told is None or told.outcome is None:
            return None
        root = told.outcome.root
        late = sum(1 << i for i, attested in told.attested.items() if attested == root and root != NO_ROOT)
        return replace(told.outcome, attesters=told.outcome.attesters | late)

    def evidence(self, round: int, included: int, genesis: Root) -> MergeEvidence | None:
        """Return what the merge of a round rests on, or None if not all of that was told.

        Args:
            included: bitmap of the members whose updates are included.
            genesis: the blob that the first round starts from.
        """
        told = self.rounds.get(round, RoundTold())
        voting, context = told.contexts.get(Phase.VOTE), told.contexts.get(Phase.ATTEST)
        roots = tuple(told.committed[i] for i in bits(included) if i in told.committed)
        if voting is None or context is None or contexts.resting(voting, included, roots) != context:
            return None
        base = told.base if told.base_round else genesis
        return MergeEvidence(round, included, roots, voting, context, told.base_round, base)

    def _round(self, round: int) -> RoundTold:
        return self.rounds.setdefault(round, RoundTold())

    def _opened(self, values: Mapping[str, Any]) -> None:
        phase, round = Phase(values["phase"]), values["round"]
        if phase not in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            return
        if phase is Phase.COMMIT:
            self.rounds[round] = RoundTold(*self._base)
        self._round(round).contexts[phase] = values["context"]

    def _committed(self, values: Mapping[str, Any]) -> None:
        self._round(values["place"] >> 8).committed[values["place"] & 0xFF] = values["root"]

    def _attested(self, values: Mapping[str, Any]) -> None:
        self._round(values["place"] >> 8).attested[values["place"] & 0xFF] = values["root"]

    def _relayed(self, values: Mapping[str, Any]) -> None:
        said = dict(zip(bits(values["members"]), values["values"], strict=True))
        if values["phase"] == Phase.COMMIT:
            self._round(values["round"]).committed |= said
        elif values["phase"] == Phase.ATTEST:
            self._round(values["round"]).attested |= said

    def _closed(self, values: Mapping[str, Any]) -> None:
        round, root = values["round"], values["root"]
        told = self._round(round)
        status = Status.FINAL if root != NO_ROOT else Status.VOID if told.attested else Status.OVER
        told.outcome = Outcome(round, status, root, values["included"], values["attesters"])
        if status is Status.FINAL:
            self._base = round, root

    def _undone(self, values: Mapping[str, Any]) -> None:
        round, last = values["round"], values["last"]
        self._base = self._round(round).base_round, self._round(round).base
        for number in range(round, last + 1):
            told = self._round(number)
            status = Status.VOID if number == round else Status.OVER
            included = told.outcome.included if told.outcome is not None else 0
            told.outcome = Outcome(number, status, NO_ROOT, included, 0)

    def _settled(self, values: Mapping[str, Any]) -> None:
        told = self._round(values["round"])
        if told.outcome is not None:
            stands = told.outcome.status is Status.FINAL
            told.outcome = replace(told.outcome, status=Status.SETTLED if stands else Status.OVER)
        for members, amount in ((values["earners"], values["share"]), (values["rightful"], values["right"])):
            for index in bits(members if amount else 0):
                holder = self._holders[index]
                self.earned[holder] = self.earned.get(holder, 0) + amount

    def _slashed(self, values: Mapping[str, Any]) -> None:
        member = str(checksum(values["member"]))
        self.slashed[member] = self.slashed.get(member, 0) + values["stake"]
        self.forfeited[member] = self.forfeited.get(member, 0) + values["bond"]

    def _joined(self, values: Mapping[str, Any]) -> None:
        self._holders[values["index"]] = str(checksum(values["member"]))

    def _announced(self, values: Mapping[str, Any]) -> None:
        self.cards[str(checksum(values["member"]))] = values["card"]


HEARD = {
    "Announced": Past._announced,
    "Attested": Past._attested,
    "Committed": Past._committed,
    "Joined": Past._joined,
    "PhaseOpened": Past._opened,
    "Relayed": Past._relayed,
    "RoundClosed": Past._closed,
    "Settled": Past._settled,
    "Slashed": Past._slashed,
    "Undone": Past._undone,
}
"""What follows from each event that anything follows from. A seat that rounds count on is never free, so who has it
when a round is settled is who sat down there last."""
