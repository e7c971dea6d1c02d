"""Starts a federation's actors on the cluster: the hosts with their nodes, and the recorder."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rayfed.encoding.primitives import Address
from rayfed.errors import RayfedError
from rayfed.runtime.cluster import Actor, ask, environment
from rayfed.runtime.host import Host, HostSpec
from rayfed.runtime.recorder import RECORDER, Recorder
from rayfed.store.ray.directory import host_name

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.runtime.place import Place

ANSWERS_AT_ONCE = 16
"""Calls that a host or the recorder answers at the same time; their loops have threads of their own."""

LONGEST_LOOK_SECONDS = 0.5


def hosts(settings: Settings, place: Place, folder: Path, actors: list[Actor]) -> list[Actor]:
    """Start the hosts, which share the nodes and the processors evenly.

    Args:
        folder: below which the nodes keep what is theirs.
        actors: each is in here as soon as there is something to stop.
    """
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray ships no types for it
    cores = resources.get("CPU", 1.0)
    each, slots = nodes_per_actor(settings, cores), range(settings.federation.nodes)
    groups = [tuple(slots[i : i + each]) for i in range(0, len(slots), each)]
    share = settings.cluster.num_cpus
    if share is None:
        # Equal shares of what there is, a little less than all of it: nodes wait for each other, so all must fit.
        share = min(1.0, int(cores / len(groups) * 1000) / 1000)
    chosen = dataclasses.replace(settings.cluster, num_cpus=share, nodes_per_actor=each)
    settings = dataclasses.replace(settings, cluster=chosen)
    started = []
    for number, group in enumerate(groups):
        started.append(host(HostSpec(host_name(number), group, place, settings, str(folder))))
        actors.append(started[-1])
    return started


def nodes_per_actor(settings: Settings, cores: float) -> int:
    """Return how many nodes a host carries: what was asked for, or else as many as make one host a processor.

    More hosts than processors train no faster, and each imports torch for itself: two seconds of a processor. On a
    cluster that was there before, and with GPUs, it is one: a process that is lost is one node then.

    Args:
        cores: processors of the cluster.
    """
    chosen, nodes = settings.cluster, settings.federation.nodes
    if chosen.nodes_per_actor is not None:
        return chosen.nodes_per_actor
    return 1 if chosen.address is not None or chosen.num_gpus else math.ceil(nodes / max(1, min(nodes, int(cores))))


def host(spec: HostSpec) -> Actor:
    """Start one host; where one of this name lives already, return that one."""
    cluster = spec.settings.cluster
    options = {"num_cpus": cluster.num_cpus, "num_gpus": cluster.num_gpus}
    return _actor(Host, spec.name, spec.place, spec.settings, **options).remote(spec)


def recorder(
    settings: Settings, config: dict[str, Any], place: Place, started: float, folder: Path, only: str | None = None
) -> Actor:
    """Start the recorder; where there is one already, return that one. It runs on this machine, as long as that is in
    the cluster: its records lie in a folder here.

    Args:
        config: the settings as plain containers, for the records.
        started: when the run was started, seconds since the epoch.
        folder: for what it fetches.
        only: as in ``Recorder``.
    """
    name = RECORDER if only is None else f"{RECORDER}-{only}"
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor = _actor(Recorder, name, place, settings, num_cpus=0, scheduling_strategy=here)
    return actor.remote(settings, config, place, started, os.getcwd(), str(folder), only)


def _actor(kind: type, name: str, place: Place, settings: Settings, **resources: Any) -> Any:
    """Return an actor that outlives its starter, and that Ray starts again whenever it dies."""
    return ray.remote(kind).options(
        name=name,
        namespace=place.namespace,
        lifetime="detached",
        get_if_exists=True,  # a run that is carried on may find its actors alive
        max_restarts=-1,
        max_concurrency=ANSWERS_AT_ONCE,
        runtime_env=environment(settings),
        **resources,
    )


def addresses(started: list[Actor]) -> list[Address]:
    """Wait until every node of these hosts has made its key; return the accounts.

    Raises:
        RayfedError: a node has failed, or a host is gone for good.
    """
    pause = 0.05
    while True:
        statuses = [status for actor in started for status in ask(actor.status)]
        for status in statuses:
            if status.doing == "failed":
                raise RayfedError(status.error)
        if all(status.address for status in statuses):
            return [status.address for status in statuses]
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_LOOK_SECONDS)


def stop(settings: Settings, actors: list[Actor], kind: type[BaseException] | None, *_: object) -> None:
    """Stop what was started, unless it is to live on: on a cluster of its own a federation outlives its starter.

    There SIGTERM (a deleted job, a machine that shuts down) ends the spectator alone; Ctrl-C still ends all.

    Args:
        kind: what ended the run, as a context manager gets it.
    """
    if settings.cluster.address is not None and kind is not None and issubclass(kind, SystemExit):
        return
    for actor in actors:
        ray.kill(actor, no_restart=True)
