"""The end of a replay compared with what the contract held: outcomes, its view, and the money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from rayfed.audit.deeds import collect_bonds
from rayfed.audit.findings import Finding, Severity
from rayfed.audit.record import ChainRecord
from rayfed.ledger.memory.chain import MemoryChain


def outcomes(record: ChainRecord, chain: MemoryChain) -> Iterator[Finding]:
    """Compare what the contract keeps of each closed round."""
    kept = {outcome.round: outcome for outcome in record.outcomes}
    if len(kept) != len(record.outcomes):
        yield Finding(Severity.DISCREPANCY, "outcome", "a round has two outcomes")
    for number in sorted(kept.keys() | chain.storage.outcomes.keys()):
        ours, theirs = chain.outcome(number), kept.get(number)
        if ours is None or theirs is None:
            holds = "an outcome that the rules do not give" if ours is None else "no outcome, though the round closed"
            yield Finding(Severity.DISCREPANCY, "outcome", f"the contract holds {holds}", number)
            continue
        yield from _fields("outcome", "the contract holds", theirs, ours, number)


def view(record: ChainRecord, chain: MemoryChain) -> Iterator[Finding]:
    """Compare the contract's state in the end."""
    if record.view.time < chain.clock.now:
        yield Finding(Severity.DISCREPANCY, "view", "the view is older than the last event")
        return
    chain.clock.now = record.view.time
    yield from _fields("view", "the contract's view has", record.view, chain.view(), None)


def money(record: ChainRecord, chain: MemoryChain) -> Iterator[Finding]:
    """Compare what there is in the end: what each address has, and what nobody owns."""
    if record.books is None:
        return
    yield from _fields("money", "the books have", record.books, chain.books(), None)
    indices = {holder.lower(): index for index, holder in chain.storage.holders.items()}
    for address, held in record.accounts.items():
        collect_bonds(chain, address, held.native_claimable)
        for finding in _fields("money", f"{address} has", held, chain.account(address), None):
            yield replace(finding, node=indices.get(address.lower()), address=address)


def costs(record: ChainRecord) -> Iterator[Finding]:
    """Check that nobody was reimbursed more than losers' bonds had left for it: gas alone is the contract's word."""
    left: Counter[int] = Counter()
    for entry in record.entries:
        if entry.name == "BondsSpent":
            left[entry.values["round"]] += entry.values["setAside"]
        elif entry.name == "Reimbursed":
            left[entry.values["round"]] -= entry.values["amount"]
            if left[entry.values["round"]] < 0:
                words = f"{entry.values['mover']} was reimbursed more than losers' bonds had left"
                yield Finding(Severity.DISCREPANCY, "money", words, entry.round, address=entry.values["mover"])


def _fields(what: str, words: str, theirs: Any, ours: Any, number: int | None) -> Iterator[Finding]:
    for item in fields(theirs):
        held, expected = getattr(theirs, item.name), getattr(ours, item.name)
        if not same(held, expected):
            message = f"{words} {item.name} = {show(held)}, the rules give {show(expected)}"
            yield Finding(Severity.DISCREPANCY, what, message, number)


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same; addresses are in whatever case."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def show(value: Any) -> str:
    """Return a value for a message; bytes are cut short."""
    if isinstance(value, bytes):
        return "0x" + value.hex()[:16] + "..." if any(value) else "none"
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))})"
    return str(value)
