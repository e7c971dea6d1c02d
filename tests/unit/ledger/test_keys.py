"""Key files: private, whole or absent, and never quoted in an error."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rayfed.errors import ConfigError
from rayfed.ledger.ethereum.keys import load_key, load_or_make_key, load_password, make_key


def test_a_made_key_is_private_and_loads_as_the_same_account(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "key"
    account = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path).address == account.address
    assert os.listdir(path.parent) == ["key"]


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = make_key(path)
    assert make_key(path).address == first.address
    assert load_or_make_key(path).address == first.address


def test_processes_that_race_end_with_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    found: list[str] = []
    barrier = threading.Barrier(8)

    def race() -> None:
        barrier.wait()
        found.append(load_or_make_key(path).address)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("text", ["{digits}", "0x{digits}\n", "  {digits}  \n"])
def test_a_key_in_the_usual_spellings_is_understood(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text.format(digits="11" * 32))
    path.chmod(0o600)
    assert load_key(path).address == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


@pytest.mark.parametrize("text", ["", "secret", "0x" + "11" * 31, "zz" * 32, "00" * 32, "ff" * 32, "é" * 64])
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="does not hold a private key") as caught:
        load_key(path)
    assert caught.value.setting == "ledger.key_file"
    assert not text or text not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(path)


PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"


@pytest.mark.parametrize(
    "content", [PASSWD, "", "# my shell\nalias ll='ls -l'\n", '{"name": "a web page"}', "x" * 5000], ids=len
)
def test_what_is_no_secret_is_never_locked(tmp_path: Path, content: str) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    path.chmod(0o644)
    for load in (load_key, load_password):
        with pytest.raises(ConfigError, match="give one that nobody else may read") as caught:
            load(path)
        assert "chmod" not in str(caught.value)


def test_a_file_of_the_system_is_never_locked() -> None:
    for path in (Path("/etc/passwd"), Path("/dev/null")):
        with pytest.raises(ConfigError) as caught:
            load_key(path)
        assert "chmod" not in str(caught.value)


def test_another_users_key_is_not_for_this_user_to_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    make_key(path)
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="nobody else may read") as caught:
        load_key(path)
    assert "chmod" not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ledger.key_file: cannot read .*nowhere"):
        load_key(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"ledger.key_file: cannot write"):
        make_key(tmp_path / "file" / "key")


def test_who_only_reads_a_chain_does_without_what_signs() -> None:
    names = "import sys, rayfed.ledger.ethereum.backend, rayfed.ledger.ethereum.connection, rayfed.runtime.recorder"
    subprocess.run([sys.executable, "-c", f"{names}; assert 'eth_account' not in sys.modules"], check=True)
