"""A made-up run with everything in it that can happen: a void round, a refusal, a late node, a node that failed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import NO_ROOT, bitmap, bits
from rayfed.protocol.messages import NodeRecord, NodeStatus, Outcome, Phase, Round, Status, View
from rayfed.reporting.summarise import build
from rayfed.reporting.summary import Summary
from rayfed.reporting.timeline import History

FEDERATION = "0xA51c1fc2f0D1a1b8494Ed1FE312d7C3a78Ed91C0"
STEPS = {"train": 2.0, "encode": 0.06, "commit": 0.1, "fetch": 0.3, "screen": 0.2, "merge": 0.15, "evaluate": 0.25}


@dataclass(frozen=True)
class FakeRun:
    outcomes: list[Outcome]
    records: list[NodeRecord]
    statuses: list[NodeStatus]
    views: list[View]
    history: History

    def summary(self) -> Summary:
        settings = {"name": "digits", "seed": 0, "federation.nodes": 4, "merge.rule": "mean"}
        return build(
            settings,
            federation=FEDERATION,
            chain_id=31337,
            charter_hash=bytes([7]) * 32,
            outcomes=self.outcomes,
            records=self.records,
            statuses=self.statuses,
            views=self.history.views.values(),
            wall_seconds=61.23456,
            mlflow_run_id="0123456789abcdef0123456789abcdef",
            parameters=4_810,
            update_bytes=19_968,
        )


def address(index: int) -> str:
    return "0x" + f"{(index + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}".rjust(40, "c")


def fake_run(
    nodes: int = 4, rounds: int = 5, void: tuple[int, ...] = (3,), bad: int | None = 3, since: int | None = None
) -> FakeRun:
    """Make up a run in which node ``bad`` sends an update that is refused in every even round, or from ``since`` on."""
    dice = random.Random(0)
    members = tuple(address(i) for i in range(nodes))
    everybody = bitmap(range(nodes))
    outcomes, records, views, history = [], [], [], History()
    now, base, base_round, finals = 100.0, b"\x11" * 32, 0, 0
    previous: Round | None = None
    accuracy = [0.1] * nodes

    def see(view: View, statuses: list[NodeStatus], seconds: float) -> None:
        nonlocal now
        views.append(view)
        for _ in range(2):
            history.observe(view, statuses, now)
            now += seconds / 2

    for r in range(1, rounds + 1):
        again = r % 2 == 0 if since is None else r >= since
        refused = bitmap([bad]) if bad is not None and again else 0
        roots = tuple(bytes([r, i]) + b"\x22" * 30 for i in range(nodes))
        ballots = tuple(everybody & ~refused | (refused & 1 << i) for i in range(nodes))
        final = r not in void
        voted = everybody if final else bitmap(range(nodes // 2))
        included = (everybody & ~refused) if final else 0
        root = bytes([r]) * 32 if final else NO_ROOT

        def view(phase: Phase, committed: int = 0, voted: int = 0, included: int = 0) -> View:
            return View(
                time=int(now),
                round=r,  # noqa: B023 - called at once
                phase=phase,
                deadline=int(now) + 60,
                due=False,
                base=base,  # noqa: B023
                base_round=base_round,  # noqa: B023
                base_context=bytes([7]) * 32,
                base_settled=base_round == 0,  # noqa: B023
                context=bytes([r, phase]) * 16,  # noqa: B023
                roster=everybody,
                active=everybody,
                committed=committed,
                abstained=0,
                voted=voted,
                attested=0,
                included=included,
                excused=0,
                finals=finals,  # noqa: B023
                voids=0,
                unsettled=finals,  # noqa: B023
                since=0,
                members=members,
                roots=tuple(x if committed >> i & 1 else NO_ROOT for i, x in enumerate(roots)),  # noqa: B023
                accepts=tuple(x if voted >> i & 1 else 0 for i, x in enumerate(ballots)),  # noqa: B023
                misses=(0,) * nodes,
                previous=previous,  # noqa: B023
            )

        def statuses(doing: str) -> list[NodeStatus]:
            return [
                NodeStatus(i, members[i], i, r, doing, 2.3 / r, accuracy[i], 70_000 * r, 3 * r)  # noqa: B023
                for i in range(nodes)
            ]

        see(view(Phase.COMMIT), statuses("training"), 2.0)
        see(view(Phase.COMMIT, bitmap([0])), statuses("waiting"), 0.2)
        see(view(Phase.VOTE, everybody), statuses("checking"), 0.4)
        see(view(Phase.VOTE, everybody, voted), statuses("checking"), 0.4)
        if final:
            see(view(Phase.ATTEST, everybody, everybody, included), statuses("merging"), 0.3)
            base, base_round, finals = root, r, finals + 1
        status = Status.FINAL if final else Status.OVER
        previous = Round(r, status, int(now), base_round, base, bytes(32), everybody, included=included, root=root)
        outcomes.append(Outcome(r, status, root, included, everybody * final))
        for i in range(nodes):
            if final:
                accuracy[i] = 1 - 0.75 ** (2 * r) * 0.9 - dice.random() * 0.03
            records.append(
                NodeRecord(
                    slot=i,
                    address=members[i],
                    index=i,
                    round=r,
                    loss=2.3 / r + 0.1 * dice.random(),
                    examples=300 + 40 * i,
                    accuracy=accuracy[i] if final else None,
                    test_examples=90 if final else 0,
                    seconds={s: round(t * (0.8 + 0.4 * dice.random()), 4) for s, t in STEPS.items()},
                    gas={"commit": 61_200, "vote": 58_400 + 100 * i} | ({"attest": 66_000} if final else {}),
                    transactions={v: f"0x{r:02x}{i:02x}{v.encode().hex():0<60}" for v in ("commit", "vote", "attest")}
                    if final
                    else {"commit": f"0x{r:02x}{i:02x}{'c0':0<60}"},
                    verdicts=tuple(
                        Verdict("norm", j, not refused >> j & 1, 41.5 if refused >> j & 1 else 3.1,
                                "norm 13 times the median" if refused >> j & 1 else "")
                        for j in bits(everybody)
                        if j != i
                    ),
                )
            )  # fmt: skip
    last = [
        NodeStatus(
            slot=i,
            address=members[i],
            index=i,
            round=rounds,
            doing="failed" if i == bad and nodes > 3 else "finished",
            loss=2.3 / rounds,
            accuracy=accuracy[i],
            gas=185_000 * rounds + 90_000,
            transactions=3 * rounds + 1,
            alone_accuracy=0.70 + 0.02 * (i % 8),
            alone_curve=tuple(
                0.70 + 0.02 * (i % 8) - (0.4 * 0.6**k if k < rounds else 0) for k in range(1, rounds + 1)
            ),
            error="the disk is full" if i == bad and nodes > 3 else "",
            scored=max((outcome.round for outcome in outcomes if outcome.status.stands), default=0),
        )
        for i in range(nodes)
    ]
    history.observe(None, last, now)
    return FakeRun(outcomes, records, last, views, history)
