"""The whole protocol in one plain loop: no Ray, no chain, no network. Run it: python examples/one_round.py

Four parties fit one linear model to data that they do not show each other. Ledger, store and clock are the in-memory
ones that rayfed ships for tests; the bytes, the roots and the merge are the real ones. One of the four lies, and in
the last round it says nothing at all.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from rayfed.aggregation import rules
from rayfed.encoding import codec, merkle
from rayfed.encoding.primitives import bitmap, bits
from rayfed.protocol.commands import Advance, Attest, Commit, Join, Vote
from rayfed.protocol.messages import Phase, Terms
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger, MemoryStore

NODES, ROUNDS, LIAR = 4, 3, 3
CHAIN_ID, FEDERATION = 31337, f"0x{0xFED:040x}"
TRUTH = np.array([2.0, -1.0, 0.5])


def private_data(node: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, 3) and targets (n,) that only this node has; n differs."""
    random = np.random.default_rng(node)
    x = random.normal(size=(40 + 20 * node, 3))
    return x, x @ TRUTH + 0.1 * random.normal(size=len(x))


def train(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the weights (3,) after ten steps of gradient descent on the squared error."""
    for _ in range(10):
        weights = weights - 0.1 * x.T @ (x @ weights - y) / len(x)
    return weights


def error(weights: np.ndarray) -> float:
    """Return the mean squared error of a model over everybody's data."""
    return float(np.mean([np.mean((x @ weights - y) ** 2) for x, y in map(private_data, range(NODES))]))


def main() -> np.ndarray:
    """Run the federation to its end; return the final weights (3,)."""
    # What all agree on: the layout of the model, the rule of the merge, the model to start from, the terms.
    genesis = {"weights": np.zeros(3)}
    layout, rule = codec.Layout.of(genesis), rules.make("mean")
    blob = codec.encode(layout, genesis, codec.Header.merged(0, layout.hash)).blob
    charter = sha256(layout.canonical_json().encode() + rule.name.encode()).digest()
    terms = Terms(charter, merkle.root(blob), ROUNDS, 60, 60, 60, 60, start_members=NODES, min_members=2, max_missed=3)

    clock = ManualClock()
    chain, store = MemoryChain(terms, clock), MemoryStore()
    store.put(merkle.root(blob), blob)
    nodes = [MemoryLedger(chain, f"0x{0xA0 + node:040x}") for node in range(NODES)]
    for ledger in nodes:
        ledger.submit(Join(charter))
    nodes[0].submit(Advance())  # all are there: anybody may open round 1

    while (view := chain.view()).phase is not Phase.DONE:
        round, base = view.round, codec.decode(layout, store.get(view.base, layout.blob_size))["weights"]
        silent = {LIAR} if round == ROUNDS else set()
        updates: dict[int, memoryview] = {}

        # COMMIT: train from the base, turn the weights into integers, hash them, put the root on the ledger.
        for node in set(range(NODES)) - silent:
            x, y = private_data(node)
            weights = base + 100.0 if node == LIAR else train(base, x, y)
            header = codec.Header.update(CHAIN_ID, FEDERATION, round, nodes[node].address, layout.hash, len(x))
            updates[node] = codec.encode(layout, {"weights": weights}, header).blob
            nodes[node].submit(Commit(round, view.context, merkle.root(updates[node])))
        if silent:
            clock.advance(terms.commit_seconds)  # nobody waits for the silent: the deadline has passed
        nodes[0].submit(Advance())  # all have spoken, or had the time to: anybody may open the next phase

        # VOTE: only now publish. Fetch the others' updates by their roots, check them, say which ones to accept.
        for blob in updates.values():
            store.put(merkle.root(blob), blob)
        view = chain.view()
        for node in updates:
            accepted = []
            for peer in bits(view.committed):
                blob = store.get(view.roots[peer], layout.blob_size)  # raises unless the bytes hash to the root
                expected = codec.Header.update(CHAIN_ID, FEDERATION, round, view.members[peer], layout.hash)
                moved = np.linalg.norm(codec.decode(layout, blob)["weights"] - base)
                if codec.check(layout, blob, expected) == "" and moved < 10:
                    accepted.append(peer)
            nodes[node].submit(Vote(round, view.context, bitmap(accepted)))  # it misses none
        if silent:
            clock.advance(terms.vote_seconds)
        nodes[0].submit(Advance())

        # ATTEST: merge what more than half of the roster accepted, in integers: everybody gets the same root.
        view = chain.view()
        for node in updates:
            chosen = [store.get(view.roots[peer], layout.blob_size) for peer in bits(view.included)]
            merged = codec.blank(layout, codec.Header.merged(round, layout.hash))
            counts = [codec.read_header(blob).weight for blob in chosen]
            rule.merge([codec.values(blob) for blob in chosen], counts, codec.values(merged))
            store.put(merkle.root(merged), merged)
            nodes[node].submit(Attest(round, view.context, merkle.root(merged)))
        nodes[0].submit(Advance())

        # FINAL: more than 2/3 of the roster attested one root. It is the next round's base, or the final model.
        closed = chain.outcome(round)
        assert closed is not None
        final = codec.decode(layout, store.get(chain.view().base, layout.blob_size))["weights"]
        who = f"included {list(bits(closed.included))}, attested by {list(bits(closed.attesters))}"
        print(f"round {round} {closed.status.name} {closed.root.hex()[:12]}: {who}, error {error(final):.4f}")

    print(f"the truth is {TRUTH}, the model {final.round(3)}")
    return final


if __name__ == "__main__":
    main()
