"""The crew of a federation's dishonest nodes: each works out by itself what the others would have sent honestly.

They share settings and images, as one party with several accounts does, and training is deterministic, so nothing
has to travel between their processes. Each node then trains for the whole crew, and takes as much longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Crew
from rayfed.encoding import codec
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Address, bitmap

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.learning.learner import TorchLearner, Workshop
    from rayfed.ledger import Ledger
    from rayfed.protocol.charter import Charter


def crew(
    settings: Settings,
    charter: Charter,
    workshop: Workshop,
    kind: type[TorchLearner],
    slot: int,
    slots: tuple[int, ...],
    ledger: Ledger,
    accounts: Callable[[Sequence[int]], Sequence[Address]],
) -> Crew:
    """Return what the dishonest node ``slot`` of ``slots`` knows of its like.

    Args:
        accounts: of ``Crew``.
    """
    layout = charter.layout
    others = {other: kind(workshop, charter, other) for other in slots if other != slot}

    def honest(round: int, base: NDArray[np.int32], own: NDArray[np.int32]) -> Sequence[NDArray[np.int32]]:
        blob = codec.blank(layout, Header.merged(0, layout.hash))
        np.copyto(codec.values(blob, layout.size), base)
        state = codec.decode(layout, blob)
        made = []
        for other in slots:
            if other == slot:
                made.append(own.copy())
                continue
            trained = others[other].train(state, round).state
            made.append(codec.values(codec.encode(layout, trained, Header.merged(0)).blob, layout.size))
        return made

    def indices() -> int:
        members = ledger.view().members
        return bitmap(members.index(address) for address in accounts(slots) if address in members)

    classes = len(charter.data.classes)
    rule = charter.merge.rule_alone()
    return Crew(slot, slots, charter.start_members, classes, settings.seed, rule, honest, indices, accounts)
