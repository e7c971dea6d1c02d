"""``python -m rayfed claim | withdraw | leave | deposit | ...``: what an owner does with its money, by hand.

A node settles and claims by itself; this is for everything else: a stake to be had back, a reward that was not settled
when the node went, a stake to be put down anew. No key is taken from the command line: see ``keys_cli``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rayfed.cli.account_state import AccountState, at
from rayfed.cli.keys import refuse_key
from rayfed.cli.owner_options import account, check_address, connected, parser_of
from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, RayfedError
from rayfed.protocol.commands import (
    Announce,
    Claim,
    ClaimNative,
    Command,
    Deposit,
    DepositBonds,
    Fund,
    Leave,
    Refund,
    Release,
    Settle,
    Undo,
    Withdraw,
)
from rayfed.protocol.messages import Phase, Receipt
from rayfed.reporting.words import NATIVE_NAME
from rayfed.reporting.words import amount as exactly

if TYPE_CHECKING:
    from rayfed.ledger import Ledger
    from rayfed.ledger.backend import Federation

LOOK_SECONDS = 0.05
"""Between two looks for a receipt."""

WHY = {
    "NothingThere": "there is nothing for this account",
    "PaymentFailed": "the recipient does not take it",
    "SeatInUse": "a round that is open or can be contested counts on the seat",
    "EmptySeat": "nobody has this seat",
    "FederationDone": "the federation is done",
    "TooSoon": "a card is announced no more often than once a minute",
}
"""What refusals of the contract mean to an owner."""


def main(command: str, words: Sequence[str]) -> int:
    """Run one of ``VERBS``; return the exit code.

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
        VERBS[command](Owner(federation, federation.ledger(account(args, federation))), args)
    finally:
        federation.close()
    return 0


