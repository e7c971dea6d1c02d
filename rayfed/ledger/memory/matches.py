"""Moves in a match, by anybody and for either side (docs/protocol.md, section 6): the contract's ``Tournament``."""

from __future__ import annotations

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address
from rayfed.errors import Rejected
from rayfed.ledger.memory import bracket, leaves
from rayfed.ledger.memory.slots import CostsSlot, MatchSlot
from rayfed.ledger.memory.storage import Block, Storage
from rayfed.protocol import contexts
from rayfed.protocol.commands import Prove, Show, ShowLeaf
from rayfed.protocol.court import LEFT, RIGHT, MatchState, Point, Shown


def show(s: Storage, sender: Address, move: Show, cost: int) -> None:
    """Show the parts of the point in dispute, of one side or both."""
    point, m = move.point, _at(s, move.point)
    if m.count <= 1:
        raise Rejected("WrongKind")
    size = merkle.part_of(m.count)
    n = -(-m.count // size)
    for parts, node in ((move.parts_i, m.node_i), (move.parts_j, m.node_j)):
        if parts and len(parts) != n:
            raise Rejected("WrongParts")
        if parts and merkle.root_of(parts) != node:
            raise Rejected("WrongShape")
    gives_i, gives_j = bool(move.parts_i), bool(move.parts_j)
    both = _mark(s, m, gives_i, gives_j)
    shown = {"partsI": tuple(move.parts_i), "partsJ": tuple(move.parts_j)}
    s.emit("Shown", **_place(point), **{"from": point.first}, count=point.count, **shown)
    _note(s, point, Shown(parts_i=tuple(move.parts_i), parts_j=tuple(move.parts_j)))
    if both:
        k = leaves.differs(move.parts_i, move.parts_j)
        m.node_i, m.node_j = move.parts_i[k], move.parts_j[k]
        m.first += k * size
        m.count = size if k + 1 < n else m.count - k * size
        m.shown, m.since = 0, s.now
    _charge(s, _key(point), sender, gives_i, gives_j, cost)


def show_leaf(s: Storage, sender: Address, move: ShowLeaf, cost: int) -> None:
    """Show the leaf in dispute, of one side or both."""
    point, m = move.point, _at(s, move.point)
    if m.count != 1:
        raise Rejected("WrongKind")
    for leaf, node in ((move.leaf_i, m.node_i), (move.leaf_j, m.node_j)):
        if leaf and leaves.leaf_hash(leaf) != node:
            raise Rejected("WrongShape")
    gives_i, gives_j = bool(move.leaf_i), bool(move.leaf_j)
    both = _mark(s, m, gives_i, gives_j)
    s.emit("LeafShown", **_place(point), leafI=move.leaf_i, leafJ=move.leaf_j)
    _note(s, point, Shown(leaf_i=move.leaf_i, leaf_j=move.leaf_j))
    if both:
        _judge(s, m, move)
    _charge(s, _key(point), sender, gives_i, gives_j, cost)


def prove(s: Storage, sender: Address, move: Prove, cost: int) -> None:
    """Prove inputs of the coordinate in dispute; the last one decides."""
    point, m = move.point, _at(s, move.point)
    if m.state is not MatchState.PROVING:
        raise Rejected("NotProving")
    slot, position = s.rounds[s.slot_of(point.round)], merkle.position(m.first, m.coordinate)
    if contexts.resting(move.voting, slot.included, move.roots) != slot.context:
        raise Rejected("WrongRoots")
    before, base, inputs = m.proven, 0, list(move.inputs)
    if inputs and s.terms.bits != 32:
        proof = inputs.pop(0)
        if proof.which != len(move.roots):
            raise Rejected("NoSuchInput")
        base = leaves.read_base(s.terms, proof, slot.base, position)
    for proof in inputs:
        if proof.which >= len(move.roots):
            raise Rejected("NoSuchInput")
        if not m.proven >> proof.which & 1:
            m.inputs[proof.which] = leaves.read(s.terms, proof, move.roots[proof.which], position, base)
            m.proven |= 1 << proof.which
    if m.proven == before:
        raise Rejected("NothingNew")
    s.emit("Proved", **_place(point), proven=m.proven)
    if m.proven.bit_count() == len(move.roots):
        column = [m.inputs[which] for which in range(len(move.roots))]
        merged = leaves.merge(s.terms, [v for v, _ in column], [w for _, w in column])
        _decide(s, point, m, m.value_i == merged, m.value_j == merged)
    _charge(s, _key(point), sender, True, True, cost)


def believe(s: Storage, point: Point, proven: int, winner: int | None) -> None:
    """Take it from another ledger that these inputs are proved by now, and who won by them; see ``MemoryChain``."""
    m = _at(s, point)
    if m.state is not MatchState.PROVING:
        raise Rejected("NotProving")
    if proven & m.proven != m.proven or proven == m.proven:
        raise Rejected("NothingNew")
    included = s.rounds[s.slot_of(point.round)].included.bit_count()
    if proven >> included:
        raise Rejected("NoSuchInput")
    m.proven = proven
    s.emit("Proved", **_place(point), proven=m.proven)
    if m.proven.bit_count() == included:
        _decide(s, point, m, winner == m.i, winner == m.j)


# -- what all moves have in common ------------------------------------------------------------------


def _key(point: Point) -> Block:
    return point.round, point.stage, point.block


def _place(point: Point) -> dict[str, int]:
    return {"round": point.round, "stage": point.stage, "block": point.block}


def _at(s: Storage, point: Point) -> MatchSlot:
    """Return the match that a move is in, to be changed; a new one where nobody has moved yet."""
    slot, docket = s.held(point.round), s.dockets.get(point.round)
    judged = s.terms.rule != 0 and slot is not None and slot.is_unsettled
    if not judged or docket is None or docket.count < 2 or not docket.start:
        raise Rejected("NoTournament")
    left, right = point.i >> point.stage, point.j >> point.stage
    if left % 2 or right != left + 1:
        raise Rejected("NotPaired")
    m = s.matches.get(_key(point))
    if m is None:
        start = bracket.start_of(s, docket, point.stage)
        if s.now <= start:
            raise Rejected("TooEarly")
        for block, entry in ((left, point.i), (right, point.j)):
            if bracket.survivor(s, point.round, docket, point.stage, block) != (True, entry + 1):
                raise Rejected("NotPaired")
        clock = s.terms.clock_seconds
        m = s.matches[_key(point)] = MatchSlot(
            i=point.i,
            j=point.j,
            since=start,
            clock_i=clock,
            clock_j=clock,
            count=merkle.leaves(s.terms.values),
            state=MatchState.DESCENT,
            node_i=s.root_of(point.round, point.i),
            node_j=s.root_of(point.round, point.j),
        )
    elif (m.i, m.j) != (point.i, point.j):
        raise Rejected("NotPaired")
    if bracket.outcome(s, m)[0]:
        raise Rejected("MatchOver")
    if (m.first, m.count) != (point.first, point.count):
        raise Rejected("WrongPoint")
    return s.changed(s.matches, _key(point))


def _mark(s: Storage, m: MatchSlot, gives_i: bool, gives_j: bool) -> bool:
    """Note who has shown, and what of its time that took; return whether both have now."""
    if m.state is not MatchState.DESCENT:
        raise Rejected("WrongKind")
    new_i, new_j = gives_i and not m.shown & LEFT, gives_j and not m.shown & RIGHT
    if not (new_i or new_j):
        raise Rejected("NothingNew")
    spent = s.now - m.since
    if new_i:
        m.shown, m.clock_i = m.shown | LEFT, m.clock_i - spent
    if new_j:
        m.shown, m.clock_j = m.shown | RIGHT, m.clock_j - spent
    if m.shown != LEFT | RIGHT:
        return False
    if not (gives_i and gives_j):
        raise Rejected("BothNeeded")
    return True


def _note(s: Storage, point: Point, news: Shown) -> None:
    """Keep what was shown of a point, of both sides together."""
    key = (_key(point), point.first, point.count)
    known = s.shown.get(key, Shown())
    s.shown[key] = Shown(
        parts_i=news.parts_i or known.parts_i,
        parts_j=news.parts_j or known.parts_j,
        leaf_i=news.leaf_i or known.leaf_i,
        leaf_j=news.leaf_j or known.leaf_j,
    )


# -- at a leaf ------------------------------------------------------------------


def _judge(s: Storage, m: MatchSlot, move: ShowLeaf) -> None:
    """Judge what needs no inputs, or find the coordinate that does."""
    point, terms = move.point, s.terms
    if not m.first:
        expected = leaves.merged_header(terms, point.round)
        _decide(s, point, m, move.leaf_i == expected, move.leaf_j == expected)
        return
    c = 0
    while leaves.value(move.leaf_i, c) == leaves.value(move.leaf_j, c):
        c += 1
    value_i, value_j = leaves.value(move.leaf_i, c), leaves.value(move.leaf_j, c)
    if (m.first - 1) * leaves.VALUES + c >= terms.values:
        _decide(s, point, m, value_i == 0, value_j == 0)
        return
    m.coordinate, m.value_i, m.value_j = c, value_i, value_j
    m.state, m.since = MatchState.PROVING, s.now
    s.emit("Disputed", **_place(point), coordinate=c, valueI=value_i, valueJ=value_j)


def _decide(s: Storage, point: Point, m: MatchSlot, right_i: bool, right_j: bool) -> None:
    """End a match; they differ, so at most one is right."""
    m.state = MatchState.DECIDED
    m.winner = m.i + 1 if right_i else m.j + 1 if right_j else bracket.NOBODY
    s.emit("Decided", **_place(point), winner=m.winner)


def _charge(s: Storage, key: Block, mover: Address, for_i: bool, for_j: bool, cost: int) -> None:
    """Note what a move cost: the loser's bonds pay it, if the side that it was for wins."""
    if not cost:
        return
    for costs in (s.changed(s.costs, key, CostsSlot), s.changed(s.costs_of, (key, mover), CostsSlot)):
        if for_i and for_j:
            costs.both += cost
        elif for_i:
            costs.left += cost
        else:
            costs.right += cost
