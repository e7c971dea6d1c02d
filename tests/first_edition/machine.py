"""The machine that moves a federation's rounds on, in memory: it does what the phase table says."""

from __future__ import annotations

from rayfed.encoding.primitives import NO_ROOT, Root, bitmap, bits
from tests.first_edition.counts import Counts
from tests.first_edition.messages import Outcome, Phase, Status


class PhaseMachine(Counts):
    """Executes ``phases``: the twin of the contract's ``Rounds``."""

    def _advance(self, t: int) -> None:
        if self.phase is not Phase.DONE and t >= self.deadline:
            self._end(t)

    def _end(self, t: int) -> None:
        """End the phase: go on if there is what it needs, else close the round (or wait, where there is none yet)."""
        row = self.phases[self.phase]
        self._count(row.tally)
        if row.need is None or self._has(row.need):
            self._go(row.then, t)
        elif row.otherwise is not None:
            self._go(row.otherwise, t)

    def _go(self, to: Phase | Status | None, t: int) -> None:
        if isinstance(to, Status):
            root = self._root_with_quorum() if to is Status.FINAL else NO_ROOT
            self._close(to, root, self._attesters_of(root) if root != NO_ROOT else 0, t)
        elif self.phase is Phase.FORMING:
            self._open(t)
        elif to is not None:
            self._enter(to, t + self._seconds(to))

    def _open(self, t: int) -> None:
        first = self.phases[Phase.FORMING].then
        if not isinstance(first, Phase):
            raise ValueError("a round's first phase is where FORMING leads to")
        self.round += 1
        self.roster = self.rosters[self.round] = self.active
        self.roots, self.ballots, self.attestations, self.included = {}, {}, {}, 0
        self._say(f"== round {self.round} opens with {self.names(self.roster)}")
        self._enter(first, t + self._seconds(first))

    def _seconds(self, phase: Phase) -> int:
        return int(getattr(self.terms, self.phases[phase].seconds))

    def _close(self, status: Status, root: Root, attesters: int, t: int) -> None:
        present = self._present(status)
        open_until = self.deadline if status is Status.FINAL else 0
        self.outcomes[self.round] = Outcome(self.round, status, root, self.included, attesters, open_until)
        self._attested_before = bitmap(self.attestations)
        if status is Status.FINAL:
            self.bases[self.round] = self.base_round
            self.astray[self.round] = bitmap(self.attestations) & ~attesters
            self.evidence[self.round] = [self.roots[i] for i in bits(self.included)]
            self.base, self.base_round = root, self.round
            self._say(f"== round {self.round} FINAL {self.short(root)}")
        else:
            self._say(f"== round {self.round} VOID")
        self.emit(
            "RoundClosed",
            round=self.round,
            status=int(status),
            root=root,
            included=self.included,
            attesters=attesters,
        )
        self._drop_absent(present)
        if self.round == self.terms.rounds:
            self._enter(Phase.DONE, 0)
        else:
            self._open(t)

    def _drop_absent(self, present: int) -> None:
        before = self.active
        for i in bits(self.roster):
            self.streaks[i] = 0 if present >> i & 1 else self.streaks[i] + 1
            if self.terms.max_missed and self.streaks[i] == self.terms.max_missed:
                self.streaks[i] = 0
                if self.active >> i & 1:
                    self._say(f"{self.name(i)} is dropped")
                self.active &= ~(1 << i)
            # The contract counts in three bits; terms keep max_missed within them.
            self.streaks[i] = min(self.streaks[i], 7)
        if self.active != before:
            self.emit("Dropped", members=before & ~self.active, round=self.round)

    def _enter(self, phase: Phase, deadline: int) -> None:
        self.phase, self.deadline = phase, deadline
        self._say(f"-- {phase.name}" + (f" until {deadline - self.clock.now} s from now" if deadline else ""))
        self.emit("PhaseOpened", round=self.round, phase=int(phase), deadline=deadline)

    def _end_if_early(self) -> None:
        if self._is_early():
            self._end(self.clock.now)
