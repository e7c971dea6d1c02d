"""What a node does beside its rounds: it checks what has become final, and answers those who ask.

A merge is right because whoever finds it wrong can have it rolled back, so somebody has to look: every node verifies
every final root against its own merge of the included updates, and goes to court where they differ. It shows leaves
that others ask for, settles rounds whose time is over, and in the end claims what it has earned.

Nothing here is remembered that could not be found out again: which cases are open and what they still lack is on the
ledger, so a challenger that was killed goes on, and anybody can go on for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.ledger import Ledger
from rayfed.node import fraud_proofs
from rayfed.node.blobs import Blobs
from rayfed.protocol.commands import Answer, Challenge, Claim, Conclude, Demand, Forfeit, Prove, Settle
from rayfed.protocol.judgement import MERGED, Case, Kind, Record, State
from rayfed.protocol.messages import Phase, Status, View

PROOFS_AT_ONCE = 8
"""Leaves proved in one transaction; each costs about 170,000 gas, most of it for its 4096 bytes."""

SETTLE_AT_ONCE = 16
"""Rounds settled in one transaction."""

CLAIM_AT_ONCE = 256
"""Rounds claimed in one transaction."""

LOOK_SECONDS = 2
"""How often to look while nothing has changed, in chain time."""

TURN_SECONDS = 2
"""What one member may do as well as another is done by the first of them; each next one waits so much longer."""


class Watch:
    """Looks after one federation for one account, which needs no seat in it.

    Args:
        ledger: the account's handle.
        blobs: its way to blobs.
        keep: whether to keep others' updates on the own disk while they can be asked for. Where all nodes are one
            party's, nothing is gained by it.
        reveal: called with the updates that a final round has merged: whoever holds one gives it to all who ask.
        note: told in a line what is wrong, and what was done about it.
    """

    def __init__(
        self,
        ledger: Ledger,
        blobs: Blobs,
        keep: bool = True,
        reveal: Callable[[Iterable[Root]], None] = lambda roots: None,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._ledger = ledger
        self._address = ledger.address
        self._blobs = blobs
        self._keep = keep
        self._reveal = reveal
        self._note = note
        self._terms = ledger.terms()
        self._right = 0  # all rounds up to here are verified, void or undone
        self._wrong: set[int] = set()
        self._since: dict[tuple[str, int], int] = {}  # when something was first seen to be due, in chain time
        self._looked: tuple[int, Phase, int] = (0, Phase.FORMING, 0)

    @property
    def distrusted(self) -> bool:
        """Whether a final merge that still stands is known to be wrong: nothing should be built on it."""
        return bool(self._wrong)

    def is_satisfied(self, view: View) -> bool:
        """Whether all that has become final, and can still be challenged, is known to be right."""
        return not self._wrong and self._right >= _closed(view)

    def step(self, view: View) -> bool:
        """Do the next thing that is due, if there is one; say whether there was. Never blocks on peers.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if self._ledger.is_sending:
            return False
        round, phase, time = self._looked
        if (round, phase) == (view.round, view.phase) and view.time < time + LOOK_SECONDS:
            return False
        self._verify(view)
        cases = self._ledger.open_cases()
        acted = (
            any(self._dispute(round, view, cases) for round in sorted(self._wrong))
            or self._show(view, cases)
            or self._judge(view, cases)
            or self._settle(view, cases)
        )
        if not acted:
            self._looked = view.round, view.phase, view.time
        return acted

    # -- is it right? -----------------------------------------------------------------------------------------------

    def _verify(self, view: View) -> None:
        """Compare final roots with what the updates give, in order, as far as the updates can be had."""
        for round in [*sorted(self._wrong), *range(self._right + 1, _closed(view) + 1)]:
            record = self._ledger.record(round)
            if record is None:
                return
            if record.status is not Status.FINAL or self._is_over(record, view):
                self._wrong.discard(round)  # rolled back, or too late to be
            elif round not in self._wrong:
                mine = self._merge(round, view)
                if mine is None:
                    return
                if mine != record.root:
                    self._note(f"round {round}: {record.root.hex()[:12]} is not the merge of its updates")
                    self._wrong.add(round)
            self._right = max(self._right, round)

    def _is_over(self, record: Record, view: View) -> bool:
        return view.time > record.open_until + self._terms.challenge_seconds

    def _merge(self, round: int, view: View) -> Root | None:
        updates = self._updates(round, view)
        if updates is None:
            return None
        if self._keep:
            self._blobs.hold(round, updates)
            self._reveal(updates)
        return self._true(updates, round)

    def _true(self, updates: Mapping[Root, memoryview], round: int) -> Root:
        """Merge updates of a final round to the base that it had; return the root."""
        return self._blobs.merge(updates, round, self._base(round))

    def _base(self, round: int) -> Root:
        record = self._ledger.record(round)
        assert record is not None
        before = self._ledger.record(record.base_round)
        return before.root if before is not None else self._terms.genesis

    def _updates(self, round: int, view: View) -> Mapping[Root, memoryview] | None:
        """Return the included updates by root; None if one is not to be had. Then it is demanded, in time.

        None too while a base that the rule asks for is not to be had: that is for its own round's watch to demand.
        """
        if not self._blobs.has_start(self._base(round), view.members):
            return None
        self._reveal(self._ledger.included_roots(round))  # before it asks others: they may wait for each other
        found: dict[Root, memoryview] = {}
        for which, root in enumerate(self._ledger.included_roots(round)):
            blob = self._blobs.find(root, view.members)
            if blob is None:
                self._demand(round, which, root, view)
                return None
            found[root] = blob
        return found

    # -- going to court ---------------------------------------------------------------------------------------------

    def _dispute(self, round: int, view: View, cases: Sequence[Case]) -> bool:
        """Open a challenge, prove what it lacks, or have it concluded: whatever is next."""
        updates = self._updates(round, view)
        record = self._ledger.record(round)
        if updates is None or record is None:
            return False
        claimed = self._blobs.find(record.root, view.members)
        if claimed is None:
            return self._demand(round, MERGED, record.root, view)
        roots = list(self._ledger.included_roots(round))
        for case in cases:
            of_this = case.kind is Kind.CHALLENGE and case.round == round and case.state is State.OPEN
            if of_this and self._proceed(case, roots, updates, claimed):
                return True
        if any(case.round == round and case.challenger == self._address for case in cases):
            return False
        true = self._blobs.find(self._true(updates, round), [])
        assert true is not None
        found = fraud_proofs.difference(claimed, true)
        assert found is not None, "blobs with different roots are different"
        if self._terms.rule == 0 and found.leaf:
            return False  # the contract cannot recompute this rule: what is wrong stays known, and nothing more
        self._ledger.submit(Challenge(round, found.leaf, found.coordinate, roots))
        self._note(f"round {round} is challenged at leaf {found.leaf}, coordinate {found.coordinate}")
        return True

    def _proceed(
        self, case: Case, roots: Sequence[Root], updates: Mapping[Root, memoryview], claimed: memoryview
    ) -> bool:
        """Bring an open challenge a step further, whoever opened it, if it is one that will be upheld."""
        true = self._blobs.find(self._true(updates, case.round), [])
        assert true is not None
        if _at(claimed, case) == _at(true, case):
            return False  # somebody challenges what is right there; the bond is theirs to lose
        lacks = fraud_proofs.missing(case.proven, case.inputs, case.merged_proven)[:PROOFS_AT_ONCE]
        if not lacks:
            self._ledger.submit(Conclude(case.id))
            return True
        weighted = self._terms.rule == MEAN and case.leaf != 0
        blobs = {which: claimed if which == MERGED else updates[roots[which]] for which in lacks}
        proofs = [fraud_proofs.prove(blob, which, case.leaf, weighted=weighted) for which, blob in blobs.items()]
        self._ledger.submit(Prove(case.id, roots, proofs))
        return True

    def _demand(self, round: int, which: int, root: Root, view: View) -> bool:
        """Ask on the ledger for what no peer gives, once all have had time to give it."""
        if not self._due("missing", int.from_bytes(root[:8], "big"), view, self._terms.challenge_seconds // 4):
            return False
        if any(case.kind is Kind.DEMAND and case.round == round for case in self._ledger.open_cases()):
            return False
        # Any leaf will do: who has one has all, and who asks for one that nobody has gets the merge rolled back.
        leaves = 1 + -(-self._terms.values // (merkle.LEAF // fraud_proofs.VALUE))
        leaf = int.from_bytes(root[8:16], "big") % leaves
        self._ledger.submit(Demand(round, which, leaf, self._ledger.included_roots(round)))
        self._note(f"round {round}: leaf {leaf} of {root.hex()[:12]} is demanded")
        return True

    # -- answering, judging, settling -------------------------------------------------------------------------------

    def _show(self, view: View, cases: Sequence[Case]) -> bool:
        """Answer a demand for what is at hand."""
        for case in cases:
            if case.kind is not Kind.DEMAND or case.state is not State.OPEN or view.time > case.deadline:
                continue
            record = self._ledger.record(case.round)
            if record is None or not self._my_turn("demand", case.id, view):
                continue
            roots = list(self._ledger.included_roots(case.round))
            root = record.root if case.which == MERGED else roots[case.which]
            blob = self._blobs.find(root, [])
            if blob is not None:
                proof = fraud_proofs.prove(blob, case.which, case.leaf, weighted=False)
                self._ledger.submit(Answer(case.id, roots, proof.data, proof.path))
                self._note(f"round {case.round}: leaf {case.leaf} of {root.hex()[:12]} is shown")
                return True
        return False

    def _judge(self, view: View, cases: Sequence[Case]) -> bool:
        """Have a demand judged that nobody answered in time."""
        for case in cases:
            over = case.kind is Kind.DEMAND and case.state is State.OPEN and view.time > case.deadline
            if over and (case.challenger == self._address or self._my_turn("judge", case.id, view)):
                self._ledger.submit(Forfeit(case.id))
                return True
        return False

    def _settle(self, view: View, cases: Sequence[Case]) -> bool:
        """Settle the next rounds if their time is over; the members take turns at it."""
        books = self._ledger.books()
        self._blobs.release(books.settled)
        record = self._ledger.record(books.settled + 1)
        if record is None or any(case.round == books.settled + 1 for case in cases):
            return False
        if record.status is Status.FINAL and not self._is_over(record, view):
            return False
        if not self._my_turn("settle", books.settled, view):
            return False
        self._ledger.submit(Settle(SETTLE_AT_ONCE))
        return True

    # -- turns ------------------------------------------------------------------------------------------------------

    def _my_turn(self, what: str, number: int, view: View) -> bool:
        """Whether those who come before this account have let it pass; who has no seat comes after all members."""
        active = list(bits(view.active))
        index = view.index_of(self._address)
        place = active.index(index) if index in active else len(active)
        turn = (place + number) % max(1, len(active)) if place < len(active) else place
        return self._due(what, number, view, turn * TURN_SECONDS)

    def _due(self, what: str, number: int, view: View, seconds: int) -> bool:
        """Whether so much time has passed since this was first asked."""
        return view.time >= self._since.setdefault((what, number), view.time) + seconds


def claim(ledger: Ledger, payout: Address) -> bool:
    """Have what an account has earned so far paid out; say whether there was anything.

    Raises:
        LedgerUnreachable: nothing answers.
    """
    if ledger.is_sending or not ledger.account(ledger.address).claimable:
        return False
    ledger.submit(Claim(payout, CLAIM_AT_ONCE))
    return True


MEAN = 1
"""The rule's number in the terms; the only one that asks for weights."""


def _closed(view: View) -> int:
    """The last round that has closed."""
    return view.round if view.phase is Phase.DONE else max(0, view.round - 1)


def _at(blob: memoryview, case: Case) -> bytes:
    size = fraud_proofs.WORD if case.leaf == 0 else fraud_proofs.VALUE
    start = case.leaf * merkle.LEAF + case.coordinate * size
    return bytes(blob[start : start + size])
