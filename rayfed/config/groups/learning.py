"""What a node learns from and how: ``data``, ``partition``, ``train``, ``privacy``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rayfed.config.fields import one_of, within

IMAGES = ("digits", "cifar10", "cifar100", "image_folder", "tiny_imagenet")
OTHERS = ("breast_cancer", "diabetes", "table", "arrays", "text", "custom")
"""Kinds of data."""


@dataclass(frozen=True)
class AugmentSettings:
    """How training images are varied, in batches, anew in every epoch.

    Attributes:
        flip: mirror an image left to right with probability 1/2.
        shift: move an image by up to this fraction of its height and width.
    """

    flip: bool = False
    shift: float = within(0.0, 0.0, 0.5)


@dataclass(frozen=True)
class DataSettings:
    """What the nodes learn from.

    Attributes:
        kind: of images digits (comes with scikit-learn), cifar10, cifar100, image_folder (train/CLASS/*,
            test/CLASS/*), tiny_imagenet; of rows breast_cancer and diabetes (come with scikit-learn), table (CSV,
            Parquet); text; arrays (.npz); custom (``loader``).
        root: folder of the images; file or folder of rows, arrays or texts (null, for text: those that come with
            scikit-learn); where CIFAR is looked for and downloaded to (null: ``cache_dir``).
        download: fetch CIFAR if it is not in ``root``.
        image_size: side in pixels that images in folders are resized to; null takes the first image's size.
        bits: how many bits of a grey value are meant in images of more than 8; the highest 8 of them are used (12 for a
            camera's 12 bits in 16-bit files). null takes what each file says.
        target: column of a table that is to be learned, or a list of several; null is the last one.
        columns: columns of a table that are inputs; empty is all others.
        drop: columns of a table that are neither.
        missing: empty cells of a table: refuse, or mean (a number is the column's mean, a category none).
        length: tokens (bytes) of an example of text.
        loader: ``_target_`` and parameters of a function of your own that gives ``rayfed.learning.examples.Examples``.
        cache_dir: where decoded images are kept between runs; null is ~/.cache/rayfed.
        augment: how training images are varied.
        test: split (a node tests on its own part of the test data; together they are all of them) or shared
            (every node tests on all of them).
    """

    kind: str = one_of(*IMAGES, *OTHERS)
    root: str | None = None
    download: bool = True
    image_size: int | None = within(None, 4, 4096)
    bits: int | None = within(None, 8, 31)
    target: Any = None
    columns: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    missing: str = one_of("refuse", "mean")
    length: int = within(64, 2, 65_536)
    loader: dict[str, Any] = field(default_factory=dict)
    cache_dir: str | None = None
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    test: str = one_of("split", "shared")


@dataclass(frozen=True)
class PartitionSettings:
    """How the training data are dealt to the nodes of a simulation.

    Attributes:
        kind: iid (equal parts), dirichlet, shards, folders (train/NODE/CLASS/* of images, train/NODE.csv of a
            table, train/NODE.txt of text, under ``data.root``). What has no classes takes iid or folders.
        alpha: dirichlet's concentration; small is skewed (Hsu et al. 2019, arXiv:1909.06335).
        classes_per_node: shards: how many classes one node sees (McMahan et al. 2017, arXiv:1602.05629).
        min_examples: no node gets fewer examples than this.
    """

    kind: str = one_of("dirichlet", "iid", "shards", "folders")
    alpha: float = within(0.5, 0.0, 1e9, above=True)
    classes_per_node: int = within(2, 1, 1_000_000)
    min_examples: int = within(10, 1, 1_000_000_000)


@dataclass(frozen=True)
class TrainSettings:
    """What a node does with its data in a round.

    Attributes:
        optimizer: ``_target_`` and any parameters of that class.
        schedule: null, or ``_target_`` and parameters of one of torch.optim.lr_scheduler; it steps once a round.
        epochs: local epochs per round.
        batch_size: examples per step.
        label_smoothing: part of the target that is spread over all classes.
        mu: weight of FedProx's proximal term (Li et al. 2020, arXiv:1812.06127); 0 is FedAvg.
        device: auto (a GPU if the node was given one), cpu, cuda.
        threads: processor threads of one node; null shares the machine's cores among the nodes.
        precision: fp32 or bf16 (mixed; weights stay fp32).
        channels_last: use that memory layout for convolutions; null does so on a GPU, where it is a third faster.
        capture: on a GPU, launch a whole step at once (a CUDA graph) where the model allows it; the last bits differ.
        weight_decay_on: patterns (``classifier.*``) of the parameters that the optimizer's weight_decay is for;
            empty means all.
        worker_momentum: part of its last step that a node carries into the next round's update (Karimireddy et al.
            2021, arXiv:2012.10333); 0 is none, 0.9 is the paper's.
    """

    optimizer: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] | None = None
    epochs: int = within(1, 1, 1_000_000)
    batch_size: int = within(32, 1, 1_000_000)
    label_smoothing: float = within(0.0, 0.0, 1.0)
    mu: float = within(0.0, 0.0, 1e9)
    device: str = one_of("auto", "cpu", "cuda")
    threads: int | None = within(None, 1, 1024)
    precision: str = one_of("fp32", "bf16")
    channels_last: bool | None = None
    capture: bool = True
    weight_decay_on: list[str] = field(default_factory=list)
    worker_momentum: float = within(0.0, 0.0, 0.999)


@dataclass(frozen=True)
class PrivacySettings:
    """How much an update may tell of a single example of the node that made it.

    Attributes:
        kind: none, or dp (DP-SGD: Abadi et al. 2016, arXiv:1607.00133; needs the extra ``privacy``).
        target_epsilon: the most that a node spends over all rounds; one that would spend more stops. Null: no limit.
        noise_multiplier: standard deviation of the noise over ``max_grad_norm``; null: what ``target_epsilon`` takes.
        max_grad_norm: L2 norm to which the gradient of each example is clipped.
        delta: probability with which the guarantee may fail; below 1 / examples of a node.
        accountant: rdp (Mironov 2017, an upper bound) or prv (Gopi et al. 2021, tighter and slower).
    """

    kind: str = one_of("none", "dp")
    target_epsilon: float | None = within(None, 0.0, 1e6, above=True)
    noise_multiplier: float | None = within(None, 0.0, 1e6, above=True)
    max_grad_norm: float = within(1.0, 0.0, 1e6, above=True)
    delta: float = within(1e-5, 0.0, 0.5, above=True)
    accountant: str = one_of("rdp", "prv")
