"""One account's door to a federation on Ethereum: what it can say, and what that may cost at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address, Root, bitmap
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import abi, eip712
from rayfed.ledger.ethereum.sender import Sender
from rayfed.protocol.judgement import Account, Books, Case, Proof, Record
from rayfed.protocol.messages import NATIVE, SPOKEN_IN, Outcome, Receipt, Signed, Terms, Verb, View

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.ledger.ethereum.connection import EthereumFederation

MOST_GAS = 1 << 24
"""A transaction's limit (EIP-7825)."""

GAS = {
    Verb.JOIN: (250_000, 1_000),
    Verb.LEAVE: (200_000, 1_000),
    Verb.POKE: (500_000, 6_000),
    Verb.COMMIT: (200_000, 1_500),
    Verb.VOTE: (250_000, 6_000),
    Verb.ATTEST: (300_000, 3_000),
    Verb.RELAY: (700_000, 25_000),
    Verb.APPROVE: (100_000, 0),
    Verb.DEPOSIT: (200_000, 0),
    Verb.EXIT: (150_000, 0),
    Verb.WITHDRAW: (200_000, 0),
    Verb.FUND: (200_000, 0),
    Verb.SETTLE: (MOST_GAS, 0),
    Verb.CLAIM: (MOST_GAS, 0),
    Verb.CHALLENGE: (500_000, 500),
    Verb.PROVE: (MOST_GAS, 0),
    Verb.CONCLUDE: (2_000_000, 30_000),
    Verb.EXPIRE: (300_000, 0),
    Verb.DEMAND: (500_000, 500),
    Verb.ANSWER: (1_500_000, 3_000),
    Verb.FORFEIT: (1_500_000, 30_000),
    Verb.CLOSE: (300_000, 0),
    Verb.EQUIVOCATION: (500_000, 3_000),
}
"""Gas limit by verb: so much, and so much more a member, because the transaction that closes a phase works for all of
them. Measured with 256 members that disagree: 131, -, 90, 1,103 and 231 thousand. What is not used is not paid, but an
account must be able to pay it."""


