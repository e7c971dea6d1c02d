"""What does a federation cost beside the training that it does? ``python -m benchmarks train``

Eight nodes with 2,000 pictures of CIFAR-10 each, five rounds of one epoch, batch 64, SGD 0.05 / 0.9, a CNN of 586,250
parameters, two nodes at a time on a thread each: the whole federation, against two processes that do nothing but the
same arithmetic, in the same run. The nodes' processes are told to keep freed memory; the bare ones are as PyTorch
comes.
"""

from __future__ import annotations

from functools import cache

from benchmarks import bare_loop, cifar, federated
from benchmarks.bare_loop import NODES, Timing
from benchmarks.federated import Run
from benchmarks.machine import Figure, report

ROUNDS = 5
FAST = ("train.precision=bf16", "train.channels_last=true")


@cache
def bare() -> Timing:
    """Run the bare loop; a second caller in the same process gets the same run."""
    return bare_loop.run(cifar.work(), ROUNDS)


@cache
def measured(*settings: str) -> Run:
    """Run a federation; a second caller in the same process gets the same run."""
    place = cifar.folder()
    return federated.run(
        *("data=image_folder", f"data.root={place}", f"data.cache_dir={place / 'cache'}", "data.augment.flip=false"),
        *("partition=iid", "model=small_cnn", f"federation.nodes={NODES}", f"federation.rounds={ROUNDS}"),
        *("train/optimizer=sgd", f"train.optimizer.lr={bare_loop.RATE}", f"train.batch_size={bare_loop.BATCH}"),
        *(f"train.optimizer.momentum={bare_loop.MOMENTUM}", "train.epochs=1", "train.threads=1"),
        *(f"cluster.nodes_per_actor={NODES // bare_loop.PROCESSES}", *settings),
        weighs=True,
    )


def main() -> None:
    """Measure, print, write."""
    work = cifar.work()
    plain, whole, fast = bare(), measured(), measured(*FAST)
    learning = sum(plain.seconds)
    figures = [
        Figure("bare loop, fp32: a round", "s", plain.seconds, "the arithmetic on one thread a process"),
        Figure("federation, fp32: a round", "s", whole.rounds, "the same; the rest is `round`'s, and the slower half"),
        Figure("federation, bf16, channels last", "s", fast.rounds, "the same"),
    ]
    for name, run, target in (("fp32", whole, 1.1), ("bf16, channels last", fast, None)):
        figures += [
            Figure(f"{name}: all rounds beside the bare loop", "", [run.learning / learning], "", target),
            Figure(f"{name}: before the first round", "s", [run.start], "Ray, chain, contract, processes, data"),
            Figure(f"{name}: after the last", "s", [run.end], "records, summary, stopping"),
            Figure(f"{name}: whole run", "s", [run.wall]),
            Figure(
                f"{name}: peak memory", "GB", [run.memory / 1e9], "PSS of all processes, Ray's and the chain's too", 2.0
            ),
            Figure(f"{name}: final accuracy", "", [run.summary["final_accuracy"]]),
        ]
    figures.append(Figure("bare loop: final accuracy", "", plain.accuracy[-1:]))
    report(
        "train",
        f"{NODES} nodes with {len(work.nodes[0][1])} pictures each, {ROUNDS} rounds of an epoch, two nodes at a time",
        figures,
        packages=("torch", "ray", "numpy"),
        details={"nodes": NODES, "rounds": ROUNDS, "batch": bare_loop.BATCH},
    )


if __name__ == "__main__":
    main()
