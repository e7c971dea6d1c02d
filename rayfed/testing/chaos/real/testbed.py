"""One run over real parts: it is started, has faults injected, is carried on where they were fatal, and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import rayfed
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import find_anvil
from rayfed.protocol.accounts import Account
from rayfed.protocol.messages import Phase, View
from rayfed.runtime import founding
from rayfed.runtime.results import SUMMARY
from rayfed.testing.chaos.real import processes
from rayfed.testing.chaos.real.cluster import Cluster
from rayfed.testing.chaos.real.ground import Ground
from rayfed.testing.chaos.real.scenario import FATAL, RealScenario
from rayfed.testing.chaos.real.servers import credentials

NODES, NODES_PER_HOST = 4, 2
ROUNDS_BESIDE = 2
"""Rounds of a run beside one for each fault."""

START_SECONDS = 600.0
"""How long a run may take until it has founded its federation, on a machine that has other work too."""

END_SECONDS = 480.0
"""How long a run may take to end, once all faults are over; more is a run that hangs."""

MOMENTS = (None, Phase.COMMIT, Phase.VOTE, Phase.ATTEST)
"""When a fault falls: at any instant, or in this phase. The faults of a run and the seeds of a scenario take turns,
so that with four seeds each fault has met them all."""

RAY_IS_SLOW, RAY_STARTS = "timed out during startup", 3
"""What Ray says, and then a run, if its own processes are not there in time (``runtime.ray_start``): on a machine with
much other work they may not be. The run ends in one line, and is started again."""

PHASE_SECONDS = 20.0
"""How long a fault waits for its phase."""


class Testbed:
    """One run of a real scenario; a context manager, which leaves nothing behind.

    Args:
        scenario, seed: what is done, and when.
        folder: everything is below it.
        cluster: a Ray cluster to run on; None: the run starts its own, as it does where that is to be hit.

    Attributes:
        folder, output: everything is below ``folder``; ``output`` is the run's own folder.
        random: what the seed draws.
        ground: what it stands on.
        run: the command that runs just now.
        founded_in: the block in which the federation was founded.
        log: what was done, line by line.
        resumed: how often the run was carried on.
        accounts: what the members have, by index, once ``settled`` has looked.
    """

    def __init__(self, scenario: RealScenario, seed: int, folder: Path, cluster: Cluster | None = None) -> None:
        self.scenario = scenario
        self.random = Random(f"{scenario.name} {seed}")
        self.folder = folder
        self.output = folder / "run"
        self.scratch = folder / "tmp"
        self.log: list[str] = []
        self.founded_in = 0
        self.resumed = 0
        self.accounts: tuple[Account, ...] = ()
        self._seed = seed
        self._cluster = cluster
        self._words: list[str] = []
        self._began = time.monotonic()
        self._eye: EthereumFederation | None = None
        self.scratch.mkdir(parents=True)
        self.ground = Ground(folder, seed, self.random, store=scenario.store, track=scenario.track)
        self.run: processes.Command = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.kill_all()
        if self._cluster is not None:
            self._cluster.clear()
        if self._eye is not None:
            self._eye.close()
        self.ground.close()

    def tell(self, line: str) -> None:
        """Note what is done."""
        self.log.append(f"{time.monotonic() - self._began:6.1f} s  {line}")

    def pids(self, title: str) -> list[int]:
        """Return the ids of the run's processes, and its cluster's, whose command line holds this."""
        found = self.run.processes(title)
        return sorted(found | self._cluster.processes(title) if self._cluster is not None else found)

    def left(self) -> dict[int, str]:
        """Return what outlives the run and should not, after it has had time to end."""
        left = self.run.left()
        return left | self._cluster.left() if self._cluster is not None else left

    def temporary(self) -> list[Path]:
        """Return rayfed's own files in the folders for temporary ones."""
        folders = [self.scratch, *([self._cluster.scratch] if self._cluster is not None else [])]
        return [path for folder in folders for path in folder.glob("rayfed*")]

    # -- the run ----------------------------------------------------------------------------------------------------

    def play(self) -> str:
        """Fault by fault to the end; return what is wrong with how it ended, or nothing."""
        if not self._stands():
            return f"nothing was founded: {self.run.out[-500:]}"
        faults = self.random.sample(self.scenario.faults, self.scenario.injected)
        for number, fault in enumerate(faults):
            self._await_moment(MOMENTS[(self._seed + number) % len(MOMENTS)])
            if not self.run.running:
                self.tell("over before all faults")
                break
            view = self._view()
            where = f"round {view.round}, {view.phase.name}" if view is not None else "nobody knows where"
            self.tell(f"{fault.__name__} in {where}: {(fault.__doc__ or '').splitlines()[0]}")
            fault(self)
            trouble = self._carry_on() if fault.__name__ in FATAL else ""
            if trouble:
                return trouble
        return self._end()

    def summary(self) -> dict[str, Any]:
        """Return what the run told of itself; empty if it did not."""
        path = self.output / SUMMARY
        return json.loads(path.read_text()) if path.exists() else {}

    def settled(self) -> int:
        """Have all rounds settled, look at the members' ``accounts``, and return what each has put down.

        Raises:
            TimeoutError: the rounds cannot be settled.
            LedgerError: the chain does not let us.
        """
        stake, self.accounts = self.ground.settled(self.summary()["federation"])
        return stake

    def _await_moment(self, phase: Phase | None) -> None:
        """Let some time pass, and then, if a phase is asked for, wait until the federation is in it."""
        if phase is None:
            time.sleep(self.random.uniform(0.2, 5.0))
            return
        time.sleep(self.random.uniform(0.2, 2.0))
        end = time.monotonic() + PHASE_SECONDS
        while time.monotonic() < end and self.run.running:
            view = self._view()
            if view is not None and view.phase is phase:
                time.sleep(self.random.uniform(0.0, 0.5))
                return
            time.sleep(0.05)

    def _view(self) -> View | None:
        """Look at the federation itself; None where nothing answers, or it has been forgotten."""
        try:
            return self._eye.view() if self._eye is not None else None
        except LedgerError:
            return None

    def _carry_on(self) -> str:
        """Start a run again that was hit fatally; say what is wrong if it hangs instead of ending."""
        try:
            self.run.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the run neither ends nor goes on: {self.run.out[-500:]}"
        self.tell(f"it has ended with {self.run.process.returncode}")
        if (self.output / SUMMARY).exists():
            return ""
        left = self.left()
        if left:
            return f"left behind by a run that died: {sorted(left.values())}"
        self.resumed += 1
        self.tell("resume")
        self._words = [f"resume={self.output}"]
        self.run = _launched(self._words, self.folder, self.scratch)
        return "" if self._stands() else f"nothing was carried on: {self.run.out[-500:]}"

    def _stands(self) -> bool:
        """Wait for a federation with a round in it; start the run again where Ray took too long to start."""
        for _ in range(RAY_STARTS):
            if self._founded():
                return True
            if not self._starts_again():
                return False
        return self._founded()

    def _starts_again(self) -> bool:
        """Start the run again if it has ended because Ray took too long to start; return whether it was that."""
        if self.run.running or RAY_IS_SLOW not in self.run.out:
            return False
        self.tell("Ray took too long to start")
        self.left()
        self.run = _launched(self._words, self.folder, self.scratch)
        return True

    def _founded(self) -> bool:
        """Wait until there is a federation with a round in it; return whether there is."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.run.running:
            place = founding.kept(self.output) if not (self.output / SUMMARY).exists() else None
            if place is not None:
                try:
                    if self._eye is None or self._eye.address != place.federation:
                        self._eye = EthereumFederation.open(self.ground.chain.rpc_url, place.federation)
                except LedgerError:
                    pass  # a chain that was killed a moment after the founding has forgotten it
                view = self._view()
                if view is not None and view.round:
                    self.founded_in = place.block
                    self.tell(f"round {view.round}, {view.phase.name}")
                    return True
            time.sleep(0.2)
        return (self.output / SUMMARY).exists()

    def _end(self) -> str:
        for starts_left in reversed(range(RAY_STARTS + 1)):
            try:
                code = self.run.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                break
            self.tell(f"ended with {code}")
            # Who is carried on finds its federation on the chain before its Ray stands: only here one knows.
            if code == 0 or not starts_left or not self._starts_again():
                return "" if code == 0 else f"the run ended with {code}: {self.run.out[-800:]}"
        return f"the run hangs: {self.run.out[-500:]}"

    def _start(self) -> processes.Command:
        self._words = [
            f"hydra.run.dir={self.output}",
            "model.width=4",
            "model.hidden=16",
            "train.epochs=1",
            f"federation.nodes={NODES}",
            f"federation.rounds={ROUNDS_BESIDE + self.scenario.injected}",
            "federation.alone=false",
            "federation.commit_seconds=30",
            "federation.vote_seconds=20",
            "federation.attest_seconds=20",
            f"cluster.nodes_per_actor={NODES_PER_HOST}",
            "cluster.num_cpus=0",
            "cluster.linger_seconds=5",
            *self.ground.settings,
        ]
        if self._cluster is not None:
            self._words.append(f"cluster.address={self._cluster.address}")
        return _launched(self._words, self.folder, self.scratch)


def _launched(words: Sequence[str], folder: Path, scratch: Path) -> processes.Command:
    """Start ``python -m rayfed`` with these words; its temporary files go to ``scratch``."""
    tree = Path(rayfed.__path__[0]).resolve().parent
    env = {
        "PYTHONPATH": str(tree),
        "PATH": f"{find_anvil().parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "RAY_AUTH_MODE": "disabled",
        "TMPDIR": str(scratch),
        **credentials(),
    }
    return processes.Command([sys.executable, "-m", "rayfed", *words], folder, env)
