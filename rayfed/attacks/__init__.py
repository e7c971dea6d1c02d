"""Byzantine behaviours, for experiments: ``attack=NAME attack.nodes=F`` makes the last F nodes of a run dishonest.

An attack knows what its own nodes know: their data, the honest updates that they would have sent, what is public on
ledger and store, and the charter. It does not see what honest nodes have not published yet; commitments see to that
in a real federation, and an attack that looked would be stronger than anybody can be.

All work on fixed-point values, so that the same code runs in a federation and in the simulation that measures it
(``benchmarks/robustness.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from rayfed.attacks.behaviour import Behaviour
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rayfed.aggregation.rules import Rule
    from rayfed.aggregation.screens import Evidence
    from rayfed.encoding.primitives import Address

JITTER = 0.3
"""Noise that colluders add so that they are no copies of each other, in parts of their step's length."""

LOW, HIGH = -(2**31), 2**31 - 1


@dataclass(frozen=True)
class Crew:
    """What the dishonest nodes of a run have in common.

    Attributes:
        slot: of the node that this is for.
        slots: of all of them, lowest first.
        nodes: of the whole federation.
        classes: that there are.
        seed: of everything random; all of the crew have the same.
        rule: by which updates are merged: it stands in the charter.
        honest: given round, base and the own honest update, returns those of the whole crew in the order of
            ``slots``.
        indices: their indices as members, as a bitmap, once known.
        accounts: returns those of nodes, by their slots, as far as they are known.
    """

    slot: int
    slots: tuple[int, ...]
    nodes: int
    classes: int
    seed: int
    rule: Rule
    honest: Callable[[int, NDArray[np.int32], NDArray[np.int32]], Sequence[NDArray[np.int32]]]
    indices: Callable[[], int]
    accounts: Callable[[Sequence[int]], Sequence[Address]] = lambda slots: ()

    def rng(self, round: int, private: bool = True) -> np.random.Generator:
        """Return this round's generator: the node's own, or one that the whole crew draws the same from."""
        return np.random.default_rng([self.seed, round, self.slot + 1 if private else 0])


class Attack(Behaviour):
    """Honest but for what a subclass overrides."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew


class Crafted(Attack):
    """Sends a vector made from the crew's honest updates, moved by ``direction`` times ``scale`` from their mean.

    With ``optimised`` the scale is searched for: the one that moves the merge furthest, if the honest updates are as
    the crew's own (Shejwalkar and Houmansadr 2021, "Manipulating the Byzantine"). ``jitter``: as in ``disguised``.
    """

    SCALES = tuple(2.0**power for power in range(-4, 6))

    def __init__(self, crew: Crew, scale: float = 1.0, optimised: bool = False, jitter: float = JITTER) -> None:
        super().__init__(crew)
        self.scale, self.optimised, self.jitter = scale, optimised, jitter
        self._spread: NDArray[np.float64] | None = None

    def direction(self, mean: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where to go from the mean, given mean and standard deviation of the updates from the base."""
        raise NotImplementedError

    def saw(self, round: int, evidence: Evidence) -> None:
        """Keep how much the published updates differ: the next ones will differ about as much."""
        moved = [update.astype(np.float64) for update in evidence.updates.values()]
        self._spread = np.std(moved, axis=0) if len(moved) > 1 else None

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base()
        honest = np.array(self.crew.honest(round, start, values), np.float64) - start
        mean = honest.mean(axis=0)
        spread = self._spread if self._spread is not None else honest.std(axis=0)
        direction = self.direction(mean, spread)
        scale = self._best(start, honest, mean, direction) if self.optimised else self.scale
        disguised(self.crew, round, start, mean + scale * direction, self.jitter, values)

    def _best(
        self,
        base: NDArray[np.int32],
        honest: NDArray[np.float64],
        mean: NDArray[np.float64],
        direction: NDArray[np.float64],
    ) -> float:
        """Return the scale that moves the merge furthest from the mean of honest updates as the crew guesses them."""
        others = self.crew.nodes - len(self.crew.slots)
        # The crew's own updates, again and again, stand in for those that it cannot know.
        guessed = [_rounded(base + honest[i % len(honest)]) for i in range(others)]
        harm = []
        for scale in self.SCALES:
            bad = _rounded(base + mean + scale * direction)
            merged = np.empty(len(base), np.int32)
            updates = [*guessed, *[bad] * len(self.crew.slots)]
            self.crew.rule.merge(updates, [1] * len(updates), merged, threads=1, base=base)
            harm.append(float(np.linalg.norm(merged - base - mean)))
        return self.SCALES[int(np.argmax(harm))]


def disguised(
    crew: Crew,
    round: int,
    base: NDArray[np.int32],
    step: NDArray[np.float64],
    jitter: float,
    out: NDArray[np.int32],
) -> None:
    """Write ``base + step`` and the node's own noise, ``jitter`` times as long as the step.

    Without it all of the crew would send the same vector, and a screen for copies would find them all.
    """
    length = float(np.sqrt(np.mean(step**2)))
    fixed(base + step + jitter * length * crew.rng(round).standard_normal(len(step)), out)


def fixed(wanted: NDArray[np.float64], out: NDArray[np.int32]) -> None:
    """Write values, rounded, and cut to what int32 holds."""
    np.copyto(out, np.clip(np.rint(wanted), LOW, HIGH), casting="unsafe")


def _rounded(wanted: NDArray[np.float64]) -> NDArray[np.int32]:
    out = np.empty(len(wanted), np.int32)
    fixed(wanted, out)
    return out


def names() -> tuple[str, ...]:
    """Return the words by which the config knows the attacks."""
    return tuple(_KNOWN)


def make(name: str, crew: Crew, settings: Mapping[str, Any]) -> Attack:
    """Build an attack by its name in the config.

    Raises:
        ConfigError: there is no such attack, or it does not take these settings.
    """
    if name not in _KNOWN:
        raise ConfigError("attack.kind", f"there is no attack {name!r}; there are {', '.join(_KNOWN)}")
    module, _, kind = _KNOWN[name].rpartition(".")
    try:
        made: Attack = getattr(import_module(f"rayfed.attacks.{module}"), kind)(crew, **settings)
    except TypeError as error:
        raise ConfigError("attack.options", f"{name} does not take these options: {error}") from error
    return made


_KNOWN = {
    "sign_flip": "sign_flip.SignFlip",
    "label_flip": "label_flip.LabelFlip",
    "gaussian": "gaussian.Gaussian",
    "ipm": "ipm.InnerProduct",
    "alie": "alie.LittleIsEnough",
    "min_max": "min_max.MinMax",
    "mimic": "mimic.Mimic",
    "backdoor": "backdoor.Backdoor",
    "overflow": "overflow.Overflow",
    "free_rider": "free_rider.FreeRider",
    "copycat": "copycat.Copycat",
    "stale": "stale.Stale",
    "sybils": "sybils.Sybils",
    "heavy": "heavy.Heavy",
    "voters": "voters.Voters",
    "shun": "shun.Shun",
    "denial": "denial.Denial",
    "wrong_attestation": "wrong_attestation.WrongAttestation",
    "forged_merge": "forged_merge.ForgedMerge",
    "shams": "shams.Shams",
    "withheld": "withheld.Withheld",
    "garbage": "garbage.Garbage",
    "silent": "silent.Silent",
}
