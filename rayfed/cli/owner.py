"""``python -m rayfed claim | withdraw | leave | deposit | fund``: what a node's owner does with its money, by hand.

A node claims by itself at the end; this is for everything else: a stake to be had back, a reward that was not settled
when the node went, a stake to be put down anew. No key is taken from the command line: see ``keys_cli``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from rayfed.cli.keys import refuse_key
from rayfed.cli.owner_options import account, check_address, connected, parser_of
from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, RayfedError
from rayfed.protocol.commands import Claim, Command, Deposit, Exit, Fund, Leave, Settle, Withdraw
from rayfed.protocol.judgement import Account
from rayfed.protocol.messages import COIN, Phase, Receipt, Status, View

if TYPE_CHECKING:
    from rayfed.ledger import Ledger
    from rayfed.ledger.backend import Federation

AT_ONCE = 64
"""Rounds settled in one transaction."""

LOOK_SECONDS = 0.05
"""Between two looks for a receipt."""


def main(command: str, words: Sequence[str]) -> int:
    """Run one of ``TEXTS``; return the exit code.

    Raises:
        ConfigError: the command line is not right.
        LedgerError: the chain does not answer, or there is no federation, or a transaction did not go through.
        RayfedError: there is nothing to be done now; it says why, and from when on there will be.
    """
    for word in words:
        refuse_key(word)
    args = parser_of(command).parse_args(words)
    for option in ("federation", "to", "member"):
        check_address(f"--{option}", getattr(args, option, None))
    federation = connected(args)
    try:
        owner = Owner(federation, federation.ledger(account(args, federation)))
        VERBS[command](owner, args)
    finally:
        federation.close()
    return 0


@dataclass(frozen=True, slots=True)
class Owner:
    """An account, and its door to a federation. Every method waits until its transactions are mined."""

    federation: Federation
    door: Ledger

    def claim(self, to: Address) -> None:
        """Settle what can be, and have paid out what was earned."""
        self._settle()
        account = self._account()
        if not account.claimable:
            raise RayfedError(f"nothing to claim{self._when_earned(account)}")
        while account.claimable:
            self._wait(Claim(to))
            after = self._account()
            print(f"{self._coins(account.claimable - after.claimable)} to {to}")
            account = after

    def withdraw(self, to: Address) -> None:
        """Have the stake paid out, with all that has to come before."""
        account = self._account()
        if not account.stake:
            lost = f"; {self._coins(account.slashed)} were slashed" if account.slashed else ""
            raise RayfedError(f"nothing at stake{lost}")
        view = self.federation.view()
        if self._is_active(view):
            if view.phase is not Phase.DONE:
                raise RayfedError(
                    f"{self.door.address} is a member of a federation that still runs (round {view.round}): stop its "
                    "node, then: python -m rayfed leave"
                )
            self.leave()
        if not account.exiting:
            self._wait(Exit())
            print("requested the stake")
        self._settle()
        account = self._account()
        if self.federation.books().settled < account.exit_round:
            raise RayfedError(f"{self._coins(account.stake)} can still be slashed{self._until(account.exit_round)}")
        self._wait(Withdraw(to))
        print(f"{self._coins(account.stake)} to {to}")

    def leave(self) -> None:
        """Leave the federation."""
        if not self._is_active(self.federation.view()):
            self._account()
            raise RayfedError(f"{self.door.address} has already left, or lost its seat")
        self._wait(Leave())
        print("left")

    def deposit(self, member: Address, amount: int | None) -> None:
        """Put down so much for a member; None: what it lacks of the stake."""
        lacks = self.federation.terms().stake - self.federation.account(member).stake
        amount = max(0, lacks) if amount is None else amount
        if not amount:
            raise RayfedError(f"the stake of {member} is complete")
        self._wait(Deposit(member, amount))
        print(f"{self._coins(amount)} at stake for {member}")

    def fund(self, amount: int) -> None:
        """Add to the pool."""
        self._wait(Fund(amount))
        print(f"{self._coins(amount)} more in the pool, which holds {self._coins(self.federation.books().pool)}")

    # -- parts ------------------------------------------------------------------------------------------------------

    def _account(self) -> Account:
        """Return what the account has in the court.

        Raises:
            RayfedError: it never was a member, and has nothing there.
        """
        address = self.door.address
        account = self.federation.account(address)
        if self.federation.view().index_of(address) is None and not account.claimable and not account.stake:
            raise RayfedError(
                f"{address} is not a member of {self.federation.address} and has nothing there (one master key has a "
                "node for each --index)"
            )
        return account

    def _is_active(self, view: View) -> bool:
        index = view.index_of(self.door.address)
        return index is not None and bool(view.active >> index & 1)

    def _settle(self) -> None:
        """Settle all rounds whose time is over; anybody may."""
        while self._settled_from() <= self.federation.now():
            before = self.federation.books().settled
            self._wait(Settle(AT_ONCE))
            print(f"settled rounds {before + 1} to {self.federation.books().settled}")

    def _settled_from(self, last: int | None = None) -> float:
        """Return from when on the next round can be settled (or all up to ``last``), in seconds since the epoch;
        infinity where it has not closed, or a case is open."""
        first = self.federation.books().settled + 1
        when = 0.0
        for round in range(first, (last or first) + 1):
            record = self.federation.record(round)
            if record is None or any(case.round == round for case in self.federation.open_cases()):
                return float("inf")
            if record.status is Status.FINAL:
                when = max(when, record.open_until + self.federation.terms().challenge_seconds + 1)
        return when

    def _when_earned(self, account: Account) -> str:
        if not account.pending:
            return ": everything that was earned has been paid"
        return f" yet: {self._coins(account.pending)} will be, if no merge is rolled back{self._until(None)}"

    def _until(self, last: int | None) -> str:
        when = self._settled_from(last)
        if when == float("inf"):
            return "; a round has yet to close, or a case to be judged"
        at = datetime.fromtimestamp(when, UTC)
        return f"; come back after {at:%Y-%m-%d %H:%M:%S} UTC ({max(0, when - self.federation.now()):.0f} s)"

    def _coins(self, amount: int) -> str:
        return f"{(Decimal(amount) / COIN).normalize():f} {self.federation.coin_name()}"

    def _wait(self, command: Command) -> None:
        """Submit a command, and wait until it is mined.

        Raises:
            LedgerError: it was refused, or not mined.
        """
        self.door.submit(command)
        receipts: list[Receipt] = []
        while self.door.is_sending:
            receipts += self.door.receipts()
            time.sleep(LOOK_SECONDS)
        receipts += self.door.receipts()
        for receipt in receipts:
            if receipt.error:
                raise LedgerError(f"{receipt.verb} was refused: {receipt.error} (transaction {receipt.tx_hash})")


def _claim(owner: Owner, args: argparse.Namespace) -> None:
    owner.claim(args.to or owner.door.address)


def _withdraw(owner: Owner, args: argparse.Namespace) -> None:
    owner.withdraw(args.to or owner.door.address)


def _leave(owner: Owner, args: argparse.Namespace) -> None:
    owner.leave()


def _deposit(owner: Owner, args: argparse.Namespace) -> None:
    owner.deposit(args.member or owner.door.address, args.amount)


def _fund(owner: Owner, args: argparse.Namespace) -> None:
    owner.fund(args.amount)


VERBS: dict[str, Callable[[Owner, argparse.Namespace], None]] = {
    "claim": _claim,
    "withdraw": _withdraw,
    "leave": _leave,
    "deposit": _deposit,
    "fund": _fund,
}
