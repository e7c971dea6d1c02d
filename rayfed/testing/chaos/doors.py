"""A node's doors to the world outside, with the trouble that is on them: the ledger's and the store's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random
from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobMissing, LedgerError, LedgerUnreachable, StoreError
from rayfed.ledger.memory.chain import ManualClock
from rayfed.ledger.memory.court import MemoryCourt
from rayfed.protocol.judgement import Account, Books, Case, Proof, Record
from rayfed.protocol.messages import Outcome, Receipt, Terms, Verb, View
from rayfed.store.verified import verified
from rayfed.testing.chaos.chain import ChaosChain, Transaction
from rayfed.testing.chaos.faults import Fuse
from rayfed.testing.chaos.scenarios import RESEND_SECONDS, Scenario

Sent = tuple[Address, Verb, int, Any]
"""Something that a node handed to its door: who, what, in which round, saying what."""


class Weather:
    """What goes wrong just now, for one node; drawn by the world, read by its doors.

    Attributes:
        calm: nothing does.
        ledger_until, store_until, disk_until: until when nothing answers there, in seconds since the epoch.
        skew: how far the node's idea of the chain's time is off.
    """

    def __init__(self, scenario: Scenario, random: Random, clock: ManualClock) -> None:
        self.scenario = scenario
        self.random = random
        self.clock = clock
        self.calm = False
        self.ledger_until = self.store_until = self.disk_until = 0
        self.skew = random.randint(-scenario.skew, scenario.skew)

    def happens(self, rate: float) -> bool:
        """Draw whether something happens now."""
        return not self.calm and rate > 0 and self.random.random() < rate

    def draw(self) -> None:
        """Let an outage begin, or none."""
        if self.happens(self.scenario.unreachable):
            self.ledger_until = self._later()
        if self.happens(self.scenario.store_down):
            self.store_until = self._later()
        if self.happens(self.scenario.disk_full):
            self.disk_until = self._later()

    def clear(self) -> None:
        """Let all be well from now on."""
        self.calm = True
        self.ledger_until = self.store_until = self.disk_until = self.skew = 0

    def disk_full(self) -> bool:
        """Whether there is no room on the node's disk."""
        return self.clock.now < self.disk_until

    def _later(self) -> int:
        return self.clock.now + self.random.randint(1, self.scenario.outage_seconds)


class ChaosLedger:
    """One account's door to a ``ChaosChain``; follows the ``rayfed.ledger.Ledger`` protocol.

    Made anew with every start of its node, as a ``Sender`` is: receipts of what an earlier process sent
    come to nobody.

    Args:
        told: called with everything that the node says, before anything can happen to it.
        silenced: whether what the node says with this verb in this round is lost for good.
    """

    def __init__(
        self,
        chain: ChaosChain,
        address: Address,
        weather: Weather,
        fuse: Fuse,
        told: Callable[[Sent], None],
        silenced: Callable[[Verb, int], bool] = lambda verb, round: False,
    ) -> None:
        self._chain = chain
        self._address = address
        self._weather = weather
        self._fuse = fuse
        self._told = told
        self._silenced = silenced
        self._flights: list[tuple[Transaction, int]] = []  # and when it was sent
        self._refused: list[Receipt] = []

    @property
    def address(self) -> Address:
        """See ``Ledger``."""
        return self._address

    def terms(self) -> Terms:
        """See ``Ledger``."""
        return self._chain.chain.terms

    def view(self) -> View:
        """See ``Ledger``."""
        self.reach()
        weather = self._weather
        behind = weather.random.randint(1, 4) if weather.happens(weather.scenario.stale) else 0
        return self._chain.view(behind, 0 if weather.calm else weather.skew)

    def account(self, address: Address) -> Account:
        """See ``Ledger``."""
        self.reach()
        return self._chain.chain.court.account(address)

    def outcome(self, round: int) -> Outcome | None:
        """See ``Ledger``."""
        self.reach()
        return self._chain.chain.outcome(round)

    def join(self, charter: bytes) -> None:
        """See ``Ledger``."""
        self._send(Verb.JOIN, 0, charter)

    def leave(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.LEAVE, 0, None)

    def commit(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._send(Verb.COMMIT, round, root)

    def vote(self, round: int, ballot: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.VOTE, round, ballot)

    def attest(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._send(Verb.ATTEST, round, root)

    def poke(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.POKE, 0, None)

    def tell_court(self, verb: Verb, round: int, *arguments: Any) -> None:
        """Say something to the court; ``round`` is for the receipt."""
        self._send(verb, round, arguments)

    @property
    def is_sending(self) -> bool:
        """Whether there is something whose receipt has not been given out."""
        return bool(self._flights or self._refused)

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        self.reach()
        done, self._refused = self._refused, []
        for flight in list(self._flights):
            transaction, sent = flight
            # A chain on which nothing more is mined confirms what is there, as ``sender.QUIET_SECONDS`` has it.
            quiet = self._weather.clock.now - sent > RESEND_SECONDS
            if transaction.block is not None:
                if quiet or self._chain.height - transaction.block >= self._weather.scenario.confirmations:
                    self._flights.remove(flight)
                    done.append(_receipt(transaction))
            elif transaction.lost and quiet:
                transaction.lost, transaction.due = False, self._weather.clock.now
                self._chain.pool.append(transaction)
        return done

    def wait(self, seen: View, timeout: float) -> None:
        """Return at once: in this world time passes only when the world says so."""

    def close(self) -> None:
        """Nothing to let go of."""

    def reach(self) -> None:
        """Die, or find that nothing answers, if it is time for that."""
        self._fuse.check()
        if self._weather.clock.now < self._weather.ledger_until:
            raise LedgerUnreachable("ledger.rpc_url: chaos: nothing answers")

    def _send(self, verb: Verb, round: int, value: Any) -> None:
        self._told((self._address, verb, round, value))
        self.reach()
        weather, scenario, now = self._weather, self._weather.scenario, self._weather.clock.now
        transaction = Transaction(self._address, verb, round, value, now)
        if self._silenced(verb, round):
            self._refused.append(Receipt(verb, round, _hash(transaction), 0, 0, "NotMined"))
            return
        if weather.happens(scenario.refuse):
            if weather.random.random() < 0.5:
                raise LedgerError("ledger.fund_ether: chaos: cannot pay for the gas")
            transaction.in_vain = True
        if weather.happens(scenario.delay):
            transaction.due += weather.random.randint(1, scenario.delay_seconds)
        transaction.lost = weather.happens(scenario.lose)
        if not transaction.lost:
            self._chain.pool.append(transaction)
        self._flights.append((transaction, now))
        self._fuse.check()


class ChaosCourt:
    """One account's door to the court of a ``ChaosChain``; follows the ``rayfed.node.watchtower.Court`` protocol.

    What is said goes the way of all transactions, with all that may happen to them on it.
    """

    def __init__(self, chain: ChaosChain, ledger: ChaosLedger) -> None:
        self._chain = chain
        self._ledger = ledger

    @property
    def _court(self) -> MemoryCourt:
        self._ledger.reach()
        return self._chain.chain.court

    def terms(self) -> Terms:
        """See ``Court``."""
        return self._ledger.terms()

    def books(self) -> Books:
        """See ``Court``."""
        return self._court.books()

    def account(self, address: Address) -> Account:
        """See ``Court``."""
        return self._court.account(address)

    def record(self, round: int) -> Record | None:
        """See ``Court``."""
        self._ledger.reach()
        return self._chain.chain.record(round)

    def cases(self) -> Sequence[Case]:
        """See ``Court``."""
        return self._court.open_cases()

    def included(self, round: int) -> Sequence[Root]:
        """See ``Court``."""
        self._ledger.reach()
        return self._chain.chain.included_roots(round)

    def busy(self) -> bool:
        """See ``Court``."""
        return self._ledger.is_sending

    def challenge(self, round: int, leaf: int, coordinate: int, roots: Sequence[Root]) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.CHALLENGE, round, round, leaf, coordinate, roots)

    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.PROVE, 0, id, roots, proofs)

    def conclude(self, id: int) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.CONCLUDE, 0, id)

    def demand(self, round: int, which: int, leaf: int, roots: Sequence[Root]) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.DEMAND, round, round, which, leaf, roots)

    def answer(self, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.ANSWER, 0, id, roots, data, path)

    def forfeit(self, id: int) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.FORFEIT, 0, id)

    def settle(self, most: int) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.SETTLE, 0, most)

    def claim(self, to: Address, most: int) -> None:
        """See ``Court``."""
        self._ledger.tell_court(Verb.CLAIM, 0, to, most)


