"""What a run stands on, real and in reach: a chain and servers behind proxies."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from random import Random

from rayfed.errors import ConfigError
from rayfed.ledger.ethereum import connection
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.protocol.accounts import Account
from rayfed.protocol.commands import Settle
from rayfed.testing.chaos.real import processes
from rayfed.testing.chaos.real.servers import BUCKET, MlflowServer, S3Server
from rayfed.testing.proxy import Proxy

BLOCK_SECONDS = 1.0
SETTLE_SECONDS = 60.0

NOWHERE = 9
"""The discard port, for a proxy that nobody uses."""


class Ground:
    """A chain and, where a scenario needs them, an S3 server and an MLflow server.

    Args:
        folder: everything is below it.
        seed: of the proxies' troubles.
        random: what the run's seed draws.
        store: where blobs travel: ``s3`` needs its server.
        track: whether the run is recorded by an MLflow server.

    Attributes:
        chain, rpc, rpc_proxy, s3, s3_proxy, mlflow: ``rpc`` goes around the proxy.
    """

    def __init__(self, folder: Path, seed: int, random: Random, *, store: str, track: bool) -> None:
        self._folder = folder
        self._random = random
        self.chain = self._chain(0)
        self.rpc: Rpc = connection.connect(self.chain.rpc_url)
        self.rpc_proxy = Proxy("127.0.0.1", self._port, seed)
        self._s3 = S3Server(folder / "s3") if store == "s3" else None
        self._mlflow = MlflowServer(folder / "mlflow") if track else None
        for server in (self._s3, self._mlflow):
            if server is not None:
                server.start()
        self.s3_proxy = Proxy("127.0.0.1", self._s3.port if self._s3 is not None else NOWHERE, seed)

    @property
    def s3(self) -> S3Server:
        """The S3 server.

        Raises:
            ConfigError: the scenario has none.
        """
        if self._s3 is None:
            raise ConfigError("store", "this scenario has no S3 server")
        return self._s3

    @property
    def mlflow(self) -> MlflowServer | None:
        """The MLflow server; None if the run is not recorded."""
        return self._mlflow

    @property
    def settings(self) -> list[str]:
        """The words that put a run on this ground."""
        key = self._folder / "key"
        key.touch(mode=0o600)
        key.write_text(f"0x{bytes(self.chain.funder.key).hex()}\n")
        words = ["ledger=rpc", "ledger.allow_demo_times=true", f"ledger.rpc_url=http://127.0.0.1:{self.rpc_proxy.port}"]
        words += [f"ledger.ws_url=ws://127.0.0.1:{self.rpc_proxy.port}", f"ledger.key_file={key}"]
        words += ["track=none"] if self._mlflow is None else [f"track.tracking_uri={self._mlflow.url}"]
        if self._s3 is not None:
            words += ["store=s3", f"store.bucket={BUCKET}", f"store.endpoint_url=http://127.0.0.1:{self.s3_proxy.port}"]
        return words

    def kill_chain(self) -> None:
        """Kill Anvil, wait a little, and start it again at its place, from what it wrote down last."""
        port, pid = self._port, self.chain.pid
        if pid:
            processes.send(pid, signal.SIGKILL)
        self.chain.stop()
        time.sleep(self._random.uniform(0.5, 3))
        self.chain = self._chain(port)

    def settled(self, federation: str) -> tuple[int, tuple[Account, ...]]:
        """Let every window go by, settle all rounds of a federation, as anybody may, and look at its books.

        Returns:
            What each member has put down, and what it has, by index.

        Raises:
            TimeoutError: the rounds cannot be settled.
            LedgerError: the chain does not let us.
        """
        there = EthereumFederation.open(self.chain.rpc_url, federation)
        try:
            terms = there.terms()
            self.rpc.call("evm_increaseTime", terms.attest_seconds + terms.window_seconds)
            self.rpc.call("evm_mine")
            door = open_door(there, self.chain.funder)
            end = time.monotonic() + SETTLE_SECONDS
            while left := _unsettled(there):
                if time.monotonic() > end:
                    raise TimeoutError(f"rounds {left} are not settled")
                if not door.is_sending:
                    door.submit(Settle(left[0]))
                self.rpc.call("evm_mine")
                door.receipts()
                time.sleep(0.05)
            members = [address for address in there.view().members if address]
            return terms.stake, there.accounts(members)
        finally:
            there.close()

    def close(self) -> None:
        """End all of it."""
        for server in (self._s3, self._mlflow):
            if server is not None:
                server.end()
        self.rpc.close()
        self.rpc_proxy.close()
        self.s3_proxy.close()
        self.chain.stop()

    @property
    def _port(self) -> int:
        return int(self.chain.rpc_url.rpartition(":")[2])

    def _chain(self, port: int) -> DevChain:
        chain = DevChain(
            block_time=BLOCK_SECONDS,
            state=self._folder / "chain.json",
            state_seconds=1,
            log=self._folder / "anvil.log",
            port=port,
        )
        chain.start()
        return chain


def _unsettled(there: EthereumFederation) -> list[int]:
    """Return the rounds that can still be judged, in their order."""
    rounds = [there.round_of(number) for number in there.terms().slots(there.view().round)]
    return [round.round for round in rounds if round is not None and round.status.is_unsettled]
