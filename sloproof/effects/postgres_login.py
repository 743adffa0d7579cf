"""Proving to a PostgreSQL server who asks: in clear, by MD5, by SCRAM-SHA-256, or not at all.

SCRAM is RFC 5802 with the hash of RFC 7677, without channel binding.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct

from sloproof.errors import EffectError

SCRAM = b"SCRAM-SHA-256"
MOST_ROUNDS = 1_000_000


class Login:
    """The client's half of one login."""

    def __init__(self, user: str, password: str, nonce: str = "") -> None:
        self._user = user
        self._password = password
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        self._proven = b""

    def answer(self, asked: bytes) -> bytes | None:
        """What to send for an authentication message; None where it wants no answer.

        Raises `EffectError` for a way that isn't known here, and for a server that can't prove
        that it knows the password.
        """
        (way,), rest = struct.unpack_from("!i", asked), asked[4:]
        match way:
            case 0:
                return None
            case 3:
                return self._known().encode() + b"\0"
            case 5:
                return self._md5(rest)
            case 10:
                return self._begin(rest)
            case 11:
                return self._prove(rest.decode())
            case 12:
                self._verify(rest.decode())
                return None
        raise EffectError(
            f"the server wants a login ({way}) that is not known here: use trust, password, md5 or "
            f"scram-sha-256 for the user of the copy's dsn"
        )

    def _known(self) -> str:
        if not self._password:
            raise EffectError(f"the server wants a password of {self._user}: the dsn has none")
        return self._password

    def _md5(self, salt: bytes) -> bytes:
        """The server's way, weak as it is."""
        inner = _md5(self._known().encode() + self._user.encode())
        return b"md5" + _md5(inner + salt) + b"\0"

    def _begin(self, offered: bytes) -> bytes:
        if SCRAM not in offered.split(b"\0"):
            raise EffectError("the server offers no SCRAM-SHA-256 without channel binding")
        first = f"n,,n=,r={self._nonce}".encode()
        return SCRAM + b"\0" + struct.pack("!i", len(first)) + first

    def _prove(self, first: str) -> bytes:
        words = _words(first)
        nonce, rounds = words["r"], int(words["i"])
        if not nonce.startswith(self._nonce) or not 0 < rounds <= MOST_ROUNDS:
            raise EffectError("the server's part of the login is none")
        word, salt = _prepared(self._known()), base64.b64decode(words["s"])
        salted = hashlib.pbkdf2_hmac("sha256", word, salt, rounds)
        bare = f"c=biws,r={nonce}"
        said = f"n=,r={self._nonce},{first},{bare}".encode()
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), said)
        self._proven = _hmac(_hmac(salted, b"Server Key"), said)
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def _verify(self, last: str) -> None:
        shown = base64.b64decode(_words(last).get("v", ""))
        if not self._proven or not hmac.compare_digest(shown, self._proven):
            raise EffectError("the server can't prove that it knows the password")


def _words(text: str) -> dict[str, str]:
    return {part[:1]: part[2:] for part in text.split(",")}


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _md5(text: bytes) -> bytes:
    return hashlib.md5(text, usedforsecurity=False).hexdigest().encode()


def _prepared(word: str) -> bytes:
    """The password as SASLprep (RFC 4013) has it, but for characters that it forbids."""
    if word.isascii():
        return word.encode()
    import unicodedata

    return unicodedata.normalize("NFKC", word).encode()
