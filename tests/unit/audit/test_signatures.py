"""Signed transactions behind the messages of a record, without a chain: any kind of transaction, any lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from rayfed.audit import ChainRecord, Entry
from rayfed.audit.signatures import check
from rayfed.ledger.ethereum import abi, eip712
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol.messages import Phase, Terms, Verb

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


def record(account: LocalAccount = ALICE, root: bytes = ROOT, **options: Any) -> ChainRecord:
    """Return a record in which Alice joined and committed to ROOT, by transactions of ``account`` on ``root``."""
    terms = Terms(b"\1" * 32, b"\2" * 32, 1, 9, 9, 9, 9, 1, 1, 0)
    chain = MemoryChain(terms, ManualClock())
    chain.join(ALICE.address, terms.charter)
    chain.commit(ALICE.address, 1, ROOT)
    transactions = dict(
        [
            signed(account, abi.call("join", terms.charter, []), **options),
            signed(account, abi.call("commit", 1, root), **options),
        ]
    )
    join, commit = transactions
    hashes = {"Joined": join, "Committed": commit}
    entries = tuple(
        Entry(said.name, said.values, said.time, n, 0, hashes.get(said.name, commit))
        for n, said in enumerate(chain.events)
    )
    return ChainRecord(31337, FEDERATION, terms, 1, entries, (), chain.view(), 9, "0x", "", transactions)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_members_own_transactions_are_right(legacy: bool) -> None:
    assert check(record(legacy=legacy), [ALICE.address]) == (2, [])


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("forged", "words"),
    [
        ({"account": MALLORY}, f"it was signed by {MALLORY.address}"),
        ({"chainId": 1}, "it was signed for chain 1"),
        ({"root": b"\4" * 32}, "something else was signed"),
    ],
)
def test_whatever_somebody_else_signed_is_found(legacy: bool, forged: dict[str, Any], words: str) -> None:
    count, findings = check(record(legacy=legacy, **forged), [ALICE.address])
    assert count == (1 if "root" in forged else 0)
    assert len(findings) == 2 - count
    assert all(words in finding.message and finding.node == 0 for finding in findings)


def test_messages_by_way_of_another_contract_prove_nothing_and_are_no_lie() -> None:
    assert check(record(to="0x" + "12" * 20), [ALICE.address]) == (0, [])


def relayed(
    phase: Phase = Phase.COMMIT, posted: bytes = ROOT, chain_id: int = 31337, signer: Any = ALICE
) -> ChainRecord:
    """Return a record in which Mallory posted what ``signer`` had signed in Alice's name."""
    terms = Terms(b"\1" * 32, b"\2" * 32, 1, 9, 9, 9, 9, 1, 1, 0)
    chain = MemoryChain(terms, ManualClock())
    chain.join(ALICE.address, terms.charter)
    chain.relay(Phase.COMMIT, 1, 1, [(ALICE.address, ROOT)])
    message = eip712.sign(signer, chain_id, FEDERATION, Verb.COMMIT, 1, posted)
    data = abi.call("relay", int(phase), 1, 1, [(message.value, message.r, message.vs)], [])
    tx_hash, raw = signed(MALLORY, data)
    entries = tuple(
        Entry(said.name, said.values, said.time, n, 0, tx_hash if said.name == "Relayed" else "0x")
        for n, said in enumerate(chain.events)
    )
    return ChainRecord(31337, FEDERATION, terms, 1, entries, (), chain.view(), 9, "0x", "", {tx_hash: raw})


def test_a_relayed_message_carries_its_members_signature_whoever_posted_it() -> None:
    assert check(relayed(), [ALICE.address]) == (1, [])


@pytest.mark.parametrize(
    ("forged", "words"),
    [
        ({"signer": MALLORY}, f"it was signed by {MALLORY.address}"),
        ({"chain_id": 1}, "it was signed by 0x"),
        ({"posted": b"\4" * 32}, "something else was posted"),
        ({"phase": Phase.ATTEST}, "something else was posted"),
    ],
)
def test_a_relayed_message_that_its_member_never_signed_is_found(forged: dict[str, Any], words: str) -> None:
    count, [finding] = check(relayed(**forged), [ALICE.address])
    assert count == 0
    assert words in finding.message
    assert finding.node == 0


def test_a_batch_that_cannot_be_read_signs_nothing() -> None:
    honest = relayed()
    tx_hash, raw = signed(MALLORY, abi.call("relay", 1, 1, 1, [], [])[:50])
    entries = tuple(replace(entry, tx_hash=tx_hash) for entry in honest.entries if entry.name == "Relayed")
    count, [finding] = check(replace(honest, entries=entries, transactions={tx_hash: raw}), [ALICE.address])
    assert count == 0
    assert "something else was posted" in finding.message


def test_made_up_bytes_are_no_transaction() -> None:
    honest = record()
    for made_up in (b"", b"\2", b"\xc0", b"\xf8" + b"\1" * 200, b"\2" + b"\xc0", bytes(100), b"\7" * 300):
        tx_hash = "0x" + keccak(made_up).hex()
        entries = tuple(replace(entry, tx_hash=tx_hash) for entry in honest.entries)
        lie = replace(honest, entries=entries, transactions={tx_hash: "0x" + made_up.hex()})
        count, findings = check(lie, [ALICE.address])
        assert count == 0
        assert len(findings) == 2
        assert all("cannot be read" in finding.message for finding in findings)
