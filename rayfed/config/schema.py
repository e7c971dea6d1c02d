"""What can be set: one frozen dataclass for each Hydra group, in the order in which the data flows.

The same classes are Hydra's schema (an unknown key or a wrong type is refused while composing) and the values that
the rest of rayfed reads. Bounds that concern one field alone stand beside it; what concerns several is in
``rayfed.config.checks``. Nothing here imports more than the standard library, so a node can unpickle its settings
without Hydra.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rayfed.config.fields import MAX_UINT32, within
from rayfed.config.groups.federation import AttackSettings, FederationSettings, MergeSettings, StakeSettings
from rayfed.config.groups.learning import DataSettings, PartitionSettings, PrivacySettings, TrainSettings
from rayfed.config.groups.machines import ClusterSettings, LedgerSettings, TrackSettings
from rayfed.config.groups.store import StoreSettings

LEARNER = "rayfed.learning.learner.TorchLearner"
TASK = "rayfed.learning.tasks.Classification"


@dataclass(frozen=True)
class Settings:
    """Everything that a run is told.

    Attributes:
        name: name of the run; its results are in outputs/NAME.
        seed: seed of everything random; the same seed gives the same final root (on the same kind of hardware,
            with the same versions).
        federation_address: of the federation to join; null founds a new one.
        charter: path of the charter.json of the federation to join.
        model: ``_target_`` and parameters of a torch module; the number of classes and the shape of an image (or of
            another input) are filled in. ``pretrained``: null, "torchvision", a file of weights, or for another
            federation's last model, checked against its root, a run's output folder or the invitation to a federation
            that is over (``+model.pretrained_store=URI`` where its blobs are elsewhere by now). ``trained``: null (all
            parameters are), or patterns of the names of those that are trained, such as [fc.*].
        task: what is learned: ``_target_`` and parameters of a class with a loss and a score.
        learner: ``_target_``: the class that trains; one of your own may replace ours.
        screens: the tests by which a node decides its ballot, in order: settings by name. Well-formedness is always
            tested.
    """

    name: str = "digits"
    seed: int = within(0, 0, MAX_UINT32)
    federation_address: str | None = None
    charter: str | None = None
    data: DataSettings = field(default_factory=DataSettings)
    partition: PartitionSettings = field(default_factory=PartitionSettings)
    model: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=lambda: {"_target_": TASK})
    train: TrainSettings = field(default_factory=TrainSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    learner: dict[str, Any] = field(default_factory=lambda: {"_target_": LEARNER})
    merge: MergeSettings = field(default_factory=MergeSettings)
    screens: dict[str, Any] = field(default_factory=dict)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    track: TrackSettings = field(default_factory=TrackSettings)
    federation: FederationSettings = field(default_factory=FederationSettings)
    stake: StakeSettings = field(default_factory=StakeSettings)
    attack: AttackSettings = field(default_factory=AttackSettings)
