"""What a federation's contract says of its court."""

from __future__ import annotations

from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import abi, events
from rayfed.ledger.ethereum.contract_state import ContractState
from rayfed.ledger.ethereum.rpc import RpcError
from rayfed.ledger.ethereum.told import RoundTold
from rayfed.protocol.court import Entry, Fate, Match, MatchState, MergeEvidence, Point, Shown, Tournament
from rayfed.protocol.messages import NATIVE, Phase

MOST_ROUND = (1 << 32) - 1


class ContractCourt(ContractState):
    """The court of a federation; follows the ``CourtState`` protocol."""

    def tournament(self, round: int) -> Tournament | None:
        """See ``CourtState``."""
        if not 0 < round <= MOST_ROUND:
            return None
        held = self.questions.ask("tournament", round)
        return Tournament(round, held["entries"], held["start"], held["fallen"]) if held["entries"] > 1 else None

    def entry(self, round: int, number: int) -> Entry | None:
        """See ``CourtState``."""
        if not 0 < round <= MOST_ROUND or number < 0:
            return None
        held = self.questions.ask("entry", round, number)
        fate = Fate(held.pop("fate"))
        if fate is Fate.NONE:
            return None
        entrant = held.pop("entrant")
        return Entry(number=number, fate=fate, entrant="" if entrant == NATIVE else entrant, **held)

    def number_of(self, round: int, root: Root) -> int | None:
        """See ``CourtState``."""
        if not 0 < round <= MOST_ROUND:
            return None
        held = self.questions.ask("numberOf", round, root)
        return int(held["number"]) if held["found"] else None

    def survivor(self, round: int, level: int, block: int) -> tuple[bool, int | None]:
        """See ``CourtState``."""
        if not 0 < round <= MOST_ROUND:
            return False, None
        try:
            held = self.questions.ask("survivor", round, level, block)
        except RpcError as error:
            if error.data and abi.error_name(error.data)[0] == "NoTournament":
                return False, None
            raise
        return held["ended"], held["who"] - 1 if held["who"] else None

    def match(self, round: int, stage: int, block: int) -> Match | None:
        """See ``CourtState``."""
        if not 0 < round <= MOST_ROUND:
            return None
        held = self.questions.ask("matchAt", round, stage, block)
        state = MatchState(held["state"])
        if state is MatchState.ABSENT:
            return None
        return Match(
            state=state,
            point=Point(round, stage, held["i"], held["j"], held["from"], held["count"]),
            since=held["since"],
            clock_i=held["clock_i"],
            clock_j=held["clock_j"],
            shown=held["shown"],
            node_i=held["node_i"],
            node_j=held["node_j"],
            coordinate=held["coordinate"],
            proven=held["proven"],
            winner=held["winner"] - 1 if held["winner"] else None,
        )

    def shown(self, point: Point) -> Shown:
        """See ``CourtState``; the contract keeps but hashes of it, events have the rest."""
        match = self.match(point.round, point.stage, point.block)
        if match is None or (match.point == point and not match.shown and match.state is MatchState.DESCENT):
            return Shown()
        # Who shows second brings both, so the latest event of a point has all that was shown of it.
        for event in events.backwards(self.rpc, self.address, self._founded(), _moves_in(point.round)):
            said = event.values
            if (said["stage"], said["block"]) != (point.stage, point.block):
                continue
            if event.name == "LeafShown" and point.count == 1:
                return Shown(leaf_i=said["leafI"], leaf_j=said["leafJ"])
            if event.name == "Shown" and (said["from"], said["count"]) == (point.first, point.count):
                return Shown(said["partsI"], said["partsJ"])
        return Shown()

    def owed(self, round: int, stage: int, block: int, mover: Address) -> int:
        """See ``CourtState``."""
        return int(self.questions.ask("owed", round, stage, block, mover)) if 0 < round <= MOST_ROUND else 0

    def merge_evidence(self, round: int) -> MergeEvidence | None:
        """See ``CourtState``; from events, as roots are kept of the open round alone."""
        there, genesis = self.round_of(round), self.terms().genesis
        told = self.history.ask(lambda told: told.rounds.get(round, RoundTold()))
        included = there.included if there is not None else 0
        if not included:
            if Phase.ATTEST not in told.contexts:
                return None
            included = told.outcome.included if told.outcome is not None else 0
            if not included:
                return None  # an undoing has cut it short
        found = self.history.ask(lambda told: told.evidence(round, included, genesis))
        if found is None:
            raise LedgerError(f"ledger.rpc_url: the chain's node does not have all events of round {round}")
        return found

    def _founded(self) -> int:
        return int(self.questions.ask("position")["founded"])


def _moves_in(round: int) -> list[Any]:
    """Return the topics of what is shown in a round's tournament."""
    return [[abi.TOPICS["Shown"], abi.TOPICS["LeafShown"]], "0x" + round.to_bytes(32, "big").hex()]
