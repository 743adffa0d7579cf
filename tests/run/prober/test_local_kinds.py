"""Probe kinds that look at processes and run commands on this host."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import ProbeSpec, Sample
from sloproof.run.probing.specs import make_probe, probe_kinds
from tests.run.prober.stage import sampled, until

KINDS = probe_kinds()


def probe(kind: str, **params: object) -> Any:
    return make_probe(ProbeSpec("p", kind, params), KINDS)


def word(sample: Sample) -> str:
    return sample.detail


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_process_tells_running_stopped_zombie_and_gone() -> None:
    with sleeping() as process:
        one = probe("process", pid=process.pid, start_time=start_time(process.pid))

        def seen() -> str:
            return word(asyncio.run(one.sample()))

        assert seen() == ""
        process.send_signal(signal.SIGSTOP)
        until(lambda: seen() == "stopped")
        process.send_signal(signal.SIGCONT)
        until(lambda: seen() == "")
        process.kill()
        until(lambda: seen() == "zombie")
        process.wait()
        assert seen() == "gone"


@pytest.mark.parametrize(("later", "boot"), [(1, ""), (0, "another-boot")])
def test_another_life_with_the_same_pid_is_another_process(later: int, boot: str) -> None:
    me = os.getpid()
    one = probe("process", pid=me, start_time=start_time(me) + later, boot_id=boot)
    assert asyncio.run(one.sample()) == Sample(ok=False, detail="gone")


@pytest.mark.parametrize(
    ("script", "detail"),
    [("exit 0", ""), ("exit 1", "exit 1"), ("kill -9 $$", "exit -9"), ('exit "$CODE"', "exit 7")],
)
def test_command_gives_the_exit_status(script: str, detail: str) -> None:
    one = probe("command", argv=["sh", "-c", script], env={"CODE": "7"})
    sample = asyncio.run(sampled(one))
    assert (sample.ok, sample.detail) == (not detail, detail)
    assert sample.value is not None


@pytest.mark.parametrize(("status", "detail"), [(0, "exit 0"), (1, ""), (2, "")])
def test_an_inverted_command_is_good_where_it_fails(status: int, detail: str) -> None:
    sample = asyncio.run(
        sampled(probe("command", argv=["sh", "-c", f"exit {status}"], inverted=True))
    )
    assert (sample.ok, sample.detail) == (not detail, detail)


def test_a_command_runs_in_its_folder_and_is_found_there(tmp_path: Path) -> None:
    script = tmp_path / "check"
    script.write_text("#!/bin/sh\ntest -f ./check\n")
    script.chmod(0o755)
    assert asyncio.run(sampled(probe("command", argv=["./check"], folder=str(tmp_path)))).ok


def test_a_command_that_has_vanished_is_no_outage(tmp_path: Path) -> None:
    one = probe("command", argv=[str(tmp_path / "gone")])
    with pytest.raises(Exception, match="gone: "):
        asyncio.run(one.sample())


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ >{pids}.part; mv {pids}.part {pids}; wait"

    async def take() -> None:
        task = asyncio.ensure_future(sampled(probe("command", argv=["sh", "-c", script])))
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(pids.exists):  # noqa: ASYNC110 - a file tells no event
                await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(take())
    for pid in map(int, pids.read_text().split()):
        # Its parent may leave it unreaped; dead it is.
        until(lambda pid=pid: _state(pid) in {"", "Z"})  # type: ignore[misc]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
