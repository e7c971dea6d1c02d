"""How much privacy a node has spent, on its own disk, so that a restart does not forget it.

The guarantee is (epsilon, delta)-differential privacy for one image of this node against somebody who sees every
update that the node ever offered in the federation. The accountants are Opacus'.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rayfed.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Spent:
    """One round's training.

    Attributes:
        round: in which round.
        run: hexadecimal name of all that went into it; the same name is the same update.
        noise_multiplier: standard deviation of the noise over the clipping norm.
        sample_rate: probability with which an image is in a step, 0..1.
        steps: optimiser steps.
    """

    round: int
    run: str
    noise_multiplier: float
    sample_rate: float
    steps: int


class Budget:
    """What one node has spent: an append-only file of ``Spent``, synced to disk before an update may be shown.

    Training the same thing again (after a restart) gives the same update and is counted once.
    """

    def __init__(self, path: Path, delta: float, accountant: str = "rdp") -> None:
        """Open or create the file at ``path``; a line that was cut off by a kill is dropped, its update was not shown.

        Args:
            path: the node's own.
            delta: the probability with which the guarantee may fail.
            accountant: ``rdp`` or ``prv``.
        """
        self.delta = delta
        self.accountant = accountant
        self._spent: dict[str, Spent] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                entry = Spent(**json.loads(line))
                self._spent[entry.run] = entry
                whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def epsilon(self, more: Sequence[Spent] = ()) -> float:
        """Return what is spent so far, and with ``more``; 0 if there is nothing."""
        entries = {**self._spent, **{entry.run: entry for entry in more}}
        return epsilon(list(entries.values()), self.delta, self.accountant)

    def spend(self, entry: Spent) -> float:
        """Write an entry down, unless it is there; return what is spent so far once it is on the disk."""
        if entry.run not in self._spent:
            self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._spent[entry.run] = entry
        return self.epsilon()


def epsilon(entries: Sequence[Spent], delta: float, accountant: str = "rdp") -> float:
    """Return the epsilon of all these rounds together.

    ``rdp``: Rényi moments of the subsampled Gaussian (Mironov et al. 2019, arXiv:1908.10530), an upper bound;
    ``prv``: numerical composition (Gopi et al. 2021, arXiv:2106.02848), tighter and slower.
    """
    from opacus.accountants import create_accountant

    steps: dict[tuple[float, float], int] = {}
    for entry in entries:
        key = entry.noise_multiplier, entry.sample_rate
        steps[key] = steps.get(key, 0) + entry.steps
    if not steps:
        return 0.0
    counting = create_accountant(mechanism=accountant)
    counting.history = [(noise, rate, count) for (noise, rate), count in steps.items()]
    return float(counting.get_epsilon(delta=delta))


def noise_for(target_epsilon: float, delta: float, sample_rate: float, steps: int, accountant: str = "rdp") -> float:
    """Return the least noise multiplier (to 0.01 in epsilon) with which so many steps stay within the target.

    Raises:
        ConfigError: no noise is enough.
    """
    from opacus.accountants.utils import get_noise_multiplier

    try:
        return float(
            get_noise_multiplier(
                target_epsilon=target_epsilon,
                target_delta=delta,
                sample_rate=sample_rate,
                steps=steps,
                accountant=accountant,
                epsilon_tolerance=min(0.01, target_epsilon / 100),
            )
        )
    except ValueError as error:
        raise ConfigError(
            "privacy.target_epsilon", f"{target_epsilon:g} cannot be kept over {steps} steps: {error}"
        ) from error
