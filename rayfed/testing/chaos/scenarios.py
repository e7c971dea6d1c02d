"""What goes wrong, as data. A scenario and a seed are a whole run: the same two give the same run, line by line.

A rate is a probability, drawn anew each time that it could happen: at each step of a node, at each transaction, or each
time that the chain mines. All faults end before the last ``calm`` final rounds, so that what is left to see is whether
the federation is whole again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from rayfed.node.pending import HEARD_SECONDS
from rayfed.protocol.messages import Verb
from rayfed.protocol.policy import TURN_SECONDS

COMMIT_SECONDS, VOTE_SECONDS, ATTEST_SECONDS, JOIN_SECONDS = 60, 30, 30, 120
PATIENCE_SECONDS = 15
STAKE, REWARD, BOND = 1_000, 120, 50
WINDOW_SECONDS, CLOCK_SECONDS, PROOF_SECONDS = 60, 300, 300
MOST_VOID, LIMIT_SECONDS = 1_000, 10**7
"""No run is to come to these limits: how long it takes is another check's."""
RESEND_SECONDS = 30
"""After so long a transaction that was lost is sent again, as ``rayfed.ledger.ethereum.sender`` does it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What goes wrong in a run.

    Attributes:
        name, about: for the command line and the table.
        nodes: how many there are, those that cheat and those that come late among them.
        rounds: how many are to be final, of which the last ``calm`` ones are without faults.
        max_missed: as in ``messages.Terms``.
        min_members: as there; 0: half of those who found it.
        confirmations: how many blocks must hold a transaction before its receipt is given out; 1: its own.
        kill: a step: the node dies at one of its next operations on ledger, store, journal and disk.
        torn: a death: it was a power cut, and a blob that was written last is damaged.
        together: mining: all nodes crash at the same moment.
        down_seconds: until a dead node is started again, at most.
        stop: a step: the node stands still between looking at the ledger and acting on it.
        stop_seconds: for so long, at most.
        silent: in each round one node loses what it says with one of these verbs.
        lose: a transaction: it vanishes, and is sent again after ``RESEND_SECONDS``.
        delay, delay_seconds: a transaction: it waits for so long, at most.
        refuse: a transaction: the chain does not take it, or mines it in vain.
        shuffle: transactions are mined in another order than they came in.
        reorg, depth: mining: so many transactions, at most, go back, and come again in another order or not at all.
        stale: a step: what answers is a few transactions behind.
        skew: how far each node's idea of the chain's time is off, in seconds, at most.
        leap: mining: the chain's time leaps ahead by up to ``leap_seconds``.
        unreachable: a step: nothing answers at the ledger for up to ``outage_seconds``.
        store_down: a step: the store refuses this node for up to ``outage_seconds``.
        store_slow: a blob: it is there only after up to ``outage_seconds``.
        garbage: a fetch: other bytes come back than were asked for.
        disk_full: a step: the node's disk has no room for up to ``outage_seconds``.
        late: so many nodes start only when a later round is open.
        leave: a step: the node leaves, ends, and comes back after ``down_seconds`` at most.
        byzantine: how the last nodes cheat, one word each; see ``peers.CHEATS``.
    """

    name: str
    about: str
    nodes: int = 4
    rounds: int = 6
    calm: int = 2
    max_missed: int = 3
    min_members: int = 0
    confirmations: int = 1
    kill: float = 0.0
    torn: float = 0.0
    together: float = 0.0
    down_seconds: int = 25
    stop: float = 0.0
    stop_seconds: int = 40
    silent: tuple[Verb, ...] = ()
    lose: float = 0.0
    delay: float = 0.0
    delay_seconds: int = 20
    refuse: float = 0.0
    shuffle: bool = False
    reorg: float = 0.0
    depth: int = 6
    stale: float = 0.0
    skew: int = 0
    leap: float = 0.0
    leap_seconds: int = 40
    unreachable: float = 0.0
    store_down: float = 0.0
    store_slow: float = 0.0
    garbage: float = 0.0
    disk_full: float = 0.0
    outage_seconds: int = 20
    late: int = 0
    leave: float = 0.0
    byzantine: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Forgers may even be most: it takes one honest node to have what they attest undone.
        if 3 * len(self.byzantine) >= self.nodes and set(self.byzantine) != {"forge"}:
            raise ValueError(f"{self.name}: {len(self.byzantine)} of {self.nodes} nodes cheat; less than a third can")
        for rate in fields(self):
            value = getattr(self, rate.name)
            if isinstance(value, float) and not 0 <= value <= 1:
                raise ValueError(f"{self.name}: {rate.name} is a probability, not {value}")

    def cheats(self, slot: int) -> str:
        """Return how a node cheats; empty if it does not."""
        return (("",) * (self.nodes - len(self.byzantine)) + self.byzantine)[slot]

    @property
    def is_well(self) -> bool:
        """Whether every machine and every message of an honest node's is as it should be."""
        rates = (field for field in fields(self) if isinstance(getattr(self, field.name), float))
        return not any(getattr(self, rate.name) for rate in rates) and not self.silent and not self.skew

    @property
    def slack(self) -> int:
        """For how long, in seconds, a phase may outlast its deadline, given who is kept from saying that it is over."""
        seconds = TURN_SECONDS * (1 + self.nodes) + 2  # the last member's turn to take the step
        seconds += max(RESEND_SECONDS * (self.lose > 0), self.delay_seconds * (self.delay > 0))
        seconds += self.down_seconds * (self.kill > 0 or self.together > 0 or self.leave > 0 or self.disk_full > 0)
        seconds += self.stop_seconds * (self.stop > 0)
        seconds += self.outage_seconds * (self.unreachable > 0)
        seconds += self.leap_seconds * (self.leap > 0)
        seconds += RESEND_SECONDS * (self.refuse > 0)
        # What went back is taken for heard for a while, and may go back again.
        seconds += 2 * (RESEND_SECONDS + HEARD_SECONDS) * (self.reorg > 0)
        return seconds + self.skew


