"""Puts an edge node together from settings: the one place that knows which parts there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.aggregation import screens
from rayfed.attacks.behaviour import HONEST, Behaviour
from rayfed.encoding.layout import FROZEN_FILE
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import ConfigError
from rayfed.learning import frozen, learner, states
from rayfed.learning.budget import Budget
from rayfed.learning.learner import Workshop
from rayfed.learning.private import Private
from rayfed.ledger import Ledger, allow_list, registry
from rayfed.node.beside import Beside
from rayfed.node.edge_node import EdgeNode
from rayfed.node.journal import Journal
from rayfed.node.memo import Memo
from rayfed.node.parts import Hooks, Membership, Options, Resources
from rayfed.node.training import InlineWorker, TrainingWorker
from rayfed.node.watchtower import LASTING_SECONDS, Watchtower
from rayfed.protocol.charter import PUBLIC, Charter
from rayfed.protocol.messages import NodeRecord
from rayfed.runtime import homes, stores
from rayfed.store import Serves, options_of
from rayfed.store.files import FileStore

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.backend import Signer
    from rayfed.runtime.place import Place
    from rayfed.store import PeerServer, Store
    from rayfed.store.options import Fetch


MEMO_BYTES = 4 << 30
"""What the nodes of one process keep in memory at most, however many and however large their blobs are."""

WAIT_SECONDS = 0.25
"""For how long a node's step waits for what is on its way from a peer: its other duties, and its neighbours', go on."""

UNTOLD = 1e9
"""Nats that no merge is worse than its base."""


class Assembly:
    """Builds the nodes of one process, which share a memo and a way to the store.

    Args:
        settings: the run's.
        place: where the federation lives.
        state_dir: below which each node has its own folder.
        fetch: asks the peers for a blob, in stores whose nodes serve each other; see ``rayfed.store.Site``.
    """

    def __init__(self, settings: Settings, place: Place, state_dir: Path, fetch: Fetch | None = None) -> None:
        self.charter = Charter.from_json(place.charter)
        self.backend = registry.at(place.locator, settings.ledger)
        self._settings = settings
        self._place = place
        self._fetch = fetch
        self._root = state_dir / place.federation.lower()
        # Two rounds' updates and models, within reason: what a round is over with is not asked for again.
        round_bytes = (self.charter.start_members + 7) * self.charter.blob_layout.blob_size
        self._memo = Memo(min(MEMO_BYTES, 2 * round_bytes), (settings.cluster.nodes_per_actor or 1) > 1)
        self._workshop = Workshop(settings, self.charter)
        frozen.write(states.frozen_of(self._workshop.trainer.model), self._root)
        self._kind = learner.kind(settings)
        self._servers: dict[FileStore, PeerServer] = {}  # by the disk that is served
        self._disks: list[FileStore] = []
        self._keys: dict[int, Signer] = {}
        self._held = ExitStack()  # as long as this process lives

    def folder(self, slot: int) -> Path:
        """Return the node's own folder, made if it is not there."""
        folder = self._root / (f"node-{slot}" if slot >= 0 else "node")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("cluster.state_dir", f"cannot make the folder {folder}: {error.strerror}") from error
        return folder

    def key(self, slot: int) -> Signer:
        """Return the node's account. Its key never leaves this process: it is derived here from the master key in
        ``ledger.keystore``, or else made here and kept: a joiner's where the next run finds it again, others' in the
        node's folder.

        Raises:
            ConfigError: another process runs a node with it.
        """
        if slot not in self._keys:
            folder = self._home(slot)
            if slot < 0:
                self._held.enter_context(homes.held(folder))
            self._keys[slot] = self.backend.signer(self._place.federation, folder, slot + 1)
        return self._keys[slot]

    def _home(self, slot: int) -> Path:
        """Return where a node's keys stay."""
        kept = homes.of_node(self._settings, self._place.chain_id, self._place.federation) if slot < 0 else None
        return kept or self.folder(slot)

    def proof(self, address: Address) -> tuple[bytes, ...]:
        """Return the proof that the allow-list names an account; nothing where there is no list."""
        chosen = self._settings.stake.allow_list
        return allow_list.proof(allow_list.read(Path(chosen)), address) if chosen else ()

    def node(
        self,
        slot: int,
        ledger: Ledger,
        on_record: Callable[[NodeRecord], None],
        distrusts: Callable[[], bool] = lambda: False,
        worker: TrainingWorker | None = None,
    ) -> EdgeNode:
        """Build one node; ``on_record`` and ``distrusts`` are of its ``Hooks``; ``worker``: where it trains, by
        default where it is stepped."""
        settings, charter = self._settings, self.charter
        behaviour = self._behaviour(slot, ledger)
        honest = behaviour is HONEST
        own = self._kind(self._workshop, charter, slot, **self._privately(slot))
        if not honest:
            own.poison(behaviour.poison)
        folder = self.folder(slot)
        disk = FileStore(folder / "blobs", setting="cluster.state_dir")
        self._disks.append(disk)
        return EdgeNode(
            Membership(charter, self._place.chain_id, self._place.federation, slot),
            Resources(
                ledger=ledger,
                store=self._store(disk, slot, ledger, behaviour),
                disk=disk,
                journal=Journal(folder / "journal.jsonl"),
                learner=own,
                screens=self._screens(folder),
                # What a dishonest node publishes must reach the others by the store, not through shared memory.
                memo=self._memo if honest else Memo(has_neighbours=False),
                worker=worker or InlineWorker(),
            ),
            Options(
                patience=charter.vote_seconds / 2,
                alone=settings.federation.alone and slot >= 0,
                keep_rounds=settings.store.keep_rounds,
                keeps=honest,  # who has no watchtower lets go of nothing
                waits=WAIT_SECONDS,
            ),
            Hooks(on_record, distrusts, behaviour),
        )

    def _screens(self, folder: Path) -> list[screens.Screen]:
        """Return the node's tests, which remember in its folder what they have to.

        Under DP-SGD honest work moves as noise does, so that is no sign of idleness; and it makes the model worse for a
        while, so that is no reason for narrower limits.
        """
        private = {"idle": {"sigmas": 0.0}, "holdout": {"worse": UNTOLD}}
        noisy = private if self._settings.privacy.kind == "dp" else {}
        chosen = self._settings.screens.items()
        return [screens.make(name, {**(options or {}), **noisy.get(name, {})}, folder) for name, options in chosen]

    def _behaviour(self, slot: int, ledger: Ledger) -> Behaviour:
        """Return honesty, or in an experiment with ``attack`` what the last nodes do instead."""
        chosen, nodes = self._settings.attack, self._settings.federation.nodes
        slots = tuple(range(nodes - chosen.nodes, nodes))
        if chosen.kind == "none" or slot not in slots:
            return HONEST
        from rayfed import attacks
        from rayfed.runtime.crew import crew

        def accounts(of: Sequence[int]) -> list[Address]:
            # All nodes of an experiment on one machine keep their keys under one folder.
            return [self.key(one).address for one in of if (self._root / f"node-{one}" / "key").exists()]

        made = crew(self._settings, self.charter, self._workshop, self._kind, slot, slots, ledger, accounts)
        return attacks.make(chosen.kind, made, chosen.options)

    def watchtower(self, node: EdgeNode, ledger: Ledger) -> Watchtower:
        """Return what looks after the federation for a node.

        Args:
            node: has been built here.
            ledger: a handle of the node's account that nobody else uses.
        """
        # A chain of one's own does not go back.
        lasts = 0 if self._settings.ledger.kind == "devchain" else LASTING_SECONDS
        kit = node.kit
        tools, board = kit.tools.apart(self._disks), kit.board
        server = self._servers.get(kit.resources.disk)
        behaviour = kit.hooks.behaviour

        def believes(round: int, root: Root) -> Root:
            return behaviour.attestation(round, root, tools.blobs)

        told = (partial(_reveal, server), board.note, board.count)
        return Watchtower(ledger, tools, *told, believes=believes, lasts=lasts)

    def _privately(self, slot: int) -> dict[str, Private]:
        """Return what a learner needs for DP-SGD. Its secret follows from the node's key: one thing less to lose."""
        chosen = self._settings.privacy
        if chosen.kind == "none":
            return {}
        secret = self.backend.secret(self.key(slot), b"rayfed dp-sgd")
        budget = Budget(self.folder(slot) / "privacy.jsonl", chosen.delta, chosen.accountant)
        return {"private": Private(chosen, self.charter.rounds, secret, budget)}

    def beside(self, node: EdgeNode) -> Beside | None:
        """Return what gives the model's frozen part to who joins without its file; None if there is none, or all
        nodes live in one cluster."""
        agreed, resources = self.charter.layout.frozen, node.kit.resources
        if agreed is None or not agreed.root or options_of(self._settings.store).within_cluster:
            return None
        opens = self.charter.final_model == PUBLIC
        return Beside(self._root / FROZEN_FILE, agreed, resources.store, resources.disk, opens)

    def serve(self, root: Root) -> Any:
        """Answer a peer that asks for a blob."""
        for server in self._servers.values():
            answer = server.blob(root)
            if answer is not None:
                return answer
        return None

    def _store(self, disk: FileStore, slot: int, ledger: Ledger, behaviour: Behaviour) -> Store:
        home = self._home(slot)
        made = stores.of_member(self._settings, self._place, disk, ledger, home, self._fetch, behaviour.serves)
        if isinstance(made, Serves):
            self._servers[disk] = made.server
        return made


def _reveal(server: PeerServer | None, roots: Iterable[Root]) -> None:
    """Serve what a final round has merged and what lies on a node's own disk, also after a restart."""
    if server is not None:
        for root in roots:
            server.reveal(root)
