"""What happens to parties apart: one founds and invites, others join, one dies for a while, one's store is away for a
while, one joins late, the founder dies for good; and somebody who is none of them audits.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.apart.party import INVITATION, Party
from benchmarks.apart.world import CHAIN, RELAY, World
from rayfed.testing.chaos.real.processes import Command

RELEASE = "9.9.9"
"""What the party has that comes back."""

RIGHT = re.compile(r"^round (\d+): right", re.MULTILINE)

RAY_IS_SLOW = "timed out during startup"

PATIENCE = 900.0
"""Seconds for what must happen; only a run that fails ever waits so long."""

STORES = {
    "p2p": ("store=p2p", f"store.relay={RELAY}", "store.confidential=false"),
    "ipfs": ("store=ipfs",),
    "p2p+ipfs": ("store=several", "store.order=[p2p,ipfs]", f"store.relay={RELAY}"),
}
"""How the founder says where blobs are. By peers alone everybody is given all, or a stranger could audit nothing."""

LENT = "lent.keys"

TERMS = (
    "name=apart", "data=image_folder", "data.root=images", "data.augment.flip=false", "partition=iid",
    "model.width=4", "model.hidden=16", "train.epochs=1", "train.threads=1", "track=none", "ledger.confirmations=0",
    "federation.nodes=1", "federation.start_members=3", "federation.min_members=2", "federation.alone=false",
    "federation.join_seconds=3600", "federation.commit_seconds=30", "federation.vote_seconds=25",
    "federation.attest_seconds=25", "federation.max_missed=3", "stake=native", "stake.window_seconds=60",
    f"ledger.rpc_url={CHAIN}", "ledger.key_file=purse.key", "ledger.allow_demo_times=true",
    "cluster.num_cpus=0", "cluster.linger_seconds=600",
)  # fmt: skip
"""What the founder says besides."""

JOINER = ("data.root=images", "ledger.key_file=purse.key", "cluster.num_cpus=0", "track=none")


@dataclass(frozen=True)
class Plan:
    """How hard it is made.

    Attributes:
        store: a key of ``STORES``.
        rounds: final ones.
        seconds, loss: of ``World``.
        away: for how long what comes back is away, in seconds.
        late: whether somebody joins late; ``dies``: whether one dies for a while; ``cut``: whether a store is away.
        more: the founder's words that have the last word.
    """

    store: str
    rounds: int = 24
    seconds: float = 0.08
    loss: float = 0.01
    away: float = 60.0
    late: bool = True
    dies: bool = True
    cut: bool = True
    more: tuple[str, ...] = ()

    @property
    def joiners(self) -> list[str]:
        """Names of those who join."""
        return ["b", "c", "d"] if self.late else ["b", "c"]


class Story:
    """Plays a plan once; a context manager, with which all that it started ends.

    Args:
        plan: what is done.
        folder: for all of it; its path has to be short, for Ray's sockets are below it.
        tell: told what happens.
    """

    def __init__(self, plan: Plan, folder: Path, tell: Callable[[str], None]) -> None:
        self.plan, self._tell = plan, tell
        self._began = time.monotonic()
        self.told: list[tuple[int, str]] = []
        self.parties = {name: Party(name, folder / name, number) for number, name in enumerate(["a", *plan.joiners])}
        self.auditor = Party("e", folder / "e", None)
        everybody = [*self.parties.values(), self.auditor]
        (folder / "world").mkdir()
        self.world = World(
            folder / "world",
            [one.name for one in everybody],
            [one.purse for one in everybody],
            seconds=plan.seconds,
            loss=plan.loss,
            kubo="ipfs" in plan.store,
            relay="p2p" in plan.store,
        )
        self._stack = ExitStack()
        self._runs: dict[str, Command] = {}
        self._eye: Command | None = None
        self._watches: Command | None = None

    def __enter__(self) -> Story:
        self._stack.enter_context(self.world)
        for one in (*self.parties.values(), self.auditor):
            self._stack.callback(one.end)
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.__exit__(*raised)

    def say(self, what: str) -> None:
        """Write down that something happens, and when."""
        self.told.append((round(time.monotonic() - self._began), what))
        self._tell(f"{self.told[-1][0]:4d} s  {what}")

    # -- what happens -----------------------------------------------------------------------------------------------

    def play(self) -> dict[str, Any]:
        """Play it to the end; return what came of it.

        Raises:
            AssertionError: something did not happen, or ended otherwise than it should.
        """
        self._found()
        for name in ("b", "c"):
            self._join(name)
        self._await("three of them merge a round", lambda now: now["final_rounds"] >= 1)
        self._watch()
        if self.plan.late:
            self._join("d")
            self._await("the late one has been merged", lambda now: self._merged(now, "d", 1))
        if self.plan.dies:
            self._die_for_a_while("b")
        if self.plan.cut:
            self._store_away("c")
        self._runs.pop("a").kill_all()
        self.world.cut("a")
        self.say("the founder is killed for good")
        self._await("all rounds are final", lambda now: now["phase"] == "done")
        audited = self._audit()
        words = [*TERMS, f"federation.rounds={self.plan.rounds}", *self.plan.more]
        terms = dict(word.split("=", 1) for word in words if word.startswith(("federation.", "stake.")))
        return {**self._ended(), "audit": audited, "terms": terms, "events": self.told}

    def _found(self) -> None:
        founder = self.parties["a"]
        words = (*TERMS, *STORES[self.plan.store], f"federation.rounds={self.plan.rounds}", *self.plan.more)
        run = self._runs["a"] = founder.types(self.world, *words)
        self._until("the founder invites", lambda: "python -m rayfed join" in run.out)
        for one in (*[self.parties[name] for name in self.plan.joiners], self.auditor):
            shutil.copy(founder.output / INVITATION, one.folder / INVITATION)
        self._eye = self.auditor.types(self.world, "status", INVITATION, "--json", "--watch", "1")

    def _join(self, name: str) -> None:
        self._runs[name] = self.parties[name].types(self.world, "join", INVITATION, *JOINER)
        self.say(f"{name} runs join")

    def _die_for_a_while(self, name: str) -> None:
        self._runs[name].kill_all()
        self.say(f"{name} is killed, with all its processes, and upgraded")
        self.parties[name].upgrade(RELEASE)
        version = self.parties[name].types(self.world, "--version")
        time.sleep(self.plan.away)
        assert version.out == f"rayfed {RELEASE}\n"
        since = self.now["round"]
        self._join(name)
        self._await(f"{name} is merged again", lambda now: self._merged(now, name, since))

    def _store_away(self, name: str) -> None:
        self.world.cut(name)
        self.say(f"the store of {name} is away")
        time.sleep(self.plan.away)
        self.world.cut(name, back=True)
        since = self.now["round"]
        self.say(f"the store of {name} is back")
        self._await(f"{name} is merged again", lambda now: self._merged(now, name, since))

    # -- what came of it --------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Have the fifth merge every round again; what is encrypted a member lends its key to read."""
        words = ["watch", INVITATION, "ledger.key_file=purse.key"]
        if self._is_encrypted:
            (lent,) = (self.parties["b"].folder / "config").rglob("reading.keys")
            shutil.copy(lent, self.auditor.folder / LENT)
            words.append(f"store.key_file={LENT}")
        self._watches = self.auditor.types(self.world, *words)

    def _audit(self) -> dict[str, Any]:
        """Audit while those are there who have the blobs; what nobody but the dead had of old rounds is gone."""
        words = [INVITATION, "--json", "audit.json"]
        words += ["--key-file", LENT] if self._is_encrypted else []
        run = self.auditor.types(self.world, "audit", *words)
        self._until("the fifth has audited", lambda: not run.running)
        assert run.process.returncode == 0, run.out
        told = json.loads((self.auditor.folder / "audit.json").read_text())
        merges = [one["merge"] for one in told["rounds"] if one["round"]]
        return {"clean": told["clean"], "rounds": len(merges), "merges": {each: merges.count(each) for each in merges}}

    @property
    def _is_encrypted(self) -> bool:
        return "ipfs" in self.plan.store

    def _ended(self) -> dict[str, Any]:
        """Wait until those that are left have ended; return what they have in common."""
        assert self._watches is not None
        for name, run in {**self._runs, "the watchtower": self._watches}.items():
            self._until(f"{name} ends", lambda run=run: not run.running, alive=False)  # type: ignore[misc]
            assert run.process.returncode == 0, run.out
        left = [self.parties[name] for name in self._runs]
        summaries = [one.summary for one in left]
        roots = {told["final_root"] for told in summaries}
        assert len(roots) == 1, roots
        assert len({one.model for one in left}) == 1
        rounds = summaries[0]["rounds"]
        assert not any(member["slashed"] != "0" for member in self.now["members"]), self.now
        return {
            "final_root": roots.pop(),
            "accuracy": summaries[0]["final_accuracy"],
            "included": [len(closed["included"]) for closed in rounds],
            "status": [closed["status"] for closed in rounds],
            "watched": len(set(RIGHT.findall(self._watches.out))),
            "seconds": round(time.monotonic() - self._began),
        }

    # -- looking ----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> dict[str, Any]:
        """What ``python -m rayfed status --json --watch`` has told last."""
        assert self._eye is not None
        lines = [line for line in self._eye.out.splitlines() if line.startswith("{") and line.endswith("}")]
        told: dict[str, Any] = json.loads(lines[-1]) if lines else {"final_rounds": 0, "phase": "", "round": 0}
        return told

    def _merged(self, now: dict[str, Any], name: str, since: int) -> bool:
        """Say whether a party's update has been merged since a round."""
        address = self.parties[name].address
        return any(one["address"] == address and (one["last_included"] or 0) > since for one in now["members"])

    def _await(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        self._until(what, lambda: holds(self.now))

    def _until(self, what: str, holds: Callable[[], bool], *, alive: bool = True) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            for name, run in list(self._runs.items()) if alive else ():
                if RAY_IS_SLOW in run.out:  # it gives itself half a minute, which a busy machine may not have
                    self._join(name)
                else:
                    assert run.running, f"{name} has ended: {run.out[-3000:]}"
            assert time.monotonic() < end, f"in vain: {what}; {self.now if self._eye else ''}"
            time.sleep(0.5)
        self.say(what)
