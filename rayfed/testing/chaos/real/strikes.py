"""What can be done to a run and to what it stands on: one function a strike, by name, and scenarios made of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rayfed.testing.chaos.real.stage import Stage

Strike = Callable[["Stage"], None]


def kill_host(stage: Stage) -> None:
    """Kill one host with all its nodes; Ray starts it again."""
    _signal_one(stage, "ray::Host", signal.SIGKILL)


def stop_host(stage: Stage) -> None:
    """Let one host stand still for a while."""
    pid = _signal_one(stage, "ray::Host", signal.SIGSTOP)
    if pid:
        time.sleep(stage.random.uniform(1, 6))
        stage.send(pid, signal.SIGCONT)


def kill_scribe(stage: Stage) -> None:
    """Kill the scribe; Ray starts it again."""
    _signal_one(stage, "ray::Scribe", signal.SIGKILL)


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


FATAL = (kill_starter, kill_raylet, kill_all)
"""After these a run ends, and is carried on by ``resume=``."""


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
    found = sorted(stage.run.processes(title))
    if not found:
        return None
    pid = stage.random.choice(found)
    stage.send(pid, number)
    return pid


@dataclass(frozen=True, slots=True)
class RealScenario:
    """A few strikes, at moments that the seed draws.

    Attributes:
        name, about: for the command line and the table.
        strikes: what is done, in an order that the seed draws.
        store: where blobs travel.
    """

    name: str
    about: str
    strikes: tuple[Strike, ...]
    store: str = "ray_peers"


REAL: dict[str, RealScenario] = {
    scenario.name: scenario
    for scenario in (
        RealScenario("real_none", "nothing goes wrong", ()),
        RealScenario(
            "real_hosts", "hosts are killed and stopped, the scribe is killed", (kill_host, stop_host, kill_scribe)
        ),
        RealScenario("real_starter", "the starter is killed; resume", (kill_starter,)),
        RealScenario("real_raylet", "the raylet is killed; resume", (kill_raylet,)),
        RealScenario("real_all", "everything is killed at once; resume", (kill_all,)),
        RealScenario("real_anvil", "Anvil is killed and stopped", (kill_chain, stop_chain)),
        RealScenario(
            "real_reorg", "the chain goes back, drops, leaps; gas is dear", (reorganise, drop, fees, leap, reorganise)
        ),
        RealScenario(
            "real_rpc",
            "the way to the chain is cut, slow, dripping, answers errors",
            tuple(_trouble("rpc", mode) for mode in ("cut", "delay", "drip", "hang", "busy", "rpc_error")),
        ),
        RealScenario(
            "real_s3",
            "the way to S3 is cut, slow, dripping, busy",
            tuple(_trouble("s3", mode) for mode in ("cut", "delay", "drip", "busy")),
            store="s3",
        ),
        RealScenario(
            "real_short",
            "what the tests run: a host, the chain, the way to it",
            (kill_host, reorganise, _trouble("rpc", "cut")),
        ),
        RealScenario(
            "real_storm",
            "all of it in one run",
            (kill_host, reorganise, _trouble("rpc", "cut"), drop, _trouble("s3", "busy"), kill_all, fees, kill_scribe),
            store="s3",
        ),
    )
}
"""By name."""
