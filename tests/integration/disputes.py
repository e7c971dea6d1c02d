"""A federation of real accounts on a real chain, and somebody who only watches: rounds by relay, and a trial.

Blobs are those of ``tests.trials``: the same on every chain, so that what comes of them can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.ledger.ethereum import abi, connection, deployment
from rayfed.ledger.ethereum.account import EthereumLedger
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.protocol.commands import (
    Advance,
    Attest,
    Collect,
    Command,
    Commit,
    Join,
    Prove,
    Reimburse,
    Relay,
    Settle,
    Show,
    ShowLeaf,
    Statement,
    Undo,
    Vote,
)
from rayfed.protocol.court import MatchState, Point
from rayfed.protocol.messages import NATIVE, Phase, Receipt, Status, Terms, Verb
from tests import trials
from tests.trials import Blob

ETHER = 10**18
TERMS = Terms(
    charter=b"\1" * 32,
    genesis=b"\2" * 32,
    rounds=3,
    join_seconds=600,
    commit_seconds=600,
    vote_seconds=600,
    attest_seconds=600,
    start_members=4,
    min_members=1,
    max_missed=0,
    max_unsettled=3,
    max_void=20,
    limit_seconds=1_000_000,
    stake=100 * ETHER,
    reward=10 * ETHER,
    bond=ETHER,
    window_seconds=600,
    clock_seconds=600,
    proof_seconds=600,
    right_share=1_000,
    rule=1,
    max_weight=1_000_000,
    layout=b"\3" * 32,
    values=5_000,
)


class Trial:
    """A federation of four whose founder has put down stakes, bonds and a pool, and a watcher without a seat.

    Args:
        rpc_url: of the chain's node.
        funder: an account with money.
        later: lets so many seconds pass on the chain.
        coin: native or dlc.
        changes: to the terms.
    """

    def __init__(
        self,
        rpc_url: str,
        funder: LocalAccount,
        later: Callable[[int], None],
        coin: str = "native",
        **changes: Any,
    ) -> None:
        self.rpc = connection.connect(rpc_url)
        self.funder, self.later = funder, later
        self.coin: Address = deployment.deploy_coin(self.rpc, funder) if coin == "dlc" else NATIVE
        self.terms: Terms = replace(TERMS, coin=self.coin, **changes)
        salt = time.time_ns().to_bytes(32, "big")
        self.deployed = deployment.deploy(self.rpc, funder, self.terms, salt)
        self.keys: list[LocalAccount] = [Account.create() for _ in range(4)]
        addresses, there = [key.address for key in self.keys], self.deployed.address
        deployment.fund(self.rpc, funder, addresses, 1, terms=self.terms, federation=there, pool=50 * ETHER)
        self.federation = EthereumFederation.open(rpc_url, there)
        self.doors = [open_door(self.federation, key) for key in self.keys]
        watcher: LocalAccount = Account.create()
        deployment.fund(self.rpc, funder, [watcher.address], 300)
        self.watcher = open_door(self.federation, watcher)
        self.receipts: list[Receipt] = []

    def close(self) -> None:
        self.federation.close()

    def say(self, command: Command, door: EthereumLedger | None = None) -> list[Receipt]:
        """Have somebody say something, the watcher if nobody else; return its receipts, all without an error."""
        door = self.watcher if door is None else door
        door.submit(command)
        found: list[Receipt] = []
        give_up = time.monotonic() + 400
        while door.is_sending and time.monotonic() < give_up:
            found += door.receipts()
            time.sleep(0.01)
        found += door.receipts()
        assert found
        assert [receipt.error for receipt in found] == [None] * len(found), found
        self.receipts += found
        return found

    def gather(self) -> None:
        """Have all four join, and round 1 begin."""
        for door in self.doors:
            self.say(Join(self.terms.charter), door)
        self.say(Advance())

    def updates(self, round: int) -> list[Blob]:
        return [trials.update(self.terms, round, index) for index in range(4)]

    def right(self, round: int) -> Blob:
        """Return the right merge of a round in which all updates are included."""
        return trials.merge(self.terms, round, tuple(self.updates(round)))

    def train(self, attested: Sequence[Root | None] = ()) -> int:
        """Live through a round, by relay; return its number.

        Args:
            attested: the root that each member attests, None: nothing; empty: all attest the right one.
        """
        round, indices = self.federation.view().round, range(len(self.doors))
        roots = attested or [self.right(round).root] * len(self.doors)
        self.relay({i: lambda c, i=i: Commit(round, c, self.updates(round)[i].root) for i in indices})  # type: ignore[misc]
        self.relay({i: lambda c: Vote(round, c, 0b1111) for i in indices})
        self.relay({i: lambda c, root=root: Attest(round, c, root) for i, root in enumerate(roots) if root})  # type: ignore[misc]
        if self.federation.view().due:
            self.say(Advance())
        return round

    def relay(self, said: dict[int, Callable[[bytes], Statement]]) -> None:
        """Have the watcher post statements, and close the phase in passing."""
        view = self.federation.view()
        statements = {i: make(view.context) for i, make in said.items()}
        signed = {i: self.doors[i].sign(statement) for i, statement in statements.items()}
        others = [view.members[i] for i in bits(view.roster) if i not in said]
        first = next(iter(statements.values()))
        self.say(Relay(first.verb, first.round, view.context, signed, others, closes=True))

    def to_tournament(self, round: int) -> None:
        """Let the window pass."""
        tournament = self.federation.tournament(round)
        assert tournament is not None
        self.later(max(0, tournament.start + 1 - self.federation.view().time))

    def descend(self, round: int, i: tuple[int, Blob | None], j: tuple[int, Blob | None], stage: int = 0) -> None:
        """Move for the sides whose blobs are given, down to a leaf whose inputs are to be proved, or to a decision; at
        each step one side shows first, and the next move brings both."""
        leaves = merkle.leaves(self.terms.values)
        (left, blob_i), (right, blob_j) = i, j
        while True:
            match = self.federation.match(round, stage, left >> (stage + 1))
            if match is not None and match.state is not MatchState.DESCENT:
                return
            point = match.point if match is not None else Point(round, stage, left, right, 0, leaves)
            sides = [(blob_i, blob_j)]
            if blob_i and blob_j and (match is None or not match.shown):
                sides.insert(0, (blob_i, None))
            for one, other in sides:
                self.say(_move(point, one, other))
            if not (blob_i and blob_j):
                return

    def prove(self, round: int, stage: int = 0, block: int = 0) -> None:
        """Prove all inputs."""
        match, evidence = self.federation.match(round, stage, block), self.federation.merge_evidence(round)
        assert match is not None
        assert evidence is not None
        updates = self.updates(round)
        assert evidence.roots == tuple(one.root for one in updates)
        proofs = [one.proof(which, match.point.first) for which, one in enumerate(updates)]
        self.say(Prove(match.point, evidence.voting, evidence.roots, proofs[:1]))
        self.say(Prove(match.point, evidence.voting, evidence.roots, proofs))

    def forged(self) -> tuple[int, Blob, Blob]:
        """A round in which three attest a merge that is wrong in one value, and one the right one; return its number,
        the wrong one and the right one."""
        round = self.federation.view().round
        right = self.right(round)
        wrong = right.with_value(4_321, right.value(4_321) + 1)
        assert self.train([wrong.root] * 3 + [right.root]) == round
        held = self.federation.round_of(round)
        assert held is not None
        assert (held.status, held.root, held.attesters) == (Status.FINAL, wrong.root, 0b0111)
        return round, wrong, right

    def punish(self, round: int) -> None:
        """Undo the round, deal with who lost, and have the watcher credited for its moves."""
        self.say(Undo(round))
        self.say(Collect(round, 0))
        owed = self.federation.owed(round, 0, 0, self.watcher.address)
        assert owed > 0
        self.say(Reimburse(round, 0, 0, self.watcher.address))
        assert self.federation.account(self.watcher.address).native_claimable == owed

    def settle(self, round: int) -> None:
        """Settle a round, all of it."""
        self.say(Settle(round, 64))

    def judged(self) -> Root:
        """One honest round, one forged by three of four, and their punishment; return the root on which it goes on."""
        self.gather()
        first = self.train()
        round, wrong, right = self.forged()
        self.to_tournament(round)
        self.descend(round, (0, wrong), (1, right))
        self.prove(round)
        entry = self.federation.entry(round, 0)
        assert entry is not None
        self.punish(round)
        view = self.federation.view()
        assert (view.base, view.base_round, view.finals) == (self.right(first).root, first, 1)
        assert view.active == 0b1000, "who colluded has no seat any more"
        slashed = [account.slashed // ETHER for account in self.federation.accounts([k.address for k in self.keys])]
        assert slashed == [100, 100, 100, 0]
        for unsettled in (first, round):
            self.settle(unsettled)
        assert self.federation.outcome(round).status is Status.OVER  # type: ignore[union-attr]
        if self.federation.view().due:
            self.say(Advance())
        assert self.federation.view().phase in (Phase.COMMIT, Phase.FORMING)
        return self.federation.view().base

    def gas(self, verb: Verb) -> list[int]:
        """Return what was used, in the order in which it was."""
        return [receipt.gas for receipt in self.receipts if receipt.verb is verb]


def _move(point: Point, one: Blob | None, other: Blob | None) -> Command:
    if point.count == 1:
        shown = [blob.leaf(point.first) if blob is not None else b"" for blob in (one, other)]
        return ShowLeaf(point, *shown)
    parts = [blob.parts(point.first, point.count) if blob is not None else () for blob in (one, other)]
    return Show(point, *parts)


def give_coins(trial: Trial, address: Address, amount: int) -> None:
    """Send somebody of the founder's coins."""
    deployment._pay(trial.rpc, trial.funder, abi.call("transfer", address, amount), 0, trial.coin)
