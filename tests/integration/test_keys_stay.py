"""No private key and no password is anywhere but in its own file and in the memory of the process that signs."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.ledger.ethereum import identity, keys
from rayfed.ledger.ethereum.abi import checksum
from rayfed.ledger.ethereum.devchain import DevChain
from tests.integration.blocks import held
from tests.integration.federations import (
    PATIENCE,
    SMALL,
    STANDS,
    Command,
    environment,
    federation_of,
    start,
    summary,
)

pytestmark = pytest.mark.timeout(2 * PATIENCE)

PASSWORD = "a password that nobody would guess"
NODES = 3
ROUNDS = 5


def needles(name: str, secret: bytes) -> dict[bytes, str]:
    """Return the forms in which a secret could lie somewhere, each with the name of what was found."""
    forms = {secret: "raw", secret[::-1]: "reversed", secret.hex().encode(): "hex"}
    forms[secret.hex().upper().encode()] = "HEX"
    forms[str(int.from_bytes(secret, "big")).encode()] = "decimal"
    for shift in range(3):  # base64 of anything in which it begins at any byte; the ends depend on the neighbours
        first = 4 if shift else 0
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms[encode(bytes(shift) + secret)[first:-4]] = "base64"
    return {form: f"{name} ({kind})" for form, kind in forms.items()}


def all_needles(accounts: dict[str, LocalAccount]) -> dict[bytes, str]:
    found = {PASSWORD.encode("utf-16-le"): "password (utf-16)", **needles("password", PASSWORD.encode())}
    for name, account in accounts.items():
        key = bytes(account.key)
        found |= needles(name, key)
        found |= needles(f"{name}'s dp secret", identity.hkdf(key, b"", b"rayfed dp-sgd", 32))
    return found


def search(content: bytes, wanted: dict[bytes, str]) -> set[str]:
    return {name for needle, name in wanted.items() if needle in content}


def search_folder(folder: Path, wanted: dict[bytes, str], leave_out: frozenset[Path] = frozenset()) -> set[str]:
    assert folder.exists()
    found = set()
    for path in [folder, *folder.rglob("*")]:
        if path.is_file() and not path.is_symlink() and path not in leave_out:
            found |= {f"{name} in {path}" for name in search(path.read_bytes(), wanted)}
        found |= {f"{name} in the name of {path}" for name in search(os.fsencode(path), wanted)}
    return found


def memory(pid: int) -> Iterator[bytes]:
    """Yield a process's writable memory, but for what it shares with others, which is the object store's.

    Left out is what was reserved and never touched: gigabytes of zeros.
    """
    parts: list[tuple[int, int]] = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if head := re.match(r"([0-9a-f]+)-([0-9a-f]+) rw\S+ ", line):
            area = int(head[1], 16), int(head[2], 16)
        elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            area = (0, 0)
        elif re.match(r"(Rss|Swap): +[1-9]", line) and area[1] and area not in parts[-1:]:
            parts.append(area)
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for start, end in parts:
            with contextlib.suppress(OSError, OverflowError, ValueError):  # given back since
                memory.seek(start)
                yield memory.read(end - start)


class Watch:
    """What a command's processes say of themselves while they live, and where Ray keeps their logs."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.lines: dict[int, set[bytes]] = {}
        self.sessions: set[Path] = set()

    def look(self) -> dict[int, str]:
        processes = self.command.processes()
        for pid in processes:
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    self.lines.setdefault(pid, set()).add(Path(f"/proc/{pid}/{name}").read_bytes())
            with contextlib.suppress(OSError):
                log = Path(os.readlink(f"/proc/{pid}/fd/1"))
                self.sessions |= {parent for parent in log.parents if parent.name.startswith("session_")}
        return processes

    def found(self, wanted: dict[bytes, str]) -> set[str]:
        return {
            f"{name} in what process {pid} was started with"
            for pid, contents in self.lines.items()
            for content in contents
            for name in search(content, wanted)
        }


def round_is_over(watch: Watch, folder: Path) -> bool:
    watch.look()
    told = min((len(path.read_text().splitlines()) for path in folder.rglob("records.jsonl")), default=0)
    return told > 0 or watch.command.process.poll() is not None


