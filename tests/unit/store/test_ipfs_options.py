"""What ``store=ipfs`` is told: addresses, credentials, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.config import load
from rayfed.config.compose import plain
from rayfed.errors import ConfigError
from rayfed.store import Site, options_of
from rayfed.store.files import FileStore
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.ipfs.peers import meeting_cid, peer_id
from rayfed.store.ipfs.rpc import Kubo

PEER = "12D3KooWRauqhd5XvZgrMZ9JCqynWhaRh9HDSXwC7UNiEo86SE6e"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["store.rpc_url=127.0.0.1:5001"], "store.rpc_url: '127.0.0.1:5001' does not begin with http"),
        (["store.rpc_url=http://"], "store.rpc_url: 'http://' does not begin with http:// or https://, or names no"),
        (["store.rpc_url=http://host:port"], "store.rpc_url: 'http://host:port' does not begin"),
        (["store.rpc_url=/ip4/127.0.0.1/tcp/5001"], "store.rpc_url: '/ip4/127.0.0.1/tcp/5001' does not begin"),
        (["store.rpc_url=http://me:secret@host"], "store.rpc_url: holds credentials; give them in store.auth_file or"),
        (["store.peers=[nobody]"], "store.peers: 'nobody' is neither a peer id nor an address"),
        ([f"store.peers=[{PEER},/ip4/1.2.3.4/tcp/4001]"], "store.peers: '/ip4/1.2.3.4/tcp/4001' is neither"),
    ],
)
def test_what_cannot_be_is_named_before_anything_starts(words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(["store=ipfs", *words])
    assert str(caught.value).startswith(complaint)
    assert "secret" not in str(caught.value)


def test_addresses_that_can_be() -> None:
    peers = [PEER, f"/ip4/1.2.3.4/udp/4001/quic-v1/p2p/{PEER}", f"/dns4/kubo.example.org/tcp/4001/p2p/{PEER}"]
    options = options_of(load(["store=ipfs", f"store.peers=[{','.join(peers)}]"]).store)
    assert isinstance(options, IpfsOptions)
    assert {peer_id(peer) for peer in options.peers} == {PEER}
    assert options.rpc_url == "http://127.0.0.1:5001"


@pytest.mark.parametrize(
    ("secret", "header"),
    [
        ("bearer:abc:def", "Bearer abc:def"),
        ("basic:me:pass:word", "Basic bWU6cGFzczp3b3Jk"),
        ("abc", "Bearer abc"),
    ],
)
def test_credentials_are_in_kubos_own_words(secret: str, header: str) -> None:
    assert Kubo("http://host", secret)._headers == {"Authorization": header}


def test_a_file_of_credentials_has_the_last_word_and_is_in_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYFED_IPFS_AUTH", "bearer:from-the-environment")
    assert IpfsOptions()._secret() == "bearer:from-the-environment"
    file = tmp_path / "auth"
    file.write_text("bearer:from-the-file\n")
    settings = load(["store=ipfs", f"store.auth_file={file}"])
    options = options_of(settings.store)
    assert isinstance(options, IpfsOptions)
    assert options._secret() == "bearer:from-the-file"
    assert "from-the" not in f"{plain(settings)}{options.uri}{options}"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read .*: No such file"),
        (b"\n", "holds no credentials"),
        (b"", "holds no credentials"),
        (b"\xff", "it is no text"),
    ],
)
def test_a_file_without_credentials_is_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    file = tmp_path / "auth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^store\.auth_file: {complaint}" if content is None else complaint):
        IpfsOptions(auth_file=str(file)).open(Site(FileStore(tmp_path / "disk"), "0x" + "fe" * 20))


def test_without_a_federation_there_is_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^store\.kind: ipfs needs the address of the federation"):
        IpfsOptions().open(Site(FileStore(tmp_path), ""))


def test_the_meeting_point_follows_from_the_address_in_any_spelling() -> None:
    assert meeting_cid("0x" + "AB" * 20) == meeting_cid("0x" + "ab" * 20)
    assert meeting_cid("0x" + "ab" * 20) != meeting_cid("0x" + "ac" * 20)
