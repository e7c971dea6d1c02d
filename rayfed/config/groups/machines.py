"""What runs where: ``ledger``, ``cluster``, ``track``."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.config.fields import MAX_NODES, MAX_UINT32, one_of, within


@dataclass(frozen=True)
class LedgerSettings:
    """Which chain the federation lives on.

    Attributes:
        kind: devchain (starts Anvil and stops it at the end) or rpc (any chain); ``rpc_url`` alone means rpc.
        rpc_url: http(s) address of a node of the chain.
        spare_rpc_url: http(s) address of another node of the same chain, asked while the first one does not answer.
        ws_url: ws(s) address for subscriptions; null polls ``rpc_url``.
        chain_id: the chain must have this id; null accepts any.
        key_file: a file with the private key that funds the nodes' own keys, in plain text or as an encrypted keystore;
            devchain needs none, and a node that joins can be sent its money in another way.
        key_dir: folder in which a node that joins keeps its key, below the chain and the contract that it is for, so
            that it is found again; null is ~/.config/rayfed/keys, or a ``cluster.state_dir`` that is set.
        keystore: an encrypted keystore with the party's master key: its nodes' keys are derived from it, different
            ones in every federation; null has each node make a key of its own.
        password_file: a file whose first line opens ``keystore``, and ``key_file`` if that is encrypted.
        payout_address: where this party's rewards go; null is the node's own account.
        withdraw: whether a node, once all is over and nothing can be contested any more, leaves and has stake and bonds
            paid out as its rewards are; else they come back by ``python -m rayfed withdraw``. Who has left has no card,
            by which others find what its store still has.
        anvil: path of the anvil binary; null looks in PATH and in contracts/node_modules.
        fund_ether: how much ether each node's account is given for gas.
        confirmations: blocks on top of a transaction before it counts.
        max_gas: the most gas that one of the nodes' transactions may use; what it takes is asked of the chain. Moves in
            court are never held back.
        max_lock_days: the longest that stake and bonds may stay locked after this party has left. Who joins a
            federation, or founds one on a chain of others, whose terms allow for more is refused.
        allow_demo_times: whether a chain that is not the run's own may have a court whose clocks are shorter than an
            hour: for tests.
    """

    kind: str = one_of("devchain", "rpc")
    rpc_url: str | None = None
    spare_rpc_url: str | None = None
    ws_url: str | None = None
    chain_id: int | None = within(None, 1, 2**63 - 1)
    key_file: str | None = None
    key_dir: str | None = None
    keystore: str | None = None
    password_file: str | None = None
    payout_address: str | None = None
    withdraw: bool = False
    anvil: str | None = None
    fund_ether: float = within(10.0, 0.0, 1e9)
    confirmations: int = within(0, 0, 10_000)
    max_gas: int = within(1 << 24, 21_000, 1 << 40)
    max_lock_days: float = within(30.0, 0.0, 40_000.0, above=True)
    allow_demo_times: bool = False


@dataclass(frozen=True)
class ClusterSettings:
    """The Ray cluster that the nodes run on.

    Attributes:
        address: address of an existing cluster ("auto" finds it); null starts one on this machine and stops it at the
            end.
        nodes_per_actor: edge nodes in one Ray actor; null makes as many actors as this machine has processors, and one
            a node on an existing cluster or with GPUs.
        num_cpus: processors per actor, fractions allowed; null shares the cluster's cores equally.
        num_gpus: GPUs per actor, fractions allowed.
        linger_seconds: how long nodes keep running after the last round: they serve their blobs, defend their merges,
            and settle and claim once rounds can no longer be contested (``stake.window_seconds``).
        relay: nodes of a cluster hand each other what they have signed, and one posts it for all: cheaper rounds.
        state_dir: where a node writes what it is about to sign, and its blobs; null is a folder under the output.
    """

    address: str | None = None
    nodes_per_actor: int | None = within(None, 1, MAX_NODES)
    num_cpus: float | None = within(None, 0.0, 1024.0)
    num_gpus: float = within(0.0, 0.0, 1024.0)
    linger_seconds: int = within(60, 0, MAX_UINT32)
    relay: bool = True
    state_dir: str | None = None


@dataclass(frozen=True)
class TrackSettings:
    """Where runs are recorded.

    Attributes:
        tracking_uri: MLflow's address; null is what MLFLOW_TRACKING_URI says, or else mlflow.db (SQLite) in the working
            folder.
        experiment: MLflow's experiment; null is the name of the run.
        enabled: false records nothing in MLflow (summary.json is still written).
        system_metrics: whether the load of the recorder's machine (processor, memory, disk, network, GPUs) is recorded;
            needs the extra ``system-metrics``.
        register: name under which the final model is registered in MLflow, as a new version; null: it is not.
    """

    tracking_uri: str | None = None
    experiment: str | None = None
    enabled: bool = True
    system_metrics: bool = False
    register: str | None = None
