"""Clocks put wrong and look-ups that fail, in real processes that were started with the shim."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from digital_human.toxiproxy import find_server
from sloproof.contracts import Duration, Owner, Undone
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.page import page_of
from sloproof.effects.skew import Skew
from sloproof.effects.unresolved import Unresolved
from sloproof.errors import EffectError, PlatformError
from sloproof.platforms.local import Local
from sloproof.run.probing.specs import make_probe
from sloproof.testing import check_effect
from tests.effects.conftest import wait_for
from tests.resources.conftest import (
    FAULTS,
    KINDS,
    OWNER,
    Serve,
    Served,
    library,
    local,
    planned,
    probe_of,
)

HOUR = Duration.parse("1h")
FAULTS_OF_IT: list[tuple[str, dict[str, object]]] = [
    ("clock_skew", {"ahead": HOUR}),
    ("dns_failure", {}),
]
ASKED = """
import json, socket, sys, threading, time
def looked_up(name):
    try:
        return bool(socket.getaddrinfo(name, 80))
    except socket.gaierror as error:
        return error.errno == socket.EAI_AGAIN and "again"
def waited():
    condition, began = threading.Condition(), time.monotonic()
    with condition:
        condition.wait(0.05)
    return time.monotonic() - began
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""


class Asked:
    """A program that answers what it sees."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.life = str(Incarnation.of(process.pid))

    def see(self, what: str) -> object:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ahead(self, what: str = "time.time()") -> float:
        """By how much its wall clock is ahead of ours, to half the time that asking takes."""
        before = time.time()
        told = self.see(what)
        assert isinstance(told, float)
        return told - (before + time.time()) / 2


@contextmanager
def asking(*wrapped: str, armed: bool = True) -> Iterator[Asked]:
    with subprocess.Popen(
        [*wrapped, sys.executable, "-S", "-c", ASKED],
        env={**os.environ, **({"LD_PRELOAD": str(library())} if armed else {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            asked = Asked(process)
            assert asked.see("1") == 1
            yield asked
        finally:
            process.kill()


def skew(asked: Asked, offset: str, way: int = 1) -> Skew:
    ns = way * Duration.parse(offset).ns
    return Skew(incarnation=asked.life, instance="it", offset_ns=ns, owner=OWNER)


def fail(asked: Asked, *names: str) -> Unresolved:
    return Unresolved(incarnation=asked.life, instance="it", names=names, owner=OWNER)


CLOCKS = [
    "time.time()",
    "time.clock_gettime(time.CLOCK_REALTIME)",
    "time.clock_gettime(5)",  # the coarse one
    "float(time.localtime().tm_sec * 0 + time.mktime(time.localtime()))",
]


@pytest.mark.parametrize(("offset", "way"), [("1h", 1), ("30s", -1), ("2.75s", 1), ("0.4s", -1)])
def test_the_wall_clock_is_off_by_what_was_asked(offset: str, way: int) -> None:
    with asking() as asked:
        effect = skew(asked, offset, way)
        wanted = way * Duration.parse(offset).seconds
        before = asked.ahead()
        prior = effect.capture()
        effect.apply(prior)
        assert min(abs(asked.ahead() - wanted) for _ in range(5)) < 0.002
        assert effect.undo(prior) is Undone.REVERTED
        assert abs(asked.ahead() - before) < 0.1


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_wall_clock_is_off(clock: str) -> None:
    with asking() as asked:
        effect = skew(asked, "1h")
        effect.apply(effect.capture())
        assert asked.ahead(clock) == pytest.approx(3600, abs=2)


def test_the_monotonic_clock_and_waits_go_on_as_before() -> None:
    with asking() as asked:
        effect = skew(asked, "1h")
        effect.apply(effect.capture())
        before = time.monotonic()
        seen = asked.see("time.monotonic()")
        assert isinstance(seen, float)
        assert before <= seen <= time.monotonic()
        waited = asked.see("waited()")
        assert isinstance(waited, float)
        assert 0.05 <= waited < 60


@pytest.mark.parametrize(
    ("names", "again"),
    [
        ((), {"localhost", "nowhere.invalid"}),
        (("localhost",), {"localhost", "LOCALHOST", "localhost."}),
        (("nowhere.invalid", "localhost"), {"localhost", "nowhere.invalid"}),
        (("other.invalid",), set()),
    ],
)
def test_names_are_looked_up_in_vain_and_addresses_are_not(
    names: tuple[str, ...], again: set[str]
) -> None:
    with asking() as asked:
        effect = fail(asked, *names)
        prior = effect.capture()
        effect.apply(prior)
        for name in again:
            assert asked.see(f"looked_up({name!r})") == "again"
        for name in {"127.0.0.1", "::1", "localhost"} - again:
            assert asked.see(f"looked_up({name!r})") is True
        effect.undo(prior)
        assert asked.see("looked_up('localhost')") is True


def test_both_may_strike_one_process_and_are_undone_apart() -> None:
    with asking() as asked:
        clock, names = skew(asked, "1h"), fail(asked)
        priors = clock.capture(), names.capture()
        clock.apply(priors[0])
        names.apply(priors[1])
        assert clock.undo(priors[0]) is Undone.REVERTED
        assert names.present(priors[1])
        assert asked.see("looked_up('localhost')") == "again"


def test_what_is_another_run_s_is_left_alone() -> None:
    with asking() as asked:
        effect = skew(asked, "1h")
        prior = effect.capture()
        effect.apply(prior)
        other = effect.bound(Owner("other", 1))
        with pytest.raises(EffectError, match=f"it is in the hands of {OWNER} already"):
            other.capture()
        assert other.undo(prior) is Undone.FOREIGN
        assert effect.present(prior)


def test_children_that_outlive_their_parent_are_put_right() -> None:
    with asking() as asked:
        effect = skew(asked, "1h")
        prior = effect.capture()
        effect.apply(prior)
        child = asked.see("(p := __import__('os').fork()) or time.sleep(60)")
        assert isinstance(child, int)
        orphan = Incarnation.of(child)
        assert orphan is not None
        try:
            asked.process.kill()
            wait_for(lambda: not Incarnation.parse(asked.life).alive())
            assert effect.moot(prior)
            assert effect.present(prior)
            assert effect.undo(prior) is Undone.REVERTED
            assert effect.undo(prior) is Undone.ABSENT
        finally:
            os.kill(child, 9)


def test_the_command_arms_what_it_becomes() -> None:
    with asking(sys.executable, "-m", "sloproof", "arm", "--", armed=False) as asked:
        assert page_of(Incarnation.parse(asked.life))


def test_a_program_that_is_not_there_is_refused() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sloproof", "arm", "--", "no-such-program"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "can't start no-such-program: No such file or directory" in ended.stderr


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"CC": "no-such-cc"}, "takes a C compiler, and there is no no-such-cc: install one"),
        ({"CC": "false"}, "false can't compile the shim"),
        ({"SLOPROOF_SHIM": "/nowhere.so"}, "SLOPROOF_SHIM is /nowhere.so, which is no file"),
    ],
)
def test_without_a_compiler_it_is_refused(
    tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sloproof", "arm"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert reason in ended.stderr
    assert not list(tmp_path.rglob("*.so"))


# -- as faults of a platform


def skewed(on: Local, **fields: Duration) -> Skew:
    effect = planned(on, "clock_skew", "web", **fields)
    assert isinstance(effect, Skew)
    return effect


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("clock_skew", {"ahead": HOUR}), ("dns_failure", {}), ("dns_failure", {"names": ("a.b",)})],
)
def test_faults_and_effects_keep_the_laws(
    serve: Serve, tmp_path: Path, kind: str, fields: dict[str, object]
) -> None:
    check_effect(planned(local(tmp_path, web=serve("web", armed=True)), kind, "web", **fields))


@pytest.mark.parametrize(("way", "sign"), [("ahead", 1), ("behind", -1)])
def test_the_witness_sees_the_clock(serve: Serve, tmp_path: Path, way: str, sign: int) -> None:
    effect = skewed(local(tmp_path, web=serve("web", armed=True)), **{way: Duration.parse("30s")})
    probe = probe_of(effect)
    assert abs(asyncio.run(probe.sample()).value) < 1
    prior = effect.capture()
    effect.apply(prior)
    seen = effect.witness()
    assert seen is not None
    assert seen.expected == sign * 30
    assert asyncio.run(probe.sample()).value == pytest.approx(seen.expected, abs=1)
    effect.undo(prior)
    assert abs(asyncio.run(probe.sample()).value) < 1


def test_the_witness_sees_the_look_ups(serve: Serve, tmp_path: Path) -> None:
    effect = planned(local(tmp_path, web=serve("web", armed=True)), "dns_failure", "web")
    probe = probe_of(effect)
    assert asyncio.run(probe.sample()).ok
    prior = effect.capture()
    effect.apply(prior)
    assert not asyncio.run(probe.sample()).ok
    effect.undo(prior)
    assert asyncio.run(probe.sample()).ok


def test_neighbours_keep_their_time(serve: Serve, tmp_path: Path) -> None:
    platform = local(tmp_path, web=serve("web", armed=True), other=serve("other", armed=True))
    for kind, fields in FAULTS_OF_IT:
        effect = planned(platform, kind, "web", **fields)
        [beside] = platform.neighbours(effect, {"web"})
        assert beside.probes[0].name.startswith("neighbour:")
        effect.apply(effect.capture())
        sample = asyncio.run(make_probe(beside.probes[0], KINDS).sample())
        assert sample.ok
        assert abs(sample.value or 0.0) < 60


def test_what_is_not_armed_is_refused(serve: Serve, tmp_path: Path) -> None:
    platform = local(tmp_path, web=serve("web"))
    for kind, fields in FAULTS_OF_IT:
        with pytest.raises(PlatformError, match="web is not armed: start it by `sloproof arm"):
            planned(platform, kind, "web", **fields)


def test_a_program_of_go_is_refused_for_it_asks_the_kernel_itself(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with subprocess.Popen(
        [str(find_server()), "-host", "127.0.0.1", "-port", str(port)],
        env={**os.environ, "LD_PRELOAD": str(library())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            platform = local(tmp_path, web=Served(process, port, []))
            for kind, fields in FAULTS_OF_IT:
                with pytest.raises(PlatformError, match="web is written in Go"):
                    planned(platform, kind, "web", **fields)
        finally:
            process.kill()


@pytest.mark.parametrize("fields", [{}, {"ahead": HOUR, "behind": HOUR}])
def test_one_way_must_be_given(fields: dict[str, Duration]) -> None:
    with pytest.raises(ValueError, match="give either `ahead` or `behind`"):
        FAULTS["clock_skew"](**fields)


def test_a_skew_that_nobody_could_see_is_refused(serve: Serve, tmp_path: Path) -> None:
    platform = local(tmp_path, web=serve("web", armed=True))
    with pytest.raises(PlatformError, match="a skew below 3s can't be seen"):
        skewed(platform, ahead=Duration.parse("2s"))


@pytest.mark.parametrize("name", ["", "a b", "bücher.example", "."])
def test_what_is_no_name_is_refused(serve: Serve, tmp_path: Path, name: str) -> None:
    platform = local(tmp_path, web=serve("web", armed=True))
    with pytest.raises(PlatformError, match="is no name that is looked up"):
        planned(platform, "dns_failure", "web", names=(name,))


def test_too_many_names_are_refused(serve: Serve, tmp_path: Path) -> None:
    platform = local(tmp_path, web=serve("web", armed=True))
    with pytest.raises(PlatformError, match="400 names are too many"):
        planned(platform, "dns_failure", "web", names=("name.example",) * 400)