def _receipt(transaction: Transaction) -> Receipt:
    block = transaction.block or 0
    return Receipt(transaction.verb, transaction.round, _hash(transaction), 0, block, transaction.error)


def _hash(transaction: Transaction) -> str:
    told = f"{transaction.sender}{transaction.verb}{transaction.round}{transaction.value}"
    return "0x" + sha256(told.encode()).hexdigest()


class Blobs:
    """What all doors to the store lead to: bytes by the root that they were put under, and from when on.

    Unlike ``MemoryStore`` it believes whoever puts something.
    """

    def __init__(self) -> None:
        self.bytes: dict[Root, bytes] = {}
        self.since: dict[Root, int] = {}


class ChaosStore:
    """One node's door to the blobs; follows the ``rayfed.store.Store`` protocol."""

    def __init__(self, blobs: Blobs, weather: Weather, fuse: Fuse) -> None:
        self._blobs = blobs
        self._weather = weather
        self._fuse = fuse

    def put(self, root: Root, blob: memoryview) -> None:
        """See ``Store``."""
        self._reach()
        weather = self._weather
        if root not in self._blobs.bytes:
            slow = weather.happens(weather.scenario.store_slow)
            later = weather.random.randint(1, weather.scenario.outage_seconds) if slow else 0
            self._blobs.bytes[root] = bytes(blob)
            self._blobs.since[root] = weather.clock.now + later
        self._fuse.check()

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """See ``Store``."""
        self._reach()
        if not self.has(root):
            raise BlobMissing(f"nobody has {root.hex()[:8]}")
        found = self._blobs.bytes[root]
        if self._weather.happens(self._weather.scenario.garbage):
            found = self._instead(found)
        blob = verified(memoryview(found), root, size, "chaos")
        self._fuse.check()
        return blob

    def has(self, root: Root) -> bool:
        """See ``Store``."""
        return self._blobs.since.get(root, self._weather.clock.now + 1) <= self._weather.clock.now

    def close(self) -> None:
        """Nothing to let go of."""

    def _reach(self) -> None:
        self._fuse.check()
        if self._weather.clock.now < self._weather.store_until:
            raise StoreError("store.endpoint_url: chaos: the store does not answer")

    def _instead(self, right: bytes) -> bytes:
        """Return what a broken or hostile place would give: noise, another blob, one that is cut or has a wrong bit."""
        random = self._weather.random
        match random.randrange(4):
            case 0:
                return random.randbytes(len(right))
            case 1:
                return self._blobs.bytes[random.choice(sorted(self._blobs.bytes))]
            case 2:
                return right[: random.randrange(len(right))]
            case _:
                place = random.randrange(len(right))
                return right[:place] + bytes([right[place] ^ 1 << random.randrange(8)]) + right[place + 1 :]
