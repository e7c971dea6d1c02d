"""The seam for stores: typed options by kind, URIs, serving as a capability, and a toy kind that needs one line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from docs.settings import meanings
from rayfed.config.groups.store import StoreSettings
from rayfed.errors import ConfigError
from rayfed.store import KINDS, Serves, Site, StoreOptions, options_of, split, visit
from rayfed.store.files import FileStore
from rayfed.store.files.options import FilesOptions
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.options import settings_of
from rayfed.store.p2p.options import P2pOptions
from rayfed.store.ray.options import RayPeersOptions
from rayfed.store.s3.options import S3Options
from rayfed.store.several.options import SeveralOptions

FEDERATION = "0x" + "fe" * 20
PEER = "12D3KooWRauqhd5XvZgrMZ9JCqynWhaRh9HDSXwC7UNiEo86SE6e"
ROOT = Path(__file__).resolve().parents[3]


def test_a_toy_store_is_a_folder_and_a_line(tmp_path: Path) -> None:
    script = ROOT / "tests/toys/federation_on_a_shelf.py"
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=400,
        env=environment,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["store.shelf: store.kind=shelf needs a name", "store.shelf: that one is broken"]
    assert lines[2].startswith("store.boards: "), "its options are typed"
    assert lines[3:] == [
        "True True 7",  # done, final, all three in
        "True None",  # on the shelf, and not served before it is revealed
        "[('shelf:upper', True)]",  # an auditor finds it by its URI
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_options_that_the_settings_have(kind: str) -> None:
    settings = StoreSettings(kind=kind)
    options = options_of(settings)
    assert type(options) is KINDS[kind]
    said = meanings(StoreSettings)
    for item in settings_of(type(options)):
        assert getattr(settings, item.name) == getattr(options, item.name)
        assert said[item.name].startswith(f"{kind}: ")
    assert kind in said["kind"]


def test_what_the_settings_say_of_an_option_is_its_own() -> None:
    said = meanings(StoreSettings)
    assert len(set(said.values())) == len(said) == len(fields(StoreSettings))


def test_whoever_serves_says_so(tmp_path: Path) -> None:
    disk = FileStore(tmp_path / "own")
    options: list[StoreOptions] = [
        FilesOptions(path=str(tmp_path / "shared")),
        RayPeersOptions(),
        S3Options(bucket="b", region="us-east-1"),
        IpfsOptions(),
        P2pOptions(),
        SeveralOptions(["files"], parts=(FilesOptions(path=str(tmp_path / "shared")),)),
    ]
    assert {type(one) for one in options} == set(KINDS.values())
    for one in options:
        assert isinstance(one.open(Site(disk, FEDERATION)), Serves) is one.serves


@pytest.mark.parametrize(
    "options",
    [
        FilesOptions(path="/shared/blobs"),
        RayPeersOptions(),
        S3Options(bucket="b"),
        IpfsOptions(),
        IpfsOptions(rpc_url="https://kubo.example.org/rpc", peers=["/dns4/a.example.org/tcp/4001/p2p/" + PEER, PEER]),
        S3Options(bucket="b", prefix="runs/7 x/", endpoint_url="http://minio:9000", region="eu-west-1"),
    ],
)
def test_a_uri_says_where_a_store_is(options: StoreOptions) -> None:
    for uri in (options.uri, options.uri.replace(":", "://", 1)):
        kind, cls, rest = split(uri, "--store")
        assert KINDS[kind] is cls is type(options)
        assert cls.from_uri(rest) == options


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ftp:x", "none of ray_peers:"),
        ("s3:b?colour=red", "no option colour"),
        ("files:", "needs a folder"),
        ("ipfs:localhost:5001", "does not begin with http"),
        ("ipfs:http://u:p@host", "holds credentials"),
        ("ipfs:http://host?colour=red", "no option colour"),
        ("ipfs:http://host?peer=x", "neither a peer id"),
    ],
)
def test_a_uri_that_cannot_be_is_named(uri: str, words: str, tmp_path: Path) -> None:
    site = Site(FileStore(tmp_path), FEDERATION)
    with pytest.raises(ConfigError, match=words), visit(uri, site):
        pass


def test_a_folder_is_checked_where_the_nodes_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = FilesOptions(path=str(tmp_path / "file" / "blobs"))
    with pytest.raises(ConfigError, match=r"^store\.path: cannot make the folder"):
        options.check()
    options.check(here=False)
    FilesOptions(path=str(tmp_path / "blobs")).check()
    assert (tmp_path / "blobs").is_dir()