@dataclass(frozen=True, slots=True)
class Owner:
    """An account, and its door to a federation. Every method waits until its transactions are mined."""

    federation: Federation
    door: Ledger

    @property
    def standing(self) -> AccountState:
        """What the ledger says of the account now."""
        return AccountState(self.federation, self.door.address)

    def claim(self, to: Address) -> None:
        """Settle what can be, and have paid out what is owed."""
        self.standing.check_known()
        self._settle()
        if not self._pay(to):
            raise RayfedError(f"nothing to claim{self.standing.what_may_come()}")

    def withdraw(self, to: Address) -> None:
        """Have stake and bonds paid out, with all that has to come before."""
        before = self.standing
        before.check_known()
        if not before.account.stake and not before.account.bonds:
            lost = f"; {before.coins(before.account.slashed)} were slashed" if before.account.slashed else ""
            raise RayfedError(f"nothing at stake{lost}")
        if before.is_active:
            if before.view.phase is not Phase.DONE:
                raise RayfedError(
                    f"{self.door.address} is a member of a federation that still runs (round {before.view.round}): "
                    "stop its node, then: python -m rayfed leave"
                )
            self.leave()
        self._settle()
        seat = self.standing.seat
        if seat is not None:
            if why := self.standing.why_seated(seat):
                raise RayfedError(f"stake and bonds can still be lost: {why}")
            self._wait(Release(seat))
            print(f"seat {seat} is free")
        until = self.standing.account.locked_until
        if until > self.federation.now():
            raise RayfedError(f"stake and bonds come back at the forming deadline{at(until, self.federation.now())}")
        self._wait(Withdraw())
        self._pay(to)

    def leave(self) -> None:
        """Leave the federation."""
        if not self.standing.is_active:
            self.standing.check_known()
            raise RayfedError(f"{self.door.address} has already left, or lost its seat")
        self._wait(Leave())
        print("left")

    def release(self, seat: int | None) -> None:
        """Free a seat that nothing rests on any more; None: the account's own."""
        if seat is None and (seat := self.standing.seat) is None:
            raise RayfedError(f"{self.door.address} has no seat")
        self._wait(Release(seat))
        print(f"seat {seat} is free")

    def deposit(self, member: Address, amount: int | None) -> None:
        """Put down so much stake for a member; None: what it lacks."""
        lacks = self.federation.terms().stake - self.federation.account(member).stake
        amount = max(0, lacks) if amount is None else amount
        if not amount:
            raise RayfedError(f"the stake of {member} is complete")
        self._wait(Deposit(member, amount))
        print(f"{self.standing.coins(amount)} at stake for {member}")

    def bonds(self, member: Address, amount: int | None) -> None:
        """Put down so much in bonds for a member; None: what it lacks."""
        lacks = self.federation.terms().bonds - self.federation.account(member).bonds
        amount = max(0, lacks) if amount is None else amount
        if not amount:
            raise RayfedError(f"the bonds of {member} are complete")
        self._wait(DepositBonds(member, amount))
        print(f"{exactly(amount)} {NATIVE_NAME} in bonds for {member}")

    def fund(self, amount: int) -> None:
        """Add to the pool."""
        self._wait(Fund(amount))
        now = self.standing
        print(f"{now.coins(amount)} more in the pool, which holds {now.coins(self.federation.books().pool)}")

    def refund(self, to: Address) -> None:
        """Have paid out what is left of what the account has put into the pool."""
        self._settle()
        view = self.federation.view()
        if view.phase is not Phase.DONE or view.unsettled:
            why = self.standing.what_may_come() if view.phase is Phase.DONE else ""
            raise RayfedError(f"the pool is in use until all is over and settled{why}")
        before = self.federation.books().pool
        self._wait(Refund(to))
        print(f"{self.standing.coins(before - self.federation.books().pool)} to {to}")

    def announce(self, card: bytes) -> None:
        """Say how the account can be reached."""
        sequence = self.standing.account.sequence + 1
        self._wait(Announce(sequence, card))
        print(f"announced card {sequence}")

    # -- parts ------------------------------------------------------------------------------------------------------

    def _pay(self, to: Address) -> bool:
        """Have paid out what is owed, in the coin and in the chain's own currency; False: nothing is."""
        now = self.standing
        if now.account.claimable:
            self._wait(Claim(to))
            print(f"{now.coins(now.account.claimable)} to {to}")
        if now.account.native_claimable:
            self._wait(ClaimNative(to))
            print(f"{exactly(now.account.native_claimable)} {NATIVE_NAME} to {to}")
        return bool(now.account.claimable or now.account.native_claimable)

    def _settle(self) -> None:
        """Settle all rounds whose time is over, the oldest first; anybody may."""
        for round in self.standing.unsettled():
            if self.standing.settles_at(round) > self.federation.now():
                continue  # nothing of this round; one that was built on another base may be over
            if self.standing.is_lost(round):
                self._wait(Undo(round))
                print(f"undid round {round}: its root lost in court")
            while round in self.standing.unsettled():
                self._wait(Settle(round))
            print(f"settled round {round}")

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
                why = f": {WHY[receipt.error]}" if receipt.error in WHY else ""
                place = (
                    f" (transaction {receipt.tx_hash})" if receipt.tx_hash else ""
                )  # what cannot succeed is not sent
                raise LedgerError(f"{receipt.verb} was refused: {receipt.error}{why}{place}")


VERBS: dict[str, Callable[[Owner, argparse.Namespace], None]] = {
    "claim": lambda owner, args: owner.claim(args.to or owner.door.address),
    "withdraw": lambda owner, args: owner.withdraw(args.to or owner.door.address),
    "leave": lambda owner, args: owner.leave(),
    "release": lambda owner, args: owner.release(args.seat),
    "deposit": lambda owner, args: owner.deposit(args.member or owner.door.address, args.amount),
    "bonds": lambda owner, args: owner.bonds(args.member or owner.door.address, args.amount),
    "fund": lambda owner, args: owner.fund(args.amount),
    "refund": lambda owner, args: owner.refund(args.to or owner.door.address),
    "announce": lambda owner, args: owner.announce(args.card.encode()),
}
