"""The watchtower's loop: one look, at most one command a round."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.errors import LedgerError, LedgerUnreachable, RayfedError, StoreError
from rayfed.ledger import Ledger
from rayfed.node.pending import Pending
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower.claims import departure, owed
from rayfed.node.watchtower.inputs import InputFinder
from rayfed.node.watchtower.interests import Interests
from rayfed.node.watchtower.turns import Turns
from rayfed.node.watchtower.verify import Verifier, in_slots
from rayfed.protocol.commands import Collect, Command, Prove, Reimburse, Resolve, Show, ShowLeaf
from rayfed.protocol.court_policy import CourtAct, acts, turn_seconds, unsettled
from rayfed.protocol.messages import Phase, Round, Status, View

LOOK_SECONDS = 2
"""How often to look while nothing has changed, in chain time."""

LASTING_SECONDS = 1_000
"""For how long after a round is settled its inputs stay: a chain that goes back may have it judged anew."""


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a watchtower has found out so far; a snapshot, to be read by any thread.

    Attributes:
        verified: the last closed round at the last look: all up to this one are right, void, undone, or settled but for
            those in ``wrong`` and ``unknown``.
        wrong: rounds whose root is known to be wrong, and stands.
        unknown: rounds that cannot be judged as yet: an update that they include is not to be had.
        settled_wrong: of ``wrong``, all that were ever settled: nothing can be done about them.
        disputed: unsettled rounds with a tournament: whose root nobody moves for loses, and its attesters their stakes.
    """

    verified: int = 0
    wrong: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    settled_wrong: frozenset[int] = frozenset()
    disputed: frozenset[int] = frozenset()

    @property
    def distrusted(self) -> bool:
        """Whether a root that stands, and can still be undone, is known to be wrong: nothing should be built on it."""
        return bool(self.wrong - self.settled_wrong)

    def is_satisfied(self, view: View) -> bool:
        """Say whether all that has become final, and can still be judged, is known to be right, and undisputed."""
        return not (self.wrong or self.unknown or self.disputed) and self.verified >= last_closed(view)


