"""Withheld blob: commit to an update and show it to nobody, or not to all."""

from __future__ import annotations

from rayfed.attacks import Attack, Crew
from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError


class Withheld(Attack):
    """Publishes nothing; or gives nothing to some, in a store that knows who asks.

    Args:
        crew: the dishonest nodes.
        denied: so many of the nodes before the crew's get nothing, and all others do; 0: nobody does.

    Raises:
        ConfigError: there are not so many.
    """

    def __init__(self, crew: Crew, denied: int = 0) -> None:
        super().__init__(crew)
        first = crew.slots[0]
        if not 0 <= denied <= first:
            raise ConfigError("attack.options", f"denied: {denied} of {first} honest nodes")
        self._denied = range(first - denied, first)

    def offer(self, round: int, blob: memoryview) -> memoryview | None:
        """See ``Behaviour``."""
        return blob if self._denied else None

    def serves(self, member: Address) -> bool:
        """See ``Behaviour``."""
        return member.lower() not in {account.lower() for account in self.crew.accounts(self._denied)}
