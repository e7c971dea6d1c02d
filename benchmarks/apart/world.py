"""The ground on which parties stand: a network namespace for each, lines that take time and lose packets between them,
and in the middle a chain, and a relay where one is wanted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.apart.lines import READY
from rayfed.testing.chaos.real.processes import Command
from tests.integration import geth, kubo
from tests.integration.netns import Network, relay_binary

CHAIN = "http://10.77.0.1:8545"
RELAY = "http://10.77.0.1:3340"
MIDDLE = "middle"
START_SECONDS = 120.0


class World:
    """A context manager; all that was started in it ends with it.

    Args:
        folder: for what its servers keep.
        parties: names of the machines.
        owners: accounts that own something on the chain.
        seconds: how long every packet is on its way, in either direction.
        loss: which part of the packets that reach a machine is lost.
        kubo: whether each machine has a Kubo.
        relay: whether there is a relay.
    """

    def __init__(
        self,
        folder: Path,
        parties: list[str],
        owners: list[str],
        *,
        seconds: float,
        loss: float,
        kubo: bool,
        relay: bool,
    ) -> None:
        self._folder, self._parties, self._owners = folder, parties, owners
        self._seconds, self._loss, self._has_kubo, self._has_relay = seconds, loss, kubo, relay
        self.network = Network("w")
        self._lines: subprocess.Popen[bytes] | None = None
        self._kubos: dict[str, tuple[list[str], dict[str, str], Command | None]] = {}

    def __enter__(self) -> Self:
        try:
            self._wire()
            self._serve()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def inside(self, machine: str) -> list[str]:
        """Return the words in front of a command that make it run on a machine."""
        return ["ip", "netns", "exec", self.network.name(machine)]

    def cut(self, machine: str, *, back: bool = False) -> None:
        """Take a party's store away, and leave it the chain: its Kubo dies, and nothing of iroh's gets through.

        Args:
            back: undo that.
        """
        device = self._device(machine)
        for chain, option in (("INPUT", "-i"), ("OUTPUT", "-o")):
            for what in ("udp", "tcp --dport 3340", "tcp --sport 3340"):
                rule = f"iptables {'-D' if back else '-I'} {chain} {option} {device} -p {what} -j DROP"
                self.network.inside(machine, *rule.split())
        if machine in self._kubos and back:
            self._start_kubo(machine)
        elif machine in self._kubos:
            self._end_kubo(machine)

    def _device(self, machine: str) -> str:
        return f"ap{os.getpid()}x{[MIDDLE, *self._parties].index(machine)}"

    def _wire(self) -> None:
        machines = [MIDDLE, *self._parties]
        devices = [self._device(machine) for machine in machines]
        self.network.add(*machines)
        words = [sys.executable, "-m", "benchmarks.apart.lines", str(self._seconds), *devices]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._lines = lines = subprocess.Popen(words, cwd=Path(__file__).parents[2], **pipes)  # type: ignore[call-overload]
        if READY.encode() not in lines.stdout.readline():
            raise RuntimeError("no TAP devices can be made here")
        for number, (machine, device) in enumerate(zip(machines, devices, strict=True), 1):
            subprocess.run(["ip", "link", "set", device, "netns", self.network.name(machine)], check=True)
            self.network.inside(machine, "ip", "addr", "add", f"10.77.0.{number}/24", "dev", device)
            self.network.inside(machine, "ip", "link", "set", device, "up")
            if machine == MIDDLE:
                continue
            self.network.route(machine, "10.77.0.1")
            if self._loss:
                lose = f"-m statistic --mode random --probability {self._loss} -j DROP"
                self.network.inside(machine, *f"iptables -A INPUT -i {device} {lose}".split())

    def _serve(self) -> None:
        words = geth.begun("osaka", self._folder, "10.77.0.1", 8545, self._owners)
        self._start("geth", words, "HTTP server started")
        if self._has_relay:
            self._start("relay", [relay_binary(), "--dev"], "")
        for number, party in enumerate(self._parties, 2) if self._has_kubo else ():
            folder = self._folder / f"kubo-{party}"
            folder.mkdir()
            self._kubos[party] = (*kubo.prepared(folder, 5001, f"10.77.0.{number}", 4001), None)
            self._start_kubo(party)

    def _start(self, name: str, words: list[str], says: str) -> None:
        log = self._folder / f"{name}.log"
        process = self.network.start(MIDDLE, *words, log=log, stdout=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while says not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} does not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)

    def _start_kubo(self, party: str) -> None:
        words, environment, _ = self._kubos[party]
        made = Command([*self.inside(party), *words], self._folder / f"kubo-{party}", environment)
        self._kubos[party] = (words, environment, made)
        end = time.monotonic() + START_SECONDS
        while "Daemon is ready" not in made.out:
            if not made.running or time.monotonic() > end:
                raise RuntimeError(f"Kubo does not start: {made.out[-500:]}")
            time.sleep(0.1)

    def _end_kubo(self, party: str) -> None:
        command = self._kubos[party][2]
        if command is not None:
            command.kill_all()

    def _close(self) -> None:
        for party in self._kubos:
            self._end_kubo(party)
        if self._lines is not None:
            self._lines.kill()
            self._lines.wait()
        self.network.close()
