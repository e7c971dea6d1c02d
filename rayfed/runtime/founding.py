"""Which federation a run works on: it founds one, or finds again the one that it had founded before it was killed."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError
from rayfed.ledger.patience import OUTAGE_SECONDS, patiently
from rayfed.runtime import chain, cluster, drafting, preflight
from rayfed.runtime.apart import Apart
from rayfed.runtime.results import CHARTER, check_edition, finished, write

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.backend import Backend
    from rayfed.protocol.charter import Charter

FILE = "founded.json"

DRAFTING = "loading data, trying the model and drafting the charter"


@dataclass(frozen=True, slots=True)
class Founded:
    """A federation that a run has founded.

    Attributes:
        federation: the contract's address.
        chain_id: of the chain that it is on.
        block: the one that it was founded in.
        salt: makes the address one of this run's own, among all federations on the same charter; 32 bytes, in hex.
        started: when the run was started, seconds since the epoch.
    """

    federation: Address
    chain_id: int
    block: int
    salt: str
    started: float

    def keep(self, folder: Path) -> None:
        """Write it down, in one step: a run that is killed here has founded a federation or it has not.

        Raises:
            ConfigError: naming ``hydra.run.dir``.
        """
        path = folder / FILE
        try:
            new = path.with_suffix(".new")
            new.write_text(json.dumps(asdict(self), indent=1) + "\n")
            new.replace(path)
        except OSError as error:
            raise ConfigError("hydra.run.dir", f"cannot write {path}: {error.strerror}") from error


def kept(folder: Path) -> Founded | None:
    """Return the federation that a run with this output folder has founded and not finished; None if there is none.

    Raises:
        ConfigError: the run is finished, or of the first edition, or what it wrote cannot be read.
    """
    check_edition(folder, "hydra.run.dir")
    path = folder / FILE
    if not path.exists():
        return None
    if finished(folder):
        raise ConfigError("hydra.run.dir", f"the run in {folder} is finished; choose another folder for a new one")
    try:
        return Founded(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("hydra.run.dir", f"{path} cannot be read: {error}") from error


class FoundOrResume:
    """Founds the federation of a run, or resumes the one in its folder; each step once what it needs stands.

    Args:
        settings: the run's.
        output_dir: the run's folder, which tells whether there is something to resume.
        source: of another federation's model that it begins from; see ``beginning.Beginning``.

    Raises:
        ConfigError: see ``kept``.
    """

    def __init__(self, settings: Settings, output_dir: Path, source: Mapping[str, Any] | None = None) -> None:
        self._settings = settings
        self._source = source or {}
        self._output_dir = output_dir
        self._kept = kept(output_dir)
        self._apart: Apart[Charter] | None = None
        self._task: Any = None
        self._charter: Charter | None = None
        self.started = self._kept.started if self._kept else time.time()

    @property
    def patience(self) -> float:
        """Seconds for which the chain may be away: whoever resumes was connected before, so that whatever keeps the
        chain away is not a wrong setting."""
        return OUTAGE_SECONDS if self._kept else 0.0

    @property
    def pool(self) -> int:
        """What is to be put into the pool, if that has not been done, in the coin's smallest unit."""
        return drafting.pool(self._settings)

    def begin(self) -> None:
        """Begin to draft the charter, where there is no federation yet and the nodes will run on this machine; returns
        at once. On a cluster that is there already, only its machines know the images."""
        if self._kept is None and cluster.is_own(self._settings):
            variables = cluster.variables(self._settings)
            self._apart = Apart(drafting.draft, self._settings, True, self._source, variables=variables, about="model")

    def end(self) -> None:
        """End the draft if it still goes on, whatever ended the run."""
        if self._apart is not None:
            self._apart.end()

    def tried(self, say: Callable[[str], None]) -> None:
        """Wait for what ``begin`` has begun: nothing is started and nothing is paid for what cannot work.

        Raises:
            RayfedError: the data, the model or the training cannot be used.
        """
        if self._apart is not None:
            say(DRAFTING)
            self._charter = self._apart.result()

    def prepare(self) -> None:
        """Begin to draft the charter on the cluster, where there is neither federation nor charter; returns at once."""
        if self._kept is None and self._charter is None:
            self._task = cluster.task(drafting.draft, self._settings).remote(self._settings, False, self._source)

    def federation(self, backend: Backend, say: Callable[[str], None]) -> tuple[Founded, str]:
        """Return the federation and its charter's text.

        Args:
            backend: where it is or will be.
            say: told in a few words what is being done.

        Raises:
            RayfedError: data, model or chain do not allow it.
        """
        there = self._kept
        if there and not patiently(partial(backend.exists, there.federation), self.patience):
            # Killed before the chain had been written to disk for the first time: nothing was founded yet.
            self._kept = there = None
            self.prepare()
        if there is None:
            there = self._found(backend, say)
        else:
            say("resuming the federation")
        return there, (self._output_dir / CHARTER).read_text()

    def _found(self, backend: Backend, say: Callable[[str], None]) -> Founded:
        charter = self._charter
        if charter is None:
            say(DRAFTING)
            charter = cluster.result(self._task)
        if self._settings.ledger.kind != "devchain":  # which ends with the run
            preflight.check_lock(self._settings, charter)
        payer = chain.payer(backend)
        coin = backend.make_coin(payer) if self._settings.stake.coin == "dlc" else None
        write(self._output_dir / CHARTER, charter.canonical_json())
        say("founding the federation")
        salt = secrets.token_bytes(32)
        made = backend.found(payer, charter, coin, salt)
        founded = Founded(made.federation, backend.locator.chain_id, made.block, salt.hex(), self.started)
        founded.keep(self._output_dir)
        return founded
