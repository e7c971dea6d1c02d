"""The manifests render, fit the schemas of Kubernetes and KubeRay, and name only what exists.

No cluster runs them here: what only a cluster can show is listed in docs/kubernetes.md.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from rayfed.config import Settings, check_join, load
from rayfed.config.invited import composed, offered
from rayfed.errors import ConfigError
from rayfed.ledger.ethereum import keys
from tests.manifests import (
    K8S,
    OVERLAYS,
    ROOT,
    Object,
    Pods,
    may_connect,
    namespace,
    of_kind,
    overlay,
    pods,
    ray_cluster,
)
from tests.manifests import rendered as render
from tests.unit.config.test_invited import given

CRDS = ROOT.parent / "shared" / "kuberay"
FOLDERS = sorted(
    str(file.parent.relative_to(K8S))
    for file in K8S.rglob("kustomization.yaml")
    if yaml.safe_load(file.read_text())["kind"] == "Kustomization"
)
CORE = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1")


def jobs(name: str) -> list[Object]:
    return of_kind(overlay(name), "RayJob")


def words(job: Object) -> list[str]:
    return shlex.split(job["spec"]["entrypoint"])


def overrides(job: Object) -> list[str]:
    return words(job)[4:] if words(job)[3] == "join" else words(job)[3:]


def settings(job: Object) -> Settings:
    """Return what a job's words make; an invitation, which is in no file here, is one of the tests' own."""
    own = overrides(job)
    if not own[0].endswith(".json"):
        return load(own)
    with TemporaryDirectory() as folder:
        founder, _ = offered(load(["+experiment=images", "data.root=x", "store=s3", "store.bucket=theirs"]))
        made = load(composed([str(given(Path(folder), founder)), *own[1:]]))
    return replace(made, charter=own[0])


EACH_JOB = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name, count in {**dict.fromkeys(OVERLAYS, 1), "two-organisations": 2}.items()
    for number in range(count)
]


def test_every_overlay_has_its_jobs() -> None:
    assert {name: len(jobs(name)) for name in OVERLAYS} == {**dict.fromkeys(OVERLAYS, 1), "two-organisations": 2}


# -- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", FOLDERS)
def test_renders_without_a_clash(folder: str) -> None:
    objects = render(folder)
    names = [(item["kind"], namespace(item), item["metadata"]["name"]) for item in objects]
    assert objects
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("release", ["1.33", "1.37"])
@pytest.mark.parametrize("name", OVERLAYS)
def test_core_objects_fit_the_schemas_of_kubernetes(name: str, release: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    core = [item for item in overlay(name) if item["apiVersion"] in CORE]
    assert {item["apiVersion"] for item in overlay(name)} - set(CORE) == {"ray.io/v1"}
    for item in core:
        kubernetes_validate.validate(item, release, strict=True)
    for made in pods(overlay(name)):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "labels": made.labels}, "spec": made.spec}
        kubernetes_validate.validate(pod, release, strict=True)


def crd(kind: str) -> Any:
    """Return a validator of one of KubeRay's kinds that also refuses fields which it does not know."""
    jsonschema = pytest.importorskip("jsonschema")
    file = CRDS / f"ray.io_{kind.lower()}s.yaml"
    if not file.is_file():
        pytest.skip(f"KubeRay's CRDs are not in {CRDS}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    versions = yaml.load(file.read_text(), loader)["spec"]["versions"]
    (schema,) = [entry["schema"]["openAPIV3Schema"] for entry in versions if entry["name"] == "v1"]
    return jsonschema.Draft202012Validator(closed(schema))


def closed(schema: Any) -> Any:
    """Return a structural schema as JSON Schema: unknown fields are errors (Kubernetes would drop them in silence)."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) if key != "properties" else value for key, value in schema.items()}
    if "properties" in schema:
        made["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        made = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    return made


@pytest.fixture(scope="module", params=["RayCluster", "RayJob"])
def kind_and_validator(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, crd(request.param)


def errors_of(validator: Any, item: Object) -> list[str]:
    # The schema of `metadata` is Kubernetes' own, which a CRD does not repeat.
    body = {key: value for key, value in item.items() if key != "metadata"}
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(body)]


def test_ray_objects_fit_the_schemas_of_kuberay(kind_and_validator: tuple[str, Any]) -> None:
    kind, validator = kind_and_validator
    found = [item for name in OVERLAYS for item in of_kind(overlay(name), kind)]
    found += of_kind(render("base/party"), kind) + of_kind(render("base/run"), kind)
    assert found
    assert [error for item in found for error in errors_of(validator, item)] == []


def test_the_schema_check_can_fail(kind_and_validator: tuple[str, Any]) -> None:
    kind, validator = kind_and_validator
    (item,) = of_kind(render("base/party" if kind == "RayCluster" else "base/run"), kind)
    cluster = item["spec"] if kind == "RayCluster" else item["spec"]["rayClusterSpec"]
    group = {**cluster["workerGroupSpecs"][0], "replica": 3}
    broken = {**cluster, "workerGroupSpecs": [group]}
    spec = broken if kind == "RayCluster" else {**item["spec"], "rayClusterSpec": broken}
    (error,) = errors_of(validator, {**item, "spec": spec})
    assert "'replica' was unexpected" in error


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), EACH_JOB)
def test_the_entry_point_is_one_that_exists(name: str, number: int) -> None:
    job = jobs(name)[number]
    # KubeRay pastes it into a shell line, and Ray into another.
    assert re.fullmatch(r"[\w\s+=./:-]+", job["spec"]["entrypoint"])
    assert "\n" not in job["spec"]["entrypoint"]
    assert words(job)[:3] == ["python", "-m", "rayfed"]
    made = settings(job)  # composes Hydra's configuration from exactly these words, and checks it
    if words(job)[3] == "join":
        check_join(made)
        assert name in ("two-organisations", "joining")
    else:
        assert made.federation_address is None
    assert made.cluster.address == "auto"
    assert made.ledger.kind == "rpc"
    assert made.store.kind == "s3"
    assert made.train.device == "auto"


def test_a_wrong_entry_point_would_be_seen() -> None:
    (job,) = jobs("demo")
    with pytest.raises(ConfigError, match=r"cluster\.num_cpu"):
        load([*overrides(job), "cluster.num_cpu=2"])


@pytest.mark.parametrize(("name", "number"), EACH_JOB)
def test_every_path_in_the_command_is_mounted(name: str, number: int) -> None:
    job = jobs(name)[number]
    cluster = ray_cluster(job) or ray_cluster(of_kind(overlay(name), "RayCluster")[0])
    assert cluster is not None
    made = settings(job)
    head = cluster["headGroupSpec"]["template"]["spec"]
    workers = [group["template"]["spec"] for group in cluster["workerGroupSpecs"]]
    (output,) = [word.removeprefix("hydra.run.dir=") for word in words(job) if word.startswith("hydra.run.dir=")]

    # The starter runs on the head: its purse, its output, the charter to join. Nodes run on any pod: their state.
    for path, specs, writable in [
        (made.ledger.key_file, [head], False),
        (output, [head], True),
        (made.cluster.state_dir, [head, *workers], True),
        *([(made.charter, [head], False)] if made.charter else []),
    ]:
        for spec in specs:
            mount = mount_of(spec["containers"][0], str(path))
            assert mount is not None, f"{path} is on no volume"
            assert not (writable and mount.get("readOnly")), f"{path} cannot be written"
    (purse,) = head["initContainers"]
    *sources, target = purse["command"][3:]
    handed = [target] if len(sources) == 1 else [f"{target}/{Path(source).name}" for source in sources]
    assert handed == [file for file in (made.ledger.key_file, made.ledger.password_file) if file]
    mount = mount_of(purse, sources[0])
    assert mount is not None
    (volume,) = [volume for volume in head["volumes"] if volume["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "chain-key"


def mount_of(container: Object, path: str) -> Object | None:
    """Return the mount on which a path lies, the deepest one."""
    mounts = [m for m in container["volumeMounts"] if PurePosixPath(path).is_relative_to(m["mountPath"])]
    return max(mounts, key=lambda mount: len(mount["mountPath"]), default=None)


def test_the_purse_is_handed_over_as_rayfed_wants_it(tmp_path: Path) -> None:
    """A Secret as the kubelet mounts it for a pod with fsGroup, the init container's own command, rayfed's reader."""
    (job,) = jobs("demo")
    (purse,) = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["initContainers"]
    (secret,) = [item for item in of_kind(overlay("demo"), "Secret") if item["metadata"]["name"] == "chain-key"]
    source, target = purse["command"][-2:]
    volume, memory = tmp_path / "secret", tmp_path / "memory"
    (volume / "..2026").mkdir(parents=True)
    memory.mkdir()
    (volume / "..data").symlink_to("..2026")
    file = volume / "..2026" / Path(source).name
    file.write_bytes(decoded(secret)["purse.key"])
    file.chmod(0o440)
    mounted = volume / file.name
    mounted.symlink_to(f"..data/{file.name}")

    with pytest.raises(ConfigError, match="others may read it"):
        keys.load_key(mounted)
    subprocess.run([*purse["command"][:-2], mounted, memory / Path(target).name], check=True, timeout=400)
    assert keys.load_key(memory / Path(target).name).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_a_keystore_is_handed_over_with_its_password(tmp_path: Path) -> None:
    """The same for a real chain, where the purse is encrypted."""
    (job,) = jobs("external")
    (purse,) = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["initContainers"]
    made = settings(job)
    volume, memory = tmp_path / "secret", tmp_path / "memory"
    volume.mkdir()
    memory.mkdir()
    account = keys.make_key(volume / "raw")
    (volume / "password").write_text("a password\n")
    keys.write_keystore(volume / "purse.key", account, "a password")
    for file in volume.iterdir():
        file.chmod(0o440)
    *sources, _ = purse["command"][3:]
    words = [*purse["command"][:3], *(volume / Path(source).name for source in sources), memory]
    subprocess.run(words, check=True, timeout=400)
    key, password = (memory / Path(str(file)).name for file in (made.ledger.key_file, made.ledger.password_file))
    assert keys.load_key(key, password_file=password).address == account.address


def decoded(secret: Object) -> dict[str, bytes]:
    import base64

    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


@pytest.mark.parametrize(("name", "number"), EACH_JOB)
def test_the_nodes_fit_the_workers(name: str, number: int) -> None:
    job = jobs(name)[number]
    cluster = ray_cluster(job) or ray_cluster(of_kind(overlay(name), "RayCluster")[0])
    assert cluster is not None
    made = settings(job)
    share = made.cluster.num_cpus
    assert share is not None
    room = 0
    for group in cluster["workerGroupSpecs"]:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        each = int(limits["cpu"]) // share
        if made.cluster.num_gpus:
            each = min(each, int(limits.get("nvidia.com/gpu", 0)) // made.cluster.num_gpus)
        room += group["replicas"] * int(each)
    nodes = 1 if words(job)[3] == "join" else made.federation.nodes
    assert room == nodes  # all of them, and none to spare, so that they spread
    assert made.train.threads == share
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_version_of_ray_is_the_locked_one() -> None:
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    assert locked[1] == version("ray")
    found = [cluster for name in OVERLAYS for item in ray_objects(name) if (cluster := ray_cluster(item))]
    assert {cluster["rayVersion"] for cluster in found} == {locked[1]}


def ray_objects(name: str) -> list[Object]:
    return of_kind(overlay(name), "RayJob", "RayCluster")


# -- the other programs ------------------------------------------------------------------------------------------------


def test_mlflow_knows_its_options() -> None:
    mlflow = pytest.importorskip("mlflow.cli")
    security = pytest.importorskip("mlflow.server.security_utils")
    known = {option for parameter in mlflow.server.params for option in parameter.opts}
    for name in OVERLAYS:
        for item in of_kind(overlay(name), "Deployment"):
            args = item["spec"]["template"]["spec"]["containers"][0]["args"]
            assert {arg.partition("=")[0] for arg in args} <= known
            # A host that MLflow does not expect is refused, and that is what the nodes would be.
            (hosts,) = [arg.partition("=")[2].split(",") for arg in args if arg.startswith("--allowed-hosts=")]
            assert security.is_allowed_host_header(hosts, "mlflow:5000")
            assert not security.is_allowed_host_header(hosts, "10.0.0.1:5000")
            # The kubelet asks by the pod's address: only paths that MLflow exempts can be probes.
            probes = item["spec"]["template"]["spec"]["containers"][0]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert security.is_health_endpoint(probes[probe]["httpGet"]["path"])


def test_anvil_runs_with_its_arguments(tmp_path: Path) -> None:
    from rayfed.ledger.ethereum.devchain import find_anvil

    try:
        anvil = find_anvil()
    except ConfigError as error:
        pytest.skip(str(error))
    (chain,) = [item for item in of_kind(overlay("demo"), "StatefulSet") if item["metadata"]["name"] == "chain"]
    args = chain["spec"]["template"]["spec"]["containers"][0]["args"]
    here = [re.sub("^--port=.*", "--port=0", arg.replace("/var/lib/anvil", str(tmp_path))) for arg in args]
    with subprocess.Popen([str(anvil), *here], stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            assert any(line.startswith("Listening on 0.0.0.0:") for line in lines)
        finally:
            process.terminate()


# -- walls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_service_in_the_command_can_be_reached(name: str) -> None:
    objects = overlay(name)
    made = list(pods(objects))
    for job in jobs(name):
        chosen = settings(job)
        urls = [chosen.ledger.rpc_url, chosen.ledger.ws_url, chosen.store.endpoint_url]
        urls += [chosen.track.tracking_uri] if chosen.track.enabled else []
        ours = [
            pod
            for pod in made
            if pod.namespace == namespace(job) and pod.labels["app.kubernetes.io/name"] == "rayfed" and pod.lasting
        ]
        assert len(ours) >= 2
        for url in urls:
            if url is None or urlsplit(url).scheme == "https":
                continue
            for target in served(objects, url, namespace(job)):
                for source in ours:
                    assert may_connect(objects, source, target, urlsplit(url).port or 80), f"{source.name} -> {url}"


def served(objects: tuple[Object, ...], url: str, here: str) -> list[Pods]:
    """Return the pods behind a URL of a Service."""
    parts = urlsplit(url)
    host, _, space = str(parts.hostname).partition(".")
    (service,) = [
        item
        for item in of_kind(objects, "Service")
        if item["metadata"]["name"] == host and namespace(item) == (space or here)
    ]
    (port,) = [port for port in service["spec"]["ports"] if port["port"] == parts.port]
    selected = [
        pod
        for pod in pods(objects)
        if pod.namespace == namespace(service) and service["spec"]["selector"].items() <= pod.labels.items()
    ]
    assert selected
    for pod in selected:
        names = {entry["name"]: entry["containerPort"] for entry in pod.spec["containers"][0]["ports"]}
        assert names[port["targetPort"]] == parts.port
    return selected


def test_what_nobody_needs_is_closed() -> None:
    objects = overlay("two-organisations")
    made = {(pod.namespace, pod.name): pod for pod in pods(objects)}
    head_a = made["rayfed-org-a", "RayJob/rayfed head"]
    head_b = made["rayfed-org-b", "RayJob/rayfed head"]
    for port in (6379, 8265, 10001, 52365):
        assert not may_connect(objects, head_b, head_a, port)
    mlflow, postgres = made["rayfed-org-a", "Deployment/mlflow"], made["rayfed-org-a", "StatefulSet/postgres"]
    assert not may_connect(objects, head_b, mlflow, 5000)
    assert not may_connect(objects, head_a, postgres, 5432)
    assert may_connect(objects, mlflow, postgres, 5432)
    assert may_connect(objects, head_a, made["rayfed-org-a", "RayJob/rayfed small"], 12345)
    assert not may_connect(objects, made["rayfed-shared", "StatefulSet/chain"], head_a, 8265)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_namespace_begins_closed(name: str) -> None:
    spaces = {item["metadata"]["name"]: item["metadata"]["labels"] for item in of_kind(overlay(name), "Namespace")}
    for item in overlay(name):
        assert item["kind"] == "Namespace" or namespace(item) in spaces
    for space, labels in spaces.items():
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        closing = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        policies = [p["spec"] for p in of_kind(overlay(name), "NetworkPolicy") if namespace(p) == space]
        assert closing in policies
