"""What a run has left behind, read off what was said: nothing here asks the court's own records."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from rayfed.encoding import codec
from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.ledger.memory.chain import Said
from rayfed.protocol.messages import Outcome, Phase
from rayfed.testing.chaos.model import LAYOUT, VALUES
from rayfed.testing.chaos.seats import Seat
from rayfed.testing.chaos.world import World

LEAF = 512


def honest(world: World) -> list[Seat]:
    """Return those who do not cheat."""
    return [seat for seat in world.seats if not seat.cheats]


def outcomes(world: World) -> list[Outcome]:
    """Return what became of the rounds that are closed, in order."""
    chain = world.chain.chain
    found = [chain.outcome(round) for round in range(1, chain.view().round + 1)]
    return [outcome for outcome in found if outcome is not None]


def rounds_lost(world: World) -> int:
    """Return how many rounds ended void."""
    return sum(not outcome.status.stands for outcome in outcomes(world))


def slashed(world: World, *, cheats: bool) -> int:
    """Return how many of those who cheat, or of all others, have lost stake."""
    account = world.chain.chain.account
    return sum(account(seat.address).slashed > 0 for seat in world.seats if bool(seat.cheats) is cheats)


def events(world: World, name: str) -> list[Said]:
    """Return what the chain has said by this name, as it stands in the end."""
    return [event for event in world.chain.chain.events if event.name == name]


def said_in(world: World, name: str, round: int) -> Iterator[tuple[int, Said]]:
    """Yield what members said in a round, and their indices; abstentions are left out."""
    for event in events(world, name):
        if event.values["place"] >> 8 == round and event.values["root"] != NO_ROOT:
            yield event.values["place"] & 0xFF, event


def member(world: World, index: int, round: int) -> Address:
    """Return who had a seat when a round opened."""
    found: Address = ""
    for event in world.chain.chain.events:
        if event.name == "Joined" and event.values["index"] == index:
            found = event.values["member"]
        if event.name == "PhaseOpened" and (event.values["round"], event.values["phase"]) == (round, Phase.COMMIT):
            break
    return found


def merkle_root(blob: bytes) -> Root:
    """Return the RFC 6962 root of a blob, written down as the RFC says it: slow, and of no use to anybody else."""

    def node(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return sha256(b"\0" + leaves[0]).digest()
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return sha256(b"\1" + node(leaves[:split]) + node(leaves[split:])).digest()

    return node([blob[i : i + LEAF] for i in range(0, len(blob), LEAF)])


def values_of(blob: bytes) -> NDArray[np.int32]:
    return np.frombuffer(blob, "<i4")[LEAF // 4 :][:VALUES]


def merge_of(world: World, outcome: Outcome) -> Root:
    """Return the root of the merge of what a round included."""
    committed = {index: event.values["root"] for index, event in said_in(world, "Committed", outcome.round)}
    updates = [world.blobs.bytes[committed[index]] for index in bits(outcome.included)]
    weights = [max(int.from_bytes(update[7 * 32 : 8 * 32], "big"), 1) for update in updates]
    sums = [0] * VALUES
    for update, weight in zip(updates, weights, strict=True):
        for place, value in enumerate(values_of(update).tolist()):
            sums[place] += weight * value
    header = codec.Header.merged(outcome.round, LAYOUT.hash).bound(LAYOUT).to_bytes()
    merged = np.array([total // sum(weights) for total in sums], "<i4").tobytes()
    return merkle_root(header.ljust(LEAF, b"\0") + merged + bytes(-len(merged) % LEAF))
