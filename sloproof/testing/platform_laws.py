"""Laws that every platform keeps. Built-ins and extensions get the same check."""

from __future__ import annotations

import json
from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sloproof.contracts.capabilities as contract
from sloproof.contracts import (
    BreaksVolumes,
    CutMode,
    CutsLinks,
    DelaysLinks,
    DelaysReplay,
    Direction,
    Duration,
    Effect,
    FillsConnections,
    FillsVolumes,
    Instance,
    KillMode,
    Kills,
    Link,
    Pauses,
    Platform,
    ResetsLinks,
    RunsCommands,
    Size,
    SlowsVolumes,
    ThrottlesLinks,
    Throughput,
)
from sloproof.effects import effect_from_json, effect_to_json
from sloproof.errors import PlatformError

SHORT = Duration(100_000_000)
SLOW = Throughput(10_000)
CAPABILITIES: tuple[type, ...] = tuple(
    value
    for value in vars(contract).values()
    if isinstance(value, type) and value.__bases__ == (ABC,)
)
"""Every capability of the contract."""

Trial = Callable[[Any, Any], Effect]
ON_LINKS: Sequence[tuple[type, Trial]] = (
    (DelaysLinks, lambda on, link: on.delay(link, SHORT, SHORT, Direction.BOTH)),
    (DelaysLinks, lambda on, link: on.delay(link, SHORT, Duration(0), Direction.UPSTREAM)),
    (CutsLinks, lambda on, link: on.cut(link, CutMode.REFUSED)),
    (CutsLinks, lambda on, link: on.cut(link, CutMode.BLACKHOLE)),
    (ResetsLinks, lambda on, link: on.reset(link, SHORT)),
    (ThrottlesLinks, lambda on, link: on.throttle(link, SLOW, Direction.DOWNSTREAM)),
)
ON_INSTANCES: Sequence[tuple[type, Trial]] = (
    (Kills, lambda on, copy: on.kill(copy, KillMode.CRASH, "KILL", Duration(0))),
    (Kills, lambda on, copy: on.kill(copy, KillMode.DELETE, "TERM", SHORT)),
    (Pauses, lambda on, copy: on.pause(copy)),
    (DelaysReplay, lambda on, copy: on.delay_replay(copy, SHORT)),
    (FillsConnections, lambda on, copy: on.fill_connections(copy, 0)),
)
ON_VOLUMES: Sequence[tuple[type, Trial]] = (
    (FillsVolumes, lambda on, volume: on.fill(volume, None, Size(0), False)),
    (FillsVolumes, lambda on, volume: on.fill(volume, None, Size(0), True)),
    (BreaksVolumes, lambda on, volume: on.break_volume(volume)),
    (SlowsVolumes, lambda on, volume: on.slow_volume(volume, SHORT)),
)


def check_platform(platform: Platform) -> None:
    """Hold a platform whose target is there against its laws; touches nothing.

    The laws: instances, links and volumes are the same at each look, in the same order, each name
    once; a capability is there or `lacks` says in words why not; an intent is pure, gives the same
    effect each time, which survives JSON, says in words and by name what it concerns, and has a
    witness, or it is a `PlatformError` that says why not; neighbours are never what is struck. Each
    effect has laws of its own (`check_effect`). Raises `AssertionError` naming the law that is
    broken.
    """
    assert type(platform).__doc__, "law of help: a platform's docstring is its help"
    assert type(platform).kind, "law of names: a platform has a kind"
    assert platform.found() is not None, "law of finding: a target that is there tells its values"
    assert platform.ready() == "", "law of readiness: nothing is said against one that is ready"
    copies, links = tuple(platform.instances()), tuple(platform.links())
    _look_twice(platform, copies, links)
    _capabilities(platform)
    for name, subject, trial in _trials(platform, copies, links):
        _intent(platform, name, subject, trial)
    if isinstance(platform, RunsCommands):
        effect = platform.command(("true",), ("true",), ("true",), SHORT)
        _effect(effect)
    assert tuple(platform.instances()) == copies, "law of planning: intents touch nothing"
    assert tuple(platform.links()) == links, "law of planning: intents touch nothing"


def _look_twice(platform: Platform, copies: Sequence[Instance], links: Sequence[Link]) -> None:
    assert tuple(platform.instances()) == copies, "law of order: instances come in a stable order"
    assert tuple(platform.links()) == links, "law of order: links come in a stable order"
    volumes = tuple(platform.volumes())
    assert tuple(platform.volumes()) == volumes, "law of order: volumes come in a stable order"
    for seen in ([copy.name for copy in copies], [link.name for link in links], volumes):
        assert len(set(seen)) == len(seen), f"law of names: each name comes once: {seen}"
    assert all(copy.service for copy in copies), "law of names: each instance names its service"
    services = {link.source for link in links} | {link.target for link in links}
    assert "" not in services, "law of names: each link names the services at its ends"


def _capabilities(platform: Platform) -> None:
    for capability in CAPABILITIES:
        said = platform.lacks(capability)
        if isinstance(platform, capability):
            # A host may still lack what it takes: then it says so in a sentence.
            assert said == "" or " " in said, "law of capabilities: a lack is told in words"
            continue
        name = capability.__name__
        assert name in said, f"law of capabilities: without {name}, `lacks` names it"


def _trials(
    platform: Platform, copies: Sequence[Instance], links: Sequence[Link]
) -> Iterator[tuple[str, Instance | Link | str, Trial]]:
    subjects: Sequence[tuple[Any, Sequence[tuple[str, Any]]]] = (
        (ON_INSTANCES, [(copy.name, copy) for copy in copies]),
        (ON_LINKS, [(link.name, link) for link in links]),
        (ON_VOLUMES, [(name, name) for name in platform.volumes()]),
    )
    for table, named in subjects:
        for capability, trial in table:
            if isinstance(platform, capability) and not platform.lacks(capability):
                yield from ((name, subject, trial) for name, subject in named)


def _intent(platform: Platform, name: str, subject: Instance | Link | str, trial: Trial) -> None:
    effect = _tried(platform, subject, trial)
    if isinstance(effect, PlatformError):
        assert str(effect), "law of refusals: what can't be done is said in words"
        return
    assert trial(platform, subject) == effect, "law of purity: the same intent, the same effect"
    _effect(effect)
    holder = platform.holder_of(name) if isinstance(subject, str) else None
    concerned = holder.name if holder else name
    assert effect.concerns() == concerned, f"law of concern: {effect} is about {concerned}"
    witness = effect.witness()
    assert witness is not None, f"law of witness: {effect} can be seen by another path"
    assert witness.probes, f"law of witness: {effect} is seen by at least one probe"
    own = {probe.name for probe in witness.probes}
    for neighbour in platform.neighbours(effect, {name}):
        names = {probe.name for probe in neighbour.probes}
        assert not names & own, f"law of neighbours: {name} does not stand beside itself"
        assert neighbour.sense is witness.sense, "law of neighbours: seen with the effect's sense"


def _tried(
    platform: Platform, subject: Instance | Link | str, trial: Trial
) -> Effect | PlatformError:
    try:
        return trial(platform, subject)
    except PlatformError as error:
        return error


def _effect(effect: Effect) -> None:
    copy = effect_from_json(json.loads(json.dumps(effect_to_json(effect))))
    assert copy == effect, "law of JSON: an effect equals itself after the round trip"
    assert str(effect), "law of words: an effect says in words what it changes"