class Watchtower:
    """Looks after one federation for one account, which needs no seat in it. One thread at a time.

    It verifies every final and every unsettled void round against its own merge, and does what ``court_policy`` names.
    What it knows of the court is on the ledger; what must not be lost, inputs of unsettled rounds and where it has
    something to get back, is on its disk.

    Args:
        ledger: a handle of the account's that nobody else uses.
        tools: a way to blobs that nobody else uses (``BlobTools.apart``).
        reveal: called with the updates that a round has included: whoever holds one gives it to all who ask.
        note: told in a line what is wrong, and what was done about it.
        count: told the gas of every transaction.
        believes: returns the root to stand up for in a round, given its merge's: another one in experiments only.
        looks_back: whether to verify settled rounds as well, as long as the ledger has a slot for them.
        lasts: for how long after a round is settled its inputs stay, in seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        tools: BlobTools,
        reveal: Callable[[Iterable[Root]], None] = lambda roots: None,
        note: Callable[[str], None] = lambda line: None,
        count: Callable[[int], None] = lambda gas: None,
        *,
        believes: Callable[[int, Root], Root] = lambda round, root: root,
        looks_back: bool = False,
        lasts: int = LASTING_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._disk = tools.disk
        self._note = note
        self._count = count
        self._looks_back = looks_back
        self._lasts = lasts
        self._verifier = Verifier(ledger, tools, InputFinder(tools, reveal), note, believes)
        self._turns = Turns(ledger.address, turn_seconds(ledger.terms()))
        files = tools.disk.files.path
        self._interests = Interests(files.parent / f"{files.name}.court.json", ledger, ledger.address, note)
        self._pending: Pending[Hashable] = Pending()
        self._looked: tuple[int, Phase, int] = (0, Phase.FORMING, 0)
        self._over: dict[int, int] = {}  # since when rounds that inputs are held for are known to be settled
        self._report = WatchReport()

    def report(self) -> WatchReport:
        """Return what is known so far. Safe to call from any thread."""
        return self._report

    def distrusts(self) -> bool:
        """Say whether a root that stands, and can be undone, is known to be wrong. Safe to call from any thread."""
        return self._report.distrusted

    def is_satisfied(self, view: View) -> bool:
        """Say whether nothing is left to be verified; see ``WatchReport``. Safe to call from any thread."""
        return self._report.is_satisfied(view)

    @property
    def is_sending(self) -> bool:
        """Whether something was sent whose fate is not known yet."""
        return self._ledger.is_sending

    def step(self, view: View) -> bool:
        """Do the next thing that is due, if there is one; say whether there was. Never waits for the ledger.

        Raises:
            LedgerUnreachable: nothing answers.
            LedgerError: something cannot be read or sent; what does not need it was done all the same.
            StoreError: the disk is full; the same.
        """
        # What is on its way is not said again, and nothing else waits for it: a clock does not, whatever is confirmed.
        self._collect(view)
        round, phase, time = self._looked
        if (round, phase) == (view.round, view.phase) and 0 <= view.time - time < LOOK_SECONDS:
            return False
        acted = self._act(view)
        if not acted:
            self._looked = view.round, view.phase, view.time
        return acted

    def claim(self, payout: Address, view: View, *, departs: bool = False) -> bool:
        """Have what was earned so far paid out, and with ``departs``, once a federation is over and nothing in it can
        be contested, stake and bonds as well; say whether there was anything. Raises what ``step`` does."""
        self._collect(view)
        is_over = view.phase is Phase.DONE and not view.unsettled
        command = departure(self._ledger, view, payout) if departs and is_over else owed(self._ledger, payout)
        if command is None or _key(command) in self._pending.in_flight or self._pending.rests(_key(command), view):
            return False
        self._send(command, "", view)
        return True

    # -- one look -----------------------------------------------------------------------------------------------------

    def _act(self, view: View) -> bool:
        troubles: list[RayfedError] = []
        rounds = unsettled(self._ledger, view)
        # What is known comes first: peers may take long to give what is lacking, or not to, and clocks run meanwhile.
        known = [round for round in rounds if self._verifier.own(round, view) is not None]
        if self._all(known, [], view, troubles):
            return True
        self._verify(rounds, view, troubles)
        self._release(rounds, view)
        self._turns.forget(view)
        others = [round for round in rounds if round not in known]
        if self._all(others, [self._interests.acts(view)], view, troubles):
            return True
        if troubles:
            raise troubles[0]
        return False

    def _all(
        self, rounds: list[Round], more: list[Iterator[CourtAct]], view: View, troubles: list[RayfedError]
    ) -> bool:
        """Do what is due in each of these rounds, one act each: none waits for another's; say whether there was any."""
        parts = [self._about(round, view) for round in rounds] + more
        sent = [self._sends(part, view, troubles) for part in parts]
        return any(sent)

    def _about(self, round: Round, view: View) -> Iterator[CourtAct]:
        return acts(self._ledger, round, self._verifier.own(round, view), view, self._ledger.address)

    def _verify(self, rounds: list[Round], view: View, troubles: list[RayfedError]) -> None:
        before, verifier = self._report, self._verifier
        settled = in_slots(self._ledger, view, (Status.SETTLED,)) if self._looks_back or before.wrong else []
        known = [round for round in settled if self._looks_back or verifier.own(round, view) is not None]
        by_number = {round.round: round for round in [*known, *rounds]}
        disputed = before.disputed
        try:
            verifier.look(list(by_number.values()), view)
        except LedgerUnreachable:
            raise
        except (LedgerError, StoreError) as error:
            troubles.append(error)
        try:
            disputed = self._disputed(rounds)
        except LedgerUnreachable:
            raise
        except LedgerError as error:
            troubles.append(error)
        wrong = verifier.wrong
        stood = {number for number in before.settled_wrong if number in wrong or number not in by_number}
        stood |= {number for number in wrong if by_number[number].status is Status.SETTLED}
        self._report = WatchReport(last_closed(view), wrong, verifier.unknown, frozenset(stood), disputed)

    def _disputed(self, rounds: list[Round]) -> frozenset[int]:
        if not self._ledger.terms().rule:
            return frozenset()  # nobody judges
        return frozenset(one.round for one in rounds if self._ledger.tournament(one.round) is not None)

    def _release(self, rounds: list[Round], view: View) -> None:
        """Let go of the inputs of rounds that are settled, and have been for long enough."""
        needed = {round.round for round in rounds}
        for number in self._disk.held:
            if number in needed or number > last_closed(view):
                self._over.pop(number, None)
            elif view.time >= self._over.setdefault(number, view.time) + self._lasts:
                self._disk.release([number])
                del self._over[number]

    # -- sending ------------------------------------------------------------------------------------------------------

    def _sends(self, part: Iterator[CourtAct], view: View, troubles: list[RayfedError]) -> bool:
        """Send the first act of a part that it is this account's turn to do, and that was not refused a moment ago; say
        whether there was one."""
        try:
            for act in part:
                key = _key(act.command)
                rests = key in self._pending.in_flight or self._pending.rests(key, view)
                if not rests and self._turns.is_mine(act, key, view):
                    if act.root != NO_ROOT:
                        self._interests.note(act.command.round, act.root)
                    self._send(act.command, act.line, view)
                    return True
        except LedgerUnreachable:
            raise
        except (LedgerError, StoreError) as error:
            troubles.append(error)
        return False

    def _send(self, command: Command, line: str, view: View) -> None:
        key = _key(command)
        try:
            self._ledger.submit(command)
        except LedgerUnreachable:
            raise
        except LedgerError:
            self._pending.rest(key, view)  # no money for a bond, say
            raise
        self._pending.sent(key)
        if line:
            self._note(line)

    def _collect(self, view: View) -> None:
        for receipt in self._ledger.receipts():
            self._count(receipt.gas)
            if receipt.command is None:
                continue  # the other half of a command: a coin's approval
            key = _key(receipt.command)
            self._pending.landed(key, view, receipt.error)
            refusal = self._pending.refusal(key)
            if refusal is not None and refusal.times > 1:
                # Once means that somebody was quicker; then it is not due any more, as the next look says.
                self._note(f"{receipt.verb} of round {receipt.round} refused again: {receipt.error}")


def last_closed(view: View) -> int:
    """Return the last round that has closed; 0 if none has."""
    return view.round - 1 if view.is_open else view.round


def _key(command: Command) -> Hashable:
    """Return what a command is about: the same act on the same thing."""
    about: tuple[Hashable, ...] = ()
    match command:
        case Show(point) | ShowLeaf(point):
            about = (point,)
        case Prove(point, inputs=inputs):
            about = (point, tuple(one.which for one in inputs))
        case Collect(number=number):
            about = (number,)
        case Reimburse(stage=stage, block=block):
            about = (stage, block)
        case Resolve(level=level, block=block):
            about = (level, block)
    return command.verb, command.round, about
