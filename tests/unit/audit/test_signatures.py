"""Signed transactions behind the messages of a record, without a chain: any kind of transaction, any lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from rayfed.audit import ChainRecord, RecordEntry
from rayfed.audit.signatures import check
from rayfed.ledger.ethereum import abi, eip712
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol.commands import Advance, Commit, DepositBonds, Join, Relay
from rayfed.protocol.messages import Phase, Signed, Terms, Verb

FEDERATION = str(abi.checksum("0x" + "fe" * 20))
ALICE: LocalAccount = Account.from_key(b"\1" * 32)
MALLORY: LocalAccount = Account.from_key(b"\2" * 32)
ROOT = b"\3" * 32


def signed(account: LocalAccount, data: bytes, legacy: bool = False, **changes: Any) -> tuple[str, str]:
    """Return (hash, raw) of a transaction."""
    fees = {"gasPrice": 1} if legacy else {"type": 2, "maxFeePerGas": 1, "maxPriorityFeePerGas": 1}
    fields = {"chainId": 31337, "nonce": 0, "to": FEDERATION, "value": 0, "gas": 10**6, "data": data, **fees}
    raw = bytes(account.sign_transaction(fields | changes).raw_transaction)
    return "0x" + keccak(raw).hex(), "0x" + raw.hex()


TERMS = Terms(b"\1" * 32, b"\2" * 32, 1, 9, 9, 9, 9, 1, 1, 0)
DOMAIN = eip712.Domain(31337, FEDERATION, TERMS.charter)


def opened() -> tuple[MemoryChain, bytes]:
    """Return a federation in which Alice has joined, and what a commit rests on there."""
    chain = MemoryChain(TERMS, ManualClock())
    chain.act(ALICE.address, DepositBonds(ALICE.address, TERMS.bonds))
    chain.act(ALICE.address, Join(TERMS.charter))
    chain.act(MALLORY.address, Advance())
    return chain, chain.view().context


def recorded(chain: MemoryChain, hashes: dict[str, str], transactions: dict[str, str]) -> ChainRecord:
    entries = tuple(
        RecordEntry(said.name, said.values, said.time, n, 0, hashes.get(said.name, "0x"))
        for n, said in enumerate(chain.events)
    )
    return ChainRecord(31337, FEDERATION, TERMS, 1, entries, (), chain.view(), 9, "0x", "", transactions)


def record(
    account: LocalAccount = ALICE, root: bytes = ROOT, context: bytes | None = None, **options: Any
) -> ChainRecord:
    """Return a record in which Alice joined and committed to ROOT, by transactions of ``account`` on ``root``."""
    chain, rests_on = opened()
    chain.act(ALICE.address, Commit(1, rests_on, ROOT))
    transactions = dict(
        [
            signed(account, abi.call("join", TERMS.charter, []), **options),
            signed(account, abi.call("commit", 1, context or rests_on, root), **options),
        ]
    )
    join, commit = transactions
    return recorded(chain, {"Joined": join, "Committed": commit}, transactions)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_members_own_transactions_are_right(legacy: bool) -> None:
    assert check(record(legacy=legacy)) == (2, [])


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("forged", "words"),
    [
        ({"account": MALLORY}, f"it was signed by {MALLORY.address}"),
        ({"chainId": 1}, "it was signed for chain 1"),
        ({"root": b"\4" * 32}, "something else was signed"),
        ({"context": b"\4" * 32}, "something else was signed"),
    ],
)
def test_whatever_somebody_else_signed_is_found(legacy: bool, forged: dict[str, Any], words: str) -> None:
    count, findings = check(record(legacy=legacy, **forged))
    assert count == (1 if {"root", "context"} & forged.keys() else 0)
    assert len(findings) == 2 - count
    assert all(words in finding.message and finding.node == 0 for finding in findings)


def test_messages_by_way_of_another_contract_prove_nothing_and_are_no_lie() -> None:
    assert check(record(to="0x" + "12" * 20)) == (0, [])


def relayed(
    phase: Phase = Phase.COMMIT,
    posted: bytes = ROOT,
    domain: eip712.Domain = DOMAIN,
    signer: Any = ALICE,
    context: bytes | None = None,
) -> ChainRecord:
    """Return a record in which Mallory posted what ``signer`` had signed in Alice's name."""
    chain, rests_on = opened()
    given = {0: Signed(ROOT, b"", b"")}
    chain.act(MALLORY.address, Relay(Verb.COMMIT, 1, rests_on, given, closes=False), believed=True)
    said = context or rests_on
    message = eip712.sign(signer, domain, Commit(1, said, posted))
    parts = [(message.value, message.r, message.vs)]
    data = abi.call("relay", int(phase), 1, said, 1, parts, [], [], True)
    tx_hash, raw = signed(MALLORY, data)
    return recorded(chain, {"Relayed": tx_hash}, {tx_hash: raw})


def test_a_relayed_message_carries_its_members_signature_whoever_posted_it() -> None:
    assert check(relayed()) == (1, [])


@pytest.mark.parametrize(
    ("forged", "words"),
    [
        ({"signer": MALLORY}, f"it was signed by {MALLORY.address}"),
        ({"domain": replace(DOMAIN, chain_id=1)}, "it was signed by 0x"),
        ({"domain": replace(DOMAIN, charter=bytes(32))}, "it was signed by 0x"),
        ({"context": b"\4" * 32}, "something else was posted"),
        ({"posted": b"\4" * 32}, "something else was posted"),
        ({"phase": Phase.ATTEST}, "something else was posted"),
    ],
)
def test_a_relayed_message_that_its_member_never_signed_is_found(forged: dict[str, Any], words: str) -> None:
    count, [finding] = check(relayed(**forged))
    assert count == 0
    assert words in finding.message
    assert finding.node == 0


def test_a_batch_that_cannot_be_read_signs_nothing() -> None:
    honest = relayed()
    tx_hash, raw = signed(MALLORY, abi.call("relay", 1, 1, bytes(32), 1, [], [], [], True)[:50])
    entries = tuple(replace(entry, tx_hash=tx_hash) for entry in honest.entries if entry.name == "Relayed")
    count, [finding] = check(replace(honest, entries=entries, transactions={tx_hash: raw}))
    assert count == 0
    assert "something else was posted" in finding.message


def test_made_up_bytes_are_no_transaction() -> None:
    honest = record()
    for made_up in (b"", b"\2", b"\xc0", b"\xf8" + b"\1" * 200, b"\2" + b"\xc0", bytes(100), b"\7" * 300):
        tx_hash = "0x" + keccak(made_up).hex()
        entries = tuple(replace(entry, tx_hash=tx_hash) for entry in honest.entries)
        lie = replace(honest, entries=entries, transactions={tx_hash: "0x" + made_up.hex()})
        count, findings = check(lie)
        assert count == 0
        assert len(findings) == 2
        assert all("cannot be read" in finding.message for finding in findings)
