"""Shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rayfed.ledger.devchain import DevChain
    from tests.integration.federations import RayCluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A Ray cluster that outlives the federations on it."""
    from tests.integration.federations import RayCluster

    cluster = RayCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def chain() -> Iterator[DevChain]:
    """A chain that outlives the federations on it."""
    from rayfed.ledger.devchain import DevChain

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
def shared(cluster: RayCluster, chain: DevChain, key_file: Path) -> tuple[str, ...]:
    """The settings of a federation on the cluster and the chain that are there already."""
    rpc = (f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", f"ledger.key_file={key_file}")
    # This chain makes no block without a transaction, so nothing would confirm the last one.
    rpc = (*rpc, "ledger.confirmations=0")
    return (f"cluster.address={cluster.address}", "ledger=rpc", *rpc)
