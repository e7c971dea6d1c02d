"""What a ledger in memory has logged, told in lines that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.ledger.memory.chain import Said
from rayfed.protocol.messages import Phase


def address_of(name: str) -> Address:
    """Return the account of a node that is called by a letter."""
    return f"0x{ord(name):040x}"


def name_of(address: Address) -> str:
    """Return the letter again."""
    return chr(int(address, 16))


class Transcript:
    """The lines so far.

    Args:
        started: from when the seconds in front of each line count.
    """

    def __init__(self, started: int) -> None:
        self._started = started
        self._heard = 0
        self._lines: list[str] = []
        self._names: dict[int, str] = {}
        self._active = 0

    @property
    def text(self) -> str:
        """All of them."""
        return "\n".join(self._lines) + "\n"

    def hear(self, events: Sequence[Said]) -> None:
        """Tell what has been said since the last time; ``events`` are all that there were."""
        for said in events[self._heard :]:
            for line in self._told(said.name, said.values, said.time):
                self._lines.append(f"{said.time - self._started:>5}  {line}")
        self._heard = len(events)

    def _told(self, name: str, v: dict[str, Any], time: int) -> list[str]:
        match name:
            case "Joined":
                self._names[v["index"]] = name_of(v["member"])
                self._active |= 1 << v["index"]
                return [f"{self._name(v['index'])} joins"]
            case "Left":
                self._active &= ~(1 << v["index"])
                return [f"{self._name(v['index'])} leaves"]
            case "Released":
                return [f"the seat of {self._name(v['index'])} is free"]
            case "Dropped":
                self._active &= ~v["members"]
                return [f"{self._name(index)} is dropped" for index in bits(v["members"])]
            case "PhaseOpened":
                return self._opened(Phase(v["phase"]), v["round"], v["deadline"] - time)
            case "Committed":
                did = "abstains" if v["root"] == NO_ROOT else f"commits {_short(v['root'])}"
                return [f"{self._author(v['place'])} {did}"]
            case "Voted":
                return [f"{self._author(v['place'])} votes {self._all(v['accepts'])}"]
            case "VotedMissing":
                return [f"{self._author(v['place'])} votes {self._all(v['accepts'])}, misses {self._all(v['misses'])}"]
            case "Attested":
                return [f"{self._author(v['place'])} attests {_short(v['root'])}"]
            case "RoundClosed":
                what = f"FINAL {_short(v['root'])}" if v["root"] != NO_ROOT else "VOID"
                included = f", included: {self._all(v['included'])}" if v["included"] else ""
                return [f"== round {v['round']} {what}{included}"]
            case "Settled":
                return [f"== round {v['round']} settled"]
        return []

    def _opened(self, phase: Phase, round: int, seconds: int) -> list[str]:
        if phase is Phase.FORMING and not round:
            return []
        first = [f"== round {round} opens with {self._all(self._active)}"] if phase is Phase.COMMIT else []
        return [*first, f"-- {phase.name}" + (f" until {seconds} s from now" if seconds > 0 else "")]

    def _author(self, place: int) -> str:
        return self._name(place & 0xFF)

    def _name(self, index: int) -> str:
        return self._names.get(index, "?")

    def _all(self, members: int) -> str:
        return "".join(self._name(index) for index in bits(members)) or "nothing"


def _short(root: Root) -> str:
    return root.hex()[:6]
