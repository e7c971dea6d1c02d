"""A chain that goes back across every phase of a round, under real nodes: what was said on the branch that is gone is
said again, and it costs nobody anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rayfed.audit.folder import audit_folder
from rayfed.ledger.ethereum import connection
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.messages import Phase, View
from rayfed.testing.chaos.real.cluster import Cluster
from tests.integration.blocks import Blocks, held
from tests.integration.federations import PATIENCE, SMALL, STANDS, Command, federation_of, start, summary

pytestmark = pytest.mark.timeout(2 * PATIENCE)

NODES, ROUNDS = 4, 8
BLOCK_SECONDS = 1


@dataclass(frozen=True)
class Leap:
    """Where the chain goes back, and how far.

    Attributes:
        round, phase: where the federation stands.
        to: the round and the phase that the chain goes back to.
        before: to the last block before that phase was opened, instead of the one that opened it.
    """

    round: int
    phase: Phase
    to: tuple[int, Phase]
    before: bool = False


LEAPS = (
    Leap(2, Phase.COMMIT, (2, Phase.COMMIT), before=True),
    Leap(3, Phase.VOTE, (3, Phase.COMMIT)),
    Leap(4, Phase.ATTEST, (4, Phase.VOTE)),
    Leap(6, Phase.COMMIT, (5, Phase.ATTEST)),
    Leap(8, Phase.COMMIT, (7, Phase.COMMIT), before=True),
    Leap(8, Phase.DONE, (8, Phase.ATTEST)),
)


class Branches:
    """A chain on which blocks are made, and taken back, as the test wants it."""

    def __init__(self, chain: DevChain, federation: EthereumFederation, blocks: Blocks) -> None:
        self._rpc = connection.connect(chain.rpc_url)
        self._federation = federation
        self._blocks = blocks

    def leap(self, leap: Leap) -> None:
        """Make blocks up to a leap's place, and take the chain back. What is said in VOTE and ATTEST is mostly in one
        block with what ends the phase: it is on its way then, to a branch that is gone."""

        def there() -> View | None:
            view = self._federation.view()
            has_come = (view.round, view.phase) >= (leap.round, leap.phase)  # all may speak in the block that ends it
            return view if has_come and (view.spoken or view.phase is not Phase.COMMIT) else None

        seen = self._blocks.until(f"{leap.phase.name} of round {leap.round}", there, pause=BLOCK_SECONDS)
        depth = self._federation.block() - self._opened(*leap.to) + leap.before
        # The other branch has its own blocks for the same time, as it has on every chain but a development chain.
        self._rpc.call("anvil_rollback", depth)
        left = self._federation.view()
        assert (left.round, left.phase) < (seen.round, seen.phase)
        self._rpc.call("anvil_mine", hex(depth), hex(BLOCK_SECONDS))

    def close(self) -> None:
        self._rpc.close()

    def _opened(self, round: int, phase: Phase) -> int:
        """Return the block in which a phase was opened."""
        events = self._federation.events(names=("PhaseOpened",))
        wanted = (round, phase)
        return max(event.block for event in events if (event.values["round"], event.values["phase"]) == wanted)


@pytest.fixture
def command(cluster: Cluster, key_file: Path, tmp_path: Path) -> Iterator[tuple[Command, DevChain]]:
    with DevChain(block_time=BLOCK_SECONDS) as chain:
        words = (
            *SMALL,
            f"federation.nodes={NODES}",
            f"federation.rounds={ROUNDS}",
            "cluster.nodes_per_actor=2",
            f"cluster.address={cluster.address}",
            "ledger=rpc",
            "ledger.allow_demo_times=true",
            f"ledger.rpc_url={chain.rpc_url}",
            f"ledger.ws_url={chain.ws_url}",
            f"ledger.key_file={key_file}",
        )
        command = start(*words, folder=tmp_path)
        yield command, chain
        command.end()


def test_a_chain_that_goes_back_across_every_phase(command: tuple[Command, DevChain], tmp_path: Path) -> None:
    run, chain = command
    federation = EthereumFederation.open(chain.rpc_url, federation_of(tmp_path))
    try:
        with held(chain, BLOCK_SECONDS) as blocks:
            branches = Branches(chain, federation, blocks)
            for leap in LEAPS:
                branches.leap(leap)
            branches.close()
        ended = run.wait()
        assert (ended.code, ended.left) == (0, []), ended
        told = summary(tmp_path)
        accounts = federation.accounts([node["address"] for node in told["nodes"]])
    finally:
        federation.close()
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True] * ROUNDS
    assert [(account.slashed, account.drops) for account in accounts] == [(0, 0)] * NODES
    root = told["final_root"].removeprefix("0x")
    assert len(list((tmp_path / "run" / "nodes").glob(f"0x*/node-*/blobs/{root[:2]}/{root}"))) == NODES
    assert audit_folder(tmp_path / "run", strict=True).clean
