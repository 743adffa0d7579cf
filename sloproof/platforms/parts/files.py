"""Processes of this host that can open no more files."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from sloproof.contracts import (
    Duration,
    Effect,
    ExhaustsFiles,
    Instance,
    ProbeSpec,
    Sense,
    Witness,
)
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.open_files import OpenFiles
from sloproof.effects.witness import witness_to_json
from sloproof.errors import PlatformError
from sloproof.platforms.parts.described import Described

OFTEN = Duration(50_000_000)
CLOSED = 5.0
"""So many more may be free than was asked for: the limit stays where it is when others close."""


class LimitsFiles(Described, ExhaustsFiles):
    """A target whose processes' limits can be set."""

    def exhaust_files(self, instance: Instance, left: int) -> Effect:
        """The process's soft limit; raises `PlatformError` for one of another user."""
        life = Incarnation.parse(instance.incarnation)
        try:
            owner = Path(f"/proc/{life.pid}").stat().st_uid
        except OSError as error:
            raise PlatformError(f"{instance.name} is gone: {error}") from error
        if os.geteuid() not in (0, owner):
            raise PlatformError(
                f"{instance.name} is a process of user {owner}: only root may limit its files "
                f"(run sloproof as root, or as that user)"
            )
        return OpenFiles(
            incarnation=instance.incarnation,
            instance=instance.name,
            left=left,
            seen_by=witness_to_json(
                replace(
                    _witness(instance, "witness"),
                    expected=float(left),
                    unit="files",
                    tolerance=CLOSED,
                )
            ),
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """For files, those of the other copies."""
        if not isinstance(effect, OpenFiles):
            return super().neighbours(effect, struck)
        others = [copy for copy in self.instances() if copy.name not in struck]
        return [_witness(copy, "neighbour") for copy in others]


def _witness(instance: Instance, prefix: str) -> Witness:
    life = Incarnation.parse(instance.incarnation)
    probe = ProbeSpec(
        name=f"{prefix}:files:{instance.name}:{life.pid}",
        kind="descriptors",
        params={"pid": life.pid, "start_time": life.start},
        every=OFTEN,
    )
    return Witness(sense=Sense.SCARCE, probes=(probe,))
