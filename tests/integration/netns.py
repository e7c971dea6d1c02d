"""Networks of several machines on this one: namespaces, joined by wires, with address translation in between."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

RELAY_VERSION = "1.4.1"
NO_RELAY = "no iroh-relay: `make relay` builds one from its crate, or let RAYFED_IROH_RELAY name one"


def relay_binary() -> str:
    """Return the relay to test with, or skip the test."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = cache / f"rayfed/iroh-relay-{RELAY_VERSION}/iroh-relay"
    found = os.environ.get("RAYFED_IROH_RELAY") or (str(made) if made.exists() else shutil.which("iroh-relay"))
    if not found:
        pytest.skip(NO_RELAY)
    return found


def need_namespaces() -> None:
    """Skip the test where this user cannot make network namespaces and translate addresses."""
    if missing := [name for name in ("ip", "iptables") if shutil.which(name) is None]:
        pytest.skip(f"no {' and no '.join(missing)}: network namespaces cannot be made")
    probe = Network("p")
    try:
        probe.add("x")
        probe.inside("x", "iptables", "-t", "nat", "-L", "-n")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode(errors='replace').strip()[:120]}")
    finally:
        probe.close()


class Network:
    """Namespaces by short names; all of it is gone with ``close``."""

    def __init__(self, mark: str = "n") -> None:
        self._mark = f"{mark}{os.getpid()}"
        self._made: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._wires = 0

    def name(self, machine: str) -> str:
        """Return a namespace's full name."""
        return f"rayfed-{self._mark}-{machine}"

    def add(self, *machines: str) -> None:
        """Make machines."""
        for machine in machines:
            _run("ip", "netns", "add", self.name(machine))
            self._made.append(machine)
            self.inside(machine, "ip", "link", "set", "lo", "up")

    def inside(self, machine: str, *words: str) -> None:
        """Run a command on a machine."""
        _run("ip", "netns", "exec", self.name(machine), *words)

    def start(self, machine: str, *words: str, log: Path, **more: object) -> subprocess.Popen[bytes]:
        """Start a process on a machine, whose errors go to a file."""
        with log.open("wb") as errors:
            words = ("ip", "netns", "exec", self.name(machine), *words)
            process = subprocess.Popen(words, stderr=errors, **more)  # type: ignore[call-overload]
        self._processes.append(process)
        return process  # type: ignore[no-any-return]

    def wire(self, one: str, address: str, other: str, address_there: str) -> str:
        """Join two machines; addresses are with their prefix lengths. Returns the device's name at the first one."""
        self._wires += 1
        names = [f"v{self._mark[-6:]}{self._wires}{end}" for end in "ab"]
        _run("ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1])
        for machine, name, at in ((one, names[0], address), (other, names[1], address_there)):
            _run("ip", "link", "set", name, "netns", self.name(machine))
            self.inside(machine, "ip", "addr", "add", at, "dev", name)
            self.inside(machine, "ip", "link", "set", name, "up")
        return names[0]

    def route(self, machine: str, gateway: str) -> None:
        """Send all else to a gateway."""
        self.inside(machine, "ip", "route", "add", "default", "via", gateway)

    def forward(self, machine: str) -> None:
        """Have a machine pass on what is for others."""
        self.inside(machine, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def translate(self, machine: str, outside: str, *options: str) -> None:
        """Have a machine translate the addresses of what goes out by a device, and let in only what answers that."""
        self.forward(machine)
        self.inside(machine, *f"iptables -t nat -A POSTROUTING -o {outside} -j MASQUERADE".split(), *options)
        answers = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
        for chain in ("FORWARD", "INPUT"):
            self.inside(machine, *f"iptables -A {chain} -i {outside} {answers}".split())
            self.inside(machine, *f"iptables -A {chain} -i {outside} -j DROP".split())

    def close(self) -> None:
        """End all processes, and take everything down."""
        for process in self._processes:
            process.kill()
            process.wait()
        for machine in self._made:
            with suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "del", self.name(machine))
        self._made.clear()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=200)
