"""Training imports no compiler, and its steps are torch's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rayfed.learning import uncompiled
from rayfed.learning.uncompiled import COMPILER, building, step_of

REPOSITORY = Path(__file__).resolve().parents[2]

OPTIMIZERS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "amsgrad": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    ("Rprop", {"lr": 0.01}),
    ("LBFGS", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1}),
]


def in_a_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


COMMON = """
import sys, numpy as np, torch
from rayfed.learning.models import SmallCNN
from rayfed.learning.train import Trainer
torch.set_num_threads(1)
x, y = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8), np.arange(20) % 3
def fit(name, **settings):
    torch.manual_seed(0)
    net = SmallCNN((1, 8, 8), 3, width=4, hidden=16)
    base = {key: value.clone() for key, value in net.state_dict().items()}
    t = Trainer(net, {"optimizer": {"_target_": "torch.optim." + name, "lr": 0.01}, "batch_size": 8, **settings})
    return t.fit(base, x, y, (5 * 10**5,), (10**6,), 1, 2).state
"""


def test_training_imports_no_compiler_and_gives_the_bits_that_it_gives_with_it() -> None:
    code = f"""{COMMON}
schedule = {{"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1}}
names = ("SGD", "Adam", "AdamW")
without = [fit(name, schedule=schedule, mu=0.1) for name in names]
print("{COMPILER}" in sys.modules, "sympy" in sys.modules)
import torch._dynamo
again = [fit(name, schedule=schedule, mu=0.1) for name in names]
print(all(torch.equal(a[key], b[key]) for a, b in zip(without, again) for key in a))
"""
    assert in_a_process(code).split() == ["False", "False", "True"]


def test_the_compiler_is_kept_away_again_afterwards() -> None:
    code = """
import torch
from rayfed.learning import uncompiled
from rayfed.learning.uncompiled import building
from torch.optim import Optimizer
function = Optimizer.add_param_group.__wrapped__
with building():
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
print(hasattr(function, "__dynamo_disable"))
torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
print(getattr(function, "__dynamo_disable") is not function)
"""
    assert in_a_process(code).split() == ["False", "True"]


@pytest.mark.parametrize(("name", "parameters"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
def test_a_step_is_torch_s_step(name: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncompiled, "COMPILER", "nowhere")  # another test has imported it, so nothing is left out

    def run(ours: bool) -> torch.Tensor:
        torch.manual_seed(0)
        net = nn.Linear(5, 3)
        optimizer = getattr(torch.optim, name)(net.parameters(), **parameters)
        step = step_of(optimizer) if ours else optimizer.step
        for _ in range(4):
            loss = net(torch.ones(2, 5)).square().sum()
            if name == "LBFGS":
                optimizer.step(lambda loss=loss: loss)
                continue
            net.zero_grad()
            loss.backward()
            step()
        return net.weight.detach()

    torch.manual_seed(0)
    before = nn.Linear(5, 3).weight
    assert torch.equal(run(True), run(False))
    assert name == "LBFGS" or not torch.equal(run(True), before)


def test_hooks_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncompiled, "COMPILER", "nowhere")
    parameter = nn.Parameter(torch.zeros(1))
    with building():
        optimizer = torch.optim.SGD([parameter], lr=1.0)
    assert step_of(optimizer) != optimizer.step
    optimizer.register_step_post_hook(lambda *_: None)
    assert step_of(optimizer) == optimizer.step


def test_other_people_s_optimizers_take_their_own_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncompiled, "COMPILER", "nowhere")

    class Mine(torch.optim.SGD):
        pass

    parameter = nn.Parameter(torch.zeros(1))
    for optimizer in (Mine([parameter], lr=1.0), torch.optim.SGD([parameter], lr=1.0, differentiable=True)):
        assert step_of(optimizer) == optimizer.step
