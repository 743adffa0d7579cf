"""A target that somebody else runs: never started, stopped or restored by sloproof."""

from __future__ import annotations

import socket
from typing import ClassVar
from urllib.parse import urlsplit

from sloproof.platforms.parts.proxied import Proxied
from sloproof.platforms.parts.stores import Stored

PATIENCE = 2.0
"""Seconds in which a connection has to be made."""


class External(Stored, Proxied):
    """What its file gives: proxied links, stores, switches, commands; no processes to touch."""

    kind: ClassVar[str] = "external"

    def ready(self) -> str:
        """Whether somebody listens at its entry, and where the proxies of its links are told."""
        servers = {link.proxy.server for link in self.target.links if link.proxy is not None}
        places = [("its entry", self.target.entry.url), *(("a proxy", url) for url in servers)]
        silent = [f"{url} ({what})" for what, url in places if not _listens(url)]
        return f"nobody answers at {', '.join(silent)}" if silent else ""

    def lacks(self, capability: type) -> str:
        """Processes of a system that somebody else runs are not ours to end."""
        said = super().lacks(capability)
        hint = "`platform: local` where the target's processes are in reach"
        return f"{said}; use {hint}" if said else ""


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), PATIENCE).close()
    except OSError:
        return False
    return True
