"""Which of the two schemas keeps a row: told by its session's id, the same in Python and SQL."""

from __future__ import annotations

import hashlib

SHARDS = 2


def shard_of(key: str) -> int:
    """The shard of that id: the last bit of its SHA-256; `public.shard_of` in SQL."""
    return hashlib.sha256(key.encode()).digest()[-1] % SHARDS


def schema_of(key: str) -> str:
    """The schema that has the tables of that shard."""
    return f"shard_{shard_of(key)}"
