"""Sealing: bytes that only we can have made, as text for a link.

What lives here are keys and tags; what is sealed, and for what, is :mod:`pushpull.ledger.links`. A sealed text is
``header | tag | hidden claims``: the tag is HMAC-SHA256 over the header and the claims, cut to 128 bits; the claims are
hidden by a key stream made from it (a synthetic initialisation vector, as in RFC 5297).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

TAG_BYTES: Final = 16
_BLOCK_BYTES: Final = 32  # of SHA-256
_LONGEST: Final = 512
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869): ``length`` bytes of key for the use that ``info`` names."""
    chief = hmac.digest(salt or bytes(32), secret, "sha256")
    block, out, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(chief, block + info + bytes([counter]), "sha256")
        out += block
        counter += 1
    return out[:length]


class Seal:
    """The two keys of one purpose, 64 bytes together.

    HMAC's padded key blocks are hashed once: a tag then costs two short hashes.
    """

    __slots__ = ("_stream_inner", "_stream_outer", "_tag_inner", "_tag_outer", "header")

    def __init__(self, keys: bytes, header: bytes) -> None:
        self.header = header
        self._tag_inner, self._tag_outer = _padded(keys[:32])
        self._stream_inner, self._stream_outer = _padded(keys[32:])

    def tag(self, claims: bytes) -> bytes:
        """What only the key can make of the header and the claims."""
        inner, outer = self._tag_inner.copy(), self._tag_outer.copy()
        inner.update(self.header + claims)
        outer.update(inner.digest())
        return outer.digest()[:TAG_BYTES]

    def hide(self, claims: bytes, tag: bytes) -> bytes:
        """Claims hidden, or hidden claims shown: the key stream is its own inverse."""
        size = len(claims)
        stream = self._block(tag + b"\0")
        for counter in range(1, -(-size // len(stream))):
            stream += self._block(tag + bytes((counter,)))
        return (int.from_bytes(claims, "big") ^ int.from_bytes(stream[:size], "big")).to_bytes(size, "big")

    def _block(self, place: bytes) -> bytes:
        inner, outer = self._stream_inner.copy(), self._stream_outer.copy()
        inner.update(place)
        outer.update(inner.digest())
        return outer.digest()

    def token(self, claims: bytes) -> str:
        """Claims sealed, as they stand in a link."""
        size = len(claims)
        if size > _BLOCK_BYTES:
            tag = self.tag(claims)
            return encoded(self.header + tag + self.hide(claims, tag))
        # What `tag` and `hide` do, for claims of one block, without their calls: three links are made per message.
        inner, outer = self._tag_inner.copy(), self._tag_outer.copy()
        inner.update(self.header + claims)
        outer.update(inner.digest())
        tag = outer.digest()[:TAG_BYTES]
        inner, outer = self._stream_inner.copy(), self._stream_outer.copy()
        inner.update(tag + b"\0")
        outer.update(inner.digest())
        stream = int.from_bytes(outer.digest()[:size], "big")
        return encoded(self.header + tag + (int.from_bytes(claims, "big") ^ stream).to_bytes(size, "big"))


def encoded(raw: bytes) -> str:
    """Bytes as they stand in a link: base64url without padding."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of a text in its one spelling: another spelling of the same bytes is none of ours.

    Raises:
        ValueError: it is too long, or not spelled as :func:`encoded` does.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long")
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise ValueError("another spelling")
    return raw


def _padded(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    block = key.ljust(64, b"\0")  # RFC 2104
    return hashlib.sha256(bytes(b ^ 0x36 for b in block)), hashlib.sha256(bytes(b ^ 0x5C for b in block))
