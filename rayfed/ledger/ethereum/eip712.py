"""What a member signs so that anybody may post it: EIP-712 messages, with signatures in EIP-2098's compact form.

The domain binds chain and contract, the message its kind and its round: a signature is good for one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_typing import Hash32
from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address
from rayfed.ledger.ethereum.abi import checksum
from rayfed.protocol.messages import Signed, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

TYPES = {
    Verb.COMMIT: "Commit(uint32 round,bytes32 root)",
    Verb.VOTE: "Vote(uint32 round,uint256 ballot)",
    Verb.ATTEST: "Attest(uint32 round,bytes32 root)",
}
"""What can be said by way of another, as EIP-712 writes it."""

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_PARITY = 1 << 255


def digest(chain_id: int, federation: Address, verb: Verb, round: int, value: bytes) -> bytes:
    """Return the 32 bytes that are signed (EIP-712)."""
    domain = keccak(
        keccak(text=_DOMAIN)
        + keccak(text="rayfed")
        + keccak(text="1")
        + chain_id.to_bytes(32, "big")
        + bytes.fromhex(federation[2:]).rjust(32, b"\0")
    )
    message = keccak(keccak(text=TYPES[verb]) + round.to_bytes(32, "big") + value)
    return bytes(keccak(b"\x19\x01" + domain + message))


def sign(account: LocalAccount, chain_id: int, federation: Address, verb: Verb, round: int, value: bytes) -> Signed:
    """Sign a message; ``value`` is the root, or the ballot as 32 bytes."""
    # What comes back has a low s (EIP-2): so eth-keys does.
    made = account.unsafe_sign_hash(Hash32(digest(chain_id, federation, verb, round, value)))
    vs = int(made.s) | (_PARITY if made.v == 28 else 0)
    return Signed(value, int(made.r).to_bytes(32, "big"), vs.to_bytes(32, "big"))


def signer(chain_id: int, federation: Address, verb: Verb, round: int, signed: Signed) -> Address | None:
    """Return who signed a message, or None if nobody can have."""
    vs = int.from_bytes(signed.vs, "big")
    try:
        signature = Signature(vrs=(vs // _PARITY, int.from_bytes(signed.r, "big"), vs % _PARITY))
        key = signature.recover_public_key_from_msg_hash(digest(chain_id, federation, verb, round, signed.value))
    except (BadSignature, ValueError):
        return None
    return str(checksum(key.to_checksum_address()))
