"""Stores that are reached by SQL: who is the primary, how late a standby is, who can connect."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sloproof.contracts import (
    DelaysReplay,
    Duration,
    Effect,
    FillsConnections,
    Instance,
    ProbeSpec,
    Sense,
    Witness,
)
from sloproof.effects.held_connections import HeldConnections
from sloproof.effects.postgres import Connection
from sloproof.effects.replay_delay import ReplayDelay
from sloproof.effects.witness import witness_to_json
from sloproof.errors import EffectError, PlatformError
from sloproof.model.stores import Store, StoreCopy
from sloproof.platforms.parts.described import Described

MS = 1_000_000
ASKING = 1.0
"""Seconds in which a copy has to say what it is."""
ROLES_EVERY = Duration(40_000_000)
LAG_EVERY = Duration(200_000_000)
LAG_PATIENCE = Duration(30_000_000_000)
CONNECTING_EVERY = Duration(200_000_000)
PATIENCE = Duration(2_000_000_000)
LOOKING = 0.05
"""Seconds by which a write's way may be misread: how often the standby is asked, on a busy host."""
SHARE = 0.1
"""How often a client may still get in between one that leaves and the holder."""


class Stored(Described, DelaysReplay, FillsConnections):
    """A target whose file says where the copies of its stores answer."""

    def role(self, instance: Instance) -> str:
        """What the copy itself says that it is."""
        for _, copy in self._copies():
            if copy.instance == instance.name:
                return _role(copy.dsn)
        return ""

    def standing_probes(self, measured: Collection[str]) -> Sequence[ProbeSpec]:
        """Of each copy what it is, and of the copies of `measured` stores how late they are."""
        stores = self.target.stores
        roles = [
            ProbeSpec(
                name=f"role:{name}:{copy.instance}",
                kind="role",
                params={"dsn": copy.dsn, "found_by": self.found_by(copy.instance)},
                every=ROLES_EVERY,
                timeout=Duration.of(ASKING),
            )
            for name in sorted(stores)
            for copy in stores[name].copies
        ]
        lags = [
            _lag_probe(f"lag:{name}:{copy.instance}", stores[name], copy, LAG_PATIENCE)
            for name in sorted(set(measured) & set(stores))
            for copy in stores[name].copies
        ]
        return [*roles, *lags]

    def found_by(self, instance: str) -> Mapping[str, Any]:
        """How the process of an instance is found, as a finder's plain data; nothing by default."""
        return {}

    def delay_replay(self, instance: Instance, delay: Duration) -> Effect:
        """The server's own `recovery_min_apply_delay`, which counts whole milliseconds.

        Raises `PlatformError` for less, and for what is no standby.
        """
        if delay.ns < MS or delay.ns % MS:
            raise PlatformError(f"a standby is late by whole milliseconds: {delay} can't be")
        store, copy = self._copy(instance)
        role = _role(copy.dsn)
        if role != "standby":
            what = f"is a {role}" if role else "doesn't answer"
            raise PlatformError(f"{instance.name} is no standby that could be late: it {what}")
        expected = delay.seconds
        patience = Duration(round(delay.ns * 1.5)) + Duration(5_000_000_000)
        probe = _lag_probe(f"witness:lag:{copy.instance}", store, copy, patience)
        witness = Witness(
            sense=Sense.DELAY,
            probes=(probe,),
            expected=expected,
            unit="s",
            tolerance=max(0.05 * expected, LOOKING),
        )
        return ReplayDelay(
            dsn=copy.dsn,
            instance=instance.name,
            delay_ms=delay.ns // MS,
            seen_by=witness_to_json(witness),
        )

    def fill_connections(self, instance: Instance, left: int) -> Effect:
        """Plain connections, held by a process of ours; the server's reserve is not touched.

        Raises `PlatformError` for fewer than none.
        """
        if left < 0:
            raise PlatformError(f"{left} connections can't be left")
        _, copy = self._copy(instance)
        witness = Witness(
            sense=Sense.STATUS,
            probes=(_connecting(f"witness:connections:{copy.instance}", copy, left),),
            expected=1.0,
            unit="ratio",
            tolerance=SHARE,
        )
        return HeldConnections(
            dsn=copy.dsn,
            instance=instance.name,
            left=left,
            seen_by=witness_to_json(witness),
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """The other copies of the store, each asked as the one that is struck."""
        seen = effect.witness()
        if seen is None or not isinstance(effect, ReplayDelay | HeldConnections):
            return super().neighbours(effect, struck)
        others = [
            (store, copy)
            for store, copy in self._copies()
            if copy.instance not in struck and effect.instance in _names(store)
        ]
        if isinstance(effect, HeldConnections):
            name = "neighbour:connections:"
            probes = [_connecting(f"{name}{copy.instance}", copy, 0) for _, copy in others]
        else:
            probes = [
                _lag_probe(f"neighbour:lag:{copy.instance}", store, copy, LAG_PATIENCE)
                for store, copy in others
                if _role(copy.dsn) == "standby"
            ]
        return [Witness(seen.sense, (probe,), seen.expected, seen.unit) for probe in probes]

    def _copies(self) -> Iterator[tuple[Store, StoreCopy]]:
        for store in self.target.stores.values():
            yield from ((store, copy) for copy in store.copies)

    def _copy(self, instance: Instance) -> tuple[Store, StoreCopy]:
        for store, copy in self._copies():
            if copy.instance == instance.name:
                return store, copy
        raise PlatformError(
            f"{instance.name} keeps no copy of a store: name it under `stores:` in "
            f"{self.target.origin}"
        )


def _role(dsn: str) -> str:
    try:
        with Connection(dsn, patience=ASKING) as server:
            in_recovery = server.value("select pg_is_in_recovery()")
    except EffectError:
        return ""
    return "standby" if in_recovery == "t" else "primary"


def _names(store: Store) -> set[str]:
    return {copy.instance for copy in store.copies}


def _lag_probe(name: str, store: Store, copy: StoreCopy, patience: Duration) -> ProbeSpec:
    return ProbeSpec(
        name=name,
        kind="replication",
        params={"copies": [each.dsn for each in store.copies], "standby": copy.dsn},
        every=LAG_EVERY,
        timeout=patience,
    )


def _connecting(name: str, copy: StoreCopy, left: int) -> ProbeSpec:
    return ProbeSpec(
        name=name,
        kind="connections",
        params={"dsn": copy.dsn, "more_than": left},
        every=CONNECTING_EVERY,
        timeout=PATIENCE,
    )
