"""The immutable terms of a federation, as frozen values; the contract's words (``Terms``)."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding import differences
from rayfed.encoding.primitives import Address, Root

NATIVE: Address = "0x" + "0" * 40
"""In the place of a coin's address: the chain's own currency."""

MAX_STAGES = 12
"""Stages of the longest tournament: each halves the entries, of which there are at most 4,096."""

COIN = 10**18
"""Smallest units in a whole coin."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The immutable terms of a federation, in the order of the contract's ``Terms``; amounts in the smallest unit.

    Attributes:
        charter: SHA-256 of the charter's canonical JSON.
        genesis: root of the blob that round 1 starts from.
        rounds: how many *final* rounds there are to be; at least 1.
        join_seconds: the longest that forming waits for ``start_members``.
        commit_seconds, vote_seconds, attest_seconds: the longest that a phase lasts.
        start_members: so many active members open a round at once; 1..256.
        min_members: fewest active members to open a round, updates committed and updates included; 1..start_members.
        max_missed: absences in a row that drop a member; 0 (never)..7.
        max_unsettled: rounds with an attestation that may be unsettled at once; 1..16.
        max_void: void rounds in a row that end the federation; at least 1.
        limit_seconds: time without a final round that ends it; at least 1.
        coin: ERC-20 of stake, pool and reward; NATIVE is the chain's own currency.
        stake: what a member has at stake; may be 0.
        reward: paid from the pool for each final round, shared equally; may be 0.
        bond: of an entry, and of each round that a seat may attest; in the chain's own currency; at least 1.
        window_seconds: how long after its attest phase other roots may be entered against a final one.
        clock_seconds: each side's time in one match.
        proof_seconds: the time that both sides share to prove the inputs at a leaf.
        right_share: part of slashed stake, per 10,000, to who attested the right root; at most 1,000.
        allow_list: Merkle root of who may join (``ledger.allow_list``); 32 zero bytes: anybody.
        rule: 0 cannot be recomputed by coordinate, 1 mean, 2 trimmed mean, 3 median.
        trim, max_weight: of the rule, as in ``rules.make``.
        layout: SHA-256 of the layout, as in a blob's header.
        values: how many int32 values the model has; a blob has ``merkle.leaves(values)`` leaves.
        encoding, frozen: words of every header: how values lie in an update (``bits``), and the hash of what is not
            trained.
    """

    charter: bytes
    genesis: Root
    rounds: int
    join_seconds: int
    commit_seconds: int
    vote_seconds: int
    attest_seconds: int
    start_members: int
    min_members: int
    max_missed: int
    max_unsettled: int = 8
    max_void: int = 8
    limit_seconds: int = 2**32 - 1
    coin: Address = NATIVE
    stake: int = 0
    reward: int = 0
    bond: int = 1
    window_seconds: int = 60
    clock_seconds: int = 60
    proof_seconds: int = 60
    right_share: int = 1_000
    allow_list: bytes = bytes(32)
    rule: int = 0
    trim: int = 0
    max_weight: int = 1_000_000
    layout: bytes = bytes(32)
    values: int = 1
    encoding: bytes = bytes(32)
    frozen: bytes = bytes(32)

    @property
    def round_seconds(self) -> int:
        """The longest that a round lasts."""
        return self.commit_seconds + self.vote_seconds + self.attest_seconds

    @property
    def bits(self) -> int:
        """How wide an update's values are."""
        return differences.bits_of(self.encoding)

    @property
    def bonds(self) -> int:
        """What a seat has in bonds: one for each round that may be unsettled."""
        return self.max_unsettled * self.bond

    @property
    def ring(self) -> int:
        """Slots that rounds lie in, round r in ``r % ring``: as many as may be unsettled, and two at least, so that a
        round's predecessor can be read while it is open."""
        return max(2, self.max_unsettled)

    def slots(self, last: int) -> range:
        """Return the numbers of the rounds that have a slot, in their order, where ``last`` is the newest."""
        return range(max(1, last - self.ring + 1), last + 1)

    @property
    def stage_seconds(self) -> int:
        """From the start of one stage of a tournament to the next one's."""
        return 2 * self.clock_seconds + self.proof_seconds + 1

    @property
    def locked_seconds(self) -> int:
        """The longest that stake and bonds stay where they are once their owner has left: until forming is over, or
        until the round is settled that it left in, after the longest tournament that there can be. Nobody can make it
        longer."""
        court = self.window_seconds + MAX_STAGES * self.stage_seconds + 2 if self.rule else 0
        return max(self.join_seconds, self.round_seconds + court)
