"""The court in memory: challenges, demands, equivocations. ``ICourt`` says what each verb means; the contract's twin.

The same rules as the contract's, in the same order, with nothing saved and nothing packed; a property test feeds both
the same events. Proofs are real ones. Who signed is modelled by addresses: a signature is what a chain needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding.primitives import Address, Root, bits
from rayfed.errors import Rejected
from tests.first_edition import merkle
from tests.first_edition.cases import VALUES, Cases
from tests.first_edition.header import Header
from tests.first_edition.holdings import Rounds
from tests.first_edition.judgement import MERGED, Case, Kind, Proof, Reason, Record, State
from tests.first_edition.messages import Phase
from tests.first_edition.transactions import verb
from tests.first_edition.treasury import UNIT

WORDS = merkle.LEAF // 32
MEAN, TRIMMED_MEAN, MEDIAN = 1, 2, 3

_WEIGHT = 7
"""The header's word that holds the weight."""


class MemoryCourt(Cases):
    """One federation's court. Every verb raises ``Rejected`` where the contract reverts.

    Args:
        chain: the federation whose court it is.
        chain_id, federation: what the headers of updates must name.
    """

    def __init__(self, chain: Rounds, chain_id: int = 31337, federation: Address = "0x" + "fe" * 20) -> None:
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
        record = self._closed(case.round)
        guilty = record.attesters if case.which == MERGED else 1 << [*bits(record.included)][case.which]
        self._end(case, State.FORFEITED)
        self._emit("Forfeited", id=id)
        self._undo(case, guilty, Reason.WITHHELD)

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
