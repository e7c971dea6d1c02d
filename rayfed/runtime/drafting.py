"""Drafting: from settings and data to the charter that all nodes will have to agree to, with a model that was tried.

Runs where the images are (a process of its own on this machine, or a Ray task on a cluster), not in the process that
starts the federation; what comes back is the charter, which holds names, shapes and a hash, and no weight.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.aggregation.rules import TRIM_UNIT
from rayfed.aggregation.rules.clipping import CLIP_UNIT
from rayfed.aggregation.rules.optimizer import RATE_UNIT, TAU_UNIT, UNIT, extended
from rayfed.errors import CodecError, ConfigError
from rayfed.learning.targets import in_charter
from rayfed.protocol.charter import SHARES, Charter, MergeTerms, StakeTerms
from rayfed.runtime import commit_time
from rayfed.runtime.commit_time import TrainingPace

if TYPE_CHECKING:
    from torch import nn

    from rayfed.config import Settings
    from rayfed.config.groups.federation import MergeSettings
    from rayfed.encoding.layout import Frozen, Layout
    from rayfed.encoding.primitives import Root
    from rayfed.learning.data import Dataset
    from rayfed.learning.examples import Examples
    from rayfed.learning.rehearsal import Rehearsal

SKETCH = b"sketch of a charter, not founded"
"""Stands for the genesis root while the model is tried."""

ADAPTIVE_RATE = 0.03
"""The learning rate of fedadam and fedyogi where ``merge.server_lr`` says nothing."""

TORCHVISION = "torchvision"
"""``model.pretrained`` for the best weights that torchvision has; anything else is a file."""


def draft(settings: Settings, here: bool = False, source: Mapping[str, Any] | None = None) -> Charter:
    """Load the data, build the genesis model, write down what all nodes have to agree on, and try a round of it.

    Args:
        here: whether the nodes will run on this very machine.
        source: what the charter says of another federation's model that this one begins from.

    Raises:
        DataError: the images cannot be used.
        ConfigError: the model, the partition or the training does not fit them.
    """
    from rayfed.encoding import codec, merkle
    from rayfed.learning import frozen, group_norm, learner, material, states
    from rayfed.learning.rehearsal import Rehearsal

    pictures = learner.load(settings)
    material.check(settings, pictures)
    if settings.attack.kind == "label_flip" and pictures.labels is None:
        raise ConfigError("attack.kind", "label_flip exchanges classes, and what is learned here has none")
    model, state = learner.genesis(settings, pictures)
    _check_optimizer(settings, model)
    described = _described(settings.model)
    if settings.privacy.kind == "dp":
        from rayfed.learning import dp_sgd

        dp_sgd.require(model, learner.task(settings, pictures))
        described[group_norm.KEY] = group_norm.VALUE
    states.check_names(model, state)
    parameters = {name: value for name, value in model.named_parameters() if name in state}
    trained = {name: value for name, value in parameters.items() if value.requires_grad} or parameters
    states.check(trained)

    nodes = settings.federation.nodes

    def tried(charter: Charter, timed: bool = False) -> tuple[Mapping[str, Any], TrainingPace | None]:
        shares = (learner.share(settings, pictures, slot) for slot in range(nodes))
        rehearsal = Rehearsal(settings, charter, pictures, here, timed)
        return rehearsal.rehearse(state, shares), _pace(settings, rehearsal, nodes)

    # What travels, and at which fixed point, shows in the first steps of training.
    sketch = _charter(settings, pictures, described, codec.Layout.of(trained), SKETCH)
    after, pace = tried(sketch, _is_timed(settings, here))
    terms = replace(settings.federation, commit_seconds=commit_time.chosen(settings, pace))
    settings = replace(settings, federation=terms)
    still = frozen.found(model, state, after)
    constants = states.constants_of(model, state, after, still)
    if constants:
        described[states.KEY] = constants
    beside = frozen.describe(model, {name: state[name] for name in still})
    state = {name: value for name, value in state.items() if name not in constants and name not in still}
    layout = _layout(state, parameters, after, beside)
    states.check_reach(layout, after)
    states.narrow(model, described, layout)
    whole = replace(extended(layout, settings.merge.optimizer), bits=settings.merge.bits)
    blob = codec.encode(layout, state, codec.Header.merged(0), within=whole).blob
    states.check_restored(model, layout, state, codec.decode(layout, blob, within=whole))
    charter = _charter(settings, pictures, described, layout, merkle.root(blob))
    charter = replace(charter, genesis_source={**charter.genesis_source, **(source or {})})
    if constants or still:
        tried(charter)
    return charter


def _layout(
    state: Mapping[str, Any], parameters: Collection[str], after: Mapping[str, Any], beside: Frozen | None
) -> Layout:
    """Return the layout of what travels, with what is frozen beside it.

    Raises:
        ConfigError: naming ``model`` and what does not fit any fixed point.
    """
    from rayfed.encoding import headroom
    from rayfed.learning import states

    states.check(state)
    try:
        return headroom.fitted(state, parameters, after, beside)
    except CodecError as error:
        raise ConfigError("model", f"cannot travel: {error}") from error


def _charter(
    settings: Settings, pictures: Dataset | Examples, described: Mapping[str, Any], layout: Layout, genesis: Root
) -> Charter:
    from rayfed.learning import learner

    terms = settings.federation
    return Charter(
        name=settings.name,
        layout=layout,
        data=learner.terms(settings, pictures),
        model=described,
        merge=_merge_terms(settings.merge),
        rounds=terms.rounds,
        join_seconds=terms.join_seconds,
        commit_seconds=terms.commit,
        vote_seconds=terms.vote_seconds,
        attest_seconds=terms.attest_seconds,
        start_members=terms.start,
        min_members=terms.fewest,
        max_missed=terms.max_missed,
        max_unsettled=terms.max_unsettled,
        max_void=terms.max_void,
        limit_seconds=terms.limit_seconds,
        genesis=genesis,
        genesis_source={"seed": settings.seed},
        stake=stake_terms(settings),
        final_model=terms.final_model,
    )


def try_joining(settings: Settings, text: str, here: bool = False) -> None:
    """Try a round of a federation that is there already, on this party's images.

    Args:
        text: of the federation's charter.
        here: as in ``draft``.

    Raises:
        DataError: the images cannot be used.
        ConfigError: model or training do not fit them, or the model is not the charter's.
    """
    from rayfed.learning import learner
    from rayfed.learning.rehearsal import Rehearsal

    charter = Charter.from_json(text)
    pictures = learner.load(settings, charter.data)
    model, state = learner.genesis(settings, pictures, charter)
    _check_optimizer(settings, model)
    try:
        charter.layout.check_names(state)
        for spec in charter.layout.tensors:
            spec.check(state[spec.name])
    except CodecError as error:
        raise ConfigError("model", f"is not the federation's: {error}") from error
    rehearsal = Rehearsal(settings, charter, pictures, here, _is_timed(settings, here))
    rehearsal.rehearse(state, [learner.share(settings, pictures, -1)])
    commit_time.check(charter.commit_seconds, _pace(settings, rehearsal, 1))


def _is_timed(settings: Settings, here: bool) -> bool:
    """Whether it is worth knowing how fast training is, and can be known: by where the nodes will run."""
    matters = settings.ledger.kind != "devchain" or settings.federation.commit_seconds is None
    return matters and (here or not settings.cluster.num_gpus)


def _pace(settings: Settings, rehearsal: Rehearsal, nodes: int) -> TrainingPace | None:
    return None if rehearsal.rate is None else TrainingPace.of(settings, rehearsal.examples, rehearsal.rate, nodes)


def _check_optimizer(settings: Settings, model: nn.Module) -> None:
    """Build what trains the model, for the first round and for the last: what does not take its parameters is found
    here, before a contract is founded and paid for.

    Raises:
        ConfigError: naming ``train.optimizer``, ``train.schedule`` or ``model``.
    """
    from rayfed.config.schema import LEARNER
    from rayfed.learning.optimizers import Optimizers

    if settings.learner["_target_"] != LEARNER:  # one of the user's own may not use them
        return
    train = settings.train
    optimizers = Optimizers(model, train.optimizer, train.schedule, train.weight_decay_on)
    for round in (1, settings.federation.rounds):
        optimizers.build(round)


def stake_terms(settings: Settings) -> StakeTerms:
    """Return what is at stake, in smallest units: of the coin, and the bond's of the chain's own currency.

    Raises:
        ConfigError: the list of who may join cannot be read.
    """
    from rayfed.ledger import allow_list
    from rayfed.ledger.ethereum.abi import checksum

    chosen = settings.stake
    allowed = allow_list.read(Path(chosen.allow_list)) if chosen.allow_list else ()
    return StakeTerms(
        coin=checksum(chosen.coin) if chosen.coin.startswith("0x") else chosen.coin,
        stake=units(chosen.amount),
        reward=units(chosen.reward),
        bond=max(1, units(chosen.bond)),
        window_seconds=chosen.window_seconds,
        clock_seconds=chosen.clock_seconds,
        proof_seconds=chosen.proof_seconds,
        right_share=round(chosen.right_share * SHARES),
        allow_list="0x" + allow_list.root(allowed).hex(),
    )


def pool(settings: Settings) -> int:
    """Return what the founder puts into the pool, in the coin's smallest unit."""
    chosen = settings.stake
    return units(chosen.reward) * settings.federation.rounds if chosen.pool is None else units(chosen.pool)


