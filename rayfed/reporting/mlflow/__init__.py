"""The only door to MLflow.

A ``Tracker`` lives in one actor of the federation's own cluster. What it is told goes into a bounded queue; one
thread of its own imports MLflow (1.7 s of a core, and 3 s more for what a model is logged with; both give way to what
trains beside), connects and sends in batches. Nothing that calls it ever waits for MLflow, except ``finish`` and
``wait_until_ready``, and those only as long as they are told to. A server that does not answer costs one warning: the
thread tries again, ever less often, and sends what has piled up when the server is back. What is sent twice is stored
once, because a metric keeps the time at which it was recorded.

What it writes is the same for all experiments, so that runs compare:

* A parent run for the federation, a child run ``node-<n>`` for each node. Every run of one federation has the tag
  ``rayfed.run``, by which a restarted tracker finds them again, and ``rayfed.role`` (``federation`` or ``node``).
* Metrics lie in groups, which are sections of charts in its pages, in the order of the alphabet: what comes first is
  ``eval/accuracy`` by round. ``accuracy`` has another name here where the charter's metric has (``rmse``).
* Metrics by round (step = round) of a node: ``eval/accuracy`` of the merged model on the node's test data,
  ``eval/alone_accuracy``, ``train/loss``, with DP-SGD ``train/epsilon`` (spent up to this round), ``seconds/<step>``,
  ``gas/<verb>``, ``updates/saturated``, ``updates/refused`` (updates it refused).
* Metrics by round of the federation: ``eval/accuracy`` and ``train/loss`` (weighted means), ``eval/alone_accuracy``
  (mean), ``train/epsilon`` (largest), ``seconds/<step>`` (mean), ``gas/<verb>`` (sum), ``updates/saturated``,
  ``updates/refused`` (sums), ``updates/included``, ``updates/attesters``; ``system/...`` if asked for.
* Metrics of the whole run (step 0): ``final/accuracy``, ``final/alone_accuracy_mean``,
  ``final/alone_accuracy_best``, ``final/gas_per_node_round``, ``final/wall_seconds``, ``final/earned`` and
  ``final/slashed`` (sums, in whole coins), ``final/unsettled`` (rounds that could still be contested); of a node
  ``money/stake``, ``money/bonds``, ``money/earned``, ``money/slashed``, ``left_out/rounds`` (in which its update was
  not merged) and ``left_out/<screen>`` (those in which this screen of any node refused it).
* The dataset column says what the charter says of the data; nothing of the data is in it.
* Tags: of the federation what the caller gives (contract, chain id, charter hash, deployment), ``rayfed.final_root``,
  ``rayfed.root.round-<r>`` and ``rayfed.model`` (the logged model's address); of a node ``rayfed.address``,
  ``rayfed.error`` if it has failed, and ``rayfed.tx.round-<r>`` (its transactions' hashes).
* Artifacts of the parent: ``charter.json``, ``config.json``, ``summary.json``, the tables ``rounds.json`` and
  ``transactions.json``, ``figures/*.png``, further texts, and the final model.
"""

from rayfed.reporting.mlflow.new_database import artifact_location
from rayfed.reporting.mlflow.tracker import Tracker

__all__ = ["Tracker", "artifact_location"]
