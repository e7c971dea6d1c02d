"""Who said it: the signed transactions that a record holds, held against the events that they made.

An event is the contract's word, and a record is the word of whoever wrote it down. A transaction is its sender's own
(EIP-155 and EIP-2718: the signature covers chain, contract and call), so a record that holds them cannot be made up
by anybody who lacks the members' keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from rayfed.audit.events import MESSAGES, Entry
from rayfed.audit.findings import Finding, Severity
from rayfed.audit.record import ChainRecord
from rayfed.encoding.primitives import Address, bits
from rayfed.ledger.ethereum import abi, eip712
from rayfed.protocol.messages import Phase, Signed, Verb

_VERBS = {"Joined": "join", "Left": "leave", "Committed": "commit", "Voted": "vote", "Attested": "attest"}


@dataclass(frozen=True, slots=True)
class Call:
    """What a signed transaction asks for, and who signed it."""

    sender: Address
    to: Address
    data: bytes
    chain_id: int


def check(record: ChainRecord, members: Sequence[Address]) -> tuple[int, list[Finding]]:
    """Return how many messages carry their member's signature, and which carry a wrong one.

    A message that came to the contract by way of another one, or without its transaction, is neither.
    """
    calls: dict[str, Call | str] = {}
    signed, findings = 0, []
    for entry in record.entries:
        raw = record.transactions.get(entry.tx_hash)
        if entry.name not in MESSAGES or raw is None:
            continue
        if entry.tx_hash not in calls:
            calls[entry.tx_hash] = _read(raw, entry.tx_hash)
        call = calls[entry.tx_hash]
        if entry.name == "Relayed" and isinstance(call, Call):
            right, wrongs = _relayed(call, entry, record, members)
            signed += right
            findings += wrongs
            continue
        wrong = call if isinstance(call, str) else _wrong(call, entry, record, members)
        if wrong is None:
            continue
        if not wrong:
            signed += 1
            continue
        relayed = entry.name == "Relayed"
        for index in bits(entry.values["members"]) if relayed else (entry.values["index"],):
            findings.append(_finding(wrong, entry, index, members))
    return signed, findings


def _finding(wrong: str, entry: Entry, index: int, members: Sequence[Address]) -> Finding:
    owner = members[index] if index < len(members) else ""
    words = f"{entry.name}: {wrong} (transaction {entry.tx_hash[:18]}...)"
    return Finding(Severity.DISCREPANCY, "signature", words, entry.values.get("round"), index, owner)


def _relayed(call: Call, entry: Entry, record: ChainRecord, members: Sequence[Address]) -> tuple[int, list[Finding]]:
    """Return how many messages of a batch carry their member's signature, and which carry a wrong one."""
    if call.to.lower() != record.federation.lower() or call.data[:4] != _RELAY:
        return 0, []
    said = entry.values
    try:
        phase, round, signers, messages, _ = abi.arguments("relay", call.data)
    except (DecodingError, ValueError):
        phase, round, signers, messages = 0, 0, 0, ()  # whoever made the record made up these bytes
    posted = dict(zip(bits(signers), messages, strict=False))
    right, findings = 0, []
    for index, value in zip(bits(said["members"]), said["values"], strict=False):
        owner = members[index] if index < len(members) else ""
        message = Signed(*posted[index]) if index in posted else None
        wrong = ""
        if message is None or (phase, round, message.value) != (said["phase"], said["round"], value):
            wrong = "something else was posted"
        else:
            verb = _SPOKEN.get(phase, Verb.COMMIT)
            who = eip712.signer(record.chain_id, record.federation, verb, round, message)
            wrong = "" if who is not None and who.lower() == owner.lower() else f"it was signed by {who or 'nobody'}"
        right += not wrong
        if wrong:
            findings.append(_finding(wrong, entry, index, members))
    return right, findings


def _wrong(call: Call, entry: Entry, record: ChainRecord, members: Sequence[Address]) -> str | None:
    """Say what is wrong with the transaction of a message; empty if nothing is, None if it speaks to nobody we know."""
    said = entry.values
    arguments: dict[str, list[Any]] = {
        "Left": [],
        "Committed": [said.get("round"), said.get("root")],
        "Voted": [said.get("round"), said.get("ballot")],
        "Attested": [said.get("round"), said.get("root")],
    }
    if call.to.lower() != record.federation.lower() or call.data[:4] not in _SELECTORS:
        return None
    if call.chain_id != record.chain_id:
        return f"it was signed for chain {call.chain_id}"
    if entry.name == "Joined":  # what follows the charter is the proof that the allow-list names the member
        same = call.data[:36] == abi.call("join", record.terms.charter, [])[:36]
    else:
        same = call.data == abi.call(_VERBS[entry.name], *arguments[entry.name])
    if not same:
        return "something else was signed"
    index = said["index"]
    owner = said["member"] if entry.name == "Joined" else members[index] if index < len(members) else ""
    return "" if call.sender.lower() == owner.lower() else f"it was signed by {call.sender}"


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
    "commit": [0, bytes(32)],
    "vote": [0, 0],
    "attest": [0, bytes(32)],
}
_SELECTORS = {abi.call(verb, *arguments)[:4] for verb, arguments in _EXAMPLES.items()}
_RELAY = abi.call("relay", 0, 0, 0, [], [])[:4]
_SPOKEN = {int(Phase.COMMIT): Verb.COMMIT, int(Phase.VOTE): Verb.VOTE, int(Phase.ATTEST): Verb.ATTEST}
