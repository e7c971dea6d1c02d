"""Refuse an update that does badly on data that its author has never seen: the node's own.

Source: Fang et al. 2020, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning" (loss based
rejection), and Xie, Koyejo and Gupta 2019, "Zeno" (the loss against the base's); here each node uses its own private
pictures, and the vote does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rayfed.errors import ConfigError
from rayfed.messages import Verdict
from rayfed.screens import Evidence


@dataclass(frozen=True)
class Holdout:
    """Refuse an update whose loss is worse than the base's *and* far above the other updates'.

    Both, since with skewed classes many an honest update is worse than the base on somebody else's pictures, and in
    the last rounds nearly all are a little. Far above: more than ``factor`` median absolute deviations over the
    median of all, and at least ``slack`` nats over the base.
    """

    factor: float = 3.0
    slack: float = 0.1

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ConfigError("screens.holdout.factor", f"must be greater than 0, is {self.factor}")
        if not self.slack >= 0:
            raise ConfigError("screens.holdout.slack", f"must not be negative, is {self.slack}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "holdout"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the loss in nats, infinite where it is not a number."""
        if evidence.loss is None:
            return []
        base = evidence.loss(evidence.base)
        losses = {index: _finite(evidence.loss(evidence.updates[index])) for index in evidence.indices}
        middle = median(losses.values()) if losses else 0.0
        spread = median(abs(loss - middle) for loss in losses.values()) if math.isfinite(middle) else 0.0
        verdicts = []
        for index, loss in losses.items():
            accepted = loss <= base + self.slack or loss <= middle + self.factor * spread
            reason = (
                "" if accepted else f"a loss of {loss:.2f} where the base has {base:.2f} and the others {middle:.2f}"
            )
            verdicts.append(Verdict(self.name, index, accepted and math.isfinite(loss), loss, reason))
        return verdicts


def _finite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
