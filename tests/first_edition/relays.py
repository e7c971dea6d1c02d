"""Messages that members have signed and anybody posts, in memory: the twin of the contract's ``relay``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding.primitives import NO_ROOT, Address, bitmap, bits
from rayfed.errors import Rejected
from tests.first_edition.messages import Phase, Status
from tests.first_edition.rounds import MemoryRounds
from tests.first_edition.transactions import verb


class RelayedRounds(MemoryRounds):
    """Rounds in which messages may come by way of others."""

    @verb
    def relay(
        self,
        phase: Phase,
        round: int,
        signers: int,
        messages: Sequence[tuple[Address, bytes]],
        others: Sequence[Address] = (),
    ) -> int:
        """Post messages that members have signed; return those that count from now on.

        Args:
            phase, round: what they are.
            signers: bitmap of who signed them.
            messages: (who really signed it, root or ballot as 32 bytes) for each signer, by index.
            others: all other members by index, which makes it cheaper on a chain and is all the same here.
        """
        if phase not in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            raise Rejected("NotAVerb")
        if len(messages) != signers.bit_count():
            raise Rejected("WrongCount")
        self._advance(self.clock.now)
        if round > self.round:
            raise Rejected("WrongRound")
        if round == self.round and phase > self.phase:
            raise Rejected("WrongPhase")
        signed = dict(zip(bits(signers), messages, strict=True))
        if (round, phase) != (self.round, self.phase):
            return self._relay_late(round, signed) if phase is Phase.ATTEST else 0
        wanted = self._wanted(signers, self.roster, self._spoken(phase))
        heard: dict[int, bytes] = {}
        final = NO_ROOT
        for index in bits(wanted):
            if final == NO_ROOT:
                heard[index] = value = self._signed(signed[index], index)
                if phase is Phase.VOTE and int.from_bytes(value, "big") & ~bitmap(self.roots):
                    raise Rejected("BallotOutsideCommits")
                if phase is not Phase.VOTE and value == NO_ROOT:
                    raise Rejected("ZeroRoot")
                if phase is Phase.COMMIT:
                    self.roots[index] = value
                elif phase is Phase.VOTE:
                    self.ballots[index] = int.from_bytes(value, "big")
                else:
                    self.attestations[index] = value
                    final = value if self._has_quorum(value) else NO_ROOT
        if not heard:
            return 0
        self._relayed(phase, round, heard)
        self._end_if_early()
        late = self._relay_late(round, signed) if final != NO_ROOT and bitmap(heard) != wanted else 0
        return bitmap(heard) | late

    def _relay_late(self, round: int, signed: dict[int, tuple[Address, bytes]]) -> int:
        """Hear attestations of the final root of the round closed last; all others come too late."""
        last = self._last()
        if last is None or round != last.round or last.status is not Status.FINAL or self.clock.now > last.open_until:
            return 0
        wanted = self._wanted(bitmap(signed), self.rosters[round], self._attested_before)
        chosen = [i for i in bits(wanted) if signed[i][1] == last.root]
        heard = {i: self._signed(signed[i], i) for i in chosen}
        if heard:
            self._attested_before |= bitmap(heard)
            self.outcomes[round] = replace(last, attesters=last.attesters | bitmap(heard))
            self._relayed(Phase.ATTEST, round, heard)
        return bitmap(heard)

    def _wanted(self, signers: int, roster: int, spoken: int) -> int:
        """Return those of the signers who have yet to speak; those who have are skipped, others do not belong here."""
        if signers & ~roster:
            raise Rejected("NotInRoster")
        return signers & ~spoken

    def _signed(self, message: tuple[Address, bytes], index: int) -> bytes:
        signer, value = message
        if signer != self.members[index]:
            raise Rejected("WrongSigner")
        return value

    def _relayed(self, phase: Phase, round: int, heard: dict[int, bytes]) -> None:
        self._say(f"{self.names(bitmap(heard))} {phase.name.lower()} by relay")
        values = tuple(heard[index] for index in sorted(heard))
        self.emit("Relayed", round=round, phase=int(phase), members=bitmap(heard), values=values)
