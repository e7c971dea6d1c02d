"""What can happen in a court, for the test of two ledgers with the same events: real blobs, right and wrong merges."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np

from rayfed.aggregation import rules
from rayfed.encoding import merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.judgement import MERGED, Case, Kind, Proof, State
from rayfed.protocol.messages import Phase, Status

VALUES = 1030
"""Six of them are in a leaf of their own, the rest of which has to be zero."""

LAYOUT = b"\7" * 32
LEAVES = 3
COINS = 10**18
RULES = {1: "mean", 2: "trimmed_mean", 3: "median"}
PLACES = ((0, 3), (0, 4), (0, 100), (1, 0), (1, 1023), (2, 0), (2, 5), (2, 6), (2, 1023))
"""(leaf, coordinate) that are looked at: words of the header, values, and what lies beyond them."""

BLOBS: dict[Root, bytes] = {}
"""Every blob that was ever made here, by its root; the same program makes the same ones."""


def kept(blob: bytes) -> Root:
    root = merkle.root(blob)
    BLOBS[root] = blob
    return root


@lru_cache(maxsize=4096)
def tree(root: Root) -> merkle.Tree:
    return merkle.tree(BLOBS[root])


@cache
def update(owner: Address, variant: int) -> Root:
    """Return one of an account's updates: extreme values, ties, and weights beyond the cap."""
    dice = np.random.default_rng([int(owner, 16) % 2**32, variant])
    values = dice.integers(-(2**31), 2**31, VALUES, np.int64)
    values[dice.random(VALUES) < 0.3] = (-(2**31), 2**31 - 1, -1)[variant % 3]
    weight = (1, 100, 2**32 - 1)[variant % 3]
    header = replace(Header.update(31337, "0x" + "fe" * 20, 1, owner, LAYOUT, weight), size=VALUES)
    return kept(header.to_bytes() + _padded(values.astype("<i4")))


@lru_cache(maxsize=4096)
def merged(rule: int, trim: int, cap: int, round: int, roots: tuple[Root, ...], fault: str = "") -> Root:
    """Return the merge of these updates, or one that is wrong in one place: ``leaf.coordinate``."""
    out = np.empty(VALUES, np.int32)
    columns = [np.frombuffer(BLOBS[root], "<i4", VALUES, merkle.LEAF) for root in roots]
    weights = [int.from_bytes(BLOBS[root][224:256], "big") for root in roots]
    rules.make(RULES.get(rule, "mean"), trim, cap).merge(columns, weights, out)
    header = replace(Header.merged(round, LAYOUT), size=VALUES).to_bytes()
    blob = bytearray(header + _padded(out.astype("<i4")))
    if fault:
        leaf, coordinate = map(int, fault.split("."))
        blob[merkle.LEAF * leaf + coordinate * (4 if leaf else 32)] ^= 1
    return kept(bytes(blob))


def _padded(values: Any) -> bytes:
    return bytes(values.tobytes()).ljust((LEAVES - 1) * merkle.LEAF, b"\0")


def merge_of(chain: MemoryChain, fault: str = "") -> Root | None:
    """Return what a member would attest now, or None if nobody knows: there is nothing to merge, or no blob."""
    terms, view = chain.terms, chain.view()
    if not view.included or any(view.roots[i] not in BLOBS for i in bits(view.included)):
        return None
    roots = tuple(view.roots[i] for i in bits(view.included))
    return merged(terms.rule, terms.trim, terms.max_weight, view.round, roots, fault)


def proof(root: Root, which: int, leaf: int, rule: int) -> Proof:
    """Return the proof of a leaf; of an update with its header where the rule is the mean."""
    blob, branches = BLOBS[root], tree(root)
    data = blob[merkle.LEAF * leaf : merkle.LEAF * (leaf + 1)]
    if rule != 1 or which == MERGED:
        return Proof(which, data, branches.proof(leaf))
    words = tuple(blob[32 * i : 32 * i + 32] for i in range(9))
    return Proof(which, data, branches.proof(leaf), words, branches.proof(0))


# -- what may come next ---------------------------------------------------------------------------------------------


