"""How fast are encoding, decoding, hashing and merging, beside this machine's memory copy?

``python -m benchmarks.kernels`` measures with one thread a core; run it on a machine that does nothing else. Every
figure is in GB/s of the weights' bytes (4 a value): for a merge, of all n updates that it reads.
"""

from __future__ import annotations

import argparse
from functools import partial
from unittest import mock

import numpy as np

from benchmarks.machine import Figure, report, seconds
from rayfed.aggregation import rules
from rayfed.aggregation.rules.network import middle
from rayfed.encoding import blocks, codec, merkle, sha256
from rayfed.encoding.codec import Header, Layout

NODE = "0x" + "11" * 20
TARGETS = {"mean": 8.0, "trimmed_mean": 1.5, "median": 1.5}
BOUNDS = {
    "mean": "passes in the cache: int32 to int64 product (not if weights are equal), and sum, for every update",
    "trimmed_mean": "passes in the cache: {steps} minima and maxima for {n} updates, then the sum of the rest",
    "median": "passes in the cache: {steps} minima and maxima for {n} updates",
}


def resnet18() -> dict[str, np.ndarray]:
    """Random weights in the shapes of a ResNet-18 for 10 classes: 11.2 M values in 122 tensors, small ones too."""
    random = np.random.default_rng(0)
    state: dict[str, np.ndarray] = {}

    def conv(name: str, inputs: int, outputs: int, kernel: int) -> None:
        state[f"{name}.weight"] = random.normal(0, 0.05, (outputs, inputs, kernel, kernel)).astype(np.float32)
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.bn.{part}"] = random.normal(0, 0.5, outputs).astype(np.float32)
        state[f"{name}.bn.num_batches_tracked"] = np.array(1000)

    conv("stem", 3, 64, 7)
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            conv(f"{stage}.{block}.1", inputs, width, 3)
            conv(f"{stage}.{block}.2", width, width, 3)
            if inputs != width:
                conv(f"{stage}.{block}.down", inputs, width, 1)
            inputs = width
    state["fc.weight"] = random.normal(0, 0.05, (10, 512)).astype(np.float32)
    state["fc.bias"] = np.zeros(10, np.float32)
    return state


def main(repeats: int = 11) -> None:
    """Measure, print, write."""
    state = resnet18()
    layout = Layout.of(state)
    size = 4 * layout.size
    figures: list[Figure] = []

    def add(name: str, taken: list[float], byte_count: int = size, note: str = "", target: float | None = None) -> None:
        figures.append(Figure(name, "GB/s", [byte_count / second / 1e9 for second in taken], note, target))

    source, target = np.ones(layout.size, np.int32), np.empty(layout.size, np.int32)
    add("memory copy, 1 thread", seconds(lambda: np.copyto(target, source), repeats))

    def copy() -> None:
        def work(task: tuple[int, int]) -> None:
            target[slice(*task)] = source[slice(*task)]

        blocks.run(blocks.ranges(layout.size), lambda: work)

    add(f"memory copy, {blocks.default_threads()} threads", seconds(copy, repeats))

    blob = bytearray(layout.blob_size)
    model = {name: np.empty_like(array) for name, array in state.items()}
    header = Header.update(1, NODE, 1, NODE, weight=1000)
    encode = seconds(lambda: codec.encode(layout, state, header, out=blob), repeats)
    add("encode", encode, note="five passes in the cache (scale, round, two limits, convert)", target=5)
    add("encode to new memory", seconds(lambda: codec.encode(layout, state, header), repeats), note="page faults")
    add("decode", seconds(lambda: codec.decode(layout, blob, out=model), repeats), note="memory", target=7)
    add("decode to new memory", seconds(lambda: codec.decode(layout, blob), repeats), note="page faults")

    compiled = sha256.load() is not None
    one_by_one = "OpenSSL once a leaf: between leaves the threads wait for each other at the interpreter's lock"
    with mock.patch.object(sha256, "load", return_value=None):
        add("tree by hashlib, 1 thread", seconds(lambda: merkle.root(blob, 1), repeats), note="the SHA instructions")
        add("tree by hashlib", seconds(lambda: merkle.root(blob), repeats), note=one_by_one)
    with mock.patch.object(merkle, "_WORTH_COMPILING", 0):
        side_by_side = "the vector units' arithmetic, some 25 steps a round of SHA-256" if compiled else one_by_one
        add("tree, 1 thread", seconds(lambda: merkle.root(blob, 1), repeats), note=side_by_side)
        add("tree", seconds(lambda: merkle.root(blob), repeats), note=side_by_side, target=3)
    merkle._hashed = merkle._WORTH_COMPILING  # as in a process that has run for a while
    root = merkle.root(blob)

    def verify() -> None:
        if merkle.root(blob) != root or codec.check(layout, blob, header):
            raise AssertionError("a good blob does not verify")

    add("verify (root, header, padding)", seconds(verify, repeats), note="the tree")

    random = np.random.default_rng(1)
    updates = [random.integers(-(2**23), 2**23, layout.size, dtype=np.int32) for _ in range(30)]
    for n in (10, 30):
        for name, equal in (("mean", False), ("mean", True), ("trimmed_mean", False), ("median", False)):
            merge = partial(
                rules.make(name, trim=1000).merge,
                updates[:n],
                [1000] * n if equal else [1000 + 7 * index for index in range(n)],
                target,
            )
            k = 0 if name == "mean" else n * 1000 // 10_000 if name == "trimmed_mean" else (n - 1) // 2
            add(
                f"{name}, n = {n}{', equal weights' if equal else ''}",
                seconds(merge, repeats),
                n * size,
                BOUNDS[name].format(steps=len(middle(n, k).steps), n=n),
                TARGETS[name] if n == 10 else None,
            )
    report(
        "kernels",
        "GB/s of float32 bytes in and out of blobs, through the tree and through each merge rule",
        figures,
        packages=("numpy", "llvmlite") if compiled else ("numpy",),
        details={"values": layout.size, "tensors": len(layout.tensors), "threads": blocks.default_threads()},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    main(parser.parse_args().repeats)
