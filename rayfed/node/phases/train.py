"""COMMIT: training from the round's base, and the update that comes of it."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from math import isfinite

from rayfed.encoding.primitives import NO_ROOT, Root
from rayfed.errors import CodecError, ConfigError
from rayfed.learning import State, Update
from rayfed.node.faltering import ROUNDS
from rayfed.node.kit import Kit
from rayfed.node.phases.ready import NOTHING, JournalEntry, Ready
from rayfed.node.training import Stops, stoppably
from rayfed.protocol.commands import Commit
from rayfed.protocol.messages import Phase, Verb, View
from rayfed.protocol.policy import Train


@dataclass(frozen=True, slots=True)
class TrainJob:
    """A job: training for this round, from the model with this root."""

    round: int
    base: Root


@dataclass(frozen=True, slots=True)
class Trained:
    """A job's result: the update, which lies on the own disk by ``root``.

    Attributes:
        update: as the learner gave it.
        saturated: how many of its values did not fit the fixed point and were clipped.
        train_seconds, encode_seconds: what it took.
        diverged: why the base stands here instead of what was trained; empty if it does not.
    """

    root: Root
    update: Update
    saturated: int
    train_seconds: float
    encode_seconds: float
    diverged: str = ""


class TrainHandler:
    """Has the update made by the node's worker, and commits to it.

    Where training diverges, the node commits to the base with the weight of one example: nobody waits for it, and what
    it adds is nothing. Where that goes on, it has failed.
    """

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self._diverged = 0

    def __call__(self, action: Train, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        round, context = action.round, view.context
        said = self.kit.resources.journal.said(round, Verb.COMMIT, context)
        if said == NO_ROOT.hex() and view.base_settled:
            return NOTHING  # it has abstained, and the base was settled before that was heard: now nobody takes it
        if said is not None and action.commits:
            return Ready(True, command=Commit(round, context, bytes.fromhex(said)))
        job, worker = TrainJob(action.round, action.base), self.kit.resources.worker
        if worker.is_free:
            worker.start(job, partial(self.make, job, self.kit.held.state))
        done = worker.poll(job) if action.commits else None  # until the base is known to be good the result waits
        return NOTHING if done is None else self._committed(job, context, done.result)

    def _committed(self, job: TrainJob, context: bytes, trained: Trained) -> Ready:
        log, update = self.kit.log, trained.update
        note = self._told(job.round, trained)
        loss = update.loss if isfinite(update.loss) else None
        log.add_seconds(job.round, "train", trained.train_seconds)
        log.add_seconds(job.round, "encode", trained.encode_seconds)
        log.amend(
            job.round,
            loss=loss,
            examples=update.examples,
            saturated=trained.saturated,
            epsilon=update.epsilon,
        )
        self.kit.board.show(loss=loss)
        entry = JournalEntry(job.round, Verb.COMMIT, context, trained.root.hex())
        return Ready(True, entry, Commit(job.round, context, trained.root), note)

    def _told(self, round: int, trained: Trained) -> str:
        """Return what the node's owner has to know of its training.

        Raises:
            ConfigError: it has diverged in too many rounds in a row.
        """
        if not trained.diverged:
            self._diverged = 0
            return ""
        self._diverged += 1
        if self._diverged > ROUNDS:
            words = f"training diverged in {self._diverged} rounds in a row ({trained.diverged})"
            raise ConfigError("train.optimizer", f"{words}; a lower train.optimizer.lr may help")
        return f"round {round}: training diverged ({trained.diverged}); it commits to the round's base"

    def make(self, job: TrainJob, base: State, stops: Stops) -> Trained:
        """Train, and put the update on the own disk. This runs where the worker does.

        Raises:
            TrainingStopped: ``stops`` said so.
            StoreError: the disk is full.
        """
        kit = self.kit
        began = time.perf_counter()
        stoppably(kit.resources.learner, stops)
        update = kit.resources.learner.train(base, job.round)
        trained = time.perf_counter()
        behaviour, codec, disk = kit.hooks.behaviour, kit.tools.codec, kit.tools.disk
        examples = behaviour.examples(job.round, update.examples)
        diverged = ""
        try:
            encoded = codec.update(job.round, kit.address, update.state, examples)
        except CodecError as error:  # a NaN or an infinity
            diverged = str(error)
            encoded = codec.update(job.round, kit.address, base, 1)
        behaviour.forge(job.round, lambda: codec.weights(disk.read(job.base)), codec.weights(encoded.blob))
        encoded = codec.packed(encoded, lambda: disk.read(job.base))
        root = disk.keep(encoded.blob)
        return Trained(root, update, encoded.saturated, trained - began, time.perf_counter() - trained, diverged)


def is_outrun(job: Hashable | None, view: View) -> bool:
    """Say whether a job is training that nobody waits for any more: its round, its phase or its base is gone."""
    if not isinstance(job, TrainJob):
        return False
    return (view.round, view.phase, view.base) != (job.round, Phase.COMMIT, job.base)
