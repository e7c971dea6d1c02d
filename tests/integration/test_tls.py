"""Where parties talk over HTTP, as docs/how-to/operate.md says it: encrypted, checked by authorities of one's own, and
asked who they are. The servers are real ones, behind a proxy that does TLS."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from kubo import running
from moto.server import ThreadedMotoServer
from netns import relay_binary
from websockets.sync.client import connect

from rayfed.encoding import merkle
from rayfed.errors import StoreError
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.reporting.mlflow import Tracker
from rayfed.runtime import tracking
from rayfed.store import Site
from rayfed.store.files import FileStore
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.s3.options import S3Options
from tests.fake_run import fake_run
from tests.integration.federations import PATIENCE, eventually, run
from tests.integration.mlflow_server import Server
from tests.tls import in_front_of, signed_by_an_authority, signed_for_here

pytestmark = pytest.mark.timeout(2 * PATIENCE)

FEDERATION = "0x" + "fe" * 20
SIZE = 64 * 4096
BLOB = np.random.default_rng(7).integers(0, 256, SIZE, np.uint8).data
ROOT = merkle.root(BLOB)

REFUSED = r"its certificate is refused: self.signed certificate"

AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def nobody_elses_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*AUTHORITIES, "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    return signed_for_here(tmp_path)


def test_a_chain_over_tls(
    signed: tuple[Path, Path], chain: DevChain, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_front_of(chain.rpc_url, *signed) as url:
        words = (f"ledger.rpc_url={url}", f"ledger.key_file={key_file}", "ledger.allow_demo_times=true")
        ended = run(*words, folder=tmp_path / "run")
        assert ended.complaint.startswith(f"ledger.rpc_url: no answer from {url}: its certificate is refused: self")
        assert ended.complaint.endswith("; SSL_CERT_FILE names a file of authorities of your own")
        assert ended.out == ""
        monkeypatch.setenv("SSL_CERT_FILE", str(signed[0]))
        assert Rpc(url).chain_id == chain.chain_id
        with connect(url.replace("https:", "wss:"), open_timeout=60) as socket:  # as the notifier does
            socket.send('{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}')
            assert hex(chain.chain_id) in str(socket.recv(60))


def test_a_bucket_over_tls(signed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        plain = "http://{}:{}".format(*server.get_host_and_port())
        boto3.client("s3", endpoint_url=plain, region_name="us-east-1").create_bucket(Bucket="blobs")
        with in_front_of(plain, *signed) as url:
            options = S3Options(bucket="blobs", endpoint_url=url, region="us-east-1")
            with pytest.raises(StoreError, match=rf"^store\.endpoint_url: {url} does not .*{REFUSED}; AWS_CA_BUNDLE"):
                options.check()
            monkeypatch.setenv("AWS_CA_BUNDLE", str(signed[0]))
            options.check()
            store = options.open(Site(FileStore(tmp_path / "disk"), FEDERATION))
            store.put(ROOT, BLOB)
            assert store.get(ROOT, SIZE) == BLOB
            store.close()
    finally:
        server.stop()


@pytest.mark.parametrize("secret", ["basic:party:pass:word", "bearer:a-token"])
def test_a_kubo_over_tls_that_asks_for_a_secret(
    secret: str, signed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = {"rayfed": {"AuthSecret": secret, "AllowedPaths": ["/api/v0"]}}
    with running(tmp_path, API__Authorizations=allowed) as kubo, in_front_of(kubo.url, *signed) as url:
        monkeypatch.delenv("RAYFED_IPFS_AUTH", raising=False)
        options = IpfsOptions(rpc_url=url)
        with pytest.raises(StoreError, match=rf"^store\.rpc_url: Kubo at {url} does .*{REFUSED}; SSL_CERT_FILE"):
            options.check()
        monkeypatch.setenv("SSL_CERT_FILE", str(signed[0]))
        with pytest.raises(StoreError, match=r"^store\.auth_file: .* refuses whoever gives no credentials"):
            options.check()
        monkeypatch.setenv("RAYFED_IPFS_AUTH", secret + "s")
        with pytest.raises(StoreError, match=r"^store\.auth_file: "):
            options.check()
        monkeypatch.setenv("RAYFED_IPFS_AUTH", secret)
        options.check()
        disk = FileStore(tmp_path / "disk")
        disk.put(ROOT, BLOB)
        store = options.open(Site(disk, FEDERATION, confidential=False))
        store.put(ROOT, BLOB)
        assert store.has(ROOT)
        store.close()


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[Server]:
    pytest.importorskip("mlflow")
    server = Server(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def test_mlflow_over_tls_is_believed_by_what_mlflow_itself_is_told(
    mlflow_server: Server, signed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    name = "MLFLOW_TRACKING_SERVER_CERT_PATH"
    with in_front_of(mlflow_server.uri, *signed) as url:
        said = tracking.silence(url)
        assert said.startswith(f"track.tracking_uri: MLflow at {url} cannot be reached: its certificate is refused")
        assert f"; {name} names a file of authorities of your own; training goes on" in said
        monkeypatch.setenv("SSL_CERT_FILE", str(signed[0]))
        assert tracking.silence(url) == said, "MLflow does not look there"
        monkeypatch.setenv(name, str(signed[0].with_name("none.pem")))
        assert f"there is no file {signed[0].with_name('none.pem')}" in tracking.silence(url)
        monkeypatch.setenv(name, str(signed[0]))
        assert tracking.silence(url) == ""
        client = MlflowClient(url)
        run = client.create_run(client.create_experiment("tls")).info.run_id
        client.log_metric(run, "accuracy", 0.5)
        assert client.get_run(run).data.metrics == {"accuracy": 0.5}


def test_mlflow_that_asks_for_a_password(
    mlflow_server: Server, signed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a proxy in front of it, as MLflow's own documents have it."""
    from mlflow import MlflowClient

    told = fake_run(rounds=1)
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(signed[0]))
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with in_front_of(mlflow_server.uri, *signed, asks_for="party:pass:word") as url:
        said = tracking.silence(url)
        assert said.startswith(f"track.tracking_uri: MLflow at {url} asks who you are: set MLFLOW_TRACKING_USERNAME")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "party")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "another")
        assert tracking.silence(url).startswith(f"track.tracking_uri: MLflow at {url} refuses")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pass:word")
        assert tracking.silence(url) == ""
        tracked = Tracker(url, "digits", "digits-0", {}, "{}", {}, nodes=4)
        for record in told.records:
            tracked.record(record)
        assert tracked.finish(told.summary(), timeout=PATIENCE), tracked.problem()
        found = MlflowClient(url).get_run(str(tracked.run_id()))
        assert found.data.tags["rayfed.final_root"] == told.summary().final_root


def test_a_relay_over_tls_is_believed_by_no_authority_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Iroh's binding takes no authorities, and looks for none: it has Mozilla's built in. The same relay is found
    without TLS, so it is the certificate that is refused."""
    pytest.importorskip("iroh")
    from rayfed.store.p2p import store

    binary = relay_binary()
    authority, *signed_by_it = signed_by_an_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    config = tmp_path / "relay.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config.write_text(f'enable_relay = true\nhttp_bind_addr = "127.0.0.1:{port}"\nenable_quic_addr_discovery = false\n')
    with (tmp_path / "relay.log").open("wb") as log:
        relay = subprocess.Popen([binary, "--dev", "--config-path", str(config)], stdout=log, stderr=log)
    plain = f"http://127.0.0.1:{port}"

    def found() -> bool:
        try:
            store.check("127.0.0.1:0", plain)
        except StoreError:
            return False
        return True

    try:
        eventually("the relay is found", found)
        with in_front_of(plain, *signed_by_it) as url:
            words = rf"^store\.relay: no relay answers at {url}; if one does, .* SSL_CERT_FILE"
            with pytest.raises(StoreError, match=words):
                store.check("127.0.0.1:0", url)
    finally:
        relay.kill()
        relay.wait()
