"""Who said it: the signed transactions that a record holds, held against the events that they made.

An event is the contract's word, and a record is the word of whoever wrote it down. A transaction is its sender's own
(EIP-155 and EIP-2718: the signature covers chain, contract and call), so a record that holds them cannot be made up
by anybody who lacks the members' keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from rayfed.audit.events import MESSAGES, RecordEntry
from rayfed.audit.findings import Finding, Severity
from rayfed.audit.record import ChainRecord
from rayfed.encoding.primitives import Address, bits
from rayfed.ledger.ethereum import abi, eip712
from rayfed.protocol.contexts import NO_CONTEXT
from rayfed.protocol.messages import Phase, Signed
from rayfed.protocol.phases import SPOKEN_IN

_VERBS = {
    "Joined": "join",
    "Left": "leave",
    "Committed": "commit",
    "Voted": "vote",
    "VotedMissing": "vote",
    "Attested": "attest",
}
_SPOKEN = {int(phase): verb for verb, phase in SPOKEN_IN.items()}


@dataclass(frozen=True, slots=True)
class Call:
    """What a signed transaction asks for, and who signed it."""

    sender: Address
    to: Address
    data: bytes
    chain_id: int


def check(record: ChainRecord) -> tuple[int, list[Finding]]:
    """Return how many messages carry their member's signature, and which carry a wrong one.

    A message that came to the contract by way of another one, or without its transaction, is neither.
    """
    checking = _Checking(record)
    for entry in record.entries:
        checking.hear(entry)
    return checking.signed, checking.findings


class _Checking:
    """Goes through a record; knows who has which seat, and what statements rest on, when each message is said."""

    def __init__(self, record: ChainRecord) -> None:
        self._record = record
        self._domain = eip712.Domain(record.chain_id, record.federation, record.terms.charter)
        self._calls: dict[str, Call | str] = {}
        self._holders: dict[int, Address] = {}
        self._contexts: dict[tuple[int, int], bytes] = {}
        self.signed = 0
        self.findings: list[Finding] = []

    def hear(self, entry: RecordEntry) -> None:
        """Check a message, or take note of what others rest on."""
        said = entry.values
        if entry.name == "PhaseOpened":
            self._contexts[said["round"], said["phase"]] = said["context"]
        elif entry.name == "Released":
            self._holders.pop(said["index"], None)
        elif entry.name == "Joined":
            self._holders[said["index"]] = said["member"]
        raw = self._record.transactions.get(entry.tx_hash)
        if entry.name not in MESSAGES or raw is None:
            return
        if entry.tx_hash not in self._calls:
            self._calls[entry.tx_hash] = _read(raw, entry.tx_hash)
        call = self._calls[entry.tx_hash]
        if entry.name == "Relayed":
            self._relayed(call, entry)
            return
        wrong = call if isinstance(call, str) else self._wrong(call, entry)
        if wrong is not None and entry.index is not None:
            self._note(wrong, entry, entry.index)

    def _note(self, wrong: str, entry: RecordEntry, index: int) -> None:
        if not wrong:
            self.signed += 1
            return
        words = f"{entry.name}: {wrong} (transaction {entry.tx_hash[:18]}...)"
        owner = self._holders.get(index, "")
        self.findings.append(Finding(Severity.DISCREPANCY, "signature", words, entry.round, index, owner))

    def _relayed(self, call: Call | str, entry: RecordEntry) -> None:
        """Check each message of a batch by itself."""
        said = entry.values
        if isinstance(call, str):
            for index in bits(said["members"]):
                self._note(call, entry, index)
            return
        if call.to.lower() != self._record.federation.lower() or call.data[:4] != _RELAY:
            return
        try:
            phase, round, context, signers, statements, misses, _, _ = abi.arguments("relay", call.data)
        except (DecodingError, ValueError):
            phase, round, context, signers, statements, misses = 0, 0, NO_CONTEXT, 0, (), ()  # somebody made up these
        missed = tuple(misses) or (0,) * len(statements)
        posted = {
            index: Signed(value, r, vs, number)
            for index, (value, r, vs), number in zip(bits(signers), statements, missed, strict=False)
        }
        told = tuple(said["misses"]) or (0,) * len(said["values"])
        same = (phase, round, context) == (said["phase"], said["round"], self._context(entry.round, said["phase"]))
        for index, value, number in zip(bits(said["members"]), said["values"], told, strict=False):
            message = posted.get(index)
            if message is None or not same or (message.value, message.misses) != (value, number):
                self._note("something else was posted", entry, index)
                continue
            who = eip712.signer(self._domain, _SPOKEN[phase], round, context, message) if phase in _SPOKEN else None
            owner = self._holders.get(index, "")
            right = who is not None and who.lower() == owner.lower()
            self._note("" if right else f"it was signed by {who or 'nobody'}", entry, index)

    def _wrong(self, call: Call, entry: RecordEntry) -> str | None:
        """Say what is wrong with the transaction of a message; empty if nothing is, None if it speaks to nobody we
        know."""
        said, record = entry.values, self._record
        if call.to.lower() != record.federation.lower() or call.data[:4] not in _SELECTORS:
            return None
        if call.chain_id != record.chain_id:
            return f"it was signed for chain {call.chain_id}"
        if entry.name == "Joined":  # what follows the charter is the proof that the allow-list names the member
            same = call.data[:36] == abi.call("join", record.terms.charter, [])[:36]
        else:
            same = call.data == abi.call(_VERBS[entry.name], *self._arguments(entry))
        if not same:
            return "something else was signed"
        owner = said["member"] if entry.name == "Joined" else self._holders.get(entry.index or 0, "")
        return "" if call.sender.lower() == owner.lower() else f"it was signed by {call.sender}"

    def _arguments(self, entry: RecordEntry) -> list[Any]:
        said = entry.values
        if entry.name == "Left":
            return []
        phase = {"Committed": Phase.COMMIT, "Attested": Phase.ATTEST}.get(entry.name, Phase.VOTE)
        start = [entry.round, self._context(entry.round, phase)]
        return [*start, said["accepts"], said.get("misses", 0)] if phase is Phase.VOTE else [*start, said["root"]]

    def _context(self, round: int | None, phase: int) -> bytes:
        return self._contexts.get((round or 0, int(phase)), NO_CONTEXT)


def _read(raw: str, tx_hash: str) -> Call | str:
    """Return what a transaction says, or what is wrong with it."""
    try:
        data = HexBytes(raw)
        if keccak(data) != bytes(HexBytes(tx_hash)):
            return "the transaction recorded with it is another one"
        sender = str(Account.recover_transaction(data))
        if data[0] > 0x7F:  # from before EIP-2718; v holds the chain (EIP-155)
            _, _, _, to, _, asked, v, _, _ = rlp.decode(bytes(data))
            return Call(sender, f"0x{to.hex()}", asked, (int.from_bytes(v, "big") - 35) // 2)
        fields = TypedTransaction.from_bytes(data).as_dict()
        to = bytes(HexBytes(fields["to"]))
        return Call(sender, f"0x{to.hex()}", bytes(HexBytes(fields["data"])), int(fields["chainId"]))
    except Exception as error:
        # Whoever made the record made up these bytes, and a decoder may stumble over them in any way.
        return f"the transaction recorded with it cannot be read ({type(error).__name__})"


_EXAMPLES: dict[str, list[Any]] = {
    "join": [bytes(32), []],
    "leave": [],
    "commit": [0, bytes(32), bytes(32)],
    "vote": [0, bytes(32), 0, 0],
    "attest": [0, bytes(32), bytes(32)],
}
_SELECTORS = {abi.call(verb, *arguments)[:4] for verb, arguments in _EXAMPLES.items()}
_RELAY = abi.call("relay", 0, 0, bytes(32), 0, [], [], [], False)[:4]
