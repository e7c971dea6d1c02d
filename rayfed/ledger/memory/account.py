"""A node's door to a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from rayfed.encoding.primitives import Address, Root, bitmap
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.judgement import Account, Books, Case, Proof, Record
from rayfed.protocol.messages import SPOKEN_IN, Outcome, Receipt, Signed, Terms, Verb, View


class MemoryLedger:
    """One account's door to a ``MemoryChain``; follows the ``rayfed.ledger.FullLedger`` protocol."""

    def __init__(self, chain: MemoryChain, address: Address, proof: Sequence[bytes] = ()) -> None:
        self.chain = chain
        self._address = address
        self._proof = proof
        self._receipts: list[Receipt] = []

    @property
    def address(self) -> Address:
        """The account that this door signs for."""
        return self._address

    def terms(self) -> Terms:
        """Return the federation's terms."""
        return self.chain.terms

    def view(self) -> View:
        """Return the federation as of now."""
        return self.chain.view()

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round."""
        return self.chain.outcome(round)

    def join(self, charter: bytes) -> None:
        """See ``Ledger``; what is missing of the stake is put down first."""
        missing = self.chain.terms.stake - self.chain.court.account(self._address).stake
        if missing > 0:
            self.deposit(self._address, missing)
        self._send(Verb.JOIN, 0, lambda: self.chain.join(self._address, charter, self._proof))

    def leave(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.LEAVE, 0, lambda: self.chain.leave(self._address))

    def commit(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._send(Verb.COMMIT, round, lambda: self.chain.commit(self._address, round, root))

    def vote(self, round: int, ballot: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.VOTE, round, lambda: self.chain.vote(self._address, round, ballot))

    def attest(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._send(Verb.ATTEST, round, lambda: self.chain.attest(self._address, round, root))

    # -- signed for others to post: here a signature is the signer's address, which nobody forges --------------------

    def sign(self, verb: Verb, round: int, value: bytes) -> Signed:
        """See ``Ledger``."""
        return Signed(value, bytes.fromhex(self._address[2:]).rjust(32, b"\0"), bytes(32))

    def relay(self, verb: Verb, round: int, messages: Mapping[int, Signed], members: Sequence[Address]) -> None:
        """See ``Ledger``."""
        said = [self._read(messages[index]) for index in sorted(messages)]
        phase = SPOKEN_IN[verb]
        self._send(Verb.RELAY, round, lambda: self.chain.relay(phase, round, bitmap(messages), said, list(members)))

    def _read(self, signed: Signed) -> tuple[Address, bytes]:
        by_number = {int(member, 16): member for member in self.chain.members}
        number = int.from_bytes(signed.r, "big")
        return by_number.get(number, f"0x{number:040x}"), signed.value

    # -- money ------------------------------------------------------------------------------------------------------

    def account(self, address: Address) -> Account:
        """See ``Ledger``."""
        return self.chain.court.account(address)

    def books(self) -> Books:
        """See ``Ledger``."""
        return self.chain.court.books()

    def deposit(self, member: Address, amount: int) -> None:
        """See ``Ledger``. Everybody has as many coins as wanted."""
        self._send(Verb.DEPOSIT, 0, lambda: self.chain.court.deposit(self._address, member, amount))

    def fund(self, amount: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.FUND, 0, lambda: self.chain.court.fund(self._address, amount))

    def exit(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.EXIT, 0, lambda: self.chain.court.exit(self._address))

    def withdraw(self, to: Address) -> None:
        """See ``Ledger``."""
        self._send(Verb.WITHDRAW, 0, lambda: self.chain.court.withdraw(self._address, to))

    def settle(self, most: int = 64) -> None:
        """See ``Ledger``."""
        self._send(Verb.SETTLE, 0, lambda: self.chain.court.settle(most))

    def claim(self, to: Address, most: int = 1_000) -> None:
        """See ``Ledger``."""
        self._send(Verb.CLAIM, 0, lambda: self.chain.court.claim(self._address, to, most))

    # -- judgement --------------------------------------------------------------------------------------------------

    def record(self, round: int) -> Record | None:
        """See ``Ledger``."""
        return self.chain.record(round)

    def case(self, id: int) -> Case | None:
        """See ``Ledger``."""
        return self.chain.court.cases.get(id)

    def open_cases(self) -> tuple[Case, ...]:
        """See ``Ledger``."""
        return self.chain.court.open_cases()

    def challenge(self, round: int, leaf: int, coordinate: int, roots: Sequence[Root]) -> None:
        """See ``Ledger``."""
        court, me = self.chain.court, self._address
        self._send(Verb.CHALLENGE, round, lambda: court.challenge(me, round, leaf, coordinate, roots))

    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """See ``Ledger``."""
        self._send(Verb.PROVE, 0, lambda: self.chain.court.prove(id, roots, proofs))

    def conclude(self, id: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.CONCLUDE, 0, lambda: self.chain.court.conclude(id))

    def expire(self, id: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.EXPIRE, 0, lambda: self.chain.court.expire(id))

    def demand(self, round: int, which: int, leaf: int, roots: Sequence[Root]) -> None:
        """See ``Ledger``."""
        court, me = self.chain.court, self._address
        self._send(Verb.DEMAND, round, lambda: court.demand(me, round, which, leaf, roots))

    def answer(self, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """See ``Ledger``."""
        self._send(Verb.ANSWER, 0, lambda: self.chain.court.answer(self._address, id, roots, data, path))

    def forfeit(self, id: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.FORFEIT, 0, lambda: self.chain.court.forfeit(id))

    def close_case(self, id: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.CLOSE, 0, lambda: self.chain.court.close(id))

    def equivocation(self, member: Address, verb: Verb, round: int, one: Signed, other: Signed) -> None:
        """See ``Ledger``."""
        court, me, phase = self.chain.court, self._address, SPOKEN_IN[verb]
        said = self._read(one), self._read(other)
        self._send(Verb.EQUIVOCATION, 0, lambda: court.equivocation(me, member, phase, round, *said))

    def _send(self, verb: Verb, round: int, call: Callable[[], object]) -> None:
        error = None
        try:
            call()
        except Rejected as rejected:
            error = rejected.name
        number = len(self.chain.log)
        tx_hash = "0x" + sha256(f"{self._address}{verb}{round}{number}".encode()).hexdigest()
        self._receipts.append(Receipt(verb, round, tx_hash, 0, number, error))

    def poke(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.POKE, 0, self.chain.poke)

    def receipts(self) -> list[Receipt]:
        """Return, once each, what became of the transactions."""
        done, self._receipts = self._receipts, []
        return done

    def wait(self, seen: View, timeout: float) -> None:
        """Return at once: in this world, time passes only when the test says so."""

    def close(self) -> None:
        """Nothing to let go of."""
