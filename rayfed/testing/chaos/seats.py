"""The participants of a run: what outlives a node's process, and how one is started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens.norm import Norm
from rayfed.attacks.behaviour import HONEST
from rayfed.encoding.primitives import Address, Root
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.parts import Hooks, Membership, Options, Resources
from rayfed.node.watchtower import Watchtower
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import Verb, View
from rayfed.testing.chaos.chain import ChaosChain
from rayfed.testing.chaos.doors import ChaosLedger, Sent
from rayfed.testing.chaos.faults import FailingDisk, FailingJournal, Fuse
from rayfed.testing.chaos.model import CHAIN_ID, FEDERATION, Counting
from rayfed.testing.chaos.peers import Cheat, Hoard, forger
from rayfed.testing.chaos.scenarios import PATIENCE_SECONDS, Scenario
from rayfed.testing.chaos.stores import ChaosStore, PublishedBlobs
from rayfed.testing.chaos.weather import Weather


@dataclass
class Seat:
    """One participant: what outlives its process, and the process while there is one.

    Attributes:
        slot, address, cheats: who it is; ``cheats`` is a word of ``peers.CHEATS`` or empty.
        node: the running node, or None while it is down.
        starts: how often it was started.
        down_until, still_until: until when it is dead, or stands still, in seconds since the epoch.
        seen: the view that it stood still upon.
        watch: what looks after the federation for it; only where it does not cheat.
        progress: what came of its last step.
        failures: what it raised and should not have.
        written: the roots of what it ever put on its disk, in that order.
    """

    slot: int
    address: Address
    cheats: str
    folder: Path
    weather: Weather
    fuse: Fuse
    node: EdgeNode | None = None
    journal: FailingJournal | None = None
    watch: Watchtower | None = None
    starts: int = 0
    down_until: int = 0
    still_until: int = 0
    seen: View | None = None
    progress: Progress = Progress.RETRY
    failures: list[str] = field(default_factory=list)
    written: list[Root] = field(default_factory=list)

    def distrusts(self) -> bool:
        """Whether its watchtower knows of a wrong merge that still stands."""
        return self.watch is not None and self.watch.distrusts()


class Starter:
    """Starts the processes of one run's participants.

    Args:
        scenario, charter: the run's.
        chain, blobs: what all share.
        said, trained: where everything that a node says, and every base that it trains from, is noted.
        build: makes an edge node from its parts.
    """

    def __init__(
        self,
        scenario: Scenario,
        charter: Charter,
        chain: ChaosChain,
        blobs: PublishedBlobs,
        said: list[Sent],
        trained: list[NDArray[np.int32]],
        build: type[EdgeNode],
    ) -> None:
        self._scenario = scenario
        self._charter = charter
        self._chain = chain
        self._blobs = blobs
        self._said = said
        self._trained = trained
        self._build = build

    def start(self, seat: Seat, silenced: Callable[[Verb, int], bool], seats: Sequence[Seat]) -> None:
        """Start a node, and its watchtower if it does not cheat.

        Args:
            seat: whose.
            silenced: whether what it says with this verb in this round is lost for good.
            seats: all participants: cheats know each other.

        Raises:
            Killed: it dies while it starts.
        """
        seat.starts += 1
        ledger = self._ledger(seat, silenced, seats)
        seat.journal = FailingJournal(seat.folder / "journal.jsonl", seat.fuse, seat.weather.disk_full)
        seat.node = self._build(
            Membership(self._charter, CHAIN_ID, FEDERATION, seat.slot),
            Resources(
                ledger=ledger,
                store=self._store(seat),
                disk=FailingDisk(seat.folder / "blobs", seat.fuse, seat.weather.disk_full, seat.written),
                journal=seat.journal,
                learner=Counting(seat.slot, self._trained),
                screens=[Norm()],
            ),
            # Threads would draw what happens to them in an order of their own.
            Options(patience=PATIENCE_SECONDS, fetches=1),
            Hooks(
                distrusts=seat.distrusts,
                behaviour=forger(seat.slot, self._scenario) if seat.cheats == "forge" else HONEST,
            ),
        )
        if not seat.cheats:
            kit = seat.node.kit
            seat.watch = Watchtower(ledger.handle(), kit.tools.apart(), note=kit.board.note)

    def _ledger(self, seat: Seat, silenced: Callable[[Verb, int], bool], seats: Sequence[Seat]) -> ChaosLedger:
        chain, address, weather, fuse, told = self._chain, seat.address, seat.weather, seat.fuse, self._said.append
        if not seat.cheats:
            return ChaosLedger(chain, address, weather, fuse, told, silenced)
        cheat = Cheat(chain, address, weather, fuse, told)
        cheat.how, cheat.blobs = seat.cheats, self._blobs
        cheat.friends = frozenset(other.address for other in seats if other.cheats == seat.cheats)
        return cheat

    def _store(self, seat: Seat) -> ChaosStore:
        kind = Hoard if seat.cheats == "withhold" else ChaosStore
        return kind(self._blobs, seat.weather, seat.fuse)