class EthereumLedger:
    """One account's door to a federation; follows the ``rayfed.ledger.FullLedger`` protocol. One thread at a time."""

    def __init__(
        self, federation: EthereumFederation, account: LocalAccount, sender: Sender, proof: Sequence[bytes] = ()
    ) -> None:
        self._federation = federation
        self._account = account
        self._sender = sender
        self._proof = proof

    @property
    def address(self) -> Address:
        """The account that this door signs for."""
        return str(self._account.address)

    def terms(self) -> Terms:
        """See ``Ledger``."""
        return self._federation.terms()

    def view(self) -> View:
        """See ``Ledger``."""
        return self._federation.view()

    def outcome(self, round: int) -> Outcome | None:
        """See ``Ledger``."""
        return self._federation.outcome(round)

    def join(self, charter: bytes) -> None:
        """See ``Ledger``; what is missing of the stake is put down first.

        Raises:
            LedgerError: the account does not hold what the stake lacks.
        """
        missing = self._federation.terms().stake - self._federation.account(self.address).stake
        if missing > 0:
            self.deposit(self.address, missing)
        self._say(Verb.JOIN, 0, charter, list(self._proof))

    def leave(self) -> None:
        """See ``Ledger``."""
        self._say(Verb.LEAVE, 0)

    def commit(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._say(Verb.COMMIT, round, round, root)

    def vote(self, round: int, ballot: int) -> None:
        """See ``Ledger``."""
        self._say(Verb.VOTE, round, round, ballot)

    def attest(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._say(Verb.ATTEST, round, round, root)

    def poke(self) -> None:
        """See ``Ledger``."""
        self._say(Verb.POKE, 0)

    @property
    def is_sending(self) -> bool:
        """Whether a transaction of this account is on its way, whose receipt has not been given out."""
        return self._sender.is_waiting

    # -- signed for others to post ----------------------------------------------------------------------------------

    def sign(self, verb: Verb, round: int, value: bytes) -> Signed:
        """Sign a commit, a vote or an attestation for anybody to post; a ballot is given as 32 bytes."""
        federation = self._federation
        return eip712.sign(self._account, federation.rpc.chain_id, federation.address, verb, round, value)

    def relay(
        self,
        verb: Verb,
        round: int,
        messages: Mapping[int, Signed],
        members: Sequence[Address],
        said_as: Verb = Verb.RELAY,
    ) -> None:
        """Post signed messages.

        Args:
            verb, round: what they are.
            messages: by their members' indices.
            members: all by index; that those who signed are they is shown by the others' addresses.
            said_as: the verb in the receipt.
        """
        parts = [(messages[i].value, messages[i].r, messages[i].vs) for i in sorted(messages)]
        others = [address for index, address in enumerate(members) if index not in messages]
        gas = GAS[Verb.RELAY][0] + GAS[Verb.RELAY][1] * len(members)
        data = abi.call("relay", int(SPOKEN_IN[verb]), round, bitmap(messages), parts, others)
        self._sender.send(said_as, round, data, min(gas, MOST_GAS))
        self._federation.hurry()

    # -- money ------------------------------------------------------------------------------------------------------

    def account(self, address: Address) -> Account:
        """See ``Ledger``."""
        return self._federation.account(address)

    def books(self) -> Books:
        """See ``Ledger``."""
        return self._federation.books()

    def deposit(self, member: Address, amount: int) -> None:
        """Put stake down for a member, the coin's approval before it where it is needed.

        Raises:
            LedgerError: the account does not hold so much.
        """
        self._pay(Verb.DEPOSIT, 0, amount, member, amount)

    def fund(self, amount: int) -> None:
        """Add to the pool.

        Raises:
            LedgerError: the account does not hold so much.
        """
        self._pay(Verb.FUND, 0, amount, amount)

    def exit(self) -> None:
        """Ask to have the stake back."""
        self._tell_court(Verb.EXIT, 0)

    def withdraw(self, to: Address) -> None:
        """Have the stake paid out."""
        self._tell_court(Verb.WITHDRAW, 0, to)

    def settle(self, most: int = 64) -> None:
        """Settle the next rounds, at most so many."""
        self._tell_court(Verb.SETTLE, 0, most)

    def claim(self, to: Address, most: int = 1_000) -> None:
        """Have paid what was earned, in at most so many settled rounds, to any address."""
        self._tell_court(Verb.CLAIM, 0, to, most)

    # -- judgement --------------------------------------------------------------------------------------------------

    def record(self, round: int) -> Record | None:
        """See ``Ledger``."""
        return self._federation.record(round)

    def case(self, id: int) -> Case | None:
        """See ``Ledger``."""
        return self._federation.case(id)

    def open_cases(self) -> tuple[Case, ...]:
        """See ``Ledger``."""
        return self._federation.open_cases()

    def challenge(self, round: int, leaf: int, coordinate: int, roots: Sequence[Root]) -> None:
        """Say that a round's merge is wrong at a coordinate; the bond goes along."""
        bond = self._federation.terms().bond
        self._pay(Verb.CHALLENGE, round, bond, round, leaf, coordinate, list(roots))

    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """Prove leaves of a challenge, some or all."""
        given = [(p.which, p.data, p.path, p.header, p.header_path) for p in proofs]
        self._tell_court(Verb.PROVE, 0, id, list(roots), given)

    def conclude(self, id: int) -> None:
        """Have a challenge judged."""
        self._tell_court(Verb.CONCLUDE, 0, id)

    def expire(self, id: int) -> None:
        """End a challenge that was not proved in time."""
        self._tell_court(Verb.EXPIRE, 0, id)

    def demand(self, round: int, which: int, leaf: int, roots: Sequence[Root]) -> None:
        """Demand to be shown a leaf; the bond goes along."""
        self._pay(Verb.DEMAND, round, self._federation.terms().bond, round, which, leaf, list(roots))

    def answer(self, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """Show a demanded leaf."""
        self._tell_court(Verb.ANSWER, 0, id, list(roots), data, list(path))

    def forfeit(self, id: int) -> None:
        """Have judged that a demanded leaf was not shown in time."""
        self._tell_court(Verb.FORFEIT, 0, id)

    def close_case(self, id: int) -> None:
        """End a case whose round was undone by another one."""
        self._tell_court(Verb.CLOSE, 0, id)

    def equivocation(self, member: Address, verb: Verb, round: int, one: Signed, other: Signed) -> None:
        """Show two messages of one member that contradict each other."""
        said = [(message.value, message.r, message.vs) for message in (one, other)]
        self._tell_court(Verb.EQUIVOCATION, 0, member, int(SPOKEN_IN[verb]), round, *said)

    # -- what became of it ------------------------------------------------------------------------------------------

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        return self._sender.receipts()

    def wait(self, seen: View, timeout: float) -> None:
        """See ``Ledger``."""
        self._federation.wait(seen, timeout)

    def close(self) -> None:
        """The connection belongs to the process: ``EthereumFederation.close`` lets go of it."""

    def _pay(self, verb: Verb, round: int, amount: int, *arguments: Any) -> None:
        """Tell the court something for which it takes this account's money."""
        held = self._federation.coins(self.address)
        if held < amount:
            raise LedgerError(f"stake.amount: {self.address} has {held} of the coin, and {verb} takes {amount}")
        native = self._federation.terms().coin == NATIVE
        if not native and self._federation.allowance(self.address) < amount:
            coin = self._federation.terms().coin
            approval = abi.call("approve", self._federation.court, amount)
            self._sender.send(Verb.APPROVE, 0, approval, GAS[Verb.APPROVE][0], to=coin)
        self._tell_court(verb, round, *arguments, value=amount if native else 0)

    def _tell_court(self, verb: Verb, round: int, *arguments: Any, value: int = 0) -> None:
        base, each = GAS[verb]
        gas, data = min(MOST_GAS, base + each * self._federation.members()), abi.call(verb.value, *arguments)
        self._sender.send(verb, round, data, gas, to=self._federation.court, value=value)
        self._federation.hurry()

    def _say(self, verb: Verb, round: int, *arguments: Any) -> None:
        base, each = GAS[verb]
        self._sender.send(verb, round, abi.call(verb.value, *arguments), base + each * self._federation.members())
        self._federation.hurry()
