"""A target that somebody else runs: never started, stopped or restored by sloproof."""

from __future__ import annotations

from typing import ClassVar

from sloproof.platforms.parts.proxied import Proxied


class External(Proxied):
    """What its file gives: proxied links, switches, commands. It has no processes to touch."""

    kind: ClassVar[str] = "external"

    def lacks(self, capability: type) -> str:
        """Processes of a system that somebody else runs are not ours to end."""
        said = super().lacks(capability)
        hint = "`platform: local` (or docker, kubernetes) where the target's processes are in reach"
        return f"{said}; use {hint}" if said else ""