EVERYTHING = Scenario(
    "everything",
    "all of it at once",
    nodes=7,
    kill=0.01,
    torn=0.3,
    together=0.002,
    stop=0.005,
    silent=(Verb.COMMIT, Verb.VOTE, Verb.ATTEST),
    lose=0.03,
    delay=0.1,
    refuse=0.05,
    shuffle=True,
    reorg=0.02,
    stale=0.03,
    skew=3,
    leap=0.005,
    unreachable=0.01,
    store_down=0.01,
    store_slow=0.1,
    garbage=0.02,
    disk_full=0.005,
    late=1,
    leave=0.001,
)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("none", "nothing goes wrong: the others are compared with this"),
        Scenario("kill", "nodes crash between any two operations and restart from disk", kill=0.08),
        Scenario("power_cut", "nodes crash and lose or damage what they wrote last", kill=0.08, torn=0.8),
        Scenario("kill_all", "all nodes crash at the same moment", together=0.15),
        Scenario("stop", "nodes pause between reading the ledger and acting on it", stop=0.06),
        Scenario("silent_commit", "in each round one node's commit is lost for good", silent=(Verb.COMMIT,)),
        Scenario("silent_vote", "in each round one node's vote is lost for good", silent=(Verb.VOTE,)),
        Scenario("silent_attest", "in each round one node's attestation is lost for good", silent=(Verb.ATTEST,)),
        Scenario("lost", "transactions vanish and are sent again", lose=0.15),
        Scenario("delayed", "transactions wait", delay=0.4),
        Scenario("reordered", "transactions are mined in another order", delay=0.3, delay_seconds=3, shuffle=True),
        Scenario("refused", "transactions are refused by the chain's node, or fail when mined", refuse=0.2),
        Scenario("reorg", "the chain is reorganised", reorg=0.3),
        Scenario("reorg_confirmed", "the same, with two confirmations asked for", reorg=0.3, confirmations=3),
        Scenario("stale", "the chain's node answers from an old state", stale=0.3),
        Scenario("skew", "nodes' clocks are wrong, and the chain's clock leaps", skew=8, leap=0.1),
        Scenario("unreachable", "the chain's node does not answer for a while", unreachable=0.05),
        Scenario("store_down", "the store refuses for a while", store_down=0.05),
        Scenario("store_slow", "blobs arrive late", store_slow=0.5),
        Scenario("store_garbage", "the store answers with other bytes", garbage=0.3),
        Scenario("disk_full", "nodes' disks are full for a while", disk_full=0.03),
        Scenario("late", "two of five join while the others already train", nodes=5, late=2),
        Scenario("leave", "nodes leave and come back", nodes=5, leave=0.02),
        Scenario("garbage_blob", "one of four commits to a blob of garbage", byzantine=("garbage",), max_missed=0),
        Scenario("wrong_attestation", "one of four attests another root", byzantine=("wrong",), max_missed=0),
        Scenario("withheld_blob", "one of four withholds its update", byzantine=("withhold",), max_missed=0),
        Scenario(
            "colluding",
            "two of seven accept only each other's updates, and attest arbitrary roots",
            nodes=7,
            byzantine=("collude", "collude"),
            max_missed=0,
        ),
        Scenario(
            "cheats_and_crashes",
            "two of seven cheat while all machines fail",
            nodes=7,
            byzantine=("withhold", "wrong"),
            max_missed=0,
            kill=0.02,
            torn=0.3,
            delay=0.2,
            reorg=0.02,
            store_slow=0.2,
        ),
        Scenario(
            "forged",
            "three of four make a forged model final",
            byzantine=("forge", "forge", "forge"),
            min_members=1,
        ),
        Scenario(
            "forged_and_crashes",
            "the same, while the machine of the one honest node fails",
            byzantine=("forge", "forge", "forge"),
            min_members=1,
            kill=0.08,
            torn=0.3,
            delay=0.2,
            refuse=0.1,
        ),
        EVERYTHING,
    )
}
"""By name, mildest first."""
