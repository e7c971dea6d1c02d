"""What can be done to a run and to what it stands on: one function a fault, by name, and scenarios made of them."""

from __future__ import annotations

import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError
from rayfed.testing.chaos.real import processes
from rayfed.testing.chaos.real.scenario import Fault, RealScenario

if TYPE_CHECKING:
    from rayfed.testing.chaos.real.servers import MlflowServer, Server
    from rayfed.testing.chaos.real.testbed import Testbed


def kill_host(testbed: Testbed) -> None:
    """Kill one host with all its nodes; Ray starts it again."""
    _signal_one(testbed, "ray::Host", signal.SIGKILL)


def stop_host(testbed: Testbed) -> None:
    """Let one host stand still for a while."""
    pid = _signal_one(testbed, "ray::Host", signal.SIGSTOP)
    if pid:
        time.sleep(testbed.random.uniform(1, 6))
        processes.send(pid, signal.SIGCONT)


def fill_memory(testbed: Testbed) -> None:
    """Let one host have no more memory than it has just now, then kill it: what a container's limit does.

    It may find out by itself that it gets none and end (``runtime.host.starved``). Either way Ray starts it again.
    """
    found = testbed.pids("ray::Host")
    if not found:
        return
    pid = testbed.random.choice(found)
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    except (OSError, IndexError):
        return  # it has ended in the meantime
    testbed.tell(f"process {pid} may have {limit >> 20} MiB, which it has")
    time.sleep(testbed.random.uniform(1, 6))
    ended = pid not in testbed.pids("ray::Host")
    testbed.tell("it has ended by itself" if ended else "it is killed")
    if not ended:
        processes.send(pid, signal.SIGKILL)


def kill_recorder(testbed: Testbed) -> None:
    """Kill the recorder; Ray starts it again."""
    _signal_one(testbed, "ray::Recorder", signal.SIGKILL)


def kill_in_outage(testbed: Testbed) -> None:
    """Kill one host and the recorder, and let nothing answer at the chain while they start again."""
    testbed.ground.rpc_proxy.mode = "cut"
    kill_host(testbed)
    kill_recorder(testbed)
    time.sleep(testbed.random.uniform(8, 16))
    testbed.ground.rpc_proxy.mode = "pass"


def kill_starter(testbed: Testbed) -> None:
    """Kill the process that started the federation, and with it the cluster that it had started."""
    processes.send(testbed.run.process.pid, signal.SIGKILL)


def kill_raylet(testbed: Testbed) -> None:
    """Kill the machine's raylet, on which every process of the cluster depends."""
    _signal_one(testbed, "raylet/raylet", signal.SIGKILL)


def kill_all(testbed: Testbed) -> None:
    """Kill everything at once: the run, its cluster, and the chain."""
    testbed.run.kill_all()
    testbed.ground.kill_chain()


def kill_chain(testbed: Testbed) -> None:
    """Kill Anvil; after a while it comes back with what it had written to disk."""
    testbed.ground.kill_chain()


def stop_chain(testbed: Testbed) -> None:
    """Let Anvil stand still for a while."""
    pid = testbed.ground.chain.pid
    if pid:
        processes.send(pid, signal.SIGSTOP)
        time.sleep(testbed.random.uniform(1, 6))
        processes.send(pid, signal.SIGCONT)


def kill_s3(testbed: Testbed) -> None:
    """Kill the S3 server; after a while it comes back with what it had confirmed."""
    testbed.ground.s3_proxy.mode = "cut"  # nothing is confirmed any more
    testbed.ground.s3.kill()
    time.sleep(testbed.random.uniform(0.5, 4))
    testbed.ground.s3.start()
    testbed.ground.s3_proxy.mode = "pass"


def stop_s3(testbed: Testbed) -> None:
    """Let the S3 server stand still for a while."""
    _stop(testbed, testbed.ground.s3)


def kill_mlflow(testbed: Testbed) -> None:
    """Kill the MLflow server; after a while it comes back."""
    server = _mlflow(testbed)
    server.kill()
    time.sleep(testbed.random.uniform(0.5, 4))
    server.launch()  # it takes its time, and nobody waits for it


def stop_mlflow(testbed: Testbed) -> None:
    """Let the MLflow server stand still for a while."""
    _stop(testbed, _mlflow(testbed))


def reorganise(testbed: Testbed) -> None:
    """Let the chain go back by a few blocks, with none of what was in them."""
    height = int(testbed.ground.rpc.call("eth_blockNumber"), 16)
    depth = min(testbed.random.randint(1, 4), height - testbed.founded_in - 1)
    if depth > 0:
        testbed.ground.rpc.call("anvil_reorg", depth, [])
        testbed.tell(f"{depth} blocks back")


