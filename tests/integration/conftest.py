"""What tests over real processes share, and in which order their files are begun: what takes longest first, so that no
process is left with it at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rayfed.ledger.ethereum.devchain import DevChain
from tests.integration.blocks import BLOCK_SECONDS
from tests.integration.browsing import PATIENCE, chromium
from tests.integration.federations import Command

LONGEST = (
    "test_parties_apart.py",
    "test_faults.py",
    "test_federation.py",
    "test_resume.py",
    "test_documents.py",
    "test_chaos.py",
    "test_chain_goes_back.py",
    "test_keys_stay.py",
    "test_collusion.py",
    "test_browser.py",
    "test_browser_tasks.py",
    "test_rayjob.py",
    "test_ledgers_agree.py",
    "test_bad_input.py",
    "test_other_data.py",
    "test_parties.py",
    "test_newcomer.py",
    "test_join_unlinked.py",
    "test_notebook.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="module")
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(scope="module")
def slow_chain() -> Iterator[DevChain]:
    """A chain on which a phase lasts for a second at least, so that there is time for something to happen."""
    with DevChain(block_time=BLOCK_SECONDS) as chain:
        yield chain


@pytest.fixture
def commands() -> Iterator[list[Command]]:
    """Commands to be ended whatever comes of the test."""
    started: list[Command] = []
    yield started
    for command in started:
        command.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = chromium()
    with driver.sync_playwright() as started:
        # Without a sandbox of its own, because root may not have one; what it opens is ours.
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=PATIENCE)
        yield browser
        browser.close()
