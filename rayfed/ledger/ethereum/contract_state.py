"""What a federation's two contracts hold, asked one question at a time."""

from __future__ import annotations

from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.protocol.judgement import Account, Books, Case, Kind, Record, State
from rayfed.protocol.messages import Outcome, Status, Terms


class ContractState:
    """What ``EthereumFederation`` reads as it stands in the newest block. Safe to use from several threads.

    Args:
        rpc: the chain's node.
        address: the federation's contract.
    """

    def __init__(self, rpc: Rpc, address: Address) -> None:
        self.rpc = rpc
        self.address = address
        self._terms: Terms | None = None
        self._court: Address | None = None

    def terms(self) -> Terms:
        """Return the federation's terms."""
        if self._terms is None:
            self._terms = abi.terms(self._ask("terms"))
        return self._terms

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round, or None if it has not closed."""
        return abi.outcome(self._ask("outcome", round))

    @property
    def court(self) -> Address:
        """The contract that keeps stakes and judges."""
        if self._court is None:
            self._court = str(abi.answer("COURT", self._ask("COURT")))
        return self._court

    def record(self, round: int) -> Record | None:
        """Return what a round rests on, or None if it has not closed; there is no round 0."""
        if round < 1:
            return None
        held = abi.answer("record", self._ask("record", round))
        return Record(**{**held, "status": Status(held["status"])}) if held["status"] else None

    def account(self, address: Address) -> Account:
        """Return what an address has in the court."""
        return Account(**self._ask_court("account", address))

    def accounts(self) -> tuple[Account, ...]:
        """Return what each member has in the court, by index."""
        return tuple(Account(**one) for one in self._ask_court("accounts"))

    def books(self) -> Books:
        """Return where all the money is."""
        return Books(**self._ask_court("books"))

    def case(self, id: int) -> Case | None:
        """Return a case, or None if there is none of this number."""
        held = _case(self._ask_court("caseOf", id))
        return None if held.state is State.NONE else held

    def open_cases(self) -> tuple[Case, ...]:
        """Return the open cases, oldest first."""
        return tuple(_case(one) for one in self._ask_court("openCases"))

    def _ask(self, name: str, *arguments: Any, to: Address | None = None) -> bytes:
        call = {"to": to or self.address, "data": "0x" + abi.call(name, *arguments).hex()}
        return bytes.fromhex(self.rpc.call("eth_call", call, "latest")[2:])

    def _ask_court(self, name: str, *arguments: Any) -> Any:
        return abi.answer(name, self._ask(name, *arguments, to=self.court))


def _case(held: dict[str, Any]) -> Case:
    return Case(**{**held, "kind": Kind(held["kind"]), "state": State(held["state"])})
