"""Shared by all tests."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rayfed.ledger.ethereum.devchain import DevChain
    from rayfed.testing.chaos.real.cluster import Cluster


def pytest_configure() -> None:
    """Let the processes that tests start hear SIGINT.

    A shell starts what runs in the background with SIGINT ignored, every process below inherits that, and Python then
    installs no handler: tests that send Ctrl-C would wait for ever. A handler does not survive ``exec``, so the
    processes get the default back.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture(autouse=True)
def no_tracking_uri_is_left() -> Iterator[None]:
    """MLflow writes the address that it is given into the environment, where the next test's runs would find it."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if before is not None:
        os.environ["MLFLOW_TRACKING_URI"] = before


@pytest.fixture(autouse=True)
def no_log_handler_is_left() -> Iterator[None]:
    """Hydra has the whole process log to what pytest captures just then, which is closed when the test ends: each line
    of a later test's log would cost a traceback."""
    root, rayfed = logging.getLogger(), logging.getLogger("rayfed")
    handlers, levels = root.handlers[:], (root.level, rayfed.level)
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    rayfed.setLevel(levels[1])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Ray cluster that outlives the federations on it."""
    from rayfed.testing.chaos.real.cluster import Cluster

    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def chain() -> Iterator[DevChain]:
    """A chain that outlives the federations on it."""
    from rayfed.ledger.ethereum.devchain import DevChain

    with DevChain() as chain:
        yield chain


@pytest.fixture(scope="session")
def key_file(chain: DevChain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the key of an account that has money on the chain."""
    path = tmp_path_factory.mktemp("key") / "key"
    path.touch(mode=0o600)
    path.write_text(f"0x{bytes(chain.funder.key).hex()}\n")
    return path


@pytest.fixture(scope="session")
def shared(cluster: Cluster, chain: DevChain, key_file: Path) -> tuple[str, ...]:
    """The settings of a federation on the cluster and the chain that are there already."""
    rpc = (f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", f"ledger.key_file={key_file}")
    # This chain makes no block without a transaction, so nothing would confirm the last one.
    rpc = (*rpc, "ledger.confirmations=0")
    return (f"cluster.address={cluster.address}", "ledger=rpc", "ledger.allow_demo_times=true", *rpc)
