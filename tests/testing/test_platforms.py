"""Every built-in platform passes the check that extensions get, on a target that is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Effect, Instance, KillMode, Kills, Link, Platform
from sloproof.extensions import Extensions
from sloproof.model.stores import Volume
from sloproof.model.target import Entry, Finder, Proxy, Service, Target, TargetLink
from sloproof.model.units import Duration, Size
from sloproof.testing import ScriptedServer, check_platform
from sloproof.testing.world import Memory, World
from tests.testing.proxy import Toxiproxy, toxiproxy

PLATFORMS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).platforms
Setting = Callable[[Path], AbstractContextManager[Platform]]


def target(kind: str, folder: Path, proxies: Toxiproxy, *copies: str) -> Target:
    """A gateway before `web` and a store behind it; one of the links passes no proxy."""
    proxied = Proxy(server=proxies.url, name="gateway-web")
    other = Proxy(server=proxies.url, name="web-db")
    return Target(
        name="laws",
        origin="laws.yaml",
        folder=str(folder),
        platform=kind,
        entry=Entry(url=proxies.url),  # somebody has to answer there
        services={
            "web": Service(
                instances=tuple(Finder(name=name, pid_file=f"{name}.pid") for name in copies)
            )
        },
        links=(
            TargetLink(source="gateway", to="web", proxy=proxied, entry=True),
            TargetLink(source="web", to="db", proxy=other),
            TargetLink(source="web", to="cache"),
        ),
        volumes={
            "data": Volume(path="data", budget=Size.parse("64MiB"), instance=copies[0]),
            "logs": Volume(path="logs", budget=Size.parse("64MiB")),
            "bare": Volume(path="logs"),
        },
    )


@contextmanager
def local(folder: Path) -> Iterator[Platform]:
    copies = ("web-1", "web-2")
    for volume in ("data", "logs"):
        (folder / volume).mkdir()
    processes = [subprocess.Popen(["sleep", "60"]) for _ in copies]
    try:
        for name, process in zip(copies, processes, strict=True):
            (folder / f"{name}.pid").write_text(str(process.pid))
        with proxied(folder) as proxies:
            yield PLATFORMS["local"](
                target("local", folder, proxies, *copies), run="law", work=folder
            )
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def external(folder: Path) -> Iterator[Platform]:
    with proxied(folder) as proxies:
        yield PLATFORMS["external"](
            target("external", folder, proxies, "web-1"), run="law", work=folder
        )


@contextmanager
def proxied(folder: Path) -> Iterator[Toxiproxy]:
    with (
        ScriptedServer() as server,
        toxiproxy(folder, "gateway-web", "web-db", upstream=server.port) as proxies,
    ):
        yield proxies


STAGES: Mapping[str, Setting] = {"local": local, "external": external}


@pytest.mark.parametrize("kind", PLATFORMS)
def test_every_built_in_platform_keeps_the_laws(tmp_path: Path, kind: str) -> None:
    assert kind in STAGES, f"nothing here tries the platform {kind!r}: write a stage for it"
    with STAGES[kind](tmp_path) as platform:
        check_platform(platform)


def memory(folder: Path, kind: type[Memory] = Memory) -> Memory:
    world = World(folder / "world.json")
    return kind(world, {"web": 2, "db": 1}, [("gateway", "web"), ("web", "db")])


def test_the_platform_in_memory_keeps_them_too(tmp_path: Path) -> None:
    check_platform(memory(tmp_path))


class Restless(Memory):
    """Its copies come in another order at each look."""

    turned = False

    def instances(self) -> Sequence[Instance]:
        self.turned = not self.turned
        return tuple(sorted(super().instances(), key=lambda c: c.name, reverse=self.turned))


class Twins(Memory):
    """Two links of one name."""

    def links(self) -> Sequence[Link]:
        return (*super().links(), *super().links())


class Speechless(Memory):
    """It says nothing of what it lacks."""

    def lacks(self, capability: type) -> str:
        return ""


class Elsewhere(Memory):
    """It kills another copy than it is asked to."""

    def kill(self, instance: Instance, mode: KillMode, signal: str, grace: Duration) -> Effect:
        return super().kill(Instance("web-2", "web", "1"), mode, signal, grace)


class Fickle(Memory):
    """The same intent is another effect each time."""

    count = 0

    def pause(self, instance: Instance) -> Effect:
        self.count += 1
        return self._change(instance.name, f"stopped-{self.count}", True, "stopped")  # type: ignore[arg-type]


class Hasty(Memory):
    """It strikes while it plans."""

    def pause(self, instance: Instance) -> Effect:
        self.world.change(instance.name, "dead", 1)
        return super().pause(instance)


class Unready(Memory):
    """It is there, and says it isn't."""

    def ready(self) -> str:
        return "not yet"


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (Restless, "law of order"),
        (Twins, "law of names"),
        (Speechless, "law of capabilities"),
        (Elsewhere, "law of concern"),
        (Fickle, "law of purity"),
        (Hasty, "law of planning"),
        (Unready, "law of readiness"),
    ],
)
def test_a_platform_that_breaks_a_law_is_told_which(
    tmp_path: Path, kind: type[Memory], law: str
) -> None:
    assert issubclass(kind, Kills)
    with pytest.raises(AssertionError, match=law):
        check_platform(memory(tmp_path, kind))
