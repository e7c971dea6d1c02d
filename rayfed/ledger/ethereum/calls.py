"""What a command is on Ethereum: a call of the federation's contract, and the money that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, assert_never

from rayfed.encoding.primitives import bitmap
from rayfed.ledger.ethereum import abi
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.court import InputProof, Point
from rayfed.protocol.messages import NATIVE, Terms, Verb
from rayfed.protocol.phases import SPOKEN_IN

FUNCTIONS = {
    Verb.BONDS: "depositBonds",
    Verb.CLAIM_NATIVE: "claimNative",
    Verb.SHOW_LEAF: "showLeaf",
}
"""The contract's names of what is called otherwise here."""

COURT = frozenset(
    {
        Verb.ENTER,
        Verb.SHOW,
        Verb.SHOW_LEAF,
        Verb.PROVE,
        Verb.RESOLVE,
        Verb.UNDO,
        Verb.COLLECT,
        Verb.REIMBURSE,
        Verb.SETTLE,
    }
)
"""What is said in a dispute: no ceiling holds it back, for who is silent loses."""


@dataclass(frozen=True, slots=True)
class ContractCall:
    """One call.

    Attributes:
        data: selector and arguments.
        coins: what the contract takes of the account's coins, in the coin's smallest unit.
        value: what goes along in the chain's own currency, in wei.
    """

    data: bytes
    coins: int = 0
    value: int = 0


def contract_call(command: Command, terms: Terms, proof: Sequence[bytes] = ()) -> ContractCall:
    """Return the call that a command is.

    Args:
        terms: the federation's.
        proof: that the allow-list names the account; for ``Join``.
    """
    data = abi.call(FUNCTIONS.get(command.verb, command.verb.value), *_arguments(command, proof))
    match command:
        case commands.Deposit() | commands.Fund():
            is_native = terms.coin == NATIVE
            return ContractCall(data, 0 if is_native else command.amount, command.amount if is_native else 0)
        case commands.DepositBonds():
            return ContractCall(data, value=command.amount)
        case commands.EnterRoot():
            return ContractCall(data, value=terms.bond)
        case _:
            return ContractCall(data)


def _arguments(command: Command, proof: Sequence[bytes]) -> tuple[Any, ...]:
    """Return a command's arguments in the order of the contract's."""
    match command:
        case commands.Join(charter):
            return charter, list(proof)
        case commands.Relay(spoken, round, context, messages, others, closes):
            order = sorted(messages)
            parts = [(messages[i].value, messages[i].r, messages[i].vs) for i in order]
            misses = [messages[i].misses for i in order]
            said = misses if any(misses) else []
            return int(SPOKEN_IN[spoken]), round, context, bitmap(messages), parts, said, list(others), closes
        case commands.DepositBonds(member, _):
            return (member,)
        case commands.Show(point, parts_i, parts_j):
            return _point(point), list(parts_i), list(parts_j)
        case commands.ShowLeaf(point, leaf_i, leaf_j):
            return _point(point), leaf_i, leaf_j
        case commands.Prove(point, voting, roots, inputs):
            return _point(point), voting, list(roots), [_input(one) for one in inputs]
        case (
            commands.Leave()
            | commands.Release()
            | commands.Announce()
            | commands.Commit()
            | commands.Vote()
            | commands.Attest()
            | commands.Advance()
            | commands.Deposit()
            | commands.Fund()
            | commands.Settle()
            | commands.Collect()
            | commands.Reimburse()
            | commands.Withdraw()
            | commands.Claim()
            | commands.ClaimNative()
            | commands.Refund()
            | commands.EnterRoot()
            | commands.Resolve()
            | commands.Undo()
        ):
            return astuple(command)  # their fields are the contract's arguments
        case _:
            assert_never(command)


def _point(point: Point) -> tuple[int, ...]:
    return point.round, point.stage, point.i, point.j, point.first, point.count


def _input(proof: InputProof) -> tuple[Any, ...]:
    return proof.which, proof.leaf, list(proof.path), proof.header, list(proof.header_path)
