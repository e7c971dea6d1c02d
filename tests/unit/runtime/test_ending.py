"""What a run says at its end of the money that its nodes have, and by which command it comes back."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayfed.cli.owner_options import parser_of
from rayfed.config import Settings
from rayfed.ledger import registry
from rayfed.ledger.backend import Backend, Federation
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.charter import StakeTerms
from rayfed.protocol.commands import Advance, Attest, Commit, Join, Vote
from rayfed.protocol.messages import COIN
from rayfed.runtime.ending import OwnNodes, paid
from rayfed.runtime.place import Place
from tests.unit.protocol.test_charter import charter

RPC = "https://u:s3cret@rpc.example.org"


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return replace(Settings(), ledger=replace(Settings().ledger, kind="memory", rpc_url=RPC))


@pytest.fixture
def backend(chosen: Settings, tmp_path: Path) -> Iterator[Backend]:
    with registry.open(chosen.ledger, tmp_path) as backend:
        yield backend


def run(backend: Backend, slots: list[int], folder: Path) -> OwnNodes:
    """Found a federation and put down for as many nodes what it asks for."""
    agreed = replace(charter(), stake=StakeTerms(stake=5 * COIN, bond=COIN))
    payer = backend.purse()
    assert payer is not None
    address = backend.found(payer, agreed).federation
    connection: Federation = backend.connect(address)
    accounts = {slot: backend.signer(address, folder / f"{slot}", slot + 1).address for slot in slots}
    backend.give(payer, connection, list(accounts.values()), 1.0)
    place = Place(address, backend.locator, agreed.canonical_json())
    return OwnNodes(place, connection, 0, (), None, accounts, folder)


def commands(lines: list[str]) -> list[argparse.Namespace]:
    """Read the commands in these lines as the command line does."""
    words = [shlex.split(line.partition("python -m rayfed ")[2]) for line in lines if "python -m rayfed" in line]
    return [parser_of(one[0]).parse_args(one[1:]) for one in words]


def test_a_founders_node_has_its_key_in_the_runs_folder(backend: Backend, chosen: Settings, tmp_path: Path) -> None:
    own = run(backend, [0, 1], tmp_path)
    lines = paid(own, chosen)
    assert [line.partition(":")[0] for line in lines] == ["stake and bonds come back by"] * 2
    assert "s3cret" not in "".join(lines)
    federation = own.place.federation
    assert [one.node for one in commands(lines)] == [tmp_path / federation.lower() / f"node-{slot}" for slot in (0, 1)]
    assert {one.federation for one in commands(lines)} == {federation}
    assert paid(run(backend, list(range(9)), tmp_path), chosen)[-1] == "and likewise for the others, 9 commands in all"


def test_a_joiners_key_is_found_where_it_lies(backend: Backend, chosen: Settings, tmp_path: Path) -> None:
    own = run(backend, [-1], tmp_path)

    def named(**ledger: str) -> argparse.Namespace:
        (one,) = commands(paid(own, replace(chosen, ledger=replace(chosen.ledger, **ledger))))
        return one

    assert named().node is None, "the default is its key"
    assert named(key_dir=str(tmp_path)).node == tmp_path / f"31337-{own.place.federation.lower()}"
    derived = named(keystore="/safe/master.json", password_file="/safe/pass word")
    assert (derived.keystore, derived.password_file, derived.index) == (
        Path("/safe/master.json"), Path("/safe/pass word"), 0,
    )  # fmt: skip
    with_state = replace(chosen, cluster=replace(chosen.cluster, state_dir=str(tmp_path)))
    (one,) = commands(paid(own, with_state))
    assert one.node == tmp_path / own.place.federation.lower() / "node"


def test_when_a_stake_comes_back_is_said(backend: Backend, chosen: Settings, tmp_path: Path) -> None:
    own = run(backend, [0, 1, 2, 3], tmp_path)
    chain: MemoryChain = own.connection.chain  # type: ignore[attr-defined]
    for address in own.addresses:
        chain.act(address, Join(chain.terms().charter))
    chain.act(own.addresses[0], Advance())

    def said(statement: type[Commit] | type[Vote] | type[Attest], what: Any) -> None:
        for address in own.addresses:
            chain.act(address, statement(1, chain.view().context, what))
        chain.act(own.addresses[0], Advance())

    said(Commit, b"\1" * 32)
    said(Vote, 0b1111)
    said(Attest, b"\2" * 32)
    (line, *_) = paid(own, chosen)
    assert chain.view().unsettled == 1
    assert line.startswith("stake and bonds come back after ")
    assert " UTC (in " in line
    assert commands([line])[0].federation == own.place.federation
