"""The model that a run ended with, as files for whoever takes it away: weights, code and a card, without rayfed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.config.files import CARD, CODE, WEIGHTS
from rayfed.encoding.primitives import Root
from rayfed.errors import RayfedError
from rayfed.protocol.charter import Charter
from rayfed.runtime.results import CHARTER, write

if TYPE_CHECKING:
    from torch import nn

    from rayfed.config import Settings
    from rayfed.node.edge_node import EdgeNode
    from rayfed.runtime.place import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A whole model, as it goes to whoever writes it down.

    Attributes:
        weights: content of ``model.safetensors``: every tensor of the state dict by its name, those with two names by
            both.
        code: content of ``model.py``.
        call: how the model is called in there.
        parameters: how many there are.
    """

    weights: bytes
    code: str
    call: str
    parameters: int


def held(nodes: Sequence[EdgeNode], root: Root, place: Place) -> ModelFiles | None:
    """Return the model of this root, if one of these nodes has it.

    Raises:
        ConfigError: its class cannot be imported where whoever takes it away would do so.
    """
    from rayfed.learning.learner import TorchLearner

    for node in nodes:
        own, learner = node.kit.held, node.kit.resources.learner
        if own.model == root and isinstance(learner, TorchLearner):
            from rayfed.learning import states

            model = learner.model(own.state)
            states.widen(model)
            return of(model, root, place, learner.settings.model)
    return None


def from_disks(settings: Settings, place: Place, root: Root, folder: Path) -> ModelFiles:
    """Return the model of this root from the nodes' disks in a folder: hosts that stay for a short time may be gone.

    Raises:
        ConfigError: no disk there has it.
    """
    from rayfed.learning import group_norm, states
    from rayfed.learning.targets import in_charter
    from rayfed.runtime import models

    charter = Charter.from_json(place.charter)
    # The network is that of this party's own settings: what others wrote into a charter is not run.
    added = {key: value for key, value in charter.model.items() if key in (states.KEY, group_norm.KEY)}
    own = {key: value for key, value in in_charter(settings.model).items() if key != "pretrained"}
    model = models.from_folder(replace(charter, model={**own, **added}), root, folder)
    return of(model, root, place, settings.model)


def of(model: nn.Module, root: Root, place: Place, built_by: Mapping[str, Any]) -> ModelFiles:
    """Return a model, which is not ``narrow``, as files.

    Args:
        root, place: whose model it is.
        built_by: this party's own settings ``model``.

    Raises:
        ConfigError: its class cannot be imported.
    """
    from safetensors.torch import save

    from rayfed.learning import frozen, group_norm, portable

    charter = Charter.from_json(place.charter)
    about = {
        "federation": place.federation,
        "chain_id": str(place.chain_id),
        "charter": "0x" + charter.hash.hex(),
        "root": "0x" + root.hex(),
    }
    # Tensors that share memory are refused; whoever loads them wants each under its own name.
    state = {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}
    line = f"The network of the federation {place.federation}; model.md says how to use it."
    return ModelFiles(
        _ordered(save(state, {"format": "pt", **about})),
        portable.source(built_by, charter.data, group_norm.chosen(charter.model), line, frozen.held(model)),
        portable.call(charter.data),
        sum(parameter.numel() for parameter in model.parameters()),
    )


def _ordered(saved: bytes) -> bytes:
    """Return safetensors with what they say of themselves in order: the same model is the same file for everybody."""
    end = 8 + int.from_bytes(saved[:8], "little")
    header = json.loads(saved[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return saved[:8] + text.ljust(end - 8) + saved[end:]


def keep(
    folder: Path,
    place: Place,
    root: Root,
    sources: Iterable[Callable[[], ModelFiles | None]],
    figures: Mapping[str, str],
) -> bool:
    """Write the model into a run's folder; say in a warning why, if it cannot be.

    Args:
        root: of the model.
        sources: who may have it; the first that does is enough.
        figures: how good it is, for the card.

    Raises:
        ConfigError: the folder cannot be written.
    """
    from rayfed.reporting.model_card import card

    trouble = "no node of this run holds it"
    for source in sources:
        try:
            found = source()
        except RayfedError as error:
            trouble = str(getattr(error, "cause", error))  # Ray's own text is a trace
            continue
        if found is None:
            continue
        charter = Charter.from_json(place.charter)
        write(folder / CODE, found.code)
        write(
            folder / CARD, card(charter, place.federation, place.chain_id, root, found.parameters, found.call, figures)
        )
        if not (folder / CHARTER).exists():
            write(folder / CHARTER, place.charter)
        write(folder / WEIGHTS, found.weights)
        return True
    log.warning("%s is not written: %s", WEIGHTS, trouble)
    return False
