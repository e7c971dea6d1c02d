"""What the store ``p2p`` is told: addresses and a relay, each wrong one named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.encoding.sealed import new_key
from rayfed.errors import ConfigError
from rayfed.store import Site
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.files import FileStore
from rayfed.store.p2p.address import MOST_ADDRESSES, dialable, is_ours, reach, sockets
from rayfed.store.p2p.options import P2pOptions, _secret

FEDERATION = "0x" + "fe" * 20


@pytest.mark.parametrize("listen", ["", "7842", "host:7842", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:x"])
def test_an_address_that_cannot_be_is_named(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"^store\.listen: .* is not IP:PORT"):
        P2pOptions(listen=listen).validate()
    with pytest.raises(ConfigError, match=r"^store\.external: .* is not IP:PORT"):
        P2pOptions(external=["192.0.2.1:7842", listen]).validate()


@pytest.mark.parametrize(
    "relay", ["", "relay.example.org", "ftp://relay", "https://", "https://user@relay", "http://h:x", "http://h/x?y"]
)
def test_a_relay_that_cannot_be_is_named(relay: str) -> None:
    with pytest.raises(ConfigError, match=r"^store\.relay: .* is not the http\(s\) URL of a relay$"):
        P2pOptions(relay=relay).validate()


def test_the_other_versions_socket_is_where_it_is_meant_to_be() -> None:
    assert sockets("0.0.0.0:7842") == ("0.0.0.0:7842", "[::]:0")
    assert sockets("192.0.2.1:0") == ("192.0.2.1:0", "[::1]:0")
    assert sockets("[2001:db8::1]:7842") == ("[2001:db8::1]:7842", "127.0.0.1:0")
    assert sockets("[::]:7842") == ("[::]:7842", "0.0.0.0:0")


def test_which_addresses_are_this_machines_and_how_far_they_reach() -> None:
    assert is_ours("127.0.0.1:1")
    assert not is_ours("192.0.2.1:1")
    assert [reach(one) for one in ("127.0.0.1:1", "[fe80::1%eth0]:1", "10.0.0.1:1", "8.8.8.8:1")] == [0, 0, 1, 2]


def test_what_stands_in_a_uri() -> None:
    options = P2pOptions(relay="https://relay.example.org:4433")
    assert options.uri == "p2p:?relay=https%3A%2F%2Frelay.example.org%3A4433"
    assert P2pOptions.from_uri(options.uri.removeprefix("p2p:")) == options
    assert P2pOptions.from_uri("") == P2pOptions()
    with pytest.raises(ConfigError, match="p2p has no option listen; there is relay"):
        P2pOptions.from_uri("?listen=0.0.0.0:1")


def test_an_endpoint_is_its_members_in_one_federation(tmp_path: Path) -> None:
    keys = ReadingKeys((new_key()[0],))
    disk = FileStore(tmp_path)

    def site(federation: str = FEDERATION, member: str = "0xA", **more: bool) -> Site:
        return Site(disk, federation, envelope=lambda: Envelope(federation, keys), member=member, **more)

    assert _secret(site()) == _secret(site(member="0xa"))
    others = [site(member="0xb"), site("0x" + "aa" * 20), site(visits=True), site(visits=True), Site(disk, FEDERATION)]
    secrets = {_secret(site()), *(_secret(one) for one in others)}
    assert len(secrets) == 6
    assert keys.privates[0] not in secrets


def test_of_a_card_few_addresses_are_dialled_and_none_that_is_many() -> None:
    odd = [
        "0.0.0.0:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "[ff02::1]:1",
        "[::]:1",
        "host:1",
        "10.0.0.1",
        "10.0.0.1:70000",
    ]
    many = [f"10.0.0.{number}:1" for number in range(20)]
    assert dialable([*odd, *many]) == many[:MOST_ADDRESSES]
    assert dialable(["[2001:db8::1]:1", "127.0.0.1:9"]) == ["[2001:db8::1]:1", "127.0.0.1:9"]
