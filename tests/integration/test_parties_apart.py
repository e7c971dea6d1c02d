"""Three parties in networks of their own, each with a Ray cluster, a home and images of its own, over slow lines that
lose packets: the founder dies for good, the others end with one model, and somebody without a seat audits it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.apart.story import Plan, Story
from tests.integration.federations import PATIENCE
from tests.integration.geth import geth
from tests.integration.netns import need_namespaces, relay_binary

pytestmark = pytest.mark.timeout(3 * PATIENCE)

pytest.importorskip("iroh")

ROUNDS = 4

QUICK = ("federation.commit_seconds=20", "federation.vote_seconds=15", "federation.attest_seconds=15")
QUICK += ("federation.max_missed=1", "federation.max_void=1000", "stake.window_seconds=20")
"""Of three, two make no merge final: rounds are void until the founder is dropped."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a path short enough for Ray's sockets."""
    made = Path(tempfile.mkdtemp(prefix="apart"))
    yield made
    shutil.rmtree(made)


def test_what_is_left_of_three_parties_ends_with_one_model_that_a_stranger_has_audited(folder: Path) -> None:
    need_namespaces()
    geth(), relay_binary()  # or it is skipped
    if not Path("/dev/net/tun").exists():
        pytest.skip("no /dev/net/tun: lines that take time cannot be made")
    plan = Plan("p2p", rounds=ROUNDS, seconds=0.04, late=False, dies=False, cut=False, more=QUICK)
    with Story(plan, folder, print) as story:
        told = story.play()
    assert told["included"][-1] == 2, "the founder has gone"
    assert told["audit"]["clean"]
    assert told["watched"] == sum(status in ("final", "settled") for status in told["status"]) == ROUNDS