def money(dice: random.Random, chain: MemoryChain, accounts: list[Address]) -> tuple[str, tuple[Any, ...]]:
    """Return something about stakes and rewards."""
    stake = chain.terms.stake
    amount = dice.choice((stake, stake, stake // 2, 1, 0, 3 * COINS))
    return dice.choice(
        (
            ("deposit", (dice.choice(accounts), amount, dice.choice((None, None, None, amount + 1)))),
            ("deposit", (dice.choice(accounts), stake, None)),
            ("fund", (dice.choice((0, 7, COINS, 30 * COINS)), dice.choice((None, None, None, 1)))),
            ("exit", ()),
            ("exit", ()),
            ("withdraw", (dice.choice((*accounts, "0x" + "0" * 40)),)),
            ("withdraw", (accounts[0],)),
            ("settle", (dice.choice((0, 1, 2, 100)),)),
            ("settle", (100,)),
            ("claim", (dice.choice((*accounts, "0x" + "0" * 40)), dice.choice((0, 1, 100)))),
        )
    )


def judgement(dice: random.Random, chain: MemoryChain) -> tuple[str, tuple[Any, ...]]:
    """Return something about cases: mostly what makes sense now, often with one thing wrong."""
    court = chain.court
    open_cases = [case for case in court.cases.values() if case.state is State.OPEN]
    finals = [r for r, outcome in chain.outcomes.items() if outcome.status is Status.FINAL]
    if open_cases and dice.random() < 0.75:
        return _of_case(dice, chain, dice.choice(open_cases))
    known = [r for r in finals if all(root in BLOBS for root in chain.evidence[r]) and chain.outcomes[r].root in BLOBS]
    if not known or dice.random() < 0.1:
        return _nonsense(dice, chain)
    round = dice.choice(known[-2:])
    roots = list(chain.evidence[round])
    if dice.random() < 0.05:
        roots = roots[::-1] if dice.random() < 0.5 else roots[1:]
    leaf, coordinate = _suspect(dice, chain, round)
    paid = dice.choice((None,) * 12 + (1,))
    if dice.random() < 0.7:
        return "challenge", (round, leaf, coordinate, roots, paid)
    which = dice.choice((MERGED, 0, max(0, len(roots) - 1), len(roots)))
    return "demand", (round, which, dice.choice((0, 1, 2, 3)), roots, paid)


def _suspect(dice: random.Random, chain: MemoryChain, round: int) -> tuple[int, int]:
    """Return where the merge is wrong, if it is, and mostly we know; else anywhere."""
    terms, root = chain.terms, chain.outcomes[round].root
    key = terms.rule, terms.trim, terms.max_weight, round, tuple(chain.evidence[round])
    wrong = [(leaf, at) for leaf, at in PLACES if merged(*key, f"{leaf}.{at}") == root]
    if wrong and dice.random() < 0.8:
        return wrong[0]
    return dice.choice((*PLACES, (1, 1024), (0, 128), (3, 0)))


def _of_case(dice: random.Random, chain: MemoryChain, case: Case) -> tuple[str, tuple[Any, ...]]:
    roots = list(chain.evidence[case.round])
    blobs = {i: root for i, root in enumerate(roots) if root in BLOBS}
    if chain.undone.get(case.round, chain.outcomes[case.round]).root in BLOBS:
        blobs[MERGED] = chain.undone.get(case.round, chain.outcomes[case.round]).root
    if case.round in chain.undone and dice.random() < 0.6:
        return "close", (case.id,)
    if dice.random() < 0.12:
        return dice.choice((("conclude", (case.id,)), ("expire", (case.id,)), ("forfeit", (case.id,))))
    if case.kind is Kind.DEMAND:
        shown = blobs.get(case.which)
        if shown is None or dice.random() < 0.4:
            return "forfeit", (case.id,)
        given = proof(shown, case.which, case.leaf, 0)
        data, path = _spoilt(dice, given.data, given.path)
        return "answer", (case.id, roots, data, path)
    wanted = [which for which in range(case.inputs) if not case.proven >> which & 1] + [MERGED] * (
        not case.merged_proven
    )
    if not wanted:
        return dice.choice(("conclude", "conclude", "expire")), (case.id,)
    some = [w for w in wanted if w in blobs and dice.random() < 0.8]
    proofs = [proof(blobs[which], which, case.leaf, chain.terms.rule) for which in some]
    if proofs and dice.random() < 0.15:
        data, path = _spoilt(dice, proofs[0].data, proofs[0].path)
        number = dice.choice((proofs[0].which, proofs[0].which, case.inputs, 0))
        proofs[0] = replace(proofs[0], which=number, data=data, path=tuple(path))
    if proofs and dice.random() < 0.05:
        proofs[-1] = replace(proofs[-1], header_path=proofs[-1].header_path[::-1], header=(b"\1" * 32,) * 9)
    if dice.random() < 0.05:
        roots = roots[::-1] + roots[:1]
    return "prove", (case.id, roots, proofs)


def _spoilt(dice: random.Random, data: bytes, path: tuple[bytes, ...]) -> tuple[bytes, list[bytes]]:
    kind = dice.choices(("", "data", "path", "length"), (9, 1, 1, 1))[0]
    if kind == "data":
        data = bytes([data[0] ^ 1]) + data[1:]
    if kind == "length":
        data = data[:-1]
    return data, [*path][1:] if kind == "path" else [*path]


def _nonsense(dice: random.Random, chain: MemoryChain) -> tuple[str, tuple[Any, ...]]:
    id = dice.randint(0, len(chain.court.cases) + 1)
    round = dice.randint(0, chain.round + 1)
    return dice.choice(
        (
            ("challenge", (round, 1, 0, [], None)),
            ("demand", (round, MERGED, 0, [], None)),
            ("prove", (id, [], [])),
            ("conclude", (id,)),
            ("expire", (id,)),
            ("answer", (id, [], bytes(4096), [])),
            ("forfeit", (id,)),
            ("close", (id,)),
        )
    )


def spoken(dice: random.Random, chain: MemoryChain, accounts: list[Address]) -> tuple[str, tuple[Any, ...]]:
    """Return messages that members signed: posted in a batch, or shown because they contradict each other."""
    phase = chain.phase if Phase.COMMIT <= chain.phase <= Phase.ATTEST else dice.choice((*Phase,))
    round = max(0, chain.round - dice.choice((0, 0, 0, 0, 0, 1, -1)))
    if round < chain.round:
        phase = Phase.ATTEST
    if dice.random() < 0.1:
        phase = dice.choice((*Phase,))
    if dice.random() < 0.1:
        who = dice.choice(accounts[:3])
        if chain.court.equivocations and dice.random() < 0.4:
            who, phase, round = min(chain.court.equivocations)
        said = [dice.choice((1, 2)).to_bytes(32, "big") for _ in range(2)]
        second = who if dice.random() < 0.9 else accounts[0]
        return "equivocation", (who, phase, round, (who, said[0]), (second, said[1]))
    signers = sum(1 << i for i in range(len(chain.members)) if dice.random() < 0.7)
    if dice.random() < 0.9:
        signers &= chain.rosters.get(round, chain.roster)
    if dice.random() < 0.03:
        signers |= 1 << dice.randint(0, 7)
    messages = []
    last = chain.outcomes.get(round)
    for i in bits(signers):
        member = chain.members[i] if i < len(chain.members) else accounts[0]
        if phase is Phase.COMMIT:
            value = update(member, dice.randint(0, 2))
        elif phase is Phase.VOTE:
            value = (sum(1 << i for i in chain.roots) & (dice.getrandbits(6) | 0b111111)).to_bytes(32, "big")
        elif last is not None and last.status is Status.FINAL:
            value = last.root if dice.random() < 0.9 else bytes(32)
        else:
            value = (merge_of(chain) if dice.random() < 0.9 else None) or b"\6" * 32
        if dice.random() < 0.01:
            value = dice.choice((bytes(32), b"\xff" * 32))
        messages.append((member if dice.random() < 0.97 else accounts[0], value))
    if dice.random() < 0.02:
        messages = messages[1:]
    others = [member for i, member in enumerate(chain.members) if not signers >> i & 1]
    if dice.random() < 0.2:
        others = dice.choice(([], others[1:], others[::-1], list(chain.members)))
    return "relay", (phase, round, signers, messages, others)