@pytest.mark.parametrize("encrypted", [False, True], ids=["key_files", "keystore"])
def test_keys_stay_where_they_belong(chain: DevChain, tmp_path: Path, encrypted: bool) -> None:
    safe, folder = tmp_path / "safe", tmp_path / "work"
    password = safe / "password"
    safe.mkdir(mode=0o700)
    password.touch(mode=0o600)
    password.write_text(f"{PASSWORD}\n")
    accounts = {"purse": chain.funder}
    words = [*SMALL, f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", "ledger.confirmations=0"]
    words.append("ledger.allow_demo_times=true")
    words += [f"ledger.key_file={safe / 'purse'}", f"federation.rounds={ROUNDS}", "privacy=dp", "privacy.delta=0.001"]
    # While it is looked at it stands still, for as long as that takes.
    words += [f"federation.{phase}_seconds=900" for phase in ("commit", "vote", "attest")]
    words += ["track=mlflow", f"track.tracking_uri=sqlite:///{folder / 'mlflow.db'}", "train.threads=1"]
    if encrypted:
        accounts["master"] = Account.create()
        keys.write_keystore(safe / "purse", chain.funder, PASSWORD)
        keys.write_keystore(safe / "master", accounts["master"], PASSWORD)
        words += [f"ledger.keystore={safe / 'master'}", f"ledger.password_file={password}"]
    else:
        keys.write_key(safe / "purse", chain.funder)

    command = start(*words, folder=folder)
    try:
        watch = Watch(command)
        federation = federation_of(folder)
        with held(chain) as blocks:  # so that not all rounds are over before it has been looked at
            over = partial(round_is_over, watch, folder)
            blocks.until("a round is over", over)
            signing = next(pid for pid, line in watch.look().items() if "ray::Host" in line)
            os.kill(signing, signal.SIGSTOP)
        own = frozenset(folder.glob("run/nodes/*/*/key"))
        assert len(own) == (0 if encrypted else NODES)
        for slot in range(NODES):
            name = f"node {slot}"
            if encrypted:
                accounts[name] = identity.derive(accounts["master"], chain.chain_id, federation, slot + 1)
            else:
                accounts[name] = keys.load_key(folder / "run" / "nodes" / federation.lower() / f"node-{slot}" / "key")
        wanted = all_needles(accounts)
        raw = {needle: name for needle, name in wanted.items() if name.endswith(("(raw)", "(hex)"))}
        others = {pid: line for pid, line in watch.look().items() if "gcs_server" in line or "ray::Recorder" in line}
        assert len(others) >= 2, watch.command.processes()
        for pid, line in others.items():  # what was given to Ray as an argument is in its control store
            assert not {name for part in memory(pid) for name in search(part, raw)}, line
        # The search finds what is there: whoever signs holds a key.
        assert {name for part in memory(signing) for name in search(part, raw)}
        os.kill(signing, signal.SIGCONT)
        while command.process.poll() is None:
            watch.look()
            time.sleep(0.5)
        assert command.wait().code == 0, command.wait()
    finally:
        command.end()

    assert watch.lines
    assert watch.sessions
    found = watch.found(wanted) | search_folder(folder, wanted, own)
    for session in watch.sessions:
        found |= search_folder(session, wanted)
    assert not found
    for path in own:  # the search finds a key in the one file that is meant to hold it
        assert search_folder(path.parent, wanted)
    assert not search("\n".join(f"{k}={v}" for k, v in environment().items()).encode(), wanted)

    told = summary(folder)
    assert [node["address"] for node in told["nodes"]] == [accounts[f"node {slot}"].address for slot in range(NODES)]
    assert all(0 < node["epsilon"] <= 8.0 for node in told["nodes"])
    # Noise is no reason to refuse an update: DP-SGD's looks like that.
    assert [(c["status"] in STANDS, len(c["included"])) for c in told["rounds"]] == [(True, NODES)] * ROUNDS
    with sqlite3.connect(folder / "mlflow.db") as database:
        query = "select step, value from metrics where key = 'train/epsilon' order by step"
        epsilons = database.execute(query).fetchall()
    assert {step for step, _ in epsilons} == set(range(1, ROUNDS + 1))
    assert max(value for _, value in epsilons) == max(node["epsilon"] for node in told["nodes"])
    assert checksum(federation) == told["federation"]
