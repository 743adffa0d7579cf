"""Everything about the platform that can be set, as one frozen tree with three profiles.

Times are in seconds. `default` holds the values that the platform promises to use; `ci` shortens
times so that a failure, its detection and its repair fit into a few seconds; `drill` is `ci` in two
regions with a store.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
SWITCH = {"on": True, "true": True, "off": False, "false": False}


class SettingsError(ValueError):
    """A setting that does not exist, or a value that it can't have."""


def _number(default: float, least: float = 0.001, most: float = math.inf) -> float:
    found: float = field(default=default, metadata={"least": least, "most": most})
    return found


def _count(default: int, least: int = 1, most: int = 1_000_000) -> int:
    found: int = field(default=default, metadata={"least": least, "most": most})
    return found


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """The circuit breaker that dialogue keeps for each service it calls."""

    enabled: bool = True
    failure_threshold: int = _count(5)
    recovery_timeout: float = _number(60.0)


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How long dialogue waits for a service that it calls."""

    timeout: float = _number(0.3)


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """The gateway's retries; the back-off doubles from attempt to attempt."""

    enabled: bool = True
    max_attempts: int = _count(3, most=10)
    initial_delay: float = _number(0.1)
    max_delay: float = _number(1.0)
    per_try_timeout: float = _number(0.4)


@dataclass(frozen=True, slots=True)
class OutlierDetectionSettings:
    """When the gateway stops sending to a copy because of the answers it gives."""

    enabled: bool = True
    consecutive_5xx: int = _count(5)
    interval: float = _number(10.0)
    ejection_time: float = _number(30.0)


@dataclass(frozen=True, slots=True)
class HealthCheckSettings:
    """How the gateway itself asks the dialogue copies whether they are there."""

    enabled: bool = True
    interval: float = _number(1.0)
    timeout: float = _number(0.5)
    unhealthy_threshold: int = _count(2)
    healthy_threshold: int = _count(2)
    """So many good answers in a row are taken for being back: one may die right after the first."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What holds for a request as a whole, its retries included."""

    timeout: float = _number(3.0)


@dataclass(frozen=True, slots=True)
class HealerSettings:
    """The stability controller: how it looks after the copies and how often it restarts them."""

    enabled: bool = True
    check_interval: float = _number(30.0)
    check_timeout: float = _number(2.0)
    hung_after: int = _count(3)
    verify_timeout: float = _number(20.0)
    max_restarts: int = _count(5)
    restart_window: float = _number(600.0)
    backoff: float = _number(1.0)
    max_backoff: float = _number(60.0)


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """What speech does until told otherwise over its `/control`."""

    cost: float = _number(0.005, least=0.0, most=60.0)
    failure_rate: float = _number(0.0, least=0.0, most=1.0)


@dataclass(frozen=True, slots=True)
class KnowledgeSettings:
    """What knowledge does until told otherwise over its `/control`."""

    cost: float = _number(0.002, least=0.0, most=60.0)
    failure_rate: float = _number(0.0, least=0.0, most=1.0)


ServiceSettings = SpeechSettings | KnowledgeSettings


@dataclass(frozen=True, slots=True)
class RegionsSettings:
    """Two regions with knowledge, cache and store, or one place for the conversation alone."""

    enabled: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """How dialogue uses the store: connections to each copy, and how long a statement may take."""

    connections: int = _count(8, most=100)
    timeout: float = _number(0.25)
    page: int = _count(50, most=1000)


@dataclass(frozen=True, slots=True)
class SynchronousSettings:
    """Whether a write is acknowledged only once the standby has it, too."""

    enabled: bool = False


@dataclass(frozen=True, slots=True)
class ReplicationSettings:
    """Whether the standby receives what the primary writes; else it stays as it was cloned."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RepointingSettings:
    """Whether dialogue is told of a new primary; else it goes on with the one it knows."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ShiftingSettings:
    """Whether traffic is given to the new primary's region; else it stays where it was."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """The two levels of cache before the store: in the copy, and in the region's Valkey."""

    enabled: bool = True
    entries: int = _count(1_000)
    ttl: float = _number(300.0)
    local_ttl: float = _number(1.0)
    timeout: float = _number(0.05)
    warm: int = _count(500)


@dataclass(frozen=True, slots=True)
class FailoverSettings:
    """When the controller makes the standby the primary: after so many failed checks in a row."""

    enabled: bool = True
    threshold: int = _count(3)
    verify_timeout: float = _number(20.0)


