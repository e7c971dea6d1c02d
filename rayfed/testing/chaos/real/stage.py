"""What a run stands on, real and in reach: a chain and an S3 server behind proxies, and the run itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import rayfed
from rayfed import resume
from rayfed.errors import LedgerError
from rayfed.ledger import ethereum
from rayfed.ledger.devchain import DevChain, find_anvil
from rayfed.ledger.rpc import Rpc
from rayfed.testing.chaos.real import processes
from rayfed.testing.chaos.real.strikes import FATAL, RealScenario
from rayfed.testing.proxy import Proxy

NODES, NODES_PER_HOST = 4, 2
BLOCK_SECONDS = 1.0
BUCKET = "chaos"
REGION = "us-east-1"
START_SECONDS = 240.0
"""How long a run may take until it has founded its federation, on a machine that has other work too."""

END_SECONDS = 480.0
"""How long a run may take to end, once all strikes are over; more is a run that hangs."""


class Stage:
    """One run of a real scenario; a context manager, which leaves nothing behind.

    Attributes:
        folder, output: everything is below ``folder``; ``output`` is the run's own folder.
        random: what the seed draws.
        chain, rpc, rpc_proxy, s3_proxy: the ground it stands on; ``rpc`` goes around the proxy.
        run: the command that runs just now.
        founded_in: the block in which the federation was founded.
        log: what was done, line by line.
        resumed: how often the run was carried on.
    """

    def __init__(self, scenario: RealScenario, seed: int, folder: Path) -> None:
        self.scenario = scenario
        self.random = Random(f"{scenario.name} {seed}")
        self.folder = folder
        self.output = folder / "run"
        self.scratch = folder / "tmp"
        self.log: list[str] = []
        self.founded_in = 0
        self.resumed = 0
        self._began = time.monotonic()
        self._s3: processes.Command | None = None
        self.scratch.mkdir(parents=True)
        self.chain = self._chain(0)
        port = int(self.chain.rpc_url.rpartition(":")[2])
        self.rpc: Rpc = ethereum.connect(self.chain.rpc_url)
        self.rpc_proxy = Proxy("127.0.0.1", port, seed)
        self.s3_proxy = Proxy("127.0.0.1", self._start_s3() if scenario.store == "s3" else 9, seed)
        self.run: processes.Command = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.strike()
        if self._s3 is not None:
            self._s3.strike()
        self.rpc.close()
        self.rpc_proxy.close()
        self.s3_proxy.close()
        self.chain.stop()

    def tell(self, line: str) -> None:
        """Note what is done."""
        self.log.append(f"{time.monotonic() - self._began:6.1f} s  {line}")

    def send(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process of the stage."""
        processes.send(pid, number)

    # -- the run ----------------------------------------------------------------------------------------------------

    def play(self) -> str:
        """Strike by strike to the end; return what is wrong with how it ended, or nothing."""
        if not self._founded():
            return f"nothing was founded: {self.run.out[-500:]}"
        strikes = list(self.scenario.strikes)
        self.random.shuffle(strikes)
        for strike in strikes:
            # Rounds last a few seconds, so that a moment drawn like this lies in any phase.
            time.sleep(self.random.uniform(0.2, 5.0))
            if self._over():
                self.tell("over before all strikes")
                break
            self.tell(strike.__name__ + f": {(strike.__doc__ or '').splitlines()[0]}")
            strike(self)
            trouble = self._carry_on() if strike in FATAL else ""
            if trouble:
                return trouble
        return self._end()

    def kill_chain(self) -> None:
        """Kill Anvil, wait a little, and start it again at its place, from what it wrote down last."""
        pid = self.chain.pid
        if pid:
            self.send(pid, signal.SIGKILL)
        self.chain.stop()
        time.sleep(self.random.uniform(0.5, 3))
        self.chain = self._chain(int(self.rpc.url.rpartition(":")[2]))

    def summary(self) -> dict[str, Any]:
        """Return what the run told of itself; empty if it did not."""
        path = self.output / resume.SUMMARY
        return json.loads(path.read_text()) if path.exists() else {}

    def _over(self) -> bool:
        return not self.run.running

    def _carry_on(self) -> str:
        """Start a run again that was struck fatally; say what is wrong if it hangs instead of ending."""
        try:
            self.run.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the run neither ends nor goes on: {self.run.out[-500:]}"
        if (self.output / resume.SUMMARY).exists():
            return ""
        left = self.run.left()
        if left:
            return f"left behind by a run that died: {sorted(left.values())}"
        self.resumed += 1
        self.tell("resume")
        self.run = self._launch([f"resume={self.output}"])
        return "" if self._founded() else f"nothing was carried on: {self.run.out[-500:]}"

    def _founded(self) -> bool:
        """Wait until there is a federation with a round in it; return whether there is."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.run.running:
            place = resume.founded(self.output) if not (self.output / resume.SUMMARY).exists() else None
            if place is not None:
                try:
                    connection = ethereum.EthereumFederation.open(self.chain.rpc_url, place.federation)
                    view = connection.view()
                    connection.close()
                except LedgerError:
                    view = None  # a chain that was killed a moment after the founding has forgotten it
                if view is not None and view.round:
                    self.founded_in = place.block
                    self.tell(f"round {view.round}, {view.phase.name}")
                    return True
            time.sleep(0.2)
        return (self.output / resume.SUMMARY).exists()

    def _end(self) -> str:
        try:
            code = self.run.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the run hangs: {self.run.out[-500:]}"
        self.tell(f"ended with {code}")
        return "" if code == 0 else f"the run ended with {code}: {self.run.out[-800:]}"

    def _start(self) -> processes.Command:
        key = self.folder / "key"
        key.touch(mode=0o600)
        key.write_text(f"0x{bytes(self.chain.funder.key).hex()}\n")
        words = [
            f"hydra.run.dir={self.output}",
            "model.width=4",
            "model.hidden=16",
            f"federation.nodes={NODES}",
            f"federation.rounds={4 + len(self.scenario.strikes)}",
            "federation.alone=false",
            "federation.commit_seconds=30",
            "federation.vote_seconds=20",
            "federation.attest_seconds=20",
            f"cluster.nodes_per_actor={NODES_PER_HOST}",
            "cluster.num_cpus=0",
            "cluster.linger_seconds=5",
            "track=none",
            "ledger=rpc",
            f"ledger.rpc_url=http://127.0.0.1:{self.rpc_proxy.port}",
            f"ledger.ws_url=ws://127.0.0.1:{self.rpc_proxy.port}",
            f"ledger.key_file={key}",
        ]
        if self.scenario.store == "s3":
            words += ["store=s3", f"store.bucket={BUCKET}", f"store.endpoint_url=http://127.0.0.1:{self.s3_proxy.port}"]
        return self._launch(words)

    def _launch(self, words: list[str]) -> processes.Command:
        tree = Path(rayfed.__path__[0]).resolve().parent
        env = {
            "PYTHONPATH": str(tree),
            "PATH": f"{find_anvil().parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "RAY_AUTH_MODE": "disabled",
            "TMPDIR": str(self.scratch),
            **_credentials(self.folder),
        }
        return processes.Command([sys.executable, "-m", "rayfed", *words], self.folder, env)

    # -- the ground -------------------------------------------------------------------------------------------------

    def _chain(self, port: int) -> DevChain:
        chain = DevChain(
            block_time=BLOCK_SECONDS,
            state=self.folder / "chain.json",
            state_seconds=1,
            log=self.folder / "anvil.log",
            port=port,
        )
        chain.start()
        return chain

    def _start_s3(self) -> int:
        """Start moto's server as a process of its own, with an empty bucket; return its port."""
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        program = shutil.which("moto_server") or str(Path(sys.executable).with_name("moto_server"))
        self._s3 = processes.Command([program, "-H", "127.0.0.1", "-p", str(port)], self.folder / "s3", {})
        keys = _credentials(self.folder)
        session = boto3.session.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
        client = session.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
                break
            except (BotoCoreError, ClientError):
                if time.monotonic() > end or not self._s3.running:
                    raise
                time.sleep(0.2)
        client.close()
        return port


def _credentials(folder: Path) -> dict[str, str]:
    none = str(folder / "none")
    files = {"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_DEFAULT_REGION": REGION}
    return {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "play-money", **files}
