"""Silence: say nothing in some phase, and make the others wait for the deadline."""

from __future__ import annotations

from rayfed.attacks import Attack, Crew
from rayfed.errors import ConfigError
from rayfed.protocol.messages import Verb

PHASES = {"commit": Verb.COMMIT, "vote": Verb.VOTE, "attest": Verb.ATTEST}


class Silent(Attack):
    """Says nothing in this phase."""

    def __init__(self, crew: Crew, phase: str = "commit") -> None:
        super().__init__(crew)
        if phase not in PHASES:
            raise ConfigError("attack.options", f"there is no phase {phase!r} ({', '.join(PHASES)})")
        self.verb = PHASES[phase]

    def speaks(self, verb: Verb, round: int) -> bool:
        """See ``Behaviour``."""
        return verb is not self.verb
