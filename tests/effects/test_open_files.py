"""A process that may open no more: as many as are left, and no process that isn't meant."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sloproof.contracts import Owner, Undone
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.open_files import OpenFiles
from sloproof.errors import EffectError
from sloproof.testing import check_effect

OPENS = """
import os, sys
holes = [os.open("/dev/null", os.O_RDONLY) for _ in range(9)]
for hole in holes[::2]:
    os.close(hole)
print("ready", flush=True)
for _ in sys.stdin:
    opened, said = [], "and more"
    try:
        while len(opened) < 200:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        said = error.strerror
    for each in opened:
        os.close(each)
    print(len(opened), said, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Opener:
    """A process that opens as many files as it can, whenever it is asked; some are open already."""

    process: subprocess.Popen[str]

    def effect(self, left: int) -> OpenFiles:
        life = Incarnation.of(self.process.pid)
        assert life is not None
        effect = OpenFiles(incarnation=str(life), instance="opener", left=left)
        return effect.bound(Owner("r", 1))

    def opens(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def opener() -> Iterator[Opener]:
    argv = [sys.executable, "-c", OPENS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **pipes) as process:  # type: ignore[call-overload]  # mypy reads no mapping
        try:
            assert process.stdout.readline() == "ready\n"
            yield Opener(process)
        finally:
            process.kill()


def test_a_limit_keeps_the_laws(opener: Opener) -> None:
    check_effect(opener.effect(3))


@pytest.mark.parametrize("left", [0, 1, 3, 7, 40])
def test_exactly_so_many_can_be_opened(opener: Opener, left: int) -> None:
    """Closed files left holes among the numbers; they count, for they are used first."""
    assert opener.opens() == "200 and more"
    effect = opener.effect(left)
    prior = effect.capture()
    effect.apply(prior)
    assert opener.opens() == f"{left} Too many open files"
    assert effect.undo(prior) is Undone.REVERTED
    assert opener.opens() == "200 and more"


def test_a_limit_that_somebody_else_set_meanwhile_stays(opener: Opener) -> None:
    effect = opener.effect(0)
    prior = effect.capture()
    effect.apply(prior)
    theirs = (prior["lowered"] + 5, prior["hard"])
    resource.prlimit(opener.process.pid, resource.RLIMIT_NOFILE, theirs)
    assert not effect.present(prior)
    assert effect.undo(prior) is Undone.FOREIGN
    assert resource.prlimit(opener.process.pid, resource.RLIMIT_NOFILE) == theirs


def test_a_dead_process_needs_no_limit_back(opener: Opener) -> None:
    effect = opener.effect(0)
    prior = effect.capture()
    effect.apply(prior)
    opener.process.kill()
    opener.process.wait()
    assert effect.moot(prior)
    assert not effect.present(prior)
    assert effect.undo(prior) is Undone.ABSENT
    with pytest.raises(EffectError, match="opener is gone"):
        effect.capture()


def test_more_than_the_process_may_open_anyway_is_no_exhaustion(opener: Opener) -> None:
    soft, hard = resource.prlimit(opener.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(opener.process.pid, resource.RLIMIT_NOFILE, (min(soft, 64), hard))
    with pytest.raises(EffectError, match="can't open 100 more as it is"):
        opener.effect(100).capture()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_of_another_user_is_refused_with_the_reason(opener: Opener) -> None:
    code = (
        "import os, sys\n"
        "from sloproof.contracts import Instance\n"
        "from sloproof.errors import PlatformError\n"
        "from sloproof.platforms.parts.files import LimitsFiles\n"
        "os.setuid(65534)\n"
        "try:\n"
        "    LimitsFiles.exhaust_files(None, Instance('web-1', 'web', sys.argv[1]), 0)\n"
        "except PlatformError as error:\n"
        "    print(error)\n"
    )
    argv = [sys.executable, "-c", code, opener.effect(0).incarnation]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    said = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    assert said.stdout.startswith("web-1 is a process of user 0: only root may limit its files")