@dataclass(frozen=True, slots=True)
class FencingSettings:
    """Whether the old primary is ended before the new one is made, and how long before.

    For so long nobody is the primary: others, who only look now and then, can see that, too.
    """

    enabled: bool = True
    gap: float = _number(0.25, least=0.0, most=60.0)


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Full backups `every` so many seconds, kept for `retention`; the log is archived always."""

    enabled: bool = True
    every: float = _number(3_600.0)
    retention: float = _number(30 * 86_400.0)
    segment: float = _number(60.0)


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """What each copy may use, by a cgroup of its own: processors, and MiB of memory."""

    enabled: bool = False
    cpu: float = _number(1.0, least=0.01, most=1024.0)
    memory: int = _count(1024, least=64)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings in effect, and the profile that they began with."""

    profile: str = "default"
    breaker: BreakerSettings = BreakerSettings()
    call: CallSettings = CallSettings()
    retry: RetrySettings = RetrySettings()
    outlier_detection: OutlierDetectionSettings = OutlierDetectionSettings()
    health_check: HealthCheckSettings = HealthCheckSettings()
    gateway: GatewaySettings = GatewaySettings()
    healer: HealerSettings = HealerSettings()
    speech: SpeechSettings = SpeechSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    regions: RegionsSettings = RegionsSettings()
    database: DatabaseSettings = DatabaseSettings()
    synchronous: SynchronousSettings = SynchronousSettings()
    replication: ReplicationSettings = ReplicationSettings()
    repointing: RepointingSettings = RepointingSettings()
    shifting: ShiftingSettings = ShiftingSettings()
    cache: CacheSettings = CacheSettings()
    failover: FailoverSettings = FailoverSettings()
    fencing: FencingSettings = FencingSettings()
    backup: BackupSettings = BackupSettings()
    limits: LimitsSettings = LimitsSettings()

    def to_json(self) -> dict[str, Any]:
        """The tree as plain data; `from_json` reads it back."""
        return asdict(self)


CI = Settings(
    profile="ci",
    breaker=BreakerSettings(recovery_timeout=2.0),
    outlier_detection=OutlierDetectionSettings(interval=0.5, ejection_time=2.0),
    health_check=HealthCheckSettings(interval=0.25, timeout=0.3, healthy_threshold=3),
    healer=HealerSettings(
        check_interval=0.5, check_timeout=1.0, restart_window=60.0, backoff=0.5, max_backoff=4.0
    ),
)
DRILL = replace(
    CI,
    profile="drill",
    regions=RegionsSettings(enabled=True),
    backup=BackupSettings(every=60.0, segment=2.0),
    limits=LimitsSettings(enabled=True),
)
PROFILES: Mapping[str, Settings] = {"default": Settings(), "ci": CI, "drill": DRILL}


def from_json(data: Mapping[str, Any]) -> Settings:
    """The settings that `Settings.to_json` wrote."""
    settings = Settings(profile=data["profile"])
    groups = {
        group.name: replace(getattr(settings, group.name), **data[group.name])
        for group in fields(Settings)
        if group.name != "profile"
    }
    return replace(settings, **groups)


def load(profile: str = "default", overrides: Iterable[str] = ()) -> Settings:
    """A profile with `KEY=VALUE` overrides applied in order.

    A key is a group that can be switched (`breaker=off`) or a field (`breaker.recovery_timeout=2`).
    Raises `SettingsError` for what does not exist, with the nearest name that does.
    """
    if profile not in PROFILES:
        raise SettingsError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    settings = PROFILES[profile]
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise SettingsError(f"{override!r} is not KEY=VALUE")
        settings = _set(settings, key.strip(), value.strip())
    return settings


def keys() -> list[str]:
    """Every key that an override may name."""
    found = []
    for group in fields(Settings):
        if group.name != "profile":
            names = [f.name for f in fields(getattr(Settings(), group.name))]
            found += [group.name] if "enabled" in names else []
            found += [f"{group.name}.{name}" for name in names if name != "enabled"]
    return found


def _set(settings: Settings, key: str, value: str) -> Settings:
    if key not in keys():
        near = difflib.get_close_matches(key, keys(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(keys())}"
        raise SettingsError(f"no setting {key!r}{hint}")
    group_name, _, name = key.partition(".")
    group = getattr(settings, group_name)
    if not name:
        return replace(settings, **{group_name: replace(group, enabled=_switch(key, value))})
    target = next(f for f in fields(group) if f.name == name)
    number = _parse(key, value, whole=isinstance(target.default, int))
    least, most = target.metadata["least"], target.metadata["most"]
    if not least <= number <= most:
        raise SettingsError(f"{key} is {number:g}, but must be from {least:g} to {most:g}")
    return replace(settings, **{group_name: replace(group, **{name: number})})


def _switch(key: str, value: str) -> bool:
    if value.lower() not in SWITCH:
        raise SettingsError(f"{key} is switched with on or off, not {value!r}")
    return SWITCH[value.lower()]


def _parse(key: str, value: str, *, whole: bool) -> float | int:
    if whole:
        if not re.fullmatch(r"\d{1,9}", value):
            raise SettingsError(f"{key} is a whole number, not {value!r}")
        return int(value)
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m|)", value)
    if match is None:
        raise SettingsError(f"{key} is a number or a time such as 2s or 300ms, not {value!r}")
    return float(match[1]) * SECONDS[match[2]]
