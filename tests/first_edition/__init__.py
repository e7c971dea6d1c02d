"""The first edition's ledger in memory, as it was: what the adversary that searches is tried on.

Its rules can be broken in the ways that the second edition closes. Nothing of rayfed follows them any more, and nothing
here is kept up to date: a search that finds nothing in these rules is no search.
"""

from tests.first_edition.chain import MemoryChain as FirstEdition

__all__ = ["FirstEdition"]
