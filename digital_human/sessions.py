"""Session ids that any copy can make and check, without asking another."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

PATTERN = re.compile(r"([0-9a-f]{12})-([0-9a-f]{16})-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation; everything that is known of it stands in its id."""

    id: str
    created_ms: int


def new_session(now_ms: int, chance: bytes) -> Session:
    """A session begun at `now_ms`, milliseconds since the epoch, told apart by 8 random bytes."""
    stem = f"{now_ms:012x}-{chance.hex()}"
    return Session(f"{stem}-{_check(stem)}", now_ms)


def find_session(session_id: str) -> Session | None:
    """The session of that id, or `None` if no copy ever made it.

    The check digits catch ids that were mistyped or made up; they are no protection.
    """
    match = PATTERN.fullmatch(session_id)
    if match is None or _check(session_id.rpartition("-")[0]) != match[3]:
        return None
    return Session(session_id, int(match[1], 16))


def _check(stem: str) -> str:
    return hashlib.blake2s(stem.encode(), digest_size=4).hexdigest()
