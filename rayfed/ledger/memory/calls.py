"""What a command is on a ledger in memory: a call of one of the contract's parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from rayfed.encoding.primitives import Address
from rayfed.ledger.memory import entries, matches, phases, relays, seats, settling, statements, treasury
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol import commands
from rayfed.protocol.commands import Command


def carry_out(
    s: Storage,
    sender: Address,
    command: Command,
    *,
    proof: Sequence[bytes] | None = (),
    value: int | None = None,
    cost: int = 0,
    believed: bool = False,
) -> None:
    """Do what a command says; ``MemoryChain.act`` has the arguments.

    Raises:
        Rejected: the contract would refuse it; the storage is in no state to be used then.
    """
    match command:
        case commands.Join(charter):
            seats.join(s, sender, charter, None if believed else proof)
        case commands.Leave():
            seats.leave(s, sender)
        case commands.Release(index):
            seats.release(s, index)
        case commands.Announce(sequence, card):
            seats.announce(s, sender, sequence, card)
        case commands.Commit() | commands.Vote() | commands.Attest():
            statements.speak(s, sender, command)
        case commands.Advance():
            phases.advance(s)
        case commands.Relay():
            relays.relay(s, command, believed=believed)
        case commands.Deposit(member, amount):
            treasury.deposit(s, sender, member, amount, value)
        case commands.DepositBonds(member, amount):
            treasury.deposit_bonds(s, sender, member, amount)
        case commands.Fund(amount):
            treasury.fund(s, sender, amount, value)
        case commands.Withdraw():
            treasury.withdraw(s, sender)
        case commands.Claim(to):
            treasury.claim(s, sender, to)
        case commands.ClaimNative(to):
            treasury.claim_native(s, sender, to)
        case commands.Refund(to):
            treasury.refund(s, sender, to)
        case commands.Settle(round, most):
            settling.settle(s, round, most)
        case commands.Collect(round, number):
            settling.collect(s, round, number)
        case commands.Reimburse(round, stage, block, mover):
            settling.reimburse(s, round, stage, block, mover)
        case commands.EnterRoot(round, context, root):
            entries.enter(s, sender, round, context, root, value)
        case commands.Resolve(round, level, block):
            entries.resolve(s, round, level, block)
        case commands.Undo(round):
            entries.undo(s, round)
        case commands.Show():
            matches.show(s, sender, command, cost)
        case commands.ShowLeaf():
            matches.show_leaf(s, sender, command, cost)
        case commands.Prove():
            matches.prove(s, sender, command, cost)
        case _:
            assert_never(command)
