"""What a party shows in court of a round whose inputs it has: parts and leaves of its own merge, proofs of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rayfed.encoding import merkle
from rayfed.encoding.merkle import Tree
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobMissing
from rayfed.node.tools import BlobTools
from rayfed.protocol.court import InputProof, MergeEvidence


class ProvableMerge:
    """A round's merge and its inputs, by which each of its leaves can be proved; an ``acting.OwnMerge``.

    Trees are made when they are asked for, and remembered by their roots as long as the memo has room.

    Args:
        root: of the own merge.
        evidence: what it rests on.
        tools: where blobs are; all of these lie on the own disk, or did.
        holders: whom to ask for what that has lost.
        spare: what of all that it had no room for.

    Where updates are differences, the base is the input behind the included ones.
    """

    def __init__(
        self,
        root: Root,
        evidence: MergeEvidence,
        tools: BlobTools,
        holders: Sequence[Address],
        spare: Mapping[Root, memoryview] = MappingProxyType({}),
    ) -> None:
        self._root = root
        self._evidence = evidence
        self._tools = tools
        self._holders = holders
        self._spare = spare

    @property
    def root(self) -> Root:
        """See ``OwnMerge``."""
        return self._root

    def parts(self, first: int, count: int) -> tuple[bytes, ...]:
        """See ``OwnMerge``.

        Raises:
            StoreError: the disk has lost the merge, and what it was made of.
        """
        return self._tree(self._root).parts(first, count)

    def leaf(self, index: int) -> bytes:
        """See ``OwnMerge``. Raises what ``parts`` does."""
        return leaf(self._blob(self._root), index)

    def inputs(self, which: Sequence[int], leaf: int, *, weighted: bool) -> list[InputProof]:
        """See ``OwnMerge``."""
        return [self._input(one, leaf, weighted) for one in which]

    def _input(self, which: int, index: int, weighted: bool) -> InputProof:
        root = (*self._evidence.roots, self._evidence.base)[which]
        blob, tree = self._blob(root), self._tree(root)
        if not weighted:
            return InputProof(which, leaf(blob, index), tree.proof(index))
        return InputProof(which, leaf(blob, index), tree.proof(index), leaf(blob, 0), tree.proof(0))

    def _tree(self, root: Root) -> Tree:
        return self._tools.memo.get(
            ("tree", root), lambda: merkle.tree(self._blob(root)), lambda tree: sum(map(len, tree.levels))
        )

    def _blob(self, root: Root) -> memoryview:
        if root in self._spare:
            return self._spare[root]
        is_model = root in (self._root, self._evidence.base)
        found = self._tools.blobs.find(root, self._holders, size=self._tools.disk.size if is_model else None)
        if found.blob is not None:
            return found.blob
        if root != self._root:
            raise BlobMissing(f"{root.hex()[:12]}: {found.reason}")
        evidence = self._evidence
        updates = {one: self._blob(one) for one in evidence.roots}
        _, blob = self._tools.merger.made(evidence.roots, updates, evidence.round, evidence.base)
        return blob


def leaf(blob: memoryview, index: int) -> bytes:
    """Return one leaf's bytes, ``merkle.LEAF`` of them."""
    return bytes(blob[index * merkle.LEAF : (index + 1) * merkle.LEAF])
