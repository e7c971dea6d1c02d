"""Flower's clients in ``flower_app``: a module of its own, so that its caches live in the processes that import it."""

from __future__ import annotations

from functools import cache
from typing import Any

import bare_loop
import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp


@cache
def pictures(job: str, which: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what one client trains on, or what is tested on; kept in the process that asks."""
    told = np.load(job)
    return bare_loop.prepare((told[f"x_{which}"], told[f"y_{which}"]), told["mean"].tolist(), told["std"].tolist())


@cache
def kind(job: str) -> str:
    """Return what is to be done."""
    return str(np.load(job)["kind"])


def app(job: str) -> ClientApp:
    """Return the clients."""
    client = ClientApp()

    @client.train()
    def train(message: Message, context: Context) -> Message:
        torch.set_num_threads(1)
        state = message.content["arrays"].to_torch_state_dict()  # type: ignore[union-attr]
        figures: dict[str, Any] = {"num-examples": 1}
        if kind(job) == "train":
            me, round = int(context.node_config["partition-id"]), int(message.content["config"]["server-round"])
            net = bare_loop.network()
            net.load_state_dict(state)
            x, y = pictures(job, str(me))
            figures = {"num-examples": len(y), "loss": bare_loop.epoch(net, x, y, 1000 * round + me)}
            state = net.state_dict()
        content = RecordDict({"arrays": ArrayRecord(state), "metrics": MetricRecord(figures)})
        return Message(content=content, reply_to=message)

    return client
