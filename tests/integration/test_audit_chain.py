"""The auditor on a real chain: nodes without Ray train over Anvil and a shared folder; the command line checks them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rayfed
from rayfed.aggregation.screens.norm import Norm
from rayfed.audit import ChainRecord, Severity, audit, folders
from rayfed.audit.chain import read
from rayfed.audit.events import MESSAGES
from rayfed.cli.main import main
from rayfed.encoding import merkle
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import deployment, keys
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.journal import Journal
from rayfed.node.parts import Membership, Resources
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import Phase, View
from rayfed.store.files import FileStore
from tests.unit.node.test_edge_node import Pull, charter
from tests.unit.protocol.test_invitation import MADE

NODES = 3


class Party:
    """A federation of nodes on one chain, stepped in turn."""

    def __init__(self, chain: DevChain, tmp: Path, **changes: Any) -> None:
        self.chain, self.tmp = chain, tmp
        seconds = dict.fromkeys(("commit_seconds", "vote_seconds", "attest_seconds"), 600)
        self.charter: Charter = charter(**({"start_members": NODES, "rounds": 2} | seconds | changes))
        self.rpc = Rpc(chain.rpc_url)
        self.deployed = deployment.deploy(self.rpc, chain.funder, self.charter.terms())
        self.connection = EthereumFederation.open(chain.rpc_url, self.deployed.address)
        self.nodes = [self.start(slot) for slot in range(NODES)]
        members = [node.address for node in self.nodes]
        deployment.fund(
            self.rpc, chain.funder, members, 1, terms=self.charter.terms(), federation=self.deployed.address
        )
        (tmp / "charter.json").write_text(self.charter.canonical_json())

    def start(self, slot: int) -> EdgeNode:
        folder = self.tmp / f"nodes/node-{slot}"
        return EdgeNode(
            Membership(self.charter, self.rpc.chain_id, self.deployed.address, slot),
            Resources(
                ledger=open_door(self.connection, keys.load_or_make_key(folder / "key")),
                store=FileStore(self.tmp / "shared", mapped=False),
                disk=FileStore(folder / "blobs"),
                journal=Journal(folder / "journal.jsonl"),
                learner=Pull(slot),
                screens=[Norm()],
            ),
        )

    def run(self, until: Callable[[View], bool] = lambda view: False) -> View:
        for _ in range(5000):
            progress = [node.step(self.connection.view()) for node in self.nodes]
            view = self.connection.view()
            if until(view) or set(progress) == {Progress.FINISHED}:
                return view
            if Progress.ACTED not in progress:
                self.connection.wait(view, 0.05)
        raise AssertionError([node.status for node in self.nodes])

    def words(self, *more: str) -> list[str]:
        place = ["--federation", self.deployed.address, "--rpc", self.chain.rpc_url]
        return ["audit", *place, "--charter", str(self.tmp / "charter.json"), *more]


@pytest.fixture(scope="module")
def chain() -> Iterator[DevChain]:
    with DevChain() as dev:
        yield dev


@pytest.fixture(scope="module")
def party(chain: DevChain, tmp_path_factory: pytest.TempPathFactory) -> Party:
    """A finished federation; tests leave it as it was."""
    party = Party(chain, tmp_path_factory.mktemp("party"))
    assert party.run().phase is Phase.DONE
    return party


def test_a_finished_federation_is_clean(party: Party, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shared, kept = f"files:{party.tmp / 'shared'}", tmp_path / "record.json"
    told = tmp_path / "report.json"
    words = ["--store", shared, "--strict", "--json", str(told), "--write-record", str(kept)]
    assert main(party.words(*words)) == 0
    assert "No discrepancy in 2 rounds" in capsys.readouterr().out
    report = json.loads(told.read_text())
    assert report["clean"] is True
    assert [one["merge"] for one in report["rounds"]] == ["verified"] * 3
    assert report["rounds"][2]["root"] == "0x" + party.connection.view().base.hex()
    # The record says the same without the chain, in a process of its own, which needs neither torch nor Ray.
    script = (
        "import sys; from rayfed.cli.main import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'ray', 'web3', 'mlflow'} & sys.modules.keys(); sys.exit(code)"
    )
    offline = subprocess.run(
        [sys.executable, "-c", script, "audit", "--record", str(kept), "--store", shared, "--strict"],
        env={**os.environ, "PYTHONPATH": str(Path(rayfed.__path__[0]).parent)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert offline.returncode == 0, offline.stdout + offline.stderr


def test_a_running_federation_is_clean_at_every_phase(chain: DevChain, tmp_path: Path) -> None:
    party = Party(chain, tmp_path, rounds=1)
    seen: set[Phase] = set()

    def look(view: View) -> bool:
        if view.phase not in seen:
            seen.add(view.phase)
            record = read(party.connection, party.charter.canonical_json())
            places = folders(tmp_path) if any(tmp_path.rglob("?" * 64)) else []
            report = audit(record, places)
            assert report.clean, [finding.line() for finding in report.findings]
        return False

    party.run(until=look)
    assert {Phase.COMMIT, Phase.VOTE, Phase.DONE} <= seen


def test_the_record_is_the_same_whoever_reads_it(party: Party) -> None:
    text = party.charter.canonical_json()
    searched, told = read(party.connection, text), read(party.connection, text, party.deployed.block)
    assert searched == told
    assert searched.founded
    assert ChainRecord.from_json(searched.to_json()) == searched
    assert len({entry.tx_hash for entry in searched.entries}) >= NODES * 6


def test_a_node_that_has_forgotten_the_block_of_the_founding_is_told_so(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = party.connection.rpc.batch
    born = hex(party.deployed.block)

    def pruned(calls: Any) -> Any:
        wanted = [method == "eth_getBlockByNumber" and params[0] == born for method, params in calls]
        return [None if lost else answer for lost, answer in zip(wanted, ask(calls), strict=True)]

    monkeypatch.setattr(party.connection.rpc, "batch", pruned)
    with pytest.raises(LedgerError, match=f"lacks block {party.deployed.block}"):
        read(party.connection)


def test_nobody_can_put_words_into_a_members_mouth(party: Party) -> None:
    record = read(party.connection, party.charter.canonical_json())
    places = folders(party.tmp)
    report = audit(record, places, signatures=True, strict=True)
    assert report.clean
    assert report.signed == report.messages >= NODES * 6
    said = [n for n, entry in enumerate(record.entries) if entry.name in MESSAGES]
    for n in said:
        entry = record.entries[n]
        name = "accepts" if "accepts" in entry.values else "root" if "root" in entry.values else "index"
        held = entry.values[name]
        other = held[:-1] + bytes([held[-1] ^ 1]) if isinstance(held, bytes) else held ^ 1
        forged = replace(entry, values={**entry.values, name: other})
        entries = (*record.entries[:n], forged, *record.entries[n + 1 :])
        found = audit(replace(record, entries=entries), [], signatures=True).of(Severity.DISCREPANCY)
        if entry.name == "Joined":
            assert found
        else:
            assert "signature" in {finding.what for finding in found}, entry
    # Another member's transaction, a damaged one, none at all.
    one, two = (record.entries[n].tx_hash for n in said[:2])
    raw = record.transactions[one]
    for transactions, words in (
        ({**record.transactions, one: record.transactions[two]}, "the transaction recorded with it is another one"),
        ({**record.transactions, one: raw[:-2] + "zz"}, "cannot be read"),
        ({**record.transactions, one: raw[:-1] + ("0" if raw[-1] != "0" else "1")}, "another one"),
        ({one: raw}, "messages come without their signed transactions"),
    ):
        report = audit(replace(record, transactions=transactions), places, signatures=True, strict=True)
        assert not report.clean
        assert any(words in finding.message for finding in report.findings), words
    for change in ({"chain_id": 5}, {"federation": "0x" + "12" * 20}):
        assert not audit(replace(record, **change), [], signatures=True, strict=True).clean


def test_a_flipped_byte_is_found(party: Party, capsys: pytest.CaptureFixture[str]) -> None:
    file = sorted((party.tmp / "shared").rglob("?" * 64))[0]
    good = file.read_bytes()
    file.write_bytes(good[:-1] + b"\1")
    try:
        assert main(party.words("--store", f"files:{party.tmp}")) == 1
    finally:
        file.write_bytes(good)
    out = capsys.readouterr().out
    assert f"leaf {len(good) // merkle.LEAF - 1}: this copy does not hash to its root [{file}]" in out
    assert "1 discrepancy" in out


def test_a_bucket_will_do(party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    from rayfed.store.s3.bucket import S3Store

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        client.create_bucket(Bucket="audited")
        bucket = S3Store("audited", "some/where", url, "us-east-1")
        files = [file for file in (party.tmp / "shared").rglob("?" * 64) if file.is_file()]
        for file in files:
            bucket.put(bytes.fromhex(file.name), memoryview(file.read_bytes()))
        words = party.words("--strict", "--store", f"s3:audited/some/where?endpoint_url={url}&region=us-east-1")
        assert main(words) == 0, capsys.readouterr().out
        key = next(item["Key"] for item in client.list_objects_v2(Bucket="audited")["Contents"])
        body = client.get_object(Bucket="audited", Key=key)["Body"].read()
        client.put_object(Bucket="audited", Key=key, Body=body[:-1] + b"\1")
        assert main(words) == 1
        assert key.rpartition("/")[2][:8] in capsys.readouterr().out
        bucket.close()
    finally:
        server.stop()


def test_an_invitation_names_chain_charter_and_store(
    party: Party, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def invited(**changes: Any) -> str:
        made = replace(
            MADE,
            federation=party.deployed.address,
            chain_id=party.rpc.chain_id,
            charter=party.charter,
            coin=party.connection.terms().coin,
            rpc=(party.chain.rpc_url,),
            settings={"store": {"kind": "files", "path": str(party.tmp / "shared")}},
        )
        (tmp_path / "invitation.json").write_text(replace(made, **changes).to_json())
        return str(tmp_path / "invitation.json")

    assert main(["audit", invited(), "--strict"]) == 0, capsys.readouterr().out
    assert "No discrepancy in 2 rounds" in capsys.readouterr().out
    assert main(["audit", invited(rpc=())]) == 2
    assert "--rpc: the invitation names no node of its chain" in capsys.readouterr().err
    assert main(["audit", invited(settings={"store": {"kind": "files", "path": "/founders"}})]) == 2
    assert "--store: say where blobs are: store.path: " in capsys.readouterr().err
    assert main(["audit", invited(chain_id=5)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    nowhere = invited(settings={"store": {"kind": "files", "path": "/founders"}}, rpc=("http://127.0.0.1:1",))
    assert main(["audit", nowhere, "--rpc", party.chain.rpc_url, "--store", f"files:{party.tmp}", "--strict"]) == 0


def test_another_charter_is_found(party: Party, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = charter(rounds=7)
    (tmp_path / "other.json").write_text(other.canonical_json())
    assert main([*party.words(), "--charter", str(tmp_path / "other.json")]) == 1
    assert "not the one that the contract was founded on" in capsys.readouterr().out


def test_bad_input_is_told_in_one_line(party: Party, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = "0x" + "11" * 20
    (tmp_path / "text").write_text("{}")
    cases = {
        "not an Ethereum address": ["audit", "--federation", "0x1", "--rpc", party.chain.rpc_url],
        "there is no contract": ["audit", "--federation", nothing, "--rpc", party.chain.rpc_url],
        "no answer": ["audit", "--federation", nothing, "--rpc", "http://127.0.0.1:1"],
        "give a run's folder, an invitation": ["audit"],
        "it is no invitation": ["audit", str(tmp_path / "text")],
        "record.json cannot be read": ["audit", str(tmp_path)],
        "--record: record: the key is missing": ["audit", "--record", str(tmp_path / "text")],
        "there is no folder": party.words("--store", "files:/nowhere"),
        "'gopher:x' is none of ray_peers:": party.words("--store", "gopher:x"),
        "s3 has no option colour": party.words("--store", "s3:b?colour=red"),
    }
    for expected, words in cases.items():
        assert main(words) == 2, words
        captured = capsys.readouterr()
        assert expected in captured.err
        assert captured.err.count("\n") == 1
