"""What can be done to a run and to what it stands on: one function a strike, by name, and scenarios made of them."""

from __future__ import annotations

import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.testing.chaos.real.scenario import RealScenario, Strike

if TYPE_CHECKING:
    from rayfed.testing.chaos.real.servers import Server
    from rayfed.testing.chaos.real.stage import Stage


def kill_host(stage: Stage) -> None:
    """Kill one host with all its nodes; Ray starts it again."""
    _signal_one(stage, "ray::Host", signal.SIGKILL)


def stop_host(stage: Stage) -> None:
    """Let one host stand still for a while."""
    pid = _signal_one(stage, "ray::Host", signal.SIGSTOP)
    if pid:
        time.sleep(stage.random.uniform(1, 6))
        stage.send(pid, signal.SIGCONT)


def fill_memory(stage: Stage) -> None:
    """Let one host have no more memory than it has just now, then kill it: what a container's limit does.

    It may find out by itself that it gets none and end (``runtime.host.starved``). Either way Ray starts it again.
    """
    found = stage.pids("ray::Host")
    if not found:
        return
    pid = stage.random.choice(found)
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    except (OSError, IndexError):
        return  # it has ended in the meantime
    stage.tell(f"process {pid} may have {limit >> 20} MiB, which it has")
    time.sleep(stage.random.uniform(1, 6))
    ended = pid not in stage.pids("ray::Host")
    stage.tell("it has ended by itself" if ended else "it is killed")
    if not ended:
        stage.send(pid, signal.SIGKILL)


def kill_recorder(stage: Stage) -> None:
    """Kill the recorder; Ray starts it again."""
    _signal_one(stage, "ray::Recorder", signal.SIGKILL)


def kill_in_outage(stage: Stage) -> None:
    """Kill one host and the recorder, and let nothing answer at the chain while they start again."""
    stage.rpc_proxy.mode = "cut"
    kill_host(stage)
    kill_recorder(stage)
    time.sleep(stage.random.uniform(8, 16))
    stage.rpc_proxy.mode = "pass"


def kill_starter(stage: Stage) -> None:
    """Kill the process that started the federation, and with it the cluster that it had started."""
    stage.send(stage.run.process.pid, signal.SIGKILL)


def kill_raylet(stage: Stage) -> None:
    """Kill the machine's raylet, on which every process of the cluster depends."""
    _signal_one(stage, "raylet/raylet", signal.SIGKILL)


def kill_all(stage: Stage) -> None:
    """Kill everything at once: the run, its cluster, and the chain."""
    stage.run.strike()
    stage.kill_chain()


def kill_chain(stage: Stage) -> None:
    """Kill Anvil; after a while it comes back with what it had written to disk."""
    stage.kill_chain()


def stop_chain(stage: Stage) -> None:
    """Let Anvil stand still for a while."""
    pid = stage.chain.pid
    if pid:
        stage.send(pid, signal.SIGSTOP)
        time.sleep(stage.random.uniform(1, 6))
        stage.send(pid, signal.SIGCONT)


def kill_s3(stage: Stage) -> None:
    """Kill the S3 server; after a while it comes back with what it had confirmed."""
    stage.s3_proxy.mode = "cut"  # nothing is confirmed any more
    assert stage.s3 is not None
    stage.s3.kill()
    time.sleep(stage.random.uniform(0.5, 4))
    stage.s3.start()
    stage.s3_proxy.mode = "pass"


def stop_s3(stage: Stage) -> None:
    """Let the S3 server stand still for a while."""
    assert stage.s3 is not None
    _stop(stage, stage.s3)


def kill_mlflow(stage: Stage) -> None:
    """Kill the MLflow server; after a while it comes back."""
    assert stage.mlflow is not None
    stage.mlflow.kill()
    time.sleep(stage.random.uniform(0.5, 4))
    stage.mlflow.launch()  # it takes its time, and nobody waits for it


def stop_mlflow(stage: Stage) -> None:
    """Let the MLflow server stand still for a while."""
    assert stage.mlflow is not None
    _stop(stage, stage.mlflow)


def reorganise(stage: Stage) -> None:
    """Let the chain go back by a few blocks, with none of what was in them."""
    height = int(stage.rpc.call("eth_blockNumber"), 16)
    depth = min(stage.random.randint(1, 4), height - stage.founded_in - 1)
    if depth > 0:
        stage.rpc.call("anvil_reorg", depth, [])
        stage.tell(f"{depth} blocks back")


def drop(stage: Stage) -> None:
    """Let the chain lose a transaction that waits for its block."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pending = stage.rpc.call("txpool_content")["pending"]
        waiting = sorted(sent["hash"] for by_nonce in pending.values() for sent in by_nonce.values())
        if waiting:
            stage.rpc.call("anvil_dropTransaction", stage.random.choice(waiting))
            stage.tell("dropped")
            return
        time.sleep(0.05)


def fees(stage: Stage) -> None:
    """Let gas cost many times as much from one block to the next."""
    stage.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(stage.random.randint(50, 500) * 10**9))


def leap(stage: Stage) -> None:
    """Let the chain's clock leap ahead of everybody's."""
    stage.rpc.call("evm_increaseTime", stage.random.randint(5, 40))


def leap_far(stage: Stage) -> None:
    """Let the chain's clock leap ahead by an hour or more, beyond every deadline."""
    stage.rpc.call("evm_increaseTime", stage.random.randint(3600, 36000))


def _trouble(name: str, mode: str) -> Strike:
    def strike(stage: Stage) -> None:
        proxy = stage.rpc_proxy if name == "rpc" else stage.s3_proxy
        proxy.mode = mode
        time.sleep(stage.random.uniform(1, 5))
        proxy.mode = "pass"

    strike.__name__ = f"{name}_{mode}"
    strike.__doc__ = f"Let the way to {'the chain' if name == 'rpc' else 'S3'} be bad for a while: {mode}."
    return strike


def _signal_one(stage: Stage, title: str, number: signal.Signals) -> int | None:
    found = stage.pids(title)
    if not found:
        return None
    pid = stage.random.choice(found)
    stage.send(pid, number)
    return pid


def _stop(stage: Stage, server: Server) -> None:
    server.send(signal.SIGSTOP)
    time.sleep(stage.random.uniform(1, 6))
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
