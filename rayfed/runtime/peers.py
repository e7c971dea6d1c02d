"""The other hosts of a federation on the same Ray cluster, which is one trust domain."""

from __future__ import annotations

import time
from typing import Any

FRESH_SECONDS = 5.0
"""How long a list of the hosts is believed."""

PREFIX = "host-"


class Peers:
    """Finds the other hosts by their names; all hosts that see the same ones agree on which host posts next.

    Args:
        namespace: in which the federation's actors are named.
        name: this host's own.
    """

    def __init__(self, namespace: str, name: str) -> None:
        self._namespace = namespace
        self._name = name
        self._handles: dict[str, Any] = {}
        self._looked = float("-inf")

    def whose(self, turn: int) -> Any:
        """Return the number of the host that posts in this turn; None if it is this one."""
        handles = self._find()
        names = sorted({*handles, self._name})
        return handles.get(names[turn % len(names)])

    def others(self) -> list[Any]:
        """Return all hosts but this one."""
        return list(self._find().values())

    def _find(self) -> dict[str, Any]:
        import ray

        if time.monotonic() - self._looked > FRESH_SECONDS:
            names = {
                actor["name"]
                for actor in ray.util.list_named_actors(all_namespaces=True)
                if actor["namespace"] == self._namespace and actor["name"].startswith(PREFIX)
            }
            found = {}
            for name in names - {self._name}:
                try:
                    found[name] = self._handles.get(name) or ray.get_actor(name, namespace=self._namespace)
                except ValueError:
                    continue  # gone since it was listed
            self._handles, self._looked = found, time.monotonic()
        return self._handles
