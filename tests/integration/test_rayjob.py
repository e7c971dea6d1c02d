"""The RayJob of the demo rehearsed without Kubernetes: `ray start`, then `ray job submit` of its own entry point.

What KubeRay and the kubelet would do is done here by hand: the pod's environment, the Secrets as they are mounted, the
init container, the token, the shell line of the submitter. The chain is Anvil with the arguments of its manifest, the
S3 is moto's server with the buckets that the manifest's own job makes. Replaced are addresses, the root of paths, and
what would take long: CIFAR-10 by the digits, eight nodes by two.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from rayfed.errors import ConfigError
from rayfed.ledger.ethereum.devchain import find_anvil
from rayfed.runtime.ray_start import WAITS
from rayfed.testing.chaos.real.cluster import ATTEMPTS
from tests.manifests import ROOT, Object, of_kind, overlay

PATIENCE = 300.0
TOKEN = secrets.token_hex(32)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The root of the pod's paths; short, because Ray puts sockets below it."""
    folder = Path(tempfile.mkdtemp(prefix="rj"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def job() -> Object:
    (found,) = of_kind(overlay("demo"), "RayJob")
    return found


@pytest.fixture(scope="module")
def head(job: Object) -> Object:
    spec: Object = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def environment(root: Path, head: Object) -> dict[str, str]:
    """The head's variables, with its volumes laid out below ``root``, as kubelet and init container leave them."""
    container, (purse,) = head["containers"][0], head["initContainers"]
    for mount in [*container["volumeMounts"], *purse["volumeMounts"]]:
        below(root, mount["mountPath"]).mkdir(parents=True, exist_ok=True)
    made = {item["metadata"]["name"]: item["data"] for item in of_kind(overlay("demo"), "Secret")}
    for mount in [*container["volumeMounts"], *purse["volumeMounts"]]:
        (volume,) = [volume for volume in head["volumes"] if volume["name"] == mount["name"]]
        if "secret" in volume:
            for name, value in made[volume["secret"]["secretName"]].items():
                file = below(root, mount["mountPath"]) / name
                file.write_bytes(b64decode(value))
                file.chmod(0o440)
    subprocess.run([str(below(root, w)) if w.startswith("/") else w for w in purse["command"]], check=True)
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    given = {name: str(below(root, value)) if value.startswith("/") else value for name, value in variables.items()}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # KubeRay turns `authOptions` into these two, in every pod.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    outside = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    return {**outside, "PATH": path, "PYTHONPATH": str(ROOT), **given, **token, **WAITS}


def below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


@contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program in a group of its own for as long as the block lasts; nothing of the group outlives it."""
    process = subprocess.Popen(command, start_new_session=True, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def chain(root: Path) -> Iterator[str]:
    try:
        anvil = find_anvil()
    except ConfigError as error:
        pytest.skip(str(error))
    (found,) = [item for item in of_kind(overlay("demo"), "StatefulSet") if item["metadata"]["name"] == "chain"]
    container = found["spec"]["template"]["spec"]["containers"][0]
    state = below(root, "/var/lib/anvil")
    state.mkdir(parents=True)
    args = [arg.replace("/var/lib/anvil", str(state)).replace("--port=8545", "--port=0") for arg in container["args"]]
    # To a file: a pipe that nobody reads fills up, and then the chain stands still.
    log = (root / "anvil.log").open("w+")
    with running([str(anvil), *args], stdout=log, stderr=log, env={"HOME": str(root)}) as process:
        end = time.monotonic() + PATIENCE
        while not (match := re.search(r"Listening on 0\.0\.0\.0:(\d+)", (root / "anvil.log").read_text())):
            assert process.poll() is None, (root / "anvil.log").read_text()
            assert time.monotonic() < end, (root / "anvil.log").read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{match[1]}"


@pytest.fixture(scope="module")
def blobs(environment: dict[str, str]) -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        address = f"127.0.0.1:{server.get_host_and_port()[1]}"
        (made,) = of_kind(overlay("demo"), "Job")
        container = made["spec"]["template"]["spec"]["containers"][0]
        args = [arg.replace("blobs:8333", address) for arg in container["args"]]
        for _ in range(2):  # doing it again does no harm
            subprocess.run([sys.executable, "-c", *args], env=environment, check=True, timeout=PATIENCE)
        yield address
    finally:
        server.stop()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def dashboard(root: Path, job: Object, environment: dict[str, str]) -> Iterator[str]:
    """A Ray head, started as KubeRay starts it, which also plays the workers; the address of its job server."""
    params = dict(job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"])
    page, agent, client, metrics = free_ports(4)
    params |= {"port": 0, "dashboard-port": page, "dashboard-agent-listen-port": agent, "num-cpus": 4}
    params |= {"ray-client-server-port": client, "metrics-export-port": metrics, "temp-dir": str(root / "ray")}
    params |= {"object-store-memory": 100_000_000, "dashboard-host": "127.0.0.1", "node-ip-address": "127.0.0.1"}
    words = [f"--{name}={value}" for name, value in params.items()]
    log = (root / "ray.log").open("w")
    command = [sys.executable, "-m", "rayfed.runtime.ray_start", "start", "--head", "--block", *words]  # which is ray
    folder = below(root, "/var/lib/rayfed")
    # The paths that the probes ask, without a token, as a kubelet does.
    probes = (f"http://127.0.0.1:{agent}/api/local_raylet_healthz", f"http://127.0.0.1:{page}/api/gcs_healthz")
    for _ in range(ATTEMPTS):
        with running(command, env=environment, cwd=folder, stdout=log, stderr=log) as process:
            if stands(process, probes):
                yield f"http://127.0.0.1:{page}"
                return
    pytest.fail((root / "ray.log").read_text())


def stands(process: subprocess.Popen[str], probes: Sequence[str]) -> bool:
    """Wait until all of these answer; return whether they do, and the process has not ended before."""
    end = time.monotonic() + PATIENCE
    while not all(answers(url) for url in probes):
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def test_the_rayjob_of_the_demo_runs(
    root: Path, job: Object, environment: dict[str, str], chain: str, blobs: str, dashboard: str
) -> None:
    entrypoint = job["spec"]["entrypoint"]
    for old, new in {
        "chain:8545": chain,
        "blobs:8333": blobs,
        "http://mlflow:5000": f"sqlite:///{root}/mlflow.db",
        "/var/lib/rayfed": str(below(root, "/var/lib/rayfed")),
        "/run/rayfed": str(below(root, "/run/rayfed")),
        "+experiment=cifar10": "+experiment=digits",
        "federation.nodes=8": "federation.nodes=2 federation.rounds=1 federation.alone=false",
    }.items():
        assert old in entrypoint
        entrypoint = entrypoint.replace(old, new)
    # KubeRay's submitter: one line for a shell.
    line = f"ray job submit --address {dashboard} --submission-id rehearsal -- {entrypoint} ;"
    done = subprocess.run(
        ["/bin/bash", "-ce", line], env=environment, cwd=root, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    state = below(root, "/var/lib/rayfed")
    summary = json.loads((state / "outputs/cifar10/summary.json").read_text())
    assert summary["nodes"]
    found = list((state / "nodes").rglob("key"))
    assert len(found) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in found} == {0o600}
    credentials = environment["AWS_SHARED_CREDENTIALS_FILE"]
    text = Path(credentials).read_text()
    words = dict(re.findall(r"(\w+) = (\S+)", text))
    s3 = boto3.client("s3", endpoint_url=f"http://{blobs}", region_name="us-east-1", **words)
    assert len(s3.list_objects_v2(Bucket="rayfed").get("Contents", [])) >= 4  # genesis, two updates, their merge
    # The purse's key is in no output and in no file but the two that are meant to hold it.
    key = below(root, "/etc/rayfed/chain/purse.key").read_text().strip().removeprefix("0x")
    assert key not in done.stdout + done.stderr
    # (Anvil prints its own play accounts when it starts.)
    files = [file for file in root.rglob("*") if file.is_file() and file.name != "anvil.log"]
    holders = [file for file in files if key.encode() in file.read_bytes()]
    assert {file.name for file in holders} == {"purse.key"}
    assert len(holders) == 2
