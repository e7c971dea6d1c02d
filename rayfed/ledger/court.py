"""The court in memory: challenges, demands, equivocations. ``ICourt`` says what each verb means.

The same rules as the contract's, in the same order, with nothing saved and nothing packed; a property test feeds both
the same events. Proofs are real ones. Who signed is modelled by addresses: a signature is what a chain needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rayfed import merkle
from rayfed.errors import Rejected
from rayfed.header import Header
from rayfed.judgement import MERGED, Case, Kind, Proof, Reason, Record, State
from rayfed.ledger.treasury import UNIT, Treasury, verb
from rayfed.messages import Address, Phase, Root, Status, bits

if TYPE_CHECKING:
    from rayfed.ledger.rounds import MemoryRounds

WORDS = merkle.LEAF // 32
VALUES = merkle.LEAF // 4
MEAN, TRIMMED_MEAN, MEDIAN = 1, 2, 3

_WEIGHT = 7
"""The header's word that holds the weight."""


class MemoryCourt(Treasury):
    """One federation's court. Every verb raises ``Rejected`` where the contract reverts.

    Args:
        chain: the federation whose court it is.
        chain_id, federation: what the headers of updates must name.
    """

    def __init__(self, chain: MemoryRounds, chain_id: int = 31337, federation: Address = "0x" + "fe" * 20) -> None:
        super().__init__(chain)
        self.chain_id = chain_id
        self.federation = federation
        self.proved: dict[int, dict[int, tuple[int, int]]] = {}  # by case, by blob: (value, weight)
        self.equivocations: set[tuple[Address, Phase, int]] = set()

    # -- challenges -------------------------------------------------------------------------------------------------

    @verb
    def challenge(
        self,
        sender: Address,
        round: int,
        leaf: int,
        coordinate: int,
        roots: Sequence[Root],
        value: int | None = None,
    ) -> int:
        """Say that a round's merge is wrong at a coordinate; return the case's number."""
        if leaf and not self.chain.terms.rule:
            raise Rejected("NotChallengeable")
        if coordinate >= (VALUES if leaf else WORDS):
            raise Rejected("NoSuchCoordinate")
        self._check_case(round, leaf, roots, value)
        beyond = not leaf or (leaf - 1) * VALUES + coordinate >= self.chain.terms.values
        inputs = 0 if beyond else len(roots)
        case = self._open(Kind.CHALLENGE, round, sender, inputs=inputs, leaf=leaf, coordinate=coordinate)
        self._emit(
            "Challenged",
            id=case.id,
            round=round,
            challenger=sender,
            leaf=leaf,
            coordinate=coordinate,
            deadline=case.deadline,
        )
        return case.id

    @verb
    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """Prove leaves of a challenge, some or all; what is proved already is skipped."""
        case = self._case(id, Kind.CHALLENGE)
        self._in_time(case)
        record = self._check_roots(case.round, roots)
        known = self.proved.get(id, {})
        news = dict(known)
        for proof in proofs:
            if proof.which != MERGED and proof.which >= case.inputs:
                raise Rejected("NoSuchInput")
            if proof.which not in news:
                news[proof.which] = self._read(case, record, roots, proof)
        if len(news) == len(known):
            raise Rejected("AlreadyProven")
        self.proved[id] = news
        proven = sum(1 << which for which in news if which != MERGED)
        merged = news[MERGED][0] % (1 << 256) if MERGED in news else 0
        case = replace(case, proven=proven, merged_proven=MERGED in news, merged=merged.to_bytes(32, "big"))
        self.cases[id] = case
        self._emit("Proved", id=id, proven=proven, mergedProven=case.merged_proven)

    @verb
    def conclude(self, id: int) -> None:
        """Merge the coordinate and judge."""
        case = self._case(id, Kind.CHALLENGE)
        if not self._all_proven(case):
            raise Rejected("NotProven")
        merged, expected = self.proved[id][MERGED][0], self.expected(case)
        if merged == expected:
            self.fail(case, expired=False)
        else:
            self.uphold(case, _word(merged), _word(expected))

    @verb
    def expire(self, id: int) -> None:
        """End a challenge that was not proved in time."""
        case = self._case(id, Kind.CHALLENGE)
        self._over(case)
        if self._all_proven(case):
            raise Rejected("AllProven")
        self.fail(case, expired=True)

    # -- demands ----------------------------------------------------------------------------------------------------

    @verb
    def demand(
        self, sender: Address, round: int, which: int, leaf: int, roots: Sequence[Root], value: int | None = None
    ) -> int:
        """Demand to be shown a leaf of an included update or of the merged blob; return the case's number."""
        if which != MERGED and which >= len(roots):
            raise Rejected("NoSuchInput")
        self._check_case(round, leaf, roots, value)
        case = self._open(Kind.DEMAND, round, sender, which=which, leaf=leaf)
        self._emit(
            "Demanded", id=case.id, round=round, challenger=sender, which=which, leaf=leaf, deadline=case.deadline
        )
        return case.id

    @verb
    def answer(self, sender: Address, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """Show a demanded leaf."""
        case = self._case(id, Kind.DEMAND)
        self._in_time(case)
        record = self._check_roots(case.round, roots)
        root = record.root if case.which == MERGED else roots[case.which]
        if len(data) != merkle.LEAF:
            raise Rejected("WrongLeafLength")
        if not merkle.verify(root, data, case.leaf, self._leaves, path):
            raise Rejected("WrongProof")
        if not case.leaf and not self._right_header(case, record, data):
            raise Rejected("WrongHeader")
        self.answered(case, sender)

    @verb
    def forfeit(self, id: int) -> None:
        """Judge that a demanded leaf was not shown in time."""
        case = self._case(id, Kind.DEMAND)
        self._over(case)
        record = self.chain.record(case.round)
        assert record is not None
        guilty = record.attesters if case.which == MERGED else 1 << [*bits(record.included)][case.which]
        self._end(case, State.FORFEITED)
        self._emit("Forfeited", id=id)
        self._undo(case, guilty, Reason.WITHHELD)

    @verb
    def close(self, id: int) -> None:
        """End a case whose round was undone by another one."""
        case = self.cases.get(id)
        if case is None:
            raise Rejected("NoSuchCase")
        if case.state is not State.OPEN:
            raise Rejected("NotOpen")
        record = self.chain.record(case.round)
        assert record is not None
        if not record.undone:
            raise Rejected("NotUndone")
        self._end(case, State.CLOSED)
        self._emit("Closed", id=id)
        self._credit(case.challenger, self.chain.terms.bond, id)

    # -- equivocation -----------------------------------------------------------------------------------------------

    @verb
    def equivocation(
        self,
        sender: Address,
        member: Address,
        phase: Phase,
        round: int,
        one: tuple[Address, bytes],
        other: tuple[Address, bytes],
    ) -> None:
        """Show two messages, (who signed it, root or ballot), of one member, phase and round that differ."""
        index = self.chain.index_of(member)
        if index is None:
            raise Rejected("NotMember")
        if phase not in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            raise Rejected("NotAVerb")
        if one[1] == other[1]:
            raise Rejected("SameMessage")
        if (one[0], other[0]) != (member, member):
            raise Rejected("WrongSigner")
        if (member, phase, round) in self.equivocations:
            raise Rejected("KnownEquivocation")
        self.equivocations.add((member, phase, round))
        self._emit("Equivocated", member=member, round=round, phase=int(phase), challenger=sender)
        self._punish(1 << index, Reason.EQUIVOCATION, round, sender, 0)

    def open_cases(self) -> tuple[Case, ...]:
        """Return the open cases, oldest first."""
        return tuple(case for case in self.cases.values() if case.state is State.OPEN)

    # -- how cases go on; an auditor who has no proofs calls these --------------------------------------------------

    @verb
    def believe(self, id: int, proven: int, merged_proven: bool) -> None:
        """Take it from another ledger that these leaves of a challenge were proved."""
        case = self._case(id, Kind.CHALLENGE)
        self._in_time(case)
        if proven >> case.inputs or proven & case.proven != case.proven or (case.merged_proven and not merged_proven):
            raise Rejected("NoSuchInput")
        if (proven, merged_proven) == (case.proven, case.merged_proven):
            raise Rejected("AlreadyProven")
        self.cases[id] = replace(case, proven=proven, merged_proven=merged_proven)
        self._emit("Proved", id=id, proven=proven, mergedProven=merged_proven)

    def open_case(self, id: int, kind: Kind, proven: bool | None = None) -> Case:
        """Return a case that can end now.

        Args:
            proven: of a challenge: whether all is proved, or the time for that is over. None: a demand in time.

        Raises:
            Rejected: it cannot.
        """
        case = self._case(id, kind)
        if proven is None:
            self._in_time(case)
        elif proven != self._all_proven(case):
            raise Rejected("AllProven" if not proven else "NotProven")
        elif not proven:
            self._over(case)
        return case

    def uphold(self, case: Case, merged: bytes, expected: bytes) -> None:
        """The merge was wrong."""
        record = self.chain.record(case.round)
        assert record is not None
        self._end(case, State.UPHELD)
        self._emit("Upheld", id=case.id, merged=merged, expected=expected)
        self._undo(case, record.attesters, Reason.WRONG_MERGE)

    def fail(self, case: Case, expired: bool) -> None:
        """It was right, or was not shown to be wrong in time."""
        self._end(case, State.EXPIRED if expired else State.FAILED)
        self.pool += self.chain.terms.bond
        self._emit("Failed", id=case.id, expired=expired)

    def answered(self, case: Case, answerer: Address) -> None:
        """A demanded leaf was shown."""
        self._end(case, State.ANSWERED)
        self._emit("Answered", id=case.id, answerer=answerer)
        self._credit(answerer, self.chain.terms.bond, case.id)

    def expected(self, case: Case) -> int:
        """Return what the merged leaf should say at the case's coordinate."""
        if not case.leaf:
            return _word_of(self._merged_header(case.round), case.coordinate)
        proved = self.proved.get(case.id, {})
        column = [proved[which] for which in range(case.inputs)]
        if not column:
            return 0
        terms = self.chain.terms
        return merge(terms.rule, terms.trim, terms.max_weight, [v for v, _ in column], [w for _, w in column])

    # -- parts ------------------------------------------------------------------------------------------------------

    @property
    def _leaves(self) -> int:
        return 1 + -(-self.chain.terms.values // VALUES)

    def _check_case(self, round: int, leaf: int, roots: Sequence[Root], value: int | None) -> None:
        """Check that a case on this leaf of this round can be opened, for the bond."""
        record = self.chain.record(round)
        if record is None or record.status is not Status.FINAL:
            raise Rejected("NotFinal")
        if self.chain.clock.now > record.open_until + self.chain.terms.challenge_seconds:
            raise Rejected("WindowClosed")
        if leaf >= self._leaves:
            raise Rejected("NoSuchLeaf")
        self._check_roots(round, roots)
        self._take(self.chain.terms.bond, value)

    def _check_roots(self, round: int, roots: Sequence[Root]) -> Record:
        record = self.chain.record(round)
        assert record is not None
        if list(roots) != self.chain.included_roots(round):
            raise Rejected("WrongRoots")
        return record

    def _open(self, kind: Kind, round: int, challenger: Address, **said: Any) -> Case:
        id, deadline = len(self.cases) + 1, self.chain.clock.now + self.chain.terms.proof_seconds
        self.cases[id] = Case(id, kind, State.OPEN, round, challenger, deadline, **said)
        return self.cases[id]

    def _case(self, id: int, kind: Kind) -> Case:
        case = self.cases.get(id)
        if case is None:
            raise Rejected("NoSuchCase")
        if case.kind is not kind:
            raise Rejected("WrongKind")
        if case.state is not State.OPEN:
            raise Rejected("NotOpen")
        record = self.chain.record(case.round)
        assert record is not None
        if record.undone:
            raise Rejected("AlreadyUndone")
        return case

    def _in_time(self, case: Case) -> None:
        if self.chain.clock.now > case.deadline:
            raise Rejected("TooLate")

    def _over(self, case: Case) -> None:
        if self.chain.clock.now <= case.deadline:
            raise Rejected("TooEarly")

    def _all_proven(self, case: Case) -> bool:
        return case.merged_proven and case.proven.bit_count() == case.inputs

    def _read(self, case: Case, record: Record, roots: Sequence[Root], proof: Proof) -> tuple[int, int]:
        """Return what a proved leaf says at the case's coordinate, and its update's weight (0 where none is asked)."""
        root = record.root if proof.which == MERGED else roots[proof.which]
        if len(proof.data) != merkle.LEAF:
            raise Rejected("WrongLeafLength")
        if not merkle.verify(root, proof.data, case.leaf, self._leaves, proof.path):
            raise Rejected("WrongProof")
        if not case.leaf:
            return _word_of(proof.data, case.coordinate), 0
        value = int.from_bytes(proof.data[4 * case.coordinate : 4 * case.coordinate + 4], "little", signed=True)
        if proof.which == MERGED or self.chain.terms.rule != MEAN:
            return value, 0
        header = b"".join(proof.header).ljust(merkle.LEAF, b"\0")
        if not merkle.verify(root, header, 0, self._leaves, proof.header_path):
            raise Rejected("WrongHeader")
        return value, int.from_bytes(proof.header[_WEIGHT], "big")

    def _right_header(self, case: Case, record: Record, leaf: bytes) -> bool:
        if case.which == MERGED:
            return leaf == self._merged_header(case.round)
        return self._right_update(case.round, [*bits(record.included)][case.which], leaf)

    def _right_update(self, round: int, index: int, leaf: bytes) -> bool:
        """Whether a header leaf is this member's of this round; any weight that a header can have will do."""
        terms, node = self.chain.terms, self.chain.members[index]
        header = Header.update(self.chain_id, self.federation, round, node, terms.layout)
        weight = slice(32 * _WEIGHT, 32 * _WEIGHT + 32)
        right = bytearray(replace(header, size=terms.values).to_bytes())
        right[weight] = leaf[weight]
        return leaf == right and 1 <= _word_of(leaf, _WEIGHT) < 1 << 32

    def _merged_header(self, round: int) -> bytes:
        return replace(Header.merged(round, self.chain.terms.layout), size=self.chain.terms.values).to_bytes()

    def _end(self, case: Case, state: State) -> None:
        self.cases[case.id] = replace(case, state=state)

    def _undo(self, case: Case, guilty: int, reason: Reason) -> None:
        """The challenger was right: the guilty lose stake and seat, it is paid, and the round is taken back."""
        self._punish(guilty, reason, case.round, case.challenger, case.id)
        self._credit(case.challenger, self.chain.terms.bond, case.id)
        self.chain.undo(case.round)

    def _punish(self, guilty: int, reason: Reason, round: int, challenger: Address, id: int) -> None:
        slashed = self._slash(guilty, None, reason, round)
        part = slashed * self.chain.terms.challenger_share // UNIT
        self.pool += slashed - part
        self._credit(challenger, part, id)
        self.chain.unseat(guilty)

    def _credit(self, account: Address, amount: int, id: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
            self._emit("Credited", account=account, amount=amount, id=id)


def merge(rule: int, trim: int, max_weight: int, values: Sequence[int], weights: Sequence[int]) -> int:
    """Merge one coordinate of n >= 1 updates, in plain integers; ``rules`` does the same for all of them at once."""
    if rule == MEAN:
        capped = [min(max(weight, 1), max_weight) for weight in weights]
        return sum(w * v for w, v in zip(capped, values, strict=True)) // sum(capped)
    n = len(values)
    cut = n * trim // UNIT if rule == TRIMMED_MEAN else (n - 1) // 2
    kept = sorted(values)[cut : n - cut]
    return sum(kept) // len(kept)


def _word_of(leaf: bytes, index: int) -> int:
    return int.from_bytes(leaf[32 * index : 32 * index + 32], "big")


def _word(value: int) -> bytes:
    return (value % (1 << 256)).to_bytes(32, "big")
