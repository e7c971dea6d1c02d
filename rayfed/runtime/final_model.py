"""The model that a federation ended with, as anybody has it who may read its store: fetched by its root, and built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.runtime import stores
from rayfed.store.files import FileStore

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from rayfed.config import Settings
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.charter import Charter
    from rayfed.protocol.messages import View


def fetched(settings: Settings, charter: Charter, connection: Federation, view: View, folder: Path) -> Any:
    """Fetch the model's blob; None where the federation has come no further than its genesis. It comes before anything
    slow: those who have it will not stay for ever.

    Args:
        folder: where it is kept.

    Raises:
        StoreError: nobody has it.
    """
    if view.base == charter.genesis:
        return None
    store = stores.of_visitor(settings, connection.address, FileStore(folder), connection)
    try:
        return store.get(view.base, charter.blob_layout.blob_size, view.members)
    finally:
        store.close()


def built(settings: Settings, charter: Charter, blob: Any) -> tuple[nn.Module, NDArray[Any] | None]:
    """Return the model as a torch module, with a few examples' worth of input of the right form (noise, or zeros for
    tokens: nobody's data leave their owner); None for a model of several inputs.

    Args:
        blob: as ``fetched`` returns it.
    """
    import numpy as np
    from torch.nn import Module

    from rayfed.encoding import codec
    from rayfed.learning import learner, states

    model, state = learner.genesis(settings, learner.load(settings, charter.data), charter)
    if blob is not None:
        state = codec.decode(charter.layout, blob, out=state, within=charter.blob_layout)
    model.load_state_dict(state)
    states.widen(model)
    forms = charter.data.prepare.get("inputs", [])
    if len(forms) > 1 or type(model).forward is Module.forward:  # it has none, but a training_step
        return model.eval(), None
    noise = np.random.default_rng(0).standard_normal((2, *charter.data.shape)).astype(np.float32)
    return model.eval(), np.zeros_like(noise, np.int64) if forms and forms[0]["type"] == "int64" else noise
