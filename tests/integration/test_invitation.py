"""Joining by one file: what is wrong with it is told in one line, before anything is started or paid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rayfed.cli.main import main
from rayfed.config import Settings, load
from rayfed.ledger import registry
from rayfed.ledger.ethereum import connection, deployment
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.invitation import FILE, Invitation
from rayfed.runtime import inviting
from rayfed.runtime.drafting import draft
from tests.integration.federations import PATIENCE, run

pytestmark = pytest.mark.timeout(2 * PATIENCE)

WORDS = ["model.width=4", "model.hidden=16", "stake=native", "federation.nodes=1", "federation.start_members=2"]


def made_by(settings: Settings, folder: Path) -> Invitation:
    """Found a federation, as a run with these settings does, and return the invitation to it."""
    charter = draft(settings)
    with registry.open(settings.ledger, folder) as backend:
        payer = backend.purse()
        assert payer is not None
        founded = backend.found(payer, charter)
        there = backend.connect(founded.federation, charter.hash)
        try:
            return inviting.invitation(settings, backend, there, charter.canonical_json())
        finally:
            there.close()


@pytest.fixture(scope="module")
def invitation(chain: DevChain, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Invitation:
    folder = tmp_path_factory.mktemp("founder")
    store = ["store=files", f"store.path={folder / 'blobs'}"]
    ledger = [f"ledger.rpc_url={chain.rpc_url}", f"ledger.key_file={key_file}", "ledger.allow_demo_times=true"]
    (folder / "blobs").mkdir()
    return made_by(load([*WORDS, *store, *ledger]), folder)


@pytest.fixture
def file(invitation: Invitation, tmp_path: Path) -> Path:
    path = tmp_path / FILE
    path.write_text(invitation.to_json())
    return path


def refused(file: Path, *words: str) -> str:
    """Try to join; return the one line, having checked that it is one and that nothing is left."""
    ended = run("join", str(file), "track=none", *words, folder=file.parent / "joiner")
    assert ended.out == "", "nothing has been started"
    return ended.complaint


def test_a_damaged_file(file: Path) -> None:
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    assert refused(file).startswith(f"invitation: {file} cannot be used: it is damaged")


def test_another_edition(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "edition": 3}))
    assert "it is of edition '3' of the protocol" in refused(file)


def test_another_chain(file: Path) -> None:
    with DevChain(chain_id=4242) as other:
        complaint = refused(file, f"ledger.rpc_url={other.rpc_url}")
    assert complaint.startswith("ledger.chain_id: wanted chain 31337")
    assert "is chain 4242" in complaint


def test_no_code_at_the_contract(file: Path, invitation: Invitation) -> None:
    file.write_text(replace(invitation, federation="0x" + "12" * 20).to_json())
    assert refused(file).startswith("federation_address: there is no contract at 0x12")


def test_other_code_at_the_contract(file: Path, invitation: Invitation) -> None:
    file.write_text(replace(invitation, code="0x" + "00" * 32).to_json())
    assert refused(file).startswith(f"invitation: the code at {invitation.federation} hashes to 0x")


def test_another_charter(file: Path, invitation: Invitation) -> None:
    file.write_text(replace(invitation, charter=replace(invitation.charter, rounds=99)).to_json())
    assert refused(file).startswith(f"charter: {invitation.federation} was founded on charter ")


def test_nobody_at_the_chains_address(file: Path, invitation: Invitation) -> None:
    file.write_text(replace(invitation, rpc=("http://127.0.0.1:9",)).to_json())
    assert refused(file).startswith("ledger.rpc_url: no answer from http://127.0.0.1:9")


def test_who_lost_it_writes_it_again(
    invitation: Invitation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    inviting.keep(Settings(), replace(invitation, chain_id=5), run_folder)
    url = "https://u:s3cret@rpc.example.org"
    assert main(["invitation", "run", "--rpc", "https://rpc.example.org", "--rpc", url]) == 0
    said = capsys.readouterr().out
    assert f"federation {invitation.federation} on chain 5" in said
    again = Invitation.from_json((run_folder / FILE).read_text())
    assert again.rpc == ("https://rpc.example.org",)
    assert "s3cret" not in (run_folder / FILE).read_text() + said
    assert replace(again, rpc=invitation.rpc, withheld=(), chain_id=31337) == invitation
    # By its address alone, from what is kept beside the keys.
    assert main(["invitation", invitation.federation]) == 0
    assert Invitation.from_json((tmp_path / FILE).read_text()) == replace(invitation, chain_id=5)
    assert main(["invitation", "0x" + "12" * 20]) == 2
    assert "neither the folder of a run that has founded" in capsys.readouterr().err


def test_a_run_that_has_lost_it_makes_it_anew(
    invitation: Invitation, chain: DevChain, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omegaconf import OmegaConf

    from rayfed.config.compose import plain
    from rayfed.runtime.founding import Founded

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    store = ["store=files", f"store.path={invitation.settings['store']['path']}"]
    ledger = [f"ledger.rpc_url={chain.rpc_url}", f"ledger.key_file={key_file}", "ledger.allow_demo_times=true"]
    OmegaConf.save(OmegaConf.create(plain(load([*WORDS, *store, *ledger]))), folder / ".hydra" / "config.yaml")
    (folder / "charter.json").write_text(invitation.charter.canonical_json())
    Founded(invitation.federation, invitation.chain_id, invitation.block, "00", 0.0).keep(folder)
    assert main(["invitation", str(folder), "--to", str(tmp_path / "again.json")]) == 0
    assert Invitation.from_json((tmp_path / "again.json").read_text()) == invitation


def test_founded_and_code_are_the_chains(invitation: Invitation, chain: DevChain) -> None:
    rpc = connection.connect(chain.rpc_url)
    assert deployment.has_code(rpc, invitation.federation)
    assert rpc.call("eth_getCode", invitation.federation, hex(invitation.block)) != "0x"
    assert rpc.call("eth_getCode", invitation.federation, hex(invitation.block - 1)) == "0x"
