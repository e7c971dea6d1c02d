"""What can be set: one frozen dataclass for each Hydra group, in the order in which the data flows.

The same classes are Hydra's schema (an unknown key or a wrong type is refused while composing) and the values that
the rest of rayfed reads. Bounds that concern one field alone stand beside it; what concerns several is in
``rayfed.config.checks``. Nothing here imports more than the standard library, so a node can unpickle its settings
without Hydra.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

MAX_NODES = 256
"""Members of one federation at most: a roster is one 256-bit word of the contract."""

MAX_UINT32 = 2**32 - 1

LEARNER = "rayfed.learning.learner.TorchLearner"


def one_of(default: str, *others: str) -> str:
    """Declare a setting that takes one of these words."""
    made: str = field(default=default, metadata={"choices": (default, *others)})
    return made


def within(default: T, low: float, high: float, *, above: bool = False) -> T:
    """Declare a number in ``low..high``; with ``above`` it must be greater than ``low``. None passes where allowed."""
    made: T = field(default=default, metadata={"low": low, "high": high, "above": above})
    return made


@dataclass(frozen=True)
class Augment:
    """How training pictures are varied, in batches, anew in every epoch.

    Attributes:
        flip: mirror a picture left to right with probability 1/2.
        shift: move a picture by up to this fraction of its height and width.
    """

    flip: bool = False
    shift: float = within(0.0, 0.0, 0.5)


@dataclass(frozen=True)
class Data:
    """Which pictures there are.

    Attributes:
        kind: digits (comes with scikit-learn), cifar10, cifar100, image_folder (train/CLASS/*, test/CLASS/*),
            tiny_imagenet.
        root: folder of the pictures; where CIFAR is looked for and downloaded to (null: ``cache_dir``).
        download: fetch CIFAR if it is not in ``root``.
        image_size: side in pixels that pictures in folders are brought to; null takes the first picture's size.
        cache_dir: where decoded pictures are kept between runs; null is ~/.cache/rayfed.
        augment: how training pictures are varied.
        test: split (a node tests on its own part of the test pictures; together they are all of them) or shared
            (every node tests on all of them).
    """

    kind: str = one_of("digits", "cifar10", "cifar100", "image_folder", "tiny_imagenet")
    root: str | None = None
    download: bool = True
    image_size: int | None = within(None, 4, 4096)
    cache_dir: str | None = None
    augment: Augment = field(default_factory=Augment)
    test: str = one_of("split", "shared")


@dataclass(frozen=True)
class Partition:
    """How the training pictures are dealt to the nodes of a simulation.

    Attributes:
        kind: iid (equal parts), dirichlet, shards, folders (train/NODE/CLASS/* under ``data.root``).
        alpha: dirichlet's concentration; small is skewed (Hsu et al. 2019, arXiv:1909.06335).
        classes_per_node: shards: how many classes one node sees (McMahan et al. 2017, arXiv:1602.05629).
        min_examples: no node gets fewer pictures than this.
    """

    kind: str = one_of("dirichlet", "iid", "shards", "folders")
    alpha: float = within(0.5, 0.0, 1e9, above=True)
    classes_per_node: int = within(2, 1, 1_000_000)
    min_examples: int = within(10, 1, 1_000_000_000)


@dataclass(frozen=True)
class Train:
    """What a node does with its pictures in a round.

    Attributes:
        optimizer: ``_target_`` and any parameters of it.
        schedule: null, or ``_target_`` and parameters of one of torch.optim.lr_scheduler; it steps once a round.
        epochs: local epochs a round.
        batch_size: pictures in a step.
        label_smoothing: part of the target that is spread over all classes.
        mu: weight of FedProx's proximal term (Li et al. 2020, arXiv:1812.06127); 0 is FedAvg.
        device: auto (a GPU if the node was given one), cpu, cuda.
        threads: processor threads of one node; null shares the machine's cores among the nodes.
        precision: fp32 or bf16 (mixed; weights stay fp32).
        channels_last: memory layout of convolutions; null has it on a GPU, where it is a third faster.
        capture: on a GPU, launch a whole step at once (a CUDA graph) where the model allows it; other last bits.
        weight_decay_on: patterns (``classifier.*``) of the parameters that the optimizer's weight_decay is for;
            empty is all.
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
class Privacy:
    """How much an update may tell of a single picture of the node that made it.

    Attributes:
        kind: none, or dp (DP-SGD: Abadi et al. 2016, arXiv:1607.00133; needs the extra ``privacy``).
        target_epsilon: what a node spends over all rounds at most; one that would spend more stops. Null: no limit.
        noise_multiplier: standard deviation of the noise over ``max_grad_norm``; null: what ``target_epsilon`` takes.
        max_grad_norm: L2 norm to which the gradient of each picture is clipped.
        delta: probability with which the guarantee may fail; below 1 / pictures of a node.
        accountant: rdp (Mironov 2017, an upper bound) or prv (Gopi et al. 2021, tighter and slower).
    """

    kind: str = one_of("none", "dp")
    target_epsilon: float | None = within(None, 0.0, 1e6, above=True)
    noise_multiplier: float | None = within(None, 0.0, 1e6, above=True)
    max_grad_norm: float = within(1.0, 0.0, 1e6, above=True)
    delta: float = within(1e-5, 0.0, 0.5, above=True)
    accountant: str = one_of("rdp", "prv")


@dataclass(frozen=True)
class Merge:
    """How the included updates become one model; part of the charter.

    Attributes:
        rule: mean (weighted by examples), trimmed_mean, median (both by coordinate, unweighted): the contract can
            recompute these. norm_clipping (weighted), centred_clipping, geometric_median: attested only.
        trim: trimmed_mean: fraction of the nodes whose value is left out at each end.
        max_weight: mean and norm_clipping: no update counts for more examples than this.
        mixing: none, nnm (each update becomes the mean of its n - f nearest) or bucketing, before the rule; a merge
            with it is attested only.
        f: how many nodes the merge has to bear; 0 says nothing. nnm needs it.
        bucket: bucketing: updates in a bucket.
        clip: the clipping rules: the radius as a multiple of the median distance from the base.
        iterations: steps of centred_clipping and geometric_median.
        optimizer: none (the rule's result is the next model), or a step from the base along it: fedavgm (Hsu et al.
            2019, arXiv:1909.06335), fedadam, fedyogi (Reddi et al. 2021, arXiv:2003.00295). Attested only; blobs are
            two (fedavgm) or three times as large.
        server_lr: the optimizer's learning rate; null is 1 for fedavgm and 0.03 for the adaptive ones.
        momentum: part of the last step that the optimizer carries on.
        second_momentum: fedadam and fedyogi: the same for the squares.
        tau: fedadam and fedyogi: what keeps steps small where there is little to go by.
    """

    rule: str = one_of("mean", "trimmed_mean", "median", "norm_clipping", "centred_clipping", "geometric_median")
    trim: float = 0.1
    max_weight: int = within(1_000_000, 1, 2**31 - 1)
    mixing: str = one_of("none", "nnm", "bucketing")
    f: int = within(0, 0, MAX_NODES // 2 - 1)
    bucket: int = within(2, 2, MAX_NODES // 2)
    clip: float = within(1.0, 0.0, 100.0, above=True)
    iterations: int = within(8, 1, 1000)
    optimizer: str = one_of("none", "fedavgm", "fedadam", "fedyogi")
    server_lr: float | None = within(None, 0.0, 100.0, above=True)
    momentum: float = within(0.9, 0.0, 0.9999)
    second_momentum: float = within(0.99, 0.0, 0.9999)
    tau: float = within(0.001, 1e-9, 1.0)


@dataclass(frozen=True)
class Ledger:
    """Which chain the federation lives on.

    Attributes:
        kind: devchain (starts Anvil and stops it at the end) or rpc (any chain); ``rpc_url`` alone means rpc.
        rpc_url: http(s) address of a node of the chain.
        ws_url: ws(s) address for subscriptions; null polls ``rpc_url``.
        chain_id: the chain must have this id; null takes what is there.
        key_file: a file with the private key that funds the nodes' own keys, bare or as an encrypted keystore;
            devchain needs none, and a node that joins with a ``keystore`` can be given its gas money otherwise.
        keystore: an encrypted keystore with the party's master key: its nodes' keys are derived from it, other ones in
            every federation; null has each node make a key and keep it in its own folder.
        password_file: a file whose first line opens ``keystore``, and ``key_file`` if that is encrypted.
        payout_address: where this party's rewards go; null is the node's own account.
        anvil: path of the anvil binary; null looks in PATH and in contracts/node_modules.
        fund_ether: what each node's key is given for gas.
        confirmations: blocks on top of a transaction before it counts.
    """

    kind: str = one_of("devchain", "rpc")
    rpc_url: str | None = None
    ws_url: str | None = None
    chain_id: int | None = within(None, 1, 2**63 - 1)
    key_file: str | None = None
    keystore: str | None = None
    password_file: str | None = None
    payout_address: str | None = None
    anvil: str | None = None
    fund_ether: float = within(10.0, 0.0, 1e9)
    confirmations: int = within(0, 0, 10_000)


@dataclass(frozen=True)
class Store:
    """Where blobs are kept.

    Attributes:
        kind: ray_peers (each node serves its own to its peers), files (a folder that all nodes see), s3.
        path: folder of files.
        bucket, prefix, endpoint_url, region: of s3; null takes what the AWS settings of the machine say.
        keep_rounds: a node lets go of its own older blobs; 0 keeps all.
    """

    kind: str = one_of("ray_peers", "files", "s3")
    path: str | None = None
    bucket: str | None = None
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    keep_rounds: int = within(0, 0, MAX_UINT32)


@dataclass(frozen=True)
class Cluster:
    """The Ray cluster that the nodes run on.

    Attributes:
        address: of an existing cluster ("auto" finds it); null starts one on this machine and stops it at the end.
        nodes_per_actor: edge nodes in one Ray actor.
        num_cpus: processor share of an actor, fractions too; null shares the cluster's cores equally.
        num_gpus: GPU share of an actor, fractions too.
        linger_seconds: how long nodes go on after the last round: they serve their blobs, answer demands, and settle
            and claim once rounds can no longer be challenged (``stake.challenge_seconds``).
        relay: nodes of a cluster hand each other what they have signed, and one posts it for all: cheaper rounds.
        state_dir: where a node writes what it is about to sign, and its blobs; null is a folder under the output.
    """

    address: str | None = None
    nodes_per_actor: int = within(1, 1, MAX_NODES)
    num_cpus: float | None = within(None, 0.0, 1024.0)
    num_gpus: float = within(0.0, 0.0, 1024.0)
    linger_seconds: int = within(60, 0, MAX_UINT32)
    relay: bool = True
    state_dir: str | None = None


@dataclass(frozen=True)
class Track:
    """Where runs are recorded.

    Attributes:
        tracking_uri: of MLflow; null is the SQLite file mlflow.db in the working folder.
        experiment: MLflow's experiment; null is the name of the run.
        enabled: false records nothing (summary.json is written all the same).
    """

    tracking_uri: str | None = None
    experiment: str | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Federation:
    """The terms that the contract is founded on, and how many nodes this run starts.

    Attributes:
        nodes: how many nodes this run starts; 1..256.
        rounds: how many rounds there will be, final and void together.
        start_members: round 1 opens as soon as so many have joined; null is ``nodes``.
        min_members: fewer commits than this make a round void; null is half of the nodes, at least 1.
        join_seconds: after this round 1 opens with ``min_members``.
        commit_seconds, vote_seconds, attest_seconds: the longest that a phase lasts; it ends as soon as all are in.
        max_missed: rounds missed in a row after which a node leaves the roster; 0 is never.
        quorum: a merge is final when more than this part of the roster attested it.
        alone: also train every node alone, for as many epochs, to compare with.
    """

    nodes: int = within(4, 1, MAX_NODES)
    rounds: int = within(5, 1, MAX_UINT32)
    start_members: int | None = within(None, 1, MAX_NODES)
    min_members: int | None = within(None, 1, MAX_NODES)
    join_seconds: int = within(300, 1, MAX_UINT32)
    commit_seconds: int = within(600, 1, MAX_UINT32)
    vote_seconds: int = within(300, 1, MAX_UINT32)
    attest_seconds: int = within(300, 1, MAX_UINT32)
    max_missed: int = within(3, 0, 7)
    quorum: str = "2/3"
    alone: bool = True

    @property
    def start(self) -> int:
        """``start_members`` with its default filled in."""
        return self.nodes if self.start_members is None else self.start_members

    @property
    def fewest(self) -> int:
        """``min_members`` with its default filled in."""
        return max(1, self.nodes // 2) if self.min_members is None else self.min_members

    @property
    def fraction(self) -> tuple[int, int]:
        """``quorum`` as (numerator, denominator), as the contract takes it."""
        numerator, _, denominator = self.quorum.partition("/")
        return int(numerator), int(denominator)


@dataclass(frozen=True)
class Stake:
    """What is at stake, and what is paid for; in whole coins of 18 decimals. Part of the charter.

    Attributes:
        coin: dlc (a DeepLearningCoin deployed with the federation), native (the chain's own currency) or the address
            of an ERC-20, of which ``ledger.key_file``'s account then holds enough.
        amount: what a member puts down to join.
        reward: what a final round pays, shared equally by those whose update was merged and who attested.
        pool: what the founder puts into the pool; null is ``reward`` for every round.
        bond: what a challenge costs if it fails.
        challenge_seconds: for so long a closed round can be challenged; then its rewards can be claimed.
        proof_seconds: how long a challenger has to prove, and the others to show data that is asked for.
        refused_share: part of the stake lost for an update that two thirds of the roster refused; 0..1. A member whose
            machine or store was away when the others wanted its update is refused, too.
        challenger_share: part of a slashed stake that goes to whoever proved it; the rest to the pool.
        allow_list: file of the addresses that may join, one a line; null is anybody.
    """

    coin: str = "dlc"
    amount: float = within(100.0, 0.0, 1e18)
    reward: float = within(10.0, 0.0, 1e18)
    pool: float | None = within(None, 0.0, 1e18)
    bond: float = within(10.0, 0.0, 1e18, above=True)
    challenge_seconds: int = within(60, 1, MAX_UINT32)
    proof_seconds: int = within(60, 1, MAX_UINT32)
    refused_share: float = within(0.0, 0.0, 1.0)
    challenger_share: float = within(0.5, 0.0, 1.0)
    allow_list: str | None = None


@dataclass(frozen=True)
class Attack:
    """Dishonest nodes, for experiments only.

    Attributes:
        kind: none, or a word of ``rayfed.attacks``.
        nodes: how many of the run's nodes are dishonest: the last ones.
        options: of the attack, by name.
    """

    kind: str = "none"
    nodes: int = within(1, 0, MAX_NODES)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Everything that a run is told.

    Attributes:
        name: of the run; its results lie in outputs/NAME.
        seed: of everything random; the same seed gives the same final root.
        federation_address: of the federation to join; null founds a new one.
        charter: path of the charter.json of the federation to join.
        model: ``_target_`` and parameters of a torch module; the number of classes and the shape of a picture are
            filled in. ``pretrained``: null, a path of weights, or "torchvision".
        learner: ``_target_``: a class of one's own may train in the place of ours.
        screens: the tests by which a node decides its ballot, in order: settings by name. Well-formedness is always
            tested.
    """

    name: str = "digits"
    seed: int = within(0, 0, MAX_UINT32)
    federation_address: str | None = None
    charter: str | None = None
    data: Data = field(default_factory=Data)
    partition: Partition = field(default_factory=Partition)
    model: dict[str, Any] = field(default_factory=dict)
    train: Train = field(default_factory=Train)
    privacy: Privacy = field(default_factory=Privacy)
    learner: dict[str, Any] = field(default_factory=lambda: {"_target_": LEARNER})
    merge: Merge = field(default_factory=Merge)
    screens: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    store: Store = field(default_factory=Store)
    cluster: Cluster = field(default_factory=Cluster)
    track: Track = field(default_factory=Track)
    federation: Federation = field(default_factory=Federation)
    stake: Stake = field(default_factory=Stake)
    attack: Attack = field(default_factory=Attack)
