"""A joiner's key is found again, its node's folder goes on with it, and one key has one node."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rayfed.config import Settings
from rayfed.errors import ConfigError
from rayfed.protocol.invitation import FILE
from rayfed.runtime import homes, inviting
from tests.unit.protocol.test_invitation import MADE

CHAIN, ADDRESS = 5, "0x" + "Ab" * 20
NAME = f"5-{ADDRESS.lower()}"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def settings(**ledger: str) -> Settings:
    return replace(Settings(), ledger=replace(Settings().ledger, **ledger))  # type: ignore[arg-type]


def with_state(path: Path, **ledger: str) -> Settings:
    made = settings(**ledger)
    return replace(made, cluster=replace(made.cluster, state_dir=str(path)))


def test_a_federation_has_one_folder_of_the_users(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = homes.of_node(settings(), CHAIN, ADDRESS)
    assert found == config / "rayfed" / "keys" / NAME
    assert found.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert homes.of_node(settings(), CHAIN, ADDRESS) == tmp_path / "home" / ".config" / "rayfed" / "keys" / NAME
    assert homes.of_node(settings(key_dir=str(tmp_path / "own")), CHAIN, ADDRESS) == tmp_path / "own" / NAME


def test_who_says_where_the_node_keeps_things_has_the_key_there_too(tmp_path: Path) -> None:
    assert homes.of_node(with_state(tmp_path / "state"), CHAIN, ADDRESS) is None
    assert homes.state_dir(with_state(tmp_path / "state"), tmp_path / "run", CHAIN, ADDRESS) == tmp_path / "state"
    both = with_state(tmp_path / "state", key_dir=str(tmp_path / "own"))
    assert homes.of_node(both, CHAIN, ADDRESS) == tmp_path / "own" / NAME


def test_after_a_restart_the_nodes_folder_goes_on_in_the_new_run(tmp_path: Path) -> None:
    first, second, third = (homes.state_dir(settings(), tmp_path / "1", CHAIN, ADDRESS), tmp_path / "2", tmp_path / "3")
    assert first == tmp_path / "1" / "nodes"
    journal = first / ADDRESS.lower() / "node" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text("signed")
    moved = homes.state_dir(settings(), second, CHAIN, ADDRESS)
    assert moved == second / "nodes"
    assert (moved / ADDRESS.lower() / "node" / "journal.jsonl").read_text() == "signed"
    assert not journal.exists()
    assert homes.state_dir(settings(), second, CHAIN, ADDRESS) == moved, "a run that is begun again in its folder"
    # Killed between remembering and moving: it is found where it still is.
    (homes.folder(None, CHAIN, ADDRESS) / homes.MARK).write_text(f"{third / 'nodes'}\n{moved}\n")
    assert homes.state_dir(settings(), third, CHAIN, ADDRESS) == third / "nodes"
    assert (third / "nodes" / ADDRESS.lower() / "node" / "journal.jsonl").read_text() == "signed"


def test_one_key_has_one_node(tmp_path: Path) -> None:
    home = homes.folder(None, CHAIN, ADDRESS)
    code = (
        "import sys, pathlib; from rayfed.runtime import homes\n"
        "with homes.held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(home)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=rf"^ledger\.key_dir: a node runs with the key in {home} already"):
            homes.state_dir(settings(), tmp_path / "run", CHAIN, ADDRESS)
        elsewhere = settings(key_dir=str(tmp_path / "own"))
        assert homes.state_dir(elsewhere, tmp_path / "run", CHAIN, ADDRESS) == tmp_path / "run" / "nodes"
        other.kill()  # and its lock goes with it
    assert homes.state_dir(settings(), tmp_path / "run", CHAIN, ADDRESS) == tmp_path / "run" / "nodes"


def test_a_folder_in_which_everybody_can_exchange_the_key(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME).chmod(0o777)
    with pytest.raises(ConfigError, match=r"^ledger\.key_dir: everybody can exchange the key in .*; run: chmod o-w "):
        homes.folder(settings(key_dir=str(tmp_path)), CHAIN, ADDRESS)
    (tmp_path / NAME).chmod(0o775)
    assert homes.folder(settings(key_dir=str(tmp_path)), CHAIN, ADDRESS) == tmp_path / NAME


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^ledger\.key_dir: cannot make the folder"):
        homes.of_node(settings(key_dir=str(tmp_path / "file")), CHAIN, ADDRESS)


def test_invitations_are_found_by_run_file_and_address(tmp_path: Path) -> None:
    assert inviting.found_again(MADE.federation) is None
    path = inviting.keep(settings(), MADE, tmp_path)
    for where in (str(tmp_path), str(path), MADE.federation, MADE.federation.upper().replace("X", "x")):
        found = inviting.found_again(where)
        assert found is not None
        assert found[0] == MADE
    (tmp_path / FILE).unlink()
    assert inviting.found_again(str(tmp_path)) is None
    assert inviting.found_again("0x*") is None


def test_secrets_of_urls_stay_and_it_is_said() -> None:
    urls = ["https://rpc.example.org", "https://u:s3cret@rpc.example.org", "https://rpc.example.org/v2/s3cret"]
    shared, said = inviting.shared(urls)
    assert shared == ("https://rpc.example.org",)
    assert len(said) == 2
    assert "s3cret" not in "".join(said)


def test_founders_are_told_what_to_give_whom(tmp_path: Path) -> None:
    lines = inviting.told(MADE, tmp_path / FILE)
    assert lines[0] == f"federation {MADE.federation} on chain 5"
    assert lines[1].endswith("python -m rayfed join invitation.json")
    assert MADE.coin in lines[2]
    assert lines[-1] == "not in it: data.loader: code of the founder's own"
    images = replace(MADE, settings={"data": {"kind": "image_folder"}}, rpc=("http://127.0.0.1:1",))
    told = inviting.told(images, tmp_path / FILE)
    assert told[1].endswith("join invitation.json data.root=DIR")
    assert "reaches the chain from this machine alone" in told[3]
    assert "it names no node of the chain" in inviting.told(replace(MADE, rpc=()), tmp_path / FILE)[3]