def units(coins: float) -> int:
    """Return whole coins in their smallest unit, 10^-18, exactly as they were written."""
    return int(Decimal(repr(coins)).scaleb(18))


def _merge_terms(merge: MergeSettings) -> MergeTerms:
    return MergeTerms(
        rule=merge.rule,
        trim=round(merge.trim * TRIM_UNIT),
        max_weight=merge.max_weight,
        mixing=merge.mixing,
        f=merge.f,
        bucket=merge.bucket,
        clip=round(merge.clip * CLIP_UNIT),
        iterations=merge.iterations,
        bits=merge.bits,
        **_optimizer_terms(merge),
    )


def _optimizer_terms(merge: MergeSettings) -> dict[str, Any]:
    """Return the optimiser's settings; where there is none, none: the charter does not name them."""
    if merge.optimizer == "none":
        return {}
    rate = (1.0 if merge.optimizer == "fedavgm" else ADAPTIVE_RATE) if merge.server_lr is None else merge.server_lr
    return {
        "optimizer": merge.optimizer,
        "server_lr": round(rate * RATE_UNIT),
        "momentum": round(merge.momentum * UNIT),
        "second_momentum": round(merge.second_momentum * UNIT),
        "tau": round(merge.tau * TAU_UNIT),
    }


def _described(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's settings as the charter has them. A file of weights lies somewhere else on every machine: what
    all agree on is its content."""
    described: dict[str, Any] = in_charter(model)
    weights = described.get("pretrained")
    if weights not in (None, TORCHVISION):
        with Path(weights).open("rb") as file:
            described["pretrained"] = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    return described
