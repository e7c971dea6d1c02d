"""Nodes, what they share, and what goes wrong between them: one run of one scenario."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import LedgerError, LedgerUnreachable, StoreError
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.watchtower import LOOK_SECONDS
from rayfed.protocol.commands import Deposit, DepositBonds, Fund, Leave
from rayfed.protocol.messages import Phase, Verb, View
from rayfed.store.files import FileStore
from rayfed.testing.chaos.chain import ChaosChain, Transaction
from rayfed.testing.chaos.doors import Sent
from rayfed.testing.chaos.faults import Fuse, Killed, power_cut
from rayfed.testing.chaos.model import charter
from rayfed.testing.chaos.scenarios import REWARD, STAKE, Scenario
from rayfed.testing.chaos.seats import Seat, Starter
from rayfed.testing.chaos.stores import PublishedBlobs
from rayfed.testing.chaos.weather import Weather

MAX_TICKS = 20_000
"""Turns of all nodes after which a run that is not over is called one that does not end."""

MOST_ROUNDS = 4
"""Times as many rounds as are to be final, after which nothing goes wrong any more: most were void."""

MAX_LINGERS = 4_000
"""Turns after which rounds that are not settled are called ones that cannot be."""

FOUNDER = "0x" + "99" * 20
"""Puts down all stakes and bonds and fills the pool, as ``rayfed.ledger.ethereum.deployment`` does it."""

DEADLY_OPERATIONS = 30
"""A lit fuse ends within so many operations; a whole round of a node has about as many."""


class World:
    """One run of a scenario. ``play`` runs it; afterwards everything that checks want to know is in its attributes.

    Args:
        scenario: what goes wrong.
        seed: of everything that is drawn.
        folder: where the nodes' folders go.
        build: makes an edge node from its parts; tests put a broken one in here.

    Attributes:
        chain, blobs, seats: the ledger, all that was ever published, the participants.
        said: everything that any node ever handed to its door, in order.
        trained: every base that any node ever trained from.
        log: what happened, line by line; the same for the same scenario and seed.
        ticks, began, over: how many turns there were, and when the first was, and when all nodes had finished, in
            seconds since the epoch. What comes after that is settled and paid.
    """

    def __init__(self, scenario: Scenario, seed: int, folder: Path, build: type[EdgeNode] = EdgeNode) -> None:
        self.scenario = scenario
        self.random = Random(f"{scenario.name} {seed}")
        self.charter = charter(scenario)
        self.clock = ManualClock()
        self.began = self.over = self.clock.now
        self.chain = ChaosChain(MemoryChain(self.charter.terms(), self.clock), self.random)
        self.blobs = PublishedBlobs()
        self.said: list[Sent] = []
        self.trained: list[NDArray[np.int32]] = []
        self.log: list[str] = []
        self.ticks = 0
        self.calm = False
        self._starter = Starter(scenario, self.charter, self.chain, self.blobs, self.said, self.trained, build)
        honest = scenario.nodes - len(scenario.byzantine)
        self.seats = [self._seat(slot, scenario.cheats(slot), folder) for slot in range(scenario.nodes)]
        ledger = self.chain.chain
        ledger.act(FOUNDER, Fund(REWARD * scenario.rounds))
        for seat in self.seats:
            ledger.act(FOUNDER, Deposit(seat.address, STAKE))
            ledger.act(FOUNDER, DepositBonds(seat.address, ledger.terms().bonds))
        # Latecomers are honest; which round they wait for is drawn.
        self._late = {
            slot: self.random.randint(1, max(1, scenario.rounds - scenario.calm))
            for slot in range(honest - scenario.late, honest)
        }

    def _seat(self, slot: int, cheats: str, folder: Path) -> Seat:
        weather = Weather(self.scenario, self.random, self.clock)
        return Seat(slot, f"0x{slot + 1:040x}", cheats, folder / f"node-{slot}", weather, Fuse())

    # -- the run ----------------------------------------------------------------------------------------------------

    def play(self) -> bool:
        """Run to the end; return whether there was one."""
        for self.ticks in range(1, MAX_TICKS + 1):
            view = self.chain.chain.view()
            enough = view.finals >= self.scenario.rounds - self.scenario.calm
            if not self.calm and (enough or view.round >= MOST_ROUNDS * self.scenario.rounds):
                self._calm_down()
            order = list(self.seats)
            self.random.shuffle(order)
            acted = [self._turn(seat) for seat in order]
            self._trouble()
            mined = self.chain.mine(shuffle=self.scenario.shuffle and not self.calm)
            if self.chain.chain.view().phase is Phase.DONE and all(
                seat.progress is Progress.FINISHED for seat in self.seats if not seat.cheats
            ):
                self.over = self.clock.now
                self._settle()
                return True
            if not mined and not any(acted):
                self._let_time_pass()
        self.over = self.clock.now
        return False

    def _settle(self) -> None:
        """Let nodes that have finished linger until all is settled and paid, as a host does (``Host._linger``)."""
        self.tell("all have finished")
        honest = [seat for seat in self.seats if not seat.cheats]
        for _ in range(MAX_LINGERS):
            view = self.chain.chain.view()
            acted = [self._linger(seat, view) for seat in honest]
            mined = self.chain.mine()
            waits = any(seat.watch is not None and seat.watch.is_sending for seat in honest)
            if not self.chain.chain.view().unsettled and not any(acted) and not mined and not waits:
                return
            if not mined and not any(acted):
                self.clock.advance(LOOK_SECONDS)

    def _linger(self, seat: Seat, view: View) -> bool:
        assert seat.node is not None
        assert seat.watch is not None
        seat.node.collect(view)
        return seat.watch.step(view) or seat.watch.claim(seat.address, view)

    def tell(self, line: str) -> None:
        """Note what happened."""
        self.log.append(f"{self.clock.now - self.began:>5}  {line}")

    def _turn(self, seat: Seat) -> bool:
        """Give a node its turn, if it is up; return whether it did anything."""
        now = self.clock.now
        if seat.node is None:
            if now < seat.down_until or self._late.get(seat.slot, 0) > self.chain.chain.view().round:
                return False
            return self._start(seat)
        if now < seat.still_until:
            return False
        seat.weather.draw()
        if not seat.cheats and not seat.fuse.lit and seat.weather.happens(self.scenario.kill):
            seat.fuse.light(self.random.randint(1, DEADLY_OPERATIONS))
        if not seat.cheats and seat.weather.happens(self.scenario.leave):
            self._leave(seat)
            return True
        return self._step(seat)

    def _start(self, seat: Seat) -> bool:
        try:
            self._starter.start(seat, self._silences(seat), self.seats)
        except Killed:
            self._die(seat, "dies while it starts")
        else:
            self.tell(f"node {seat.slot} starts")
        return True

    def _step(self, seat: Seat) -> bool:
        assert seat.node is not None
        try:
            view = seat.seen
            if view is None:
                view = seat.node.ledger.view()
                if seat.weather.happens(self.scenario.stop):
                    seat.seen = view
                    seat.still_until = self.clock.now + self.random.randint(1, self.scenario.stop_seconds)
                    self.tell(f"node {seat.slot} stands still for {seat.still_until - self.clock.now} s")
                    return False
            seat.seen = None
            seat.node.serve(view)
            seat.progress = self._watched(seat, view, seat.node.step(view))
        except Killed:
            self._die(seat, "is killed")
        except LedgerUnreachable:
            seat.progress = Progress.RETRY
            return False
        except Exception as error:
            full = isinstance(error, StoreError) or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
            if not (full and seat.weather.disk_full()):
                seat.failures.append(f"{type(error).__name__}: {error}")
            self._die(seat, f"fails: {type(error).__name__}: {error}")
        return seat.node is None or seat.progress is Progress.ACTED

    def _watched(self, seat: Seat, view: View, progress: Progress) -> Progress:
        """Look after the federation, as ``Host`` does for the nodes that it carries; return what came of the step."""
        if seat.watch is None:
            return progress
        try:
            acted = seat.watch.step(view)
        except LedgerUnreachable:
            raise
        except LedgerError:
            acted = False
        if progress is Progress.FINISHED and not seat.watch.is_satisfied(view):
            progress = Progress.RETRY
        return Progress.ACTED if acted else progress

    def _die(self, seat: Seat, how: str) -> None:
        """Let a node's process end; what it had in memory is gone."""
        self.tell(f"node {seat.slot} {how}")
        if seat.journal is not None:
            seat.journal.close()
        seat.node = seat.journal = seat.seen = seat.watch = None
        seat.fuse.light(0)
        seat.progress = Progress.RETRY
        seat.still_until = 0
        seat.down_until = self.clock.now + (0 if self.calm else self.random.randint(0, self.scenario.down_seconds))
        if seat.weather.happens(self.scenario.torn):
            power_cut(FileStore(seat.folder / "blobs"), seat.written, self.random)

    def _leave(self, seat: Seat) -> None:
        now = self.clock.now
        self.chain.pool.append(Transaction(seat.address, Leave(), now))
        self._die(seat, "leaves")

    def _trouble(self) -> None:
        """Let happen to the chain, and to all nodes at once, what the scenario says: just before a block is mined."""
        world = self.seats[0].weather
        if not any(transaction.due <= self.clock.now for transaction in self.chain.pool):
            return
        if world.happens(self.scenario.reorg):
            depth = self.chain.reorganise(self.random.randint(1, self.scenario.depth), drop=0.2)
            self.tell(f"the chain goes back by {depth}")
        if world.happens(self.scenario.leap):
            leap = self.random.randint(1, self.scenario.leap_seconds)
            self.clock.advance(leap)
            self.tell(f"the chain leaps by {leap} s")
        if world.happens(self.scenario.together):
            for seat in self.seats:
                if seat.node is not None:
                    self._die(seat, "is killed with all others")

    def _silences(self, seat: Seat) -> Callable[[Verb, int], bool]:
        def silenced(verb: Verb, round: int) -> bool:
            victim = Random(f"{verb} {round}").randrange(self.scenario.nodes)
            return not self.calm and verb in self.scenario.silent and victim == seat.slot

        return silenced

    def _calm_down(self) -> None:
        self.calm = True
        self.tell("calm from here on")
        for seat in self.seats:
            seat.weather.clear()
            seat.down_until = seat.still_until = 0
            seat.fuse.light(0)
        self._late.clear()
        for transaction in self.chain.pool:
            transaction.due = min(transaction.due, self.clock.now)

    def _let_time_pass(self) -> None:
        """Go on to the next moment at which something can happen, a second at least."""
        now = self.clock.now
        if any(seat.node is not None and seat.progress is Progress.RETRY for seat in self.seats):
            self.clock.advance(1)
            return
        moments = [self.chain.chain.view().deadline]
        moments += [seat.down_until for seat in self.seats if seat.node is None]
        moments += [seat.still_until for seat in self.seats]
        moments += [transaction.due for transaction in self.chain.pool]
        # Receipts, resending, patience and turns have clocks of their own: look again every few seconds.
        ahead = [moment for moment in moments if moment > now]
        self.clock.advance(max(1, min([*ahead, now + 5]) - now))
