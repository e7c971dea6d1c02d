"""The Ray actor: a process that carries edge nodes, one by default, several where a simulation needs hundreds.

All hosts are equal and none is needed by another. When Ray restarts a killed host, its constructor runs again.
"""

from __future__ import annotations

from pathlib import Path

import ray

from rayfed.runtime import log_files
from rayfed.runtime.host.carrier import Carrier
from rayfed.runtime.host.spec import HostSpec
from rayfed.runtime.transport import RayTransport

__all__ = ["Host", "HostSpec"]


class Host(Carrier):
    """A ``Carrier`` whose endpoint is a Ray actor: peers, recorder and starter call its methods."""

    def __init__(self, spec: HostSpec) -> None:
        """Start in the background and return at once."""
        log_files.begin(log_files.of_process(Path(spec.state_dir), spec.place.federation, spec.name))
        context = ray.get_runtime_context()
        transport = RayTransport(spec.place.federation, spec.name)
        super().__init__(spec, transport, bool(context.was_current_actor_reconstructed), _leave)

    def machine(self) -> str:
        """Return which of the cluster's machines this is, as ``cluster.machines`` names them."""
        return str(ray.get_runtime_context().get_node_id())


def _leave() -> None:
    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
