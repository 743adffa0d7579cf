"""PostgreSQL's wire protocol without the wire: what is sent, and what comes as an answer means.

See the PostgreSQL documentation, chapter "Frontend/Backend Protocol". Only what the standard
library has is imported, as the guardian imports this.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from sloproof.errors import EffectError

if TYPE_CHECKING:
    import ssl

VERSION = 196608
"""Protocol 3.0: the major number in the upper half, the minor one in the lower."""
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
HEAD = 5
"""Bytes before a message's body: its kind, and its length with that length's own four."""
LONGEST = 1 << 26
UNDERSTOOD = frozenset({"sslmode", "application_name", "connect_timeout"})
ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})

Row = tuple[str | None, ...]


class ServerError(EffectError):
    """What the server refused, with its SQLSTATE: `53300` is too many connections."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server answers, and as whom; from an address `postgresql://user:word@host:port/db`.

    Its text shows no password.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str

    @classmethod
    def parse(cls, dsn: str) -> Self:
        """The place that an address names; raises `EffectError` where it names no single one."""
        parts = urlsplit(dsn)
        options = dict(parse_qsl(parts.query))
        try:
            port = parts.port or 5432
        except ValueError:
            port = 0
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not port:
            raise EffectError("a copy's dsn has to be like postgresql://user@host:5432/name")
        if strange := sorted(set(options) - UNDERSTOOD):
            raise EffectError(f"a copy's dsn may not have {', '.join(strange)}")
        user = unquote(parts.username or "postgres")
        return cls(
            host=parts.hostname,
            port=port,
            user=user,
            password=unquote(parts.password or ""),
            database=unquote(parts.path.removeprefix("/")) or user,
            sslmode=options.get("sslmode", "disable"),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        """Whether the address asks for encryption; else all goes in clear."""
        return self.sslmode in ENCRYPTED

    def greeting(self, name: str) -> bytes:
        """The first message: who comes, and by which name the server is to know the connection."""
        words = {
            "user": self.user,
            "database": self.database,
            "application_name": name,
            "client_encoding": "UTF8",
        }
        text = "".join(f"{key}\0{word}\0" for key, word in words.items()).encode() + b"\0"
        return struct.pack("!ii", len(text) + 8, VERSION) + text

    def context(self) -> ssl.SSLContext:
        """How to encrypt: as `sslmode` says, with the host's own authorities."""
        import ssl

        context = ssl.create_default_context()
        context.check_hostname = self.sslmode == "verify-full"
        if self.sslmode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context

    def refusal(self, body: bytes) -> ServerError:
        """The error that a message of the kind `E` tells of."""
        fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0")}
        text = f"PostgreSQL at {self}: {fields.get(b'M', 'refused')}"
        return ServerError(text, fields.get(b"C", ""))


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message as it is sent."""
    return kind + struct.pack("!i", len(body) + 4) + body


def query(statement: str) -> bytes:
    """A statement as it is sent."""
    return message(b"Q", statement.encode() + b"\0")


def head(data: bytes) -> tuple[bytes, int]:
    """The kind of a message and how many bytes its body has; raises `EffectError` for nonsense."""
    kind, length = struct.unpack("!ci", data)
    if not 4 <= length <= LONGEST:
        raise EffectError("what answers there doesn't speak PostgreSQL's protocol")
    return kind, length - 4


def columns(body: bytes) -> Row:
    """The columns of a row: text, or None for null."""
    (count,) = struct.unpack_from("!h", body)
    place, found = 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, place)
        place += 4
        found.append(None if length < 0 else body[place : place + length].decode())
        place += max(length, 0)
    return tuple(found)
