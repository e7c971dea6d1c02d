"""Members in networks of their own, with a relay between them, or address translation, or both."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netns import Network, need_namespaces, relay_binary
from p2p_host import hear

from rayfed.errors import ConfigError
from rayfed.ledger.ethereum.devchain import find_anvil

pytest.importorskip("iroh")

HERE = Path(__file__).parent
RELAY = "http://198.18.0.1:3340"
PORT = 7842
SECONDS = 300


class Member:
    """A member's process on a machine."""

    def __init__(self, network: Network, machine: str, folder: Path, **options: Any) -> None:
        words = (sys.executable, str(HERE / "p2p_member.py"), str(folder), machine, json.dumps(options))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._log = folder / f"{machine}.log"
        self._process = network.start(machine, *words, log=self._log, **pipes)
        self.name = machine
        self.said = self._read()

    def does(self, *words: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self._process.stdin.flush()
        return self._read()

    def gets(self, seed: int, holder: Member) -> None:
        """Fetch, again where the other one's relay has only just heard of it."""
        end = time.monotonic() + SECONDS
        while "error" in (answer := self.does("get", seed, holder.name)):
            assert time.monotonic() < end, answer
        assert answer["same"]

    def way(self, other: Member) -> tuple[bool, str]:
        """Return (whether by the relay, address) of the way that is used to another member."""
        [(relay, address)] = [(relay, at) for used, relay, at in self.does("paths", other.name) if used]
        return relay, address

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._log.read_text()
        return json.loads(line)


@pytest.fixture
def network() -> Iterator[Network]:
    need_namespaces()
    made = Network()
    try:
        yield made
    finally:
        made.close()


def internet(network: Network, tmp_path: Path) -> subprocess.Popen[bytes]:
    """Make the machine in the middle, on which the relay runs."""
    binary = relay_binary()
    network.add("inet")
    network.inside("inet", "ip", "addr", "add", "198.18.0.1/32", "dev", "lo")
    return network.start("inet", binary, "--dev", log=tmp_path / "relay.log", stdout=subprocess.DEVNULL)


def behind_nat(network: Network, machine: str, number: int, *options: str) -> str:
    """Make a machine behind one that translates; return the address under which the world sees both."""
    gate = f"{machine}gate"
    network.add(machine, gate)
    outside = network.wire(gate, f"198.51.{number}.2/24", "inet", f"198.51.{number}.1/24")
    network.wire(machine, f"192.168.{number}.2/24", gate, f"192.168.{number}.1/24")
    network.route(gate, f"198.51.{number}.1")
    network.route(machine, f"192.168.{number}.1")
    network.translate(gate, outside, *options)
    return f"198.51.{number}.2:{PORT}"


def test_two_that_reach_only_the_relay(network: Network, tmp_path: Path) -> None:
    internet(network, tmp_path)
    network.add("a", "b")
    for number, name in enumerate("ab", 1):
        network.wire(name, f"10.0.{number}.2/24", "inet", f"10.0.{number}.1/24")
        network.route(name, f"10.0.{number}.1")
    a, b = (Member(network, name, tmp_path, relay=RELAY) for name in "ab")
    assert a.said["addresses"][0].startswith("10.0.1.2:")
    a.does("put", 1)
    b.gets(1, a)
    assert b.way(a) == (True, b.way(a)[1])
    assert RELAY.removeprefix("http://") in b.way(a)[1]


def test_two_behind_nat_get_through_and_go_on_without_the_relay(network: Network, tmp_path: Path) -> None:
    relay = internet(network, tmp_path)
    network.forward("inet")
    outside = [behind_nat(network, name, number) for number, name in enumerate("ab", 1)]
    options = {"listen": f"0.0.0.0:{PORT}", "relay": RELAY}
    a, b = (Member(network, n, tmp_path, external=[at], **options) for n, at in zip("ab", outside, strict=True))
    for seed in (1, 2, 3):
        a.does("put", seed)
    b.gets(1, a)
    end = time.monotonic() + SECONDS
    while b.way(a)[0]:
        assert time.monotonic() < end, b.does("paths", "a")
        time.sleep(0.5)
    assert outside[0] in b.way(a)[1]
    relay.kill()
    relay.wait()
    b.gets(2, a)
    time.sleep(3)
    b.gets(3, a)
    assert b.way(a)[0] is False


def test_where_translation_forbids_it_the_relay_carries_everything(network: Network, tmp_path: Path) -> None:
    internet(network, tmp_path)
    network.forward("inet")
    outside = [behind_nat(network, name, number, "--random-fully") for number, name in enumerate("ab", 1)]
    options = {"listen": f"0.0.0.0:{PORT}", "relay": RELAY}
    a, b = (Member(network, n, tmp_path, external=[at], **options) for n, at in zip("ab", outside, strict=True))
    for seed in (1, 2):
        a.does("put", seed)
    b.gets(1, a)
    time.sleep(5)  # all ways have been tried by then
    b.gets(2, a)
    assert b.way(a)[0] is True


def test_without_a_relay_nobody_behind_nat_is_reached(network: Network, tmp_path: Path) -> None:
    network.add("inet")
    network.forward("inet")
    outside = [behind_nat(network, name, number) for number, name in enumerate("ab", 1)]
    a, b = (
        Member(network, n, tmp_path, listen=f"0.0.0.0:{PORT}", external=[at])
        for n, at in zip("ab", outside, strict=True)
    )
    a.does("put", 1)
    assert "takes too long" in b.does("get", 1, "a")["error"]


def test_parties_that_share_nothing_but_a_chain_train_one_model(network: Network, tmp_path: Path) -> None:
    """Two behind NAT, two that reach nothing but what lies in the middle: a relay, and the chain."""
    try:
        find_anvil()
    except ConfigError as error:
        pytest.skip(str(error))
    internet(network, tmp_path)
    network.forward("inet")
    for number, name in enumerate("ab", 1):
        behind_nat(network, name, number)
    network.add("c", "d")
    for number, name in enumerate("cd", 1):
        network.wire(name, f"10.0.{number}.2/24", "inet", f"10.0.{number}.1/24")
        network.inside(name, *f"ip route add 198.18.0.1/32 via 10.0.{number}.1".split())
    key = tmp_path / "payer.key"
    words = f"chain --host 198.18.0.1 --port 8545 --key-file {key}".split()
    network.start("inet", sys.executable, "-m", "rayfed", *words, log=tmp_path / "chain.log", stdout=subprocess.DEVNULL)
    hear(key)
    small = ["federation.nodes=4", "federation.rounds=2", "train.threads=1", "model.width=4", "model.hidden=8"]
    chain = ["ledger=rpc", "ledger.rpc_url=http://198.18.0.1:8545", f"ledger.key_file={key}"]
    options = [
        *small,
        *chain,
        "ledger.allow_demo_times=true",
        "store=p2p",
        f"store.relay={RELAY}",
        "cluster.relay=false",
    ]
    hosts = [
        network.start(
            name,
            *(sys.executable, str(HERE / "p2p_host.py"), str(tmp_path), str(slot), "4"),
            *(*options, "federation.alone=false", "federation.vote_seconds=300"),
            log=tmp_path / f"{name}.log",
            stdout=subprocess.PIPE,
        )
        for slot, name in enumerate("abcd")
    ]
    said = []
    for name, host in zip("abcd", hosts, strict=True):
        assert host.stdout is not None
        line = host.stdout.readline()
        assert line, (tmp_path / f"{name}.log").read_text()[-3000:]
        said.append(json.loads(line))
    assert all(one["over"] for one in said), said
    assert len({one["root"] for one in said} | {one["model"] for one in said}) == 1, said
    for one in said[2:]:
        assert one["ways"], said
        assert all(way == [True] for way in one["ways"]), "c and d reach nobody directly"
