"""Nodes that cheat: real edge nodes behind doors that say something else, or keep something back."""

from __future__ import annotations

from hashlib import sha256

from rayfed.attacks import Crew
from rayfed.attacks.behaviour import Behaviour
from rayfed.attacks.forged_merge import ForgedMerge
from rayfed.encoding import codec, merkle
from rayfed.encoding.primitives import Address, Root, bitmap, bits
from rayfed.protocol.commands import Attest, Command, Commit, Vote
from rayfed.testing.chaos.doors import ChaosLedger
from rayfed.testing.chaos.model import CHAIN_ID, FEDERATION, GENESIS, LAYOUT, charter
from rayfed.testing.chaos.scenarios import Scenario
from rayfed.testing.chaos.stores import ChaosStore, PublishedBlobs


class Cheat(ChaosLedger):
    """A door through which another message leaves than the one that came in.

    Attributes:
        how: one of ``CHEATS``.
        friends: the accounts that cheat together.
        blobs: where to lay what is not an update.
    """

    how: str
    friends: frozenset[Address]
    blobs: PublishedBlobs

    def submit(self, command: Command) -> None:
        """Submit something else instead."""
        super().submit(self._twisted(command))

    def _twisted(self, command: Command) -> Command:
        match self.how, command:
            case "garbage", Commit(round, context):
                return Commit(round, context, self._garbage(round))
            case (("wrong" | "collude"), Attest(round, context)):
                # What colluders attest is the same for all of them.
                wrong = sha256(f"{'' if self.how == 'collude' else self.address}{round}".encode()).digest()
                return Attest(round, context, wrong)
            case "collude", Vote(round, context):
                view = self._chain.chain.view()
                return Vote(round, context, bitmap(i for i in bits(view.committed) if view.members[i] in self.friends))
        return command

    def _garbage(self, round: int) -> Root:
        """Publish something that hashes to what was committed and is no update of this node in this round."""
        size = LAYOUT.blob_size
        header = codec.Header.update(CHAIN_ID, FEDERATION, round + 1, self.address, LAYOUT.hash, 10)
        late = bytes(codec.encode(LAYOUT, GENESIS, header).blob)
        noise = sha256(f"{self.address}{round}".encode()).digest() * (size // 32)
        blob = self._weather.random.choice((bytes(size), noise, late, late[: merkle.LEAF]))
        root = merkle.root(blob)
        self.blobs.bytes[root], self.blobs.since[root] = blob, 0
        return root


class Hoard(ChaosStore):
    """Keeps to itself what others should have."""

    def put(self, root: Root, blob: memoryview) -> None:
        """Say that it is there; it is not."""


def forger(slot: int, scenario: Scenario) -> Behaviour:
    """Return what makes a node attest, with all of its like, the same forged model in one round."""
    slots = tuple(slot for slot in range(scenario.nodes) if scenario.cheats(slot) == "forge")
    rule = charter(scenario).rule()
    return ForgedMerge(Crew(slot, slots, scenario.nodes, 2, 0, rule, lambda *_: (), lambda: 0), FORGED)


FORGED = 2
"""The round in which forgers forge."""

CHEATS = ("garbage", "wrong", "withhold", "collude", "forge")
"""Commits to garbage; attests another root; publishes nothing; votes for its friends alone and attests their root;
makes a forged model final."""
