"""What the ledger says of one account in a federation, and from when on it can have what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.errors import RayfedError
from rayfed.protocol.accounts import Account
from rayfed.protocol.messages import Phase, Status, View
from rayfed.reporting import contested
from rayfed.reporting.contested import Contested
from rayfed.reporting.words import NATIVE_NAME, amount

if TYPE_CHECKING:
    from rayfed.ledger.backend import Federation


@dataclass(frozen=True)
class AccountState:
    """One account's standing, as the ledger had it when this was made.

    Attributes:
        federation: asked further where that is needed.
        address: the account's.
    """

    federation: Federation
    address: Address
    view: View = field(init=False)
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", self.federation.view())
        object.__setattr__(self, "account", self.federation.account(self.address))

    @property
    def seat(self) -> int | None:
        """The account's seat, if it has one."""
        return self.view.index_of(self.address)

    @property
    def is_active(self) -> bool:
        """Whether the next round will count on it."""
        return self.seat is not None and bool(self.view.active >> self.seat & 1)

    def check_known(self) -> None:
        """Raise ``RayfedError`` where the account never was a member, and has nothing here."""
        has = self.account
        if self.seat is None and not any((has.stake, has.bonds, has.claimable, has.native_claimable, has.earned)):
            raise RayfedError(
                f"{self.address} is not a member of {self.federation.address} and has nothing there (one master key "
                "has a node for each --index)"
            )

    def coins(self, units: int) -> str:
        """Return an amount of the federation's coin, with its name."""
        return f"{amount(units)} {self.federation.coin_name()}"

    # -- rounds -----------------------------------------------------------------------------------------------------

    @property
    def contested(self) -> Contested:
        """The rounds that the ledger remembers."""
        return Contested(self.federation, self.view)

    def unsettled(self) -> list[int]:
        """See ``Contested``."""
        return self.contested.unsettled()

    def settles_at(self, round: int) -> float:
        """See ``Contested``."""
        return self.contested.settles_at(round)

    def is_lost(self, round: int) -> bool:
        """See ``Contested``."""
        return self.contested.is_lost(round)

    # -- words ------------------------------------------------------------------------------------------------------

    def why_seated(self, seat: int) -> str:
        """Return why a seat is not free yet, and when it may be; empty where nothing keeps it."""
        mine = [(number, status) for number, status, roster in self.contested.rounds() if roster >> seat & 1]
        if any(status is Status.OPEN for _, status in mine):
            return f"round {self.view.round} counts on its seat and is still open"
        held = [number for number, status in mine if status.is_unsettled]
        if not held:
            return ""
        until = max(self.settles_at(number) for number in held)
        return f"round {held[-1]} can be contested{at(until, self.federation.now())}"

    def what_may_come(self) -> str:
        """Return what an account may wait for where it is owed nothing now, and until when."""
        open_ = self.unsettled()
        if not open_:
            return ": everything that was earned has been paid"
        until = self.settles_at(open_[0])
        return f": round {open_[0]} can be contested{at(until, self.federation.now())}"

    def lines(self) -> Iterator[str]:
        """Yield what the account has in the federation, for people."""
        terms, now, has = self.federation.terms(), self.federation.now(), self.account
        if self.seat is None:
            seat = "none"
        elif self.is_active:
            seat = f"{self.seat}, active"
        else:
            seat = f"{self.seat}, has left or was dropped"
        yield f"account      {self.address}"
        yield f"seat         {seat}"
        yield f"stake        {self.coins(has.stake)} of {self.coins(terms.stake)}"
        yield f"bonds        {amount(has.bonds)} {NATIVE_NAME} of {amount(terms.bonds)} {NATIVE_NAME}"
        yield f"to claim     {self.coins(has.claimable)}, {amount(has.native_claimable)} {NATIVE_NAME}"
        yield f"earned       {self.coins(has.earned)}; slashed: {self.coins(has.slashed)}"
        if has.locked_until > now:
            yield f"locked       stake and bonds{at(has.locked_until, now)}"
        if has.paused_until > now and self.view.phase is not Phase.DONE:
            yield f"dropped      {has.drops} times; may join again{at(has.paused_until, now)}"


def at(when: float, now: float) -> str:
    """Return a time as words that follow others."""
    return contested.at(when, now, "; come back after {moment} (in {wait})")
