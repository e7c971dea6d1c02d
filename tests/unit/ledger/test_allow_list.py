"""Who may join: a list, its root and its proofs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.errors import ConfigError
from rayfed.ledger import allow_list

ADDRESSES = [f"0x{n:040x}" for n in range(1, 18)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 17])
def test_every_address_in_a_list_has_a_proof_and_no_other(count: int) -> None:
    listed = ADDRESSES[:count]
    root = allow_list.root(listed)
    for address in listed:
        assert allow_list.verify(root, address, allow_list.proof(listed, address))
        assert not allow_list.verify(root, "0x" + "ff" * 20, allow_list.proof(listed, address))
    assert allow_list.proof(listed, "0x" + "ff" * 20) == ()
    assert not allow_list.verify(root, "0x" + "ff" * 20, ())


def test_neither_order_nor_case_nor_repetition_matters() -> None:
    listed = ["0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", *ADDRESSES]
    assert allow_list.root(listed) == allow_list.root([*reversed(listed), listed[0].lower()])


def test_a_leaf_is_what_openzeppelin_makes_of_an_address() -> None:
    """As Foundry gives it: ``cast keccak $(cast keccak $(cast abi-encode "f(address)" ADDRESS))``."""
    address = "0x1111111111111111111111111111111111111111"
    assert allow_list.root([address]).hex() == "a7409058568815d08a7ad3c7d4fd44cf1dec90c620cb31e55ad24c654f7ba34f"


def test_nobody_listed_means_anybody() -> None:
    assert allow_list.root([]) == allow_list.ANYBODY
    assert allow_list.proof([], ADDRESSES[0]) == ()


def test_a_file_has_an_address_a_line(tmp_path: Path) -> None:
    path = tmp_path / "members.txt"
    path.write_text(f"# the three hospitals\n{ADDRESSES[0]}  # north\n\n{ADDRESSES[1]}\n")
    assert allow_list.read(path) == tuple(ADDRESSES[:2])


@pytest.mark.parametrize(
    ("content", "words"),
    [("0x12\n", "line 1: '0x12' is not an address"), ("# nobody\n", "no address in"), (None, "No such file")],
)
def test_a_file_that_is_no_list_is_a_wrong_setting(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "members.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words) as caught:
        allow_list.read(path)
    assert caught.value.setting == "stake.allow_list"
