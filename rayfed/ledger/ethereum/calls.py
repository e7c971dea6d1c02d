"""What a command is on Ethereum: a call of one of the two contracts, its gas, and the coins that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from rayfed.encoding.primitives import bitmap
from rayfed.ledger.ethereum import abi
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.judgement import Proof
from rayfed.protocol.messages import Signed, Terms, Verb
from rayfed.protocol.phases import SPOKEN_IN

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

FEDERATION_VERBS = frozenset(
    {Verb.JOIN, Verb.LEAVE, Verb.POKE, Verb.COMMIT, Verb.VOTE, Verb.ATTEST, Verb.RELAY},
)
"""What is said to the federation's contract; all else is said to its court."""


@dataclass(frozen=True, slots=True)
class ContractCall:
    """One call.

    Attributes:
        is_for_court: whether it goes to the court; else it goes to the federation's contract.
        data: selector and arguments.
        gas: its limit.
        amount: what it takes from the account, in the coin's smallest unit; in the chain's own currency its value.
    """

    is_for_court: bool
    data: bytes
    gas: int
    amount: int


def contract_call(command: Command, terms: Terms, members: int, proof: Sequence[bytes] = ()) -> ContractCall:
    """Return the call that a command is.

    Args:
        terms: the federation's.
        members: how many there may be.
        proof: that the allow-list names the account; for ``Join``.
    """
    verb = command.verb
    return ContractCall(
        is_for_court=verb not in FEDERATION_VERBS,
        data=abi.call(verb.value, *_arguments(command, proof)),
        gas=gas_limit(verb, members),
        amount=_amount(command, terms),
    )


def gas_limit(verb: Verb, members: int) -> int:
    """Return a transaction's gas limit."""
    base, each = GAS[verb]
    return min(MOST_GAS, base + each * members)


def _amount(command: Command, terms: Terms) -> int:
    match command:
        case commands.Deposit() | commands.Fund():
            return command.amount
        case commands.Challenge() | commands.Demand():
            return terms.bond
        case _:
            return 0


def _arguments(command: Command, proof: Sequence[bytes]) -> tuple[Any, ...]:
    """Return a command's arguments in the order of the contract's."""
    match command:
        case commands.Leave() | commands.Poke() | commands.Exit():
            return ()
        case commands.Join(charter):
            return charter, list(proof)
        case commands.Commit(round, root) | commands.Attest(round, root):
            return round, root
        case commands.Vote(round, ballot):
            return round, ballot
        case commands.Relay(spoken, round, messages, members):
            parts = [_signed(messages[index]) for index in sorted(messages)]
            # That those who signed are the members of these indices is shown by all the others' addresses.
            others = [address for index, address in enumerate(members) if index not in messages]
            return int(SPOKEN_IN[spoken]), round, bitmap(messages), parts, others
        case commands.Deposit(member, amount):
            return member, amount
        case commands.Fund(amount):
            return (amount,)
        case commands.Withdraw(to):
            return (to,)
        case commands.Settle(most):
            return (most,)
        case commands.Claim(to, most):
            return to, most
        case commands.Challenge(round, leaf, coordinate, roots):
            return round, leaf, coordinate, list(roots)
        case commands.Prove(id, roots, proofs):
            return id, list(roots), [_proof(one) for one in proofs]
        case commands.Demand(round, which, leaf, roots):
            return round, which, leaf, list(roots)
        case commands.Answer(id, roots, data, path):
            return id, list(roots), data, list(path)
        case commands.Conclude(id) | commands.Expire(id) | commands.Forfeit(id) | commands.CloseCase(id):
            return (id,)
        case commands.ReportEquivocation(member, spoken, round, one, other):
            return member, int(SPOKEN_IN[spoken]), round, _signed(one), _signed(other)
        case _:
            assert_never(command)


def _signed(message: Signed) -> tuple[bytes, bytes, bytes]:
    return message.value, message.r, message.vs


def _proof(proof: Proof) -> tuple[Any, ...]:
    return proof.which, proof.data, proof.path, proof.header, proof.header_path
