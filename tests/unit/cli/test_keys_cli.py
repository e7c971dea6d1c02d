"""``python -m rayfed keys``: makes, opens and moves keystores, and shows a key to nobody who did not insist."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
from eth_account import Account

from rayfed.cli.main import main
from rayfed.ledger.ethereum import identity, keys
from rayfed.store.confidential.reading_keys import ReadingKeys

CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypt with a few rounds of PBKDF2; opening takes what the file says."""
    slow = Account.encrypt
    monkeypatch.setattr(Account, "encrypt", lambda key, password: slow(key, password, "pbkdf2", 10))


@pytest.fixture
def password(tmp_path: Path) -> Path:
    return private(tmp_path / "password", f"{PASSWORD}\n")


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["keys", *map(str, words)])
    told = capsys.readouterr()
    assert PASSWORD not in told.out + told.err
    return code, told.out, told.err


def test_a_new_keystore_is_private_and_opens_again(
    tmp_path: Path, password: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "safe" / "master.json"
    code, out, err = run(capsys, "new", path, "--password-file", password)
    assert code == 0
    assert "keep a copy" in err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    account = keys.load_key(path, password_file=password)
    assert out.startswith(account.address)
    assert bytes(account.key).hex() not in out + err + path.read_text()
    assert run(capsys, "address", path, "--password-file", password)[1].strip() == account.address
    assert run(capsys, "list", path.parent)[1].split() == [account.address, str(path)]


def test_a_keystore_is_what_wallets_read_and_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The test vector of the Web3 Secret Storage definition, PBKDF2-SHA-256."""
    theirs = {
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262144,
                "dklen": 32,
                "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    }
    path = private(tmp_path / "theirs.json", json.dumps(theirs))
    account = keys.load_key(path, password_file=private(tmp_path / "password", "testpassword\n"))
    assert bytes(account.key).hex() == "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
    assert run(capsys, "list", tmp_path)[1].startswith("(no address stated)")


def test_the_address_in_a_federation_is_the_one_that_its_node_will_have(
    tmp_path: Path, password: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "master.json"
    run(capsys, "new", path, "--password-file", password)
    where = ("--federation", CONTRACT, "--chain-id", "5")
    _, out, _ = run(capsys, "address", path, "--password-file", password, *where)
    master = identity.master(str(path), str(password))
    assert out.strip() == identity.derive(master, 5, CONTRACT).address != master.address


def test_export_shows_a_key_only_to_those_who_insist(
    tmp_path: Path, password: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, bare = tmp_path / "master.json", tmp_path / "bare"
    run(capsys, "new", path, "--password-file", password)
    key = bytes(keys.load_key(path, password_file=password).key).hex()
    export = ("export", path, "--password-file", password)
    code, out, err = run(capsys, *export)
    assert code == 2
    assert "--i-know" in err
    assert key not in out + err
    code, out, err = run(capsys, *export, "--to", bare, "--i-know")
    assert code == 0
    assert key not in out + err
    assert stat.S_IMODE(bare.stat().st_mode) == 0o600
    assert bytes(keys.load_key(bare).key).hex() == key
    assert run(capsys, *export, "--to", bare, "--i-know")[0] == 2  # it is there already
    _, out, err = run(capsys, *export, "--i-know")
    assert out.strip() == f"0x{key}"
    assert "private key" in err


@pytest.mark.parametrize("encrypted", [False, True])
def test_import_keeps_the_key_and_says_what_is_left_lying(
    tmp_path: Path, password: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    source, path = tmp_path / "source", tmp_path / "master.json"
    if encrypted:
        keys.write_keystore(source, Account.from_key(KEY), "another one")
        answer(monkeypatch, "another one")
    else:
        private(source, f"0x{KEY}\n")
    code, out, err = run(capsys, "import", path, "--from", source, "--password-file", password)
    assert (code, out.split()[0]) == (0, ADDRESS)
    assert f"shred -u {source}" in err
    assert bytes(keys.load_key(path, password_file=password).key).hex() == KEY


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    left = list(answers)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: left.pop(0))


def test_a_key_and_a_new_password_may_be_typed(
    tmp_path: Path, password: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.json"
    answer(monkeypatch, f"0x{KEY}", PASSWORD, PASSWORD)
    assert run(capsys, "import", path)[:2] == (0, f"{ADDRESS} in {path}\n")
    assert keys.load_key(path, password_file=password).address == ADDRESS
    answer(monkeypatch, PASSWORD, "not the same")
    code, _, err = run(capsys, "new", tmp_path / "other.json")
    assert (code, err) == (2, "rayfed: password: the two passwords differ\n")
    answer(monkeypatch, "short", "short")
    assert "can be guessed" in run(capsys, "new", tmp_path / "short.json")[2]


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "import", KEY],
        ["keys", "import", "m.json", "--from", f"0x{KEY}"],
        ["keys", "new", "m.json", f"--password-file={KEY.upper()}"],
        [f"ledger.key_file=0x{KEY}"],
        ["join", f"+ledger.keystore={KEY}"],
        ["ledger=rpc", f"ledger.password_file='{KEY}'"],
    ],
)
def test_a_key_on_the_command_line_is_refused_before_it_is_written_anywhere(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr()
    assert "shell's history" in told.err
    assert KEY not in (told.out + told.err).lower()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (PASSWORD, 0o640, "--password-file: {file} holds a password but others may read it; run: chmod 600 {file}"),
        (PASSWORD, 0o604, "--password-file: {file} holds a password but others may read it; run: chmod 600 {file}"),
        ("wrong", 0o600, "ledger.password_file: the password does not open {keystore}"),
        ("", 0o600, "--password-file: {file} holds no password: its first line is empty"),
        (None, 0o600, "--password-file: cannot read {file}: No such file or directory"),
    ],
)
def test_passwords_that_do_not_do(
    content: str | None, mode: int, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keystore, file = tmp_path / "master.json", tmp_path / "password"
    keys.write_keystore(keystore, Account.from_key(KEY), PASSWORD)
    if content is not None:
        private(file, content).chmod(mode)
    code, out, err = run(capsys, "address", keystore, "--password-file", file)
    assert (code, out, err) == (2, "", f"rayfed: {complaint.format(file=file, keystore=keystore)}\n")


def test_without_a_terminal_nothing_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    code, _, err = run(capsys, "new", tmp_path / "master.json")
    assert code == 2
    assert "--password-file: there is no terminal" in err


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: "{}",
        lambda content: json.dumps({**content, "version": 4}),
        lambda content: json.dumps({**content, "address": "00" * 20}),
        lambda content: json.dumps({**content, "crypto": None}),
        lambda content: json.dumps(content)[:-2],
    ],
)
def test_a_file_that_is_no_keystore_is_refused(spoil: object, tmp_path: Path, password: Path) -> None:
    path = tmp_path / "master.json"
    keys.write_keystore(path, Account.from_key(KEY), PASSWORD)
    path.write_text(spoil(json.loads(path.read_text())))  # type: ignore[operator]
    with pytest.raises(
        keys.ConfigError, match=r"^ledger\.keystore: .*(is not a keystore|claims the address)"
    ) as caught:
        identity.master(str(path), str(password))
    assert not re.search("[0-9a-f]{64}", str(caught.value))
    assert caught.value.__cause__ is None


def test_a_bare_key_is_no_master_keystore(tmp_path: Path, password: Path) -> None:
    path = private(tmp_path / "bare", KEY)
    with pytest.raises(keys.ConfigError, match=r"^ledger\.keystore: .* is not an encrypted keystore"):
        identity.master(str(path), str(password))


def test_a_reading_key_is_renewed_and_the_old_ones_go_on_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reading.keys"
    before = ReadingKeys.made(file)
    assert main(["keys", "renew", str(file)]) == 0
    after = ReadingKeys.read(file)
    assert after.privates[1:] == before.privates
    assert after.public != before.public
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    said = capsys.readouterr().out
    assert said.startswith("2 reading keys in ")
    assert not any(key.hex() in said for key in after.privates)
    assert [one.name for one in tmp_path.iterdir()] == ["reading.keys"], "nothing is left beside it"
    file.write_text("".join(f"{number:064x}\n" for number in range(1, 65)))
    assert main(["keys", "renew", str(file)]) == 2
    assert "holds 64 keys already" in capsys.readouterr().err
    assert main(["keys", "renew", str(tmp_path / "none")]) == 2
    assert "keys renew: cannot read" in capsys.readouterr().err
