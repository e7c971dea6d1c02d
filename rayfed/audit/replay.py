"""A federation lived again: the contract's events, fed with their times to the rules, and compared with what they give.

The rules are ``ledger.memory.chain.MemoryChain``'s, which a test holds against the contract's on random histories. What
members did (joined, left, committed, voted, attested) is taken from the events; everything else (phases, deadlines,
rosters, included sets, outcomes, who was dropped, stakes, rewards and slashes) is worked out anew and must be what the
contracts said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from rayfed.audit import compare, court_acts
from rayfed.audit.court_acts import COURT_ACTS, SETTLING
from rayfed.audit.events import MESSAGES, Entry
from rayfed.audit.facts import Replayed, RoundFacts
from rayfed.audit.findings import Finding, Severity
from rayfed.audit.record import ChainRecord
from rayfed.encoding.primitives import bits
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import ManualClock, MemoryChain, Said
from rayfed.protocol.messages import Outcome, Phase

LONGEST = 100
"""Discrepancies of the replay after which it stops: once histories differ, every later event may differ as well."""


ACTS = MESSAGES | COURT_ACTS
"""What somebody did; all other events are what the rules make of it."""

SPOKEN = {"Committed": Phase.COMMIT, "Voted": Phase.VOTE, "Attested": Phase.ATTEST}


def replay(record: ChainRecord) -> Replayed:
    """Live a federation again, and compare every step and the end with the record."""
    return _Replay(record).run()


class _Replay:
    def __init__(self, record: ChainRecord) -> None:
        self._record = record
        first = record.entries[0].time if record.entries else record.view.time
        self._chain = MemoryChain(record.terms, ManualClock(record.founded or first))
        self._given: deque[Said] = deque()  # what the rules made of the last event, not yet seen in the record
        self._told = 0
        self._findings: list[Finding] = []
        self._rounds: dict[int, RoundFacts] = {}

    def run(self) -> Replayed:
        place = (-1, -1)
        for entry in self._record.entries:
            if (entry.block, entry.position) <= place or entry.time < self._chain.clock.now:
                self._differs(f"{entry.name} in block {entry.block} is out of order", entry)
            place = (entry.block, entry.position)
            self._chain.clock.now = max(entry.time, self._chain.clock.now)
            self._act(entry) if entry.name in ACTS else self._follow(entry)
            if len(self._findings) >= LONGEST:
                self._differs("too many discrepancies: the replay stops here", entry)
                break
        else:
            self._unsaid()
            self._findings += compare.outcomes(self._record, self._chain)
            self._findings += compare.view(self._record, self._chain)
            self._findings += compare.money(self._record, self._chain)
            # Nobody has told the contract yet what time alone has done since, but everybody knows.
            self._chain.poke()
            deque(self._news(), maxlen=0)
        for number, facts in self._rounds.items():
            self._close(facts, self._chain.outcomes.get(number))
        if not self._record.founded:
            self._findings.append(
                Finding(Severity.UNCHECKED, "replay", "the time of the founding, on which round 1's opening depends")
            )
        return Replayed(tuple(self._chain.members), [self._rounds[n] for n in sorted(self._rounds)], self._findings)

    # -- what members did -------------------------------------------------------------------------------------------

    def _act(self, entry: Entry) -> None:
        self._unsaid()
        try:
            self._do(entry)
        except Rejected as error:
            self._given.extend(self._news())  # time may have moved a phase all the same
            self._differs(f"{entry.name}, but the rules refuse it: {error.name}", entry)
            return
        news = list(self._news())
        # The verb's own event; what stands before it, time had moved, and the contract should have said so first.
        own = next(n for n, given in enumerate(news) if given.name == entry.name)
        for given in news[:own]:
            self._missing(given)
        self._compare(news[own], entry)
        self._given.extend(news[own + 1 :])
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        """Note in the books of the rounds what members said."""
        said = entry.values
        if entry.name == "Relayed":
            phase, messages = Phase(said["phase"]), zip(bits(said["members"]), said["values"], strict=True)
        elif entry.name in SPOKEN:
            phase = SPOKEN[entry.name]
            value = said["ballot"].to_bytes(32, "big") if phase is Phase.VOTE else said["root"]
            messages = zip([said["index"]], [value], strict=True)
        else:
            return
        facts = self._rounds[said["round"]]
        for index, value in messages:
            if phase is Phase.VOTE:
                facts.ballots[index] = int.from_bytes(value, "big")
            else:
                (facts.roots if phase is Phase.COMMIT else facts.attestations)[index] = value

    def _do(self, entry: Entry) -> None:
        chain, said = self._chain, entry.values
        if entry.name in COURT_ACTS:
            court_acts.act(chain, entry.name, said)
            if entry.name == "Upheld":
                self._rounds[chain.court.cases[said["id"]].round].upheld = True
            return
        if entry.name == "Joined":
            chain.join_listed(said["member"])
            return
        if entry.name == "Relayed":
            signed = zip(bits(said["members"]), said["values"], strict=True)
            messages = [(chain.members[i] if i < len(chain.members) else "", value) for i, value in signed]
            chain.relay(Phase(said["phase"]), said["round"], said["members"], messages)
            return
        if said["index"] >= len(chain.members):
            raise Rejected("NotMember")
        sender = chain.members[said["index"]]
        verbs: dict[str, Callable[[], None]] = {
            "Left": lambda: chain.leave(sender),
            "Committed": lambda: chain.commit(sender, said["round"], said["root"]),
            "Voted": lambda: chain.vote(sender, said["round"], said["ballot"]),
            "Attested": lambda: chain.attest(sender, said["round"], said["root"]),
        }
        verbs[entry.name]()

    # -- what the rules made of it ----------------------------------------------------------------------------------

    def _follow(self, entry: Entry) -> None:
        if not self._given and entry.name in SETTLING:
            self._settle(entry)
        elif not self._given:
            self._perhaps_forming(entry)
            self._chain.poke()
            self._given.extend(self._news())
        skipped = [given.name for given in self._given]
        if entry.name not in skipped:
            self._differs(f"{entry.name}, which the rules do not give here", entry)
            return
        for _ in range(skipped.index(entry.name)):
            self._missing(self._given.popleft())
        self._compare(self._given.popleft(), entry)

    def _settle(self, entry: Entry) -> None:
        """Settle the next round: what the court says of it begins with this entry."""
        try:
            self._chain.court.settle(1)
        except Rejected as error:
            self._differs(f"{entry.name}, but the rules refuse to settle: {error.name}", entry)
        self._given.extend(self._news())

    def _perhaps_forming(self, entry: Entry) -> None:
        """Where nobody knows when the federation was founded, believe that the time to join was over by now."""
        if not self._record.founded and self._chain.phase is Phase.FORMING:
            self._chain.deadline = min(self._chain.deadline, entry.time)

    def _news(self) -> Iterator[Said]:
        """Yield what the rules have said since the last time, and keep the books of the rounds."""
        events = self._chain.events
        while self._told < len(events):
            given = events[self._told]
            self._told += 1
            if given.name == "PhaseOpened":
                number, phase = given.values["round"], Phase(given.values["phase"])
                if phase is Phase.COMMIT:
                    self._rounds[number] = RoundFacts(number, self._chain.rosters[number])
                elif phase is not Phase.DONE:
                    self._rounds[number].phase = phase
                    self._rounds[number].included = self._chain.included
            yield given

    def _close(self, facts: RoundFacts, outcome: Outcome | None) -> None:
        if outcome is not None:
            was = self._chain.undone.get(facts.round, outcome)
            facts.status, facts.root = outcome.status, was.root
            facts.included, facts.attesters = was.included, was.attesters
            facts.undone = facts.round in self._chain.undone

    # -- what differs -----------------------------------------------------------------------------------------------

    def _compare(self, given: Said, entry: Entry) -> None:
        for name, expected in given.values.items():
            if not compare.same(expected, entry.values[name]):
                said, ours = compare.show(entry.values[name]), compare.show(expected)
                self._differs(f"{entry.name} says {name} = {said}, the rules give {ours}", entry)

    def _unsaid(self) -> None:
        """Whatever the rules gave must have been said before the next act."""
        while self._given:
            self._missing(self._given.popleft())

    def _missing(self, given: Said) -> None:
        words = ", ".join(f"{name} = {compare.show(value)}" for name, value in given.values.items())
        self._findings.append(
            Finding(
                Severity.DISCREPANCY,
                "replay",
                f"the rules give {given.name} ({words}), which is not in the record",
                given.values.get("round", self._chain.round),
            )
        )

    def _differs(self, message: str, entry: Entry) -> None:
        node = entry.values.get("index")
        members = self._chain.members
        self._findings.append(
            Finding(
                Severity.DISCREPANCY,
                "replay",
                message,
                entry.values.get("round", self._chain.round),
                node,
                members[node] if node is not None and node < len(members) else "",
            )
        )
