"""What a member signs so that anybody may post it: EIP-712 messages, with signatures in EIP-2098's compact form.

The domain binds chain, contract and charter, the message its kind, its round and what it rests on: a signature is good
for one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_typing import Hash32
from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address
from rayfed.ledger.ethereum.abi import checksum
from rayfed.protocol.commands import Statement, misses_of, value_of
from rayfed.protocol.messages import Signed, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

TYPES = {
    Verb.COMMIT: "Commit(uint32 round,bytes32 context,bytes32 root)",
    Verb.VOTE: "Vote(uint32 round,bytes32 context,uint256 accepts,uint256 misses)",
    Verb.ATTEST: "Attest(uint32 round,bytes32 context,bytes32 root)",
}
"""What can be said by way of another, as EIP-712 writes it."""

NAME, VERSION = "rayfed", "2"

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
_PARITY = 1 << 255
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@dataclass(frozen=True)
class Domain:
    """Where a federation's statements are good.

    Attributes:
        chain_id: of its chain.
        federation: its contract.
        charter: the charter's hash, the domain's salt.
    """

    chain_id: int
    federation: Address
    charter: bytes

    @cached_property
    def separator(self) -> bytes:
        """The domain's hash."""
        return bytes(
            keccak(
                keccak(text=_DOMAIN)
                + keccak(text=NAME)
                + keccak(text=VERSION)
                + _word(self.chain_id)
                + bytes.fromhex(self.federation[2:]).rjust(32, b"\0")
                + self.charter
            )
        )


def digest(domain: Domain, verb: Verb, round: int, context: bytes, value: bytes, misses: int = 0) -> bytes:
    """Return the 32 bytes that are signed (EIP-712).

    Args:
        verb, round, context: what kind of statement it is, of which round, and what it rests on.
        value: the root, or what a ballot accepts as 32 bytes, big-endian.
        misses: what a ballot misses; of all else not looked at.
    """
    content = keccak(text=TYPES[verb]) + _word(round) + context + value
    if verb is Verb.VOTE:
        content += _word(misses)
    return bytes(keccak(b"\x19\x01" + domain.separator + keccak(content)))


def sign(account: LocalAccount, domain: Domain, statement: Statement) -> Signed:
    """Sign a statement."""
    value, misses = value_of(statement), misses_of(statement)
    said = digest(domain, statement.verb, statement.round, statement.context, value, misses)
    made = account.unsafe_sign_hash(Hash32(said))  # what comes back has a low s (EIP-2): so eth-keys does
    vs = int(made.s) | (_PARITY if made.v == 28 else 0)
    return Signed(value, _word(int(made.r)), _word(vs), misses)


def signer(domain: Domain, verb: Verb, round: int, context: bytes, signed: Signed) -> Address | None:
    """Return who signed a statement, or None if nobody can have: a high s, say, which the contract does not take."""
    vs = int.from_bytes(signed.vs, "big")
    s = vs % _PARITY
    if s > _HALF_ORDER:
        return None
    said = digest(domain, verb, round, context, signed.value, signed.misses)
    try:
        signature = Signature(vrs=(vs // _PARITY, int.from_bytes(signed.r, "big"), s))
        key = signature.recover_public_key_from_msg_hash(said)
    except (BadSignature, ValueError):
        return None
    return str(checksum(key.to_checksum_address()))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")
