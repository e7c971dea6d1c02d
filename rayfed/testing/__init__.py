"""A federation without Ray and without a chain, for tests: rayfed's own and its users'.

``MemoryChain`` follows the contract's rules, ``MemoryLedger`` is one account's door to it, ``MemoryStore`` a place for
blobs, ``ManualClock`` the time, and ``play`` runs a scenario written as text. Nothing here sleeps or starts a thread.
"""

from rayfed.ledger.memory.account import MemoryLedger
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.testing.scenario import play
from rayfed.testing.store import MemoryStore

__all__ = ["ManualClock", "MemoryChain", "MemoryLedger", "MemoryStore", "play"]
