"""Several nodes' messages in one transaction: cheap rounds without a privileged relayer.

Nodes that share a process or a cluster hand each other what they have signed, and one of them, in turn, posts it for
all (``ILedger.relay``). Nobody depends on that: a message that is not on the ledger after a short wait is posted by
its own side, and what somebody else has posted in the meantime is skipped by the contract. Plain Python: what carries
messages to other processes, and what sends transactions, is handed in.
"""

from rayfed.ledger.relay.batch import Topic
from rayfed.ledger.relay.pool import RelayPool

__all__ = ["RelayPool", "Topic"]
