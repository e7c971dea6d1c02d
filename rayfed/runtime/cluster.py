"""The Ray cluster: connecting to it, starting one, and asking what runs on it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import ray

from rayfed.config.variables import having
from rayfed.errors import ConfigError, RayfedError
from rayfed.runtime import own_ray, signals

if TYPE_CHECKING:
    from rayfed.config import Settings

Actor = Any
"""A handle of a Ray actor; Ray has no type for one whose class was wrapped with options."""

RESTART_SECONDS = 60.0
"""How long to wait for the answer of an actor that died and that Ray starts again."""

ASK_AGAIN_SECONDS = 0.25

LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket at most, on Linux."""

MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""Has glibc keep freed memory for the next batch or blob. By default it gives every large block back and gets it anew
with the next one, page by page: 140,000 page faults in an epoch of a small CNN, a sixth of its processor time."""


_given: dict[str, str] = {}
"""What the processes of the Ray that this process has started, and not stopped yet, find in their environment."""


@contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Connect to Ray; start one on this machine, and stop it at the end, where no address is given.

    A script or a notebook that has connected to Ray by itself keeps its connection, which is used and left as it is.

    Raises:
        ConfigError: naming ``cluster.address``: there is no Ray, or it does not let this process in.
    """
    if ray.is_initialized():
        yield
        return
    # Ray would set these only for actors that asked for GPUs; without, torch takes all cores in every actor.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    address = settings.cluster.address or "local"
    if address == "local":
        check_temporary_folder()
    terminated = signal.getsignal(signal.SIGTERM)
    given = variables(settings) if address == "local" else {}
    try:
        with having(given), own_ray.lean() if address == "local" else nullcontext():
            ray.init(
                address=address,
                log_to_driver=False,
                include_dashboard=False if address == "local" else None,
                logging_level=logging.ERROR,
                configure_logging=True,
            )
    except Exception as error:  # what Ray says of a start that took too long is a bare Exception
        signals.check()  # a Ctrl-C that ends a child of Ray's before Ray shields it reads as a failed start
        reason = next(iter(str(error).splitlines()), "")
        if address == "local":
            words = f"Ray does not start here: {reason.rstrip('.')}; try again when the machine is less busy, or let"
            raise ConfigError("cluster", f"{words} cluster.address name a Ray that runs already") from error
        hint = "" if os.environ.get("RAY_AUTH_MODE") else "; if it asks for a token, set RAY_AUTH_MODE=token"
        raise ConfigError("cluster.address", f"no Ray at {address}: {reason}{hint}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminated)  # Ray puts its own in the place of ours, with another exit code
    try:
        _given.update(given)
        yield
    finally:
        _given.clear()
        ray.shutdown()


def check_temporary_folder() -> None:
    """Check that Ray can make its sockets below the temporary folder: their paths are short by law of the system.

    Raises:
        ConfigError: naming ``TMPDIR`` or ``RAY_TMPDIR``.
    """
    linux = sys.platform.startswith("linux")
    name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ or not linux else "TMPDIR"
    folder = os.environ.get(name, "/tmp")
    session = f"session_YYYY-MM-DD_HH-MM-SS_ffffff_{os.getpid()}"
    over = len(os.fsencode(f"{folder}/ray/{session}/sockets/plasma_store")) - (LONGEST_SOCKET if linux else 103)
    if over > 0:
        raise ConfigError(name, f"{folder} is {over} bytes too long for Ray's sockets: set {name} to a shorter path")
    if os.path.exists(folder) and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(name, f"the folder {folder} is not writable: set {name} to one that is")


def is_own(settings: Settings) -> bool:
    """Whether ``connected`` will start a Ray on this machine, and for this run alone."""
    return settings.cluster.address is None and not ray.is_initialized()


def variables(settings: Settings) -> dict[str, str]:
    """Return what the environment of the federation's processes has beside this one's.

    ``PYTHONHASHSEED``: a model whose constructor walks through a set of names is built alike in all of them.
    """
    threads = str(settings.train.threads or 1)
    numbers = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONHASHSEED": "0"}
    return {**numbers, "PYTHONWARNINGS": "ignore", **MALLOC}


def environment(settings: Settings) -> dict[str, Any]:
    """Return the runtime environment of the federation's processes.

    It is empty where Ray itself was started with these variables: then the processes that Ray has started beforehand,
    one a processor, are of use. For any other environment than its own it starts new ones, and drops those.
    """
    wanted = variables(settings)
    return {} if wanted == _given else {"env_vars": wanted}


def task(function: Any, settings: Settings) -> Any:
    """Wrap a function that needs the images as a Ray task."""
    return ray.remote(function).options(num_cpus=0, max_retries=0, runtime_env=environment(settings))


def result(reference: Any) -> Any:
    """Wait for a task; what it raised on purpose comes out as if it had been raised here."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RayfedError):
            raise error.cause from None
        raise


def ask(method: Any, *args: Any) -> Any:
    """Call an actor's method. Ray starts an actor that died anew, so for a while there may be no answer.

    Raises:
        RayfedError: it stays away.
    """
    end = time.monotonic() + RESTART_SECONDS
    while True:
        try:
            return ray.get(method.remote(*args))
        except ray.exceptions.RayActorError as error:
            if time.monotonic() > end or isinstance(error, ray.exceptions.ActorDiedError):
                first = next(iter(str(error).splitlines()), "")
                raise RayfedError(f"one of the federation's processes has ended for good: {first}") from error
            time.sleep(ASK_AGAIN_SECONDS)


def machines() -> list[str]:
    """Return the machines of the cluster that live, by Ray's names for them."""
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray ships no types for it
    return [node["NodeID"] for node in known if node["Alive"]]


def end_actor(namespace: str, name: str) -> None:
    """End an actor for good, if it is there."""
    try:
        actor = ray.get_actor(name, namespace)
    except ValueError:
        return
    ray.kill(actor, no_restart=True)
