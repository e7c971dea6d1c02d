"""What was done at court, fed to the rules: money that came and went, and cases as they went on.

The proofs themselves are in transactions, not in events: what was proved is taken from the contract, which checked it,
and so are verdicts; the merge that a verdict speaks of is computed again with all others (``audit.examiner``). All that
follows from them, slashes, bonds, rewards and what is rolled back, is worked out by the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.judgement import Kind
from rayfed.protocol.messages import Phase

COURT_ACTS = frozenset(
    {
        "Deposited",
        "Funded",
        "Exited",
        "Withdrawn",
        "Claimed",
        "Challenged",
        "Proved",
        "Upheld",
        "Failed",
        "Demanded",
        "Answered",
        "Forfeited",
        "Closed",
        "Equivocated",
    }
)
"""Events that tell of an act; the others tell what came of it."""

SETTLING = frozenset({"Slashed", "Unseated", "Rewarded", "Settled"})
"""Events with which the settling of a round may begin."""


def act(chain: MemoryChain, name: str, said: Mapping[str, Any]) -> None:
    """Do again what an event of the court tells of.

    Raises:
        Rejected: the rules refuse it.
    """
    court, id = chain.court, said.get("id", 0)
    match name:
        case "Deposited":
            court.deposit(said["from"], said["member"], said["amount"])
        case "Funded":
            court.fund(said["from"], said["amount"])
        case "Exited":
            court.exit(said["member"])
        case "Withdrawn":
            court.withdraw(said["member"], said["to"])
        case "Claimed":
            court.claim(said["account"], said["to"], _rounds(chain, said["account"], said["amount"]))
        case "Challenged":
            roots = _roots(chain, said["round"])
            court.challenge(said["challenger"], said["round"], said["leaf"], said["coordinate"], roots)
        case "Demanded":
            roots = _roots(chain, said["round"])
            court.demand(said["challenger"], said["round"], said["which"], said["leaf"], roots)
        case "Proved":
            court.believe(id, said["proven"], said["mergedProven"])
        case "Upheld":
            court.uphold(court.open_case(id, Kind.CHALLENGE, proven=True), said["merged"], said["expected"])
        case "Failed":
            court.fail(court.open_case(id, Kind.CHALLENGE, proven=not said["expired"]), said["expired"])
        case "Answered":
            court.answered(court.open_case(id, Kind.DEMAND), said["answerer"])
        case "Forfeited":
            court.forfeit(id)
        case "Closed":
            court.close(id)
        case "Equivocated":
            who, phase = said["member"], _phase(said["phase"])
            court.equivocation(said["challenger"], who, phase, said["round"], (who, b"one"), (who, b"other"))


def _roots(chain: MemoryChain, round: int) -> list[bytes]:
    return chain.evidence.get(round, [])


def _phase(number: int) -> Phase:
    try:
        return Phase(number)
    except ValueError:
        raise Rejected("NotAVerb") from None


def _rounds(chain: MemoryChain, account: str, amount: int) -> int:
    """Return in how many rounds an account claimed, which no event says: the fewest that come to the amount."""
    court = chain.court
    first = court.cursors.get(account, 0)
    for rounds in range(court.settled - first + 1):
        if court.due(account, rounds) == amount and (amount or rounds):
            return rounds
    raise Rejected("NothingToClaim")
