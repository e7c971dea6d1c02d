"""What a command is on a ledger in memory: a call of the federation, or of its court."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from rayfed.encoding.primitives import Address, bitmap
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Signed
from rayfed.protocol.phases import SPOKEN_IN


def carry_out(chain: MemoryChain, sender: Address, command: Command, proof: Sequence[bytes] = ()) -> None:
    """Do what a command says.

    Args:
        chain: the federation.
        sender: whose command it is. Everybody has as many coins as wanted.
        proof: that the allow-list names the sender; for ``Join``.

    Raises:
        Rejected: the contract would refuse it.
    """
    court = chain.court
    match command:
        case commands.Join(charter):
            chain.join(sender, charter, proof)
        case commands.Leave():
            chain.leave(sender)
        case commands.Commit(round, root):
            chain.commit(sender, round, root)
        case commands.Vote(round, ballot):
            chain.vote(sender, round, ballot)
        case commands.Attest(round, root):
            chain.attest(sender, round, root)
        case commands.Poke():
            chain.poke()
        case commands.Relay(spoken, round, messages, members):
            said = [_read(chain, messages[index]) for index in sorted(messages)]
            chain.relay(SPOKEN_IN[spoken], round, bitmap(messages), said, list(members))
        case commands.Deposit(member, amount):
            court.deposit(sender, member, amount)
        case commands.Fund(amount):
            court.fund(sender, amount)
        case commands.Exit():
            court.exit(sender)
        case commands.Withdraw(to):
            court.withdraw(sender, to)
        case commands.Settle(most):
            court.settle(most)
        case commands.Claim(to, most):
            court.claim(sender, to, most)
        case commands.Challenge(round, leaf, coordinate, roots):
            court.challenge(sender, round, leaf, coordinate, roots)
        case commands.Prove(id, roots, proofs):
            court.prove(id, roots, proofs)
        case commands.Conclude(id):
            court.conclude(id)
        case commands.Expire(id):
            court.expire(id)
        case commands.Demand(round, which, leaf, roots):
            court.demand(sender, round, which, leaf, roots)
        case commands.Answer(id, roots, data, path):
            court.answer(sender, id, roots, data, path)
        case commands.Forfeit(id):
            court.forfeit(id)
        case commands.CloseCase(id):
            court.close(id)
        case commands.ReportEquivocation(member, spoken, round, one, other):
            said = [_read(chain, message) for message in (one, other)]
            court.equivocation(sender, member, SPOKEN_IN[spoken], round, *said)
        case _:
            assert_never(command)


def signed(address: Address, value: bytes) -> Signed:
    """Return a signed message. Here a signature is the signer's address, which nobody forges."""
    return Signed(value, bytes.fromhex(address[2:]).rjust(32, b"\0"), bytes(32))


def _read(chain: MemoryChain, message: Signed) -> tuple[Address, bytes]:
    """Return who signed a message, and what it says."""
    by_number = {int(member, 16): member for member in chain.members}
    number = int.from_bytes(message.r, "big")
    return by_number.get(number, f"0x{number:040x}"), message.value