def drop(testbed: Testbed) -> None:
    """Let the chain lose a transaction that waits for its block."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pending = testbed.ground.rpc.call("txpool_content")["pending"]
        waiting = sorted(sent["hash"] for by_nonce in pending.values() for sent in by_nonce.values())
        if waiting:
            testbed.ground.rpc.call("anvil_dropTransaction", testbed.random.choice(waiting))
            testbed.tell("dropped")
            return
        time.sleep(0.05)


def fees(testbed: Testbed) -> None:
    """Let gas cost many times as much from one block to the next."""
    testbed.ground.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(testbed.random.randint(50, 500) * 10**9))


def leap(testbed: Testbed) -> None:
    """Let the chain's clock leap ahead of everybody's."""
    testbed.ground.rpc.call("evm_increaseTime", testbed.random.randint(5, 40))


def leap_far(testbed: Testbed) -> None:
    """Let the chain's clock leap ahead by an hour or more, beyond every deadline."""
    testbed.ground.rpc.call("evm_increaseTime", testbed.random.randint(3600, 36000))


def _trouble(name: str, mode: str) -> Fault:
    def fault(testbed: Testbed) -> None:
        proxy = testbed.ground.rpc_proxy if name == "rpc" else testbed.ground.s3_proxy
        proxy.mode = mode
        time.sleep(testbed.random.uniform(1, 5))
        proxy.mode = "pass"

    fault.__name__ = f"{name}_{mode}"
    fault.__doc__ = f"Let the way to {'the chain' if name == 'rpc' else 'S3'} be bad for a while: {mode}."
    return fault


def _signal_one(testbed: Testbed, title: str, number: signal.Signals) -> int | None:
    found = testbed.pids(title)
    if not found:
        return None
    pid = testbed.random.choice(found)
    processes.send(pid, number)
    return pid


def _mlflow(testbed: Testbed) -> MlflowServer:
    server = testbed.ground.mlflow
    if server is None:
        raise ConfigError("track", "this scenario has no MLflow server")
    return server


def _stop(testbed: Testbed, server: Server) -> None:
    server.send(signal.SIGSTOP)
    time.sleep(testbed.random.uniform(1, 6))
    server.send(signal.SIGCONT)


REAL: dict[str, RealScenario] = {
    scenario.name: scenario
    for scenario in (
        RealScenario("real_none", "nothing goes wrong", (), loses=False),
        RealScenario(
            "real_hosts", "hosts are killed and stopped, the recorder is killed", (kill_host, stop_host, kill_recorder)
        ),
        RealScenario("real_outage", "the chain is away when a host and the recorder start again", (kill_in_outage,)),
        RealScenario("real_memory", "hosts run out of memory", (fill_memory, fill_memory)),
        RealScenario("real_starter", "the starter is killed; resume", (kill_starter,)),
        RealScenario("real_raylet", "the raylet is killed; resume", (kill_raylet,)),
        RealScenario("real_all", "everything is killed at once; resume", (kill_all,)),
        RealScenario("real_anvil", "Anvil is killed and stopped", (kill_chain, stop_chain)),
        RealScenario(
            "real_reorg",
            "the chain goes back, forgets transactions, is dear",
            (reorganise, drop, fees, reorganise),
            draws=3,
        ),
        RealScenario("real_clock", "the chain's clock leaps, by seconds and by hours", (leap, leap_far, leap)),
        RealScenario(
            "real_rpc",
            "the way to the chain is cut, slow, dripping, answers errors",
            tuple(_trouble("rpc", mode) for mode in ("cut", "delay", "drip", "hang", "busy", "rpc_error")),
            draws=3,
        ),
        RealScenario(
            "real_s3",
            "the S3 server is killed and stopped, the way to it is cut, slow, dripping, busy",
            (kill_s3, stop_s3, *(_trouble("s3", mode) for mode in ("cut", "delay", "drip", "busy"))),
            draws=3,
            store="s3",
        ),
        RealScenario(
            "real_mlflow",
            "the MLflow server is killed and stopped: it costs no round",
            (kill_mlflow, stop_mlflow),
            track=True,
            loses=False,
        ),
        RealScenario(
            "real_short",
            "what the tests run: a host, the chain, the way to it",
            (kill_host, reorganise, _trouble("rpc", "cut")),
        ),
        RealScenario(
            "real_storm",
            "all of it in one run",
            (kill_host, reorganise, _trouble("rpc", "cut"), drop, kill_s3, kill_all, fees, kill_recorder),
            store="s3",
        ),
    )
}
"""By name."""
